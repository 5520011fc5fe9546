"""What DataCite makes of what it is sent: states, names, and what is wrong with attributes (pure)."""

from __future__ import annotations

import re
from typing import Any, TypeAlias
from urllib.parse import urlsplit

Attributes: TypeAlias = dict[str, Any]
Error: TypeAlias = tuple[str, str]
"""What is wrong: `source` and `title` of an error."""

DRAFT, REGISTERED, FINDABLE = "draft", "registered", "findable"

_EVENTS = {
    ("publish", DRAFT): FINDABLE,
    ("publish", REGISTERED): FINDABLE,
    ("show", REGISTERED): FINDABLE,
    ("register", DRAFT): REGISTERED,
    ("hide", FINDABLE): REGISTERED,
}
_NAME = re.compile(r"10\.\d{4,5}/[-._;()/:a-zA-Z0-9*~$=]+")
_RESOLVER = re.compile(
    r"(?:doi:|https?://(?:(?:dx\.)?doi\.org|handle\.(?:test|stage)\.datacite\.org)/)", re.IGNORECASE
)
_URL = re.compile(r"(?:ftp|https?)://\S+")
_LANGUAGE = re.compile(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*")
_LONGEST_RIGHTS = 2000

WRITABLE = (
    "url",
    "contentUrl",
    "titles",
    "creators",
    "contributors",
    "publisher",
    "publicationYear",
    "types",
    "subjects",
    "dates",
    "language",
    "alternateIdentifiers",
    "relatedIdentifiers",
    "relatedItems",
    "sizes",
    "formats",
    "version",
    "rightsList",
    "descriptions",
    "geoLocations",
    "fundingReferences",
    "container",
    "schemaVersion",
    "source",
    "reason",
    "landingPage",
)
"""Attributes that are kept; all others are left out without a word."""

_OBJECTS = (
    "creators",
    "contributors",
    "titles",
    "dates",
    "subjects",
    "descriptions",
    "rightsList",
    "relatedIdentifiers",
    "relatedItems",
    "fundingReferences",
    "geoLocations",
)


def step(state: str, event: object) -> str:
    """The state after an event; as it was where the event cannot happen, or is none."""
    return _EVENTS.get((str(event), state), state)


def name_of(text: str) -> str | None:
    """The DOI that is meant, in lower case; None where its syntax is wrong."""
    bare = _RESOLVER.sub("", text.replace("\u200b", "").strip(), count=1)
    return bare.lower() if _NAME.fullmatch(bare) else None


def errors_of_any(attributes: Attributes) -> list[Error]:
    """What is wrong whatever the state."""
    errors: list[Error] = []
    for key in _OBJECTS:
        singular = _singular(key)
        errors += [
            (_snake(key), f"{singular} '{one}' should be an object instead of a string.")
            for one in _listed(attributes.get(key))
            if not isinstance(one, dict)
        ][:1]
    for one in _listed(attributes.get("contributors")):
        if isinstance(one, dict) and not one.get("contributorType"):
            errors.append(
                ("contributors", f"Contributor '{one}' is missing a required element: contributor type.")
            )
    language = attributes.get("language")
    if language and not _LANGUAGE.fullmatch(str(language)):
        errors.append(("language", f"Language {language} is in an invalid format."))
    for one in _listed(attributes.get("rightsList")):
        if isinstance(one, dict) and len(str(one.get("rights", ""))) > _LONGEST_RIGHTS:
            errors.append(("rights_list", "Rights should not have a length of more than 2000 characters."))
    if (url := attributes.get("url")) and not _URL.fullmatch(str(url)):
        errors.append(("url", "URL is not valid"))
    return errors


def errors_of_registered(attributes: Attributes, domains: str, account: str) -> list[Error]:
    """What is wrong besides with a DOI that is to resolve, but for its XML."""
    url = attributes.get("url")
    if not url:
        return [("url", "Can't be blank")]
    if not _is_allowed(urlsplit(str(url)).hostname or "", domains):
        return [("url", f"URL {url} is not allowed by repository {account} domain settings.")]
    return []


def shown(attributes: Attributes, *, publisher: bool, affiliation: bool) -> Attributes:
    """Metadata as answers have it: `publisher` and `affiliation` as objects, else as strings."""
    echo = dict(attributes)
    if types := echo.get("types"):
        echo["types"] = {
            "schemaOrg": "Dataset",
            "citeproc": "dataset",
            "bibtex": "misc",
            "ris": "DATA",
        } | types
    if isinstance(named := echo.get("publisher"), dict) and not publisher:
        echo["publisher"] = named.get("name")
    elif isinstance(named, str) and publisher:
        echo["publisher"] = {"name": named}
    if year := echo.get("publicationYear"):
        echo["publicationYear"] = int(year)
    for key in ("creators", "contributors"):
        if not affiliation and isinstance(echo.get(key), list):
            echo[key] = [_with_plain_affiliations(one) for one in echo[key]]
    return echo


def _with_plain_affiliations(person: Attributes) -> Attributes:
    named = [one.get("name") if isinstance(one, dict) else one for one in _listed(person.get("affiliation"))]
    return {**person, "affiliation": named}


def _is_allowed(host: str, domains: str) -> bool:
    return any(
        domain in ("*", host) or (domain.startswith("*.") and host.endswith(domain[1:]))
        for domain in domains.split(",")
    )


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _snake(key: str) -> str:
    return re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", key)


def _singular(key: str) -> str:
    return key[0].upper() + key[1:].removesuffix("s")
