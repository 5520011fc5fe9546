"""Places of DataCite JSON, as GeoJSON features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.metadata.datacite.values import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.metadata.form import Form
    from pipeline.model import JsonObject


def read_places(form: Form, attributes: JsonObject) -> None:
    for source, entry in form.objects(listed(attributes.get("geoLocations")), "geoLocations"):
        shapes: list[tuple[str, JsonObject | None]] = [*_geometries(entry)] or [("", None)]
        for key, shape in shapes:
            path = form.append(("metadata", "locations", "features"), {}, source)
            form.put((*path, "place"), entry.get("geoLocationPlace"), f"{source}.geoLocationPlace")
            form.put((*path, "geometry"), shape, f"{source}.{key}")


def _geometries(entry: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """GeoJSON for each point, box and polygon; values that are no numbers stay, for the check to name."""
    if "geoLocationPoint" in entry:
        yield "geoLocationPoint", {"type": "Point", "coordinates": _position(entry["geoLocationPoint"])}
    if "geoLocationBox" in entry:
        yield "geoLocationBox", _box(entry["geoLocationBox"])
    for polygon in _polygons(entry.get("geoLocationPolygon")):
        yield "geoLocationPolygon", {"type": "Polygon", "coordinates": [_ring(polygon)]}


def _polygons(value: object) -> list[object]:
    """One polygon is a list of points (or an object, see `_ring`), several are a list of such lists."""
    if value is None:
        return []
    return value if isinstance(value, list) and value and isinstance(value[0], list) else [value]


def _position(point: object) -> object:
    if not isinstance(point, dict):
        return []
    return [_number(point.get("pointLongitude")), _number(point.get("pointLatitude"))]


def _box(box: object) -> JsonObject:
    sides = box if isinstance(box, dict) else {}
    west, east = _number(sides.get("westBoundLongitude")), _number(sides.get("eastBoundLongitude"))
    south, north = _number(sides.get("southBoundLatitude")), _number(sides.get("northBoundLatitude"))
    return {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }


def _ring(polygon: object) -> list[object]:
    # The API has a list of {"polygonPoint": {…}}, the schema's JSON an object with a list of points.
    points = (
        polygon.get("polygonPoints", polygon.get("polygonPoint")) if isinstance(polygon, dict) else polygon
    )
    entries = points if isinstance(points, list) else []
    inner = [entry.get("polygonPoint", entry) if isinstance(entry, dict) else entry for entry in entries]
    return [
        _position(point) for point in inner if not (isinstance(point, dict) and "inPolygonPoint" in point)
    ]


def _number(value: object) -> object:
    """Coordinates come as numbers and, from the API, as texts."""
    try:
        return float(value) if isinstance(value, str) else "" if value is None else value
    except ValueError:
        return value
