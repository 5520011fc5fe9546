"""GeoJSON geometries (RFC 7946) with coordinates on the globe: WGS 84, longitude first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model import JsonObject

Position: TypeAlias = tuple[float, float]
"""Longitude and latitude, in degrees."""

_DEPTHS = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}


def fault(geometry: Any) -> str | None:
    """What is wrong with a geometry, in a sentence; None where it is right."""
    if not isinstance(geometry, dict) or str(geometry.get("type")) not in _DEPTHS:
        return f"The geometry's type must be one of: {', '.join(_DEPTHS)}."
    if not _nested(geometry.get("coordinates"), _DEPTHS[geometry["type"]]):
        return "The coordinates do not fit the geometry's type."
    if geometry["type"] in ("Polygon", "MultiPolygon") and not all(
        _is_ring(ring) for ring in rings(geometry)
    ):
        return "A polygon's ring needs at least four positions, the last equal to the first."
    if not all(
        -180 <= longitude <= 180 and -90 <= latitude <= 90 for longitude, latitude in positions(geometry)
    ):
        return "A coordinate is out of range."
    return None


def positions(geometry: JsonObject) -> Iterator[Position]:
    """All positions of a sound geometry."""
    return _positions(geometry["coordinates"], _DEPTHS[geometry["type"]])


def rings(geometry: JsonObject) -> list[list[Position]]:
    """The rings of a sound Polygon or MultiPolygon, outer and inner ones alike."""
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [[(point[0], point[1]) for point in ring] for polygon in polygons for ring in polygon]


def point(longitude: float, latitude: float) -> JsonObject:
    """A Point."""
    return {"type": "Point", "coordinates": [longitude, latitude]}


def _nested(value: Any, depth: int) -> bool:
    if depth:
        return isinstance(value, list) and bool(value) and all(_nested(each, depth - 1) for each in value)
    # Two numbers, or three with the elevation.
    return isinstance(value, list) and len(value) in (2, 3) and all(_is_number(each) for each in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_ring(ring: list[Position]) -> bool:
    return len(ring) >= 4 and ring[0] == ring[-1]


def _positions(value: Any, depth: int) -> Iterator[Position]:
    if depth == 0:
        yield value[0], value[1]
        return
    for each in value:
        yield from _positions(each, depth - 1)
