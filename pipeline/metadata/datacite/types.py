"""Resource types: DataCite's pair of a general type and free text, and ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.metadata import vocabulary
from pipeline.metadata.problems import IGNORED, WRONG_TYPE

if TYPE_CHECKING:
    from pipeline.metadata.form import Form
    from pipeline.model import JsonObject

_PREFERRED_TYPES = {
    "report": "publication-report",
    "text": "publication",
    "other": "other",
    "collection": "other",
    "award": "other",
    "service": "other",
}
"""The type for a resourceTypeGeneral that has none of ours, or several equals."""


def read_types(form: Form, attributes: JsonObject) -> None:
    types = attributes.get("types")
    if types is None:
        return
    if not isinstance(types, dict):
        form.problem("types", WRONG_TYPE, "Invalid input type.", "Write it as an object.")
        return
    general = form.word(types.get("resourceTypeGeneral"), "types.resourceTypeGeneral")
    detail = form.word(types.get("resourceType"), "types.resourceType") or ""
    if general is None:
        return
    found = resource_type(general, detail)
    form.put(("metadata", "resource_type", "id"), found or general, "types.resourceTypeGeneral")
    title = vocabulary.resource_types()[found]["title"] if found else ""
    if detail and detail.casefold() not in (title.casefold(), general.casefold()):
        reason = "The free text of the type is not kept."
        form.problem("types.resourceType", IGNORED, reason, "State it in a description or a keyword.")


def resource_type(general: str, detail: str = "") -> str | None:
    """The id for a resourceTypeGeneral, told more exactly by a free text that is one of our titles."""
    ours = vocabulary.resource_types()
    same = [key for key, entry in ours.items() if entry["datacite"].casefold() == general.casefold()]
    by_title = [key for key in same if ours[key]["title"].casefold() == detail.casefold()]
    return next(iter(by_title), None) or _PREFERRED_TYPES.get(general.casefold()) or next(iter(same), None)
