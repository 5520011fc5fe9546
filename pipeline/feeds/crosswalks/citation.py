"""One line to cite a record by, after the pattern of the APA's manual (7th edition, chapters 9 and 10.9)."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from pipeline.feeds.crosswalks import facts

if TYPE_CHECKING:
    from pipeline.dissemination import Dissemination
    from pipeline.model import JsonObject

_MOST_NAMES = 20


def citation(d: Dissemination) -> str:
    """`Marlow, I., & Orr, B. (2026). Title (Version 1.0) [Dataset]. Publisher. https://doi.org/…`"""
    metadata = facts.metadata(d)
    title = metadata["title"].rstrip(".")
    version = f" (Version {metadata['version']})" if metadata.get("version") else ""
    names = _names([_name(person["person_or_org"]) for person in metadata["creators"]])
    line = (
        f"{names} ({facts.publication_year(d)}). {title}{version} [{facts.resource_type(d)['title']}]. "
        f"{facts.publisher(d)}. {facts.doi_url(d.doi)}"
    )
    return re.sub(r"\s+", " ", line)


def _names(names: list[str]) -> str:
    if len(names) > _MOST_NAMES:
        return ", ".join(names[: _MOST_NAMES - 1]) + f", … {names[-1]}"
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])}, & {names[-1]}"


def _name(who: JsonObject) -> str:
    given = who.get("given_name", "")
    if who.get("type") == "organizational" or not given:
        return str(who["name"])
    return f"{who['family_name']}, {_initials(given)}"


def _initials(given: str) -> str:
    """`Jean-Paul Émile` → `J.-P. É.`"""
    words = [[part for part in word.split("-") if part] for word in given.split()]
    return " ".join("-".join(f"{part[0]}." for part in parts) for parts in words if list(chain(parts)))
