"""Places as DataCite has them: points, polygons, and boxes for every other geometry (DataCite Metadata Schema 4.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.feeds.crosswalks import facts
from pipeline.metadata import geometry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.metadata.geometry import Position
    from pipeline.model import JsonObject


def geo_locations(metadata: JsonObject) -> Iterator[JsonObject]:
    """`geoLocations` of the description's places; those with neither name nor geometry are left out."""
    for feature in metadata.get("locations", {}).get("features", []):
        location = facts.filled({"geoLocationPlace": feature.get("place")})
        if "geometry" in feature:
            location |= _shape(feature["geometry"])
        if location:
            yield location


def _shape(shape: JsonObject) -> JsonObject:
    match shape["type"]:
        case "Point":
            return {"geoLocationPoint": _point(next(geometry.positions(shape)))}
        case "Polygon":
            # Holes have no place in DataCite's form: the outer ring comes first (RFC 7946 §3.1.6).
            outer = geometry.rings(shape)[0]
            return {"geoLocationPolygon": [{"polygonPoint": _point(position)} for position in outer]}
        case _:
            return {"geoLocationBox": _box(list(geometry.positions(shape)))}


def _point(position: Position) -> JsonObject:
    longitude, latitude = position
    return {"pointLongitude": longitude, "pointLatitude": latitude}


def _box(positions: list[Position]) -> JsonObject:
    longitudes, latitudes = zip(*positions, strict=True)
    return {
        "westBoundLongitude": min(longitudes),
        "eastBoundLongitude": max(longitudes),
        "southBoundLatitude": min(latitudes),
        "northBoundLatitude": max(latitudes),
    }
