"""How DataCite JSON writes its values, whatever they are of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.metadata import vocabulary
from pipeline.metadata.problems import IGNORED

if TYPE_CHECKING:
    from pipeline.metadata.form import Form, Path
    from pipeline.model import JsonObject


def listed(value: object) -> object:
    """A list: DataCite's older JSON has a lone object or text where there is one entry."""
    return [value] if isinstance(value, dict | str) else value


def put_type(form: Form, path: Path, name: str, word: str, source: str, key: str = "type") -> None:
    form.put((*path, key, "id"), vocabulary.datacite_id(name, word) or word, source)


def put_language(form: Form, path: Path, entry: JsonObject, source: str) -> None:
    given = form.word(entry.get("lang"), f"{source}.lang")
    if given and (code := vocabulary.language_id(primary(given))):
        form.put((*path, "lang", "id"), code, f"{source}.lang")
    elif given:
        form.problem(f"{source}.lang", IGNORED, f"Invalid value {given}.", "Give an ISO 639 code.")


def primary(tag: str) -> str:
    """The language of a BCP 47 tag: what stands before the first hyphen."""
    return re.split("[-_]", tag, maxsplit=1)[0]


def text_of_number(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
