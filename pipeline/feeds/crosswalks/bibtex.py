"""An entry for BibTeX, with the fields of its standard styles and those that biblatex knows besides.

Its key is Zenodo's: `<family name>_<year>_<record id>`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from pipeline.feeds.crosswalks import facts

if TYPE_CHECKING:
    from pipeline.dissemination import Dissemination
    from pipeline.model import JsonObject

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST_NAME_IN_KEY = 40
# What the standard styles complain of where it is missing: such an entry is `misc`.
_REQUIRED = {
    "article": "journal",
    "incollection": "booktitle",
    "inproceedings": "booktitle",
    "phdthesis": "school",
}
# BibTeX counts braces even behind a backslash, so that these must go by their names.
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{char: f"\\{char}" for char in "$&#_%"},
}
_ESCAPES = str.maketrans(_SPECIAL)
_ENDS_FIELD = re.compile(r"[{}\\\s]")
_MONTH = re.compile(r"[0-9]{4}-([0-9]{2})")


def bibtex(d: Dissemination) -> str:
    """One entry that ends in a line break. Text is escaped for LaTeX; `doi` and `url` are as they are."""
    kind = facts.resource_type(d)["bibtex"]
    fields = _fields(d, kind)
    if _REQUIRED.get(kind, "title") not in fields:
        kind = "misc"
    width = max(map(len, fields))
    lines = [f"  {name:<{width}} = {value}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{_key(d)},", *lines, "}", ""])


def _key(d: Dissemination) -> str:
    who = facts.metadata(d)["creators"][0]["person_or_org"]
    plain = unicodedata.normalize("NFKD", who.get("family_name") or who["name"]).encode("ascii", "ignore")
    name = "_".join(re.findall(r"[a-z0-9]+", plain.decode().lower()))[:_LONGEST_NAME_IN_KEY].rstrip("_")
    return "_".join(filter(None, (name, facts.publication_year(d), str(d.record.id))))


def _fields(d: Dissemination, kind: str) -> dict[str, str]:
    metadata = facts.metadata(d)
    month = _MONTH.match(metadata["publication_date"])
    texts = {
        "title": metadata["title"],
        **_published_in(d),
        "institution" if kind == "techreport" else "publisher": facts.publisher(d),
        "version": metadata.get("version"),
    }
    return {
        "author": _braced(" and ".join(_name(each["person_or_org"]) for each in metadata["creators"])),
        **{name: _braced(_escaped(text)) for name, text in facts.filled(texts).items()},
        **({"month": _MONTHS[int(month[1]) - 1]} if month else {}),
        "year": facts.publication_year(d),
        "doi": _braced(_ENDS_FIELD.sub(_percent_encoded, d.doi)),
        "url": _braced(facts.doi_url(d.doi)),
    }


def _published_in(d: Dissemination) -> JsonObject:
    custom_fields = d.record.description.custom_fields
    journal = custom_fields.get("journal:journal", {})
    book = custom_fields.get("imprint:imprint", {})
    return {
        "journal": journal.get("title"),
        "booktitle": book.get("title") or custom_fields.get("meeting:meeting", {}).get("title"),
        "volume": journal.get("volume"),
        "number": journal.get("issue"),
        "pages": journal.get("pages") or book.get("pages"),
        "issn": journal.get("issn"),
        "isbn": book.get("isbn"),
        "address": book.get("place"),
        "school": custom_fields.get("thesis:thesis", {}).get("university"),
    }


def _name(who: JsonObject) -> str:
    family, given = who.get("family_name", ""), who.get("given_name", "")
    if who.get("type") == "organizational" or not (family and given):
        # In braces a name is one word, whatever blanks, commas or "and" are in it.
        return _braced(_escaped(who["name"]))
    return ", ".join(_word(part) for part in (family, given))


def _word(name: str) -> str:
    escaped = _escaped(name)
    return _braced(escaped) if "," in name or re.search(r"\band\b", name, re.IGNORECASE) else escaped


def _escaped(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().translate(_ESCAPES)


def _braced(text: str) -> str:
    return f"{{{text}}}"


def _percent_encoded(match: re.Match[str]) -> str:
    return f"%{ord(match[0]):02X}"
