"""The shape of the canonical form: which fields there are and of which type.

A description that went through `conform` holds nothing but these fields, each of its type, its text clean
and its HTML sanitised; everything after may rely on that. Source: InvenioRDM's record JSON.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.metadata import text
from pipeline.metadata.problems import IGNORED, INVALID, WRONG_TYPE, FieldProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.model import JsonObject


@dataclass(frozen=True, slots=True)
class Text:
    """A string; with `html`, one that may hold markup; a `word` has no blanks around it."""

    html: bool = False
    word: bool = False


@dataclass(frozen=True, slots=True)
class Json:
    """An object or list of strings and finite numbers, checked elsewhere (GeoJSON geometries)."""


@dataclass(frozen=True, slots=True)
class Many:
    """A list."""

    of: Shape


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with these fields, none of them required. `shown` are fields that answers have besides: where a
    document that was read comes back they say nothing."""

    fields: Mapping[str, Shape]
    shown: frozenset[str] = frozenset()


Shape: TypeAlias = Text | Json | Many | Fields

_TEXT, _HTML = Text(), Text(html=True)
_WORD = Text(word=True)
"""Codes, dates, identifiers and names of terms."""
_REF = Fields({"id": _WORD}, shown=frozenset({"title", "props"}))
_IDENTIFIER = Fields({"identifier": _WORD, "scheme": _WORD})
_LOCAL = Fields({"en": _TEXT})
_PERSON = Fields(
    {
        "person_or_org": Fields(
            {
                "type": _WORD,
                "name": _TEXT,
                "given_name": _TEXT,
                "family_name": _TEXT,
                "identifiers": Many(_IDENTIFIER),
            }
        ),
        "role": _REF,
        "affiliations": Many(Fields({"id": _WORD, "name": _TEXT})),
    }
)

METADATA = Fields(
    {
        "resource_type": _REF,
        "title": _TEXT,
        "additional_titles": Many(Fields({"title": _TEXT, "type": _REF, "lang": _REF})),
        "creators": Many(_PERSON),
        "contributors": Many(_PERSON),
        "publication_date": _WORD,
        "publisher": _TEXT,
        "description": _HTML,
        "additional_descriptions": Many(Fields({"description": _HTML, "type": _REF, "lang": _REF})),
        "rights": Many(
            Fields(
                {"id": _WORD, "title": _LOCAL, "description": _LOCAL, "link": _WORD},
                shown=frozenset({"props"}),
            )
        ),
        "copyright": _TEXT,
        "subjects": Many(Fields({"id": _WORD, "subject": _TEXT, "scheme": _TEXT, "identifier": _TEXT})),
        "languages": Many(_REF),
        "dates": Many(Fields({"date": _WORD, "type": _REF, "description": _TEXT})),
        "version": _TEXT,
        "identifiers": Many(_IDENTIFIER),
        "related_identifiers": Many(
            Fields({"identifier": _WORD, "scheme": _WORD, "relation_type": _REF, "resource_type": _REF})
        ),
        "sizes": Many(_TEXT),
        "formats": Many(_TEXT),
        "locations": Fields(
            {
                "features": Many(
                    Fields(
                        {
                            "place": _TEXT,
                            "description": _TEXT,
                            "geometry": Json(),
                            "identifiers": Many(_IDENTIFIER),
                        }
                    )
                )
            }
        ),
        "funding": Many(
            Fields(
                {
                    "funder": Fields({"id": _WORD, "name": _TEXT, "identifiers": Many(_IDENTIFIER)}),
                    "award": Fields(
                        {"id": _WORD, "number": _WORD, "title": _LOCAL, "identifiers": Many(_IDENTIFIER)}
                    ),
                }
            )
        ),
        "references": Many(Fields({"reference": _TEXT, "identifier": _WORD, "scheme": _WORD})),
    }
)

_CUSTOM: Mapping[str, Shape] = {
    "journal:journal": Fields(dict.fromkeys(("title", "volume", "issue", "pages"), _TEXT) | {"issn": _WORD}),
    "meeting:meeting": Fields(
        dict.fromkeys(("title", "acronym", "dates", "place", "session", "session_part"), _TEXT)
        | {"url": _WORD}
    ),
    "imprint:imprint": Fields(dict.fromkeys(("title", "pages", "place", "edition"), _TEXT) | {"isbn": _WORD}),
    "thesis:thesis": Fields(
        dict.fromkeys(("university", "department", "type", "date_submitted", "date_defended"), _TEXT)
    ),
    "code:codeRepository": _WORD,
    "code:programmingLanguage": Many(_REF),
    "code:developmentStatus": _REF,
    "obo:RO_0002453": Many(Fields({"subject": Many(_TEXT), "object": Many(_TEXT)})),
}
_TERM_NAMESPACES = frozenset({"dwc", "ac", "dc", "obo", "gbif-dwc", "gbif", "mixs", "openbiodiv"})


def custom_shape(key: str) -> Shape | None:
    """The shape of the custom field `key`, as on Zenodo; None where there is no such field."""
    namespace, _, term = key.partition(":")
    return _CUSTOM.get(key) or (Many(_TEXT) if term and namespace in _TERM_NAMESPACES else None)


# ---------------------------------------------------------------- conforming


@dataclass(frozen=True, slots=True)
class Conformed:
    """A value in its shape, and what had to be left out for it. `value` is None where nothing is left."""

    value: Any
    problems: tuple[FieldProblem, ...] = ()


def conform_metadata(value: object) -> Conformed:
    """`value` as the canonical `metadata`: an object with known fields of the right types. Never raises."""
    conformed = _conform(value, METADATA, "metadata")
    return conformed if isinstance(conformed.value, dict) else Conformed({}, conformed.problems)


def conform_custom_fields(value: object) -> Conformed:
    """`value` as the canonical `custom_fields`. Never raises."""
    if not isinstance(value, dict):
        return Conformed({}, () if value is None else (_wrong("custom_fields", "an object"),))
    shapes = {key: shape for key in value if (shape := custom_shape(key)) is not None}
    conformed = _fields(value, shapes, "custom_fields")
    # Zenodo drops a custom field of the wrong type and saves the draft.
    soft = tuple(
        replace(each, code=INVALID) if each.code == WRONG_TYPE else each for each in conformed.problems
    )
    return Conformed(conformed.value, soft)


def _conform(value: object, shape: Shape, path: str) -> Conformed:
    if value is None:
        return Conformed(None)
    match shape:
        case Text():
            return _text(value, path, shape)
        case Many(of=item):
            return _many(value, item, path)
        case Fields(fields=fields, shown=shown):
            if not isinstance(value, dict):
                return Conformed(None, (_wrong(path, "an object"),))
            return _fields({key: each for key, each in value.items() if key not in shown}, fields, path)
        case Json():
            return (
                Conformed(value)
                if _plain_json(value, depth=8)
                else Conformed(None, (_wrong(path, "GeoJSON"),))
            )


def _text(value: object, path: str, shape: Text) -> Conformed:
    if not isinstance(value, str):
        return Conformed(None, (FieldProblem(path, WRONG_TYPE, "Not a valid string.", "Write it as text."),))
    kept = text.sanitise(value) if shape.html else text.clean(value)
    return Conformed(kept.strip() if shape.word else kept)


def _many(value: object, item: Shape, path: str) -> Conformed:
    if not isinstance(value, list):
        return Conformed(None, (FieldProblem(path, WRONG_TYPE, "Not a valid list.", "Write it as a list."),))
    conformed = [_conform(each, item, f"{path}.{index}") for index, each in enumerate(value)]
    # An entry that is wrong keeps its place (empty), so that positions in later problems stay true.
    blank = str if isinstance(item, Text) else dict
    kept = [blank() if each.value is None else each.value for each in conformed]
    return Conformed(kept, tuple(problem for each in conformed for problem in each.problems))


def _fields(value: JsonObject, shapes: Mapping[str, Shape], path: str) -> Conformed:
    kept: JsonObject = {}
    problems: list[FieldProblem] = []
    for key, each in value.items():
        if key not in shapes:
            problems.append(_unknown(f"{path}.{text.clean(str(key))}"))
            continue
        conformed = _conform(each, shapes[key], f"{path}.{key}")
        problems.extend(conformed.problems)
        if conformed.value is not None:
            kept[key] = conformed.value
    return Conformed(kept, tuple(problems))


def _plain_json(value: object, depth: int) -> bool:
    match value:
        case bool() | None:
            return False
        case str():
            return True
        case int() | float():
            return abs(value) < 1e9 and math.isfinite(value)
        case list():
            return depth > 0 and all(_plain_json(each, depth - 1) for each in value)
        case dict():
            return depth > 0 and all(
                isinstance(key, str) and _plain_json(each, depth - 1) for key, each in value.items()
            )
        case _:
            return False


def _wrong(path: str, expected: str) -> FieldProblem:
    return FieldProblem(path, WRONG_TYPE, "Invalid input type.", f"Write it as {expected}.")


def _unknown(path: str) -> FieldProblem:
    return FieldProblem(path, IGNORED, "Unknown field.", "Remove it, or correct its name.")
