"""The controlled lists, shipped as JSON beside this module (their sources: `vocabularies/SOURCES.md`).

Every list maps an id to its entry; entries are read-only by convention.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, TypeAlias

Entry: TypeAlias = Mapping[str, Any]
Vocabulary: TypeAlias = Mapping[str, Entry]


@cache
def _load(name: str) -> dict[str, Any]:
    text = (
        resources.files("pipeline.metadata")
        .joinpath("vocabularies", f"{name}.json")
        .read_text(encoding="utf-8")
    )
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def resource_types() -> Vocabulary:
    """Zenodo's types: `title`, `datacite` (resourceTypeGeneral), `schema_org`, `eu_repo`, `csl`, `bibtex`."""
    return _load("resource_types")


def licences() -> Vocabulary:
    """SPDX ids in lower case and Zenodo's own `other-*`, `notspecified`: `title`, `url?`, `spdx?`, `osi?`,
    `deprecated?`."""
    return _load("licences")


def relation_types() -> Vocabulary:
    """`title`, `datacite` (relationType), `legacy` (Zenodo's deposit API)."""
    return _load("relation_types")


def contributor_roles() -> Vocabulary:
    """`title`, `datacite` (contributorType; Zenodo's deposit API uses the same words)."""
    return _load("contributor_roles")


def date_types() -> Vocabulary:
    """`title`, `datacite` (dateType)."""
    return _load("date_types")


def title_types() -> Vocabulary:
    """`title`, `datacite` (titleType)."""
    return _load("title_types")


def description_types() -> Vocabulary:
    """`title`, `datacite` (descriptionType)."""
    return _load("description_types")


def identifier_schemes() -> Vocabulary:
    """Schemes of related and alternate identifiers: `title`, `datacite?` (relatedIdentifierType)."""
    return _load("identifier_schemes")


def languages() -> Vocabulary:
    """ISO 639-3 codes: `title`, `two?` (639-1), `bibliographic?` (639-2/B where it differs)."""
    return _load("languages")


def funders() -> Vocabulary:
    """The funders that Zenodo knows by DOI and others, by ROR id: `title`, `acronym`, `country` (ISO 3166-1),
    `doi`, `also?` (DOIs of predecessors)."""
    return _load("funders")


def organisations() -> Vocabulary:
    """Research organisations besides the funders, by ROR id: `title`, `acronym?`, `country` (ISO 3166-1)."""
    return _load("organisations")


def countries() -> Vocabulary:
    """The countries of funders and organisations, by ISO 3166-1 code: `title`."""
    return _load("countries")


def removal_reasons() -> Vocabulary:
    """Why records are withdrawn: `title`."""
    return _load("removal_reasons")


def community_types() -> Vocabulary:
    """`title`."""
    return _load("community_types")


def programming_languages() -> Vocabulary:
    """Languages that research software is written in: `title`."""
    return _load("programming_languages")


def development_status() -> Vocabulary:
    """The states of repostatus.org: `title`."""
    return _load("development_status")


# ---------------------------------------------------------------- look-ups


@cache
def _by_datacite(name: str) -> dict[str, str]:
    # The first entry wins: it is the general one of those that share a DataCite word.
    ids: dict[str, str] = {}
    for key, entry in _load(name).items():
        if "datacite" in entry:
            ids.setdefault(entry["datacite"].casefold(), key)
    return ids


def datacite_id(vocabulary: str, word: str) -> str | None:
    """Our id for DataCite's `word` (any case) in the list of that name, e.g. `("date_types", "Issued")`."""
    return _by_datacite(vocabulary).get(word.casefold())


@cache
def _languages_by_code() -> dict[str, str]:
    codes = {key: key for key in languages()}
    for key, entry in languages().items():
        codes |= {entry[form]: key for form in ("two", "bibliographic") if form in entry}
    return codes


def language_id(code: str) -> str | None:
    """The ISO 639-3 code for a two- or three-letter code (639-1, 639-2/B, 639-2/T or 639-3)."""
    return _languages_by_code().get(code.lower())


@cache
def _funders_by_name() -> dict[str, str]:
    ids = {key: key for key in funders()}
    for key, entry in funders().items():
        ids |= dict.fromkeys((entry["doi"], *entry.get("also", ())), key)
    return ids


def funder_id(name: str) -> str | None:
    """The ROR id of a funder that is named by its ROR id or its Crossref Funder DOI."""
    return _funders_by_name().get(name.lower())


def licence_id(name: str) -> str | None:
    """The id of a licence by any of its names: ours, SPDX's, or one of Zenodo's old ones."""
    key = name.strip().lower()
    key = _load("licences_legacy")["read"].get(key, key)
    return key if key in licences() else None


def legacy_licence(key: str) -> str:
    """How Zenodo's deposit API writes a licence id. Where Zenodo has no word, or one that would be read
    back as another licence (`cc-by`), the id itself."""
    word: str = _load("licences_legacy")["written"].get(key, key)
    return word


def is_legacy_licence_title(name: str) -> bool:
    """Whether `name` exists in Zenodo's old list alone; it is kept as the title of a licence."""
    return name.strip().lower() in _load("licences_legacy")["titles"]


@cache
def _licences_by_url() -> dict[str, str]:
    return {_plain_url(entry["url"]): key for key, entry in licences().items() if "url" in entry}


def licence_at(url: str) -> str | None:
    """The licence that a URL names, whatever its scheme, `legalcode` or `deed` ending and final slash."""
    return _licences_by_url().get(_plain_url(url))


def _plain_url(url: str) -> str:
    bare = url.strip().lower().removeprefix("https://").removeprefix("http://").removeprefix("www.")
    bare = bare.rstrip("/")
    for ending in ("/legalcode", "/deed", "/deed.en", "/legalcode.en", ".html"):
        bare = bare.removesuffix(ending)
    return bare
