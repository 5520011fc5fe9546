"""Identifiers of people, organisations and works: which scheme, whether valid, and in what form kept.

Detection and normal forms are `idutils`'; the check digits that it leaves out (ROR, GND) are done here.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from pipeline.metadata import vocabulary
from pipeline.pid import doi

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 2048
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_ORCID = re.compile(
    r"(?:orcid:\s*|(?:https?://)?(?:www\.)?orcid\.org/)?([0-9]{4})-?([0-9]{4})-?([0-9]{4})-?([0-9]{3}[0-9X])",
    re.IGNORECASE,
)
_ROR = re.compile(r"(?:https?://)?(?:ror\.org/)?(0[0-9a-hj-km-np-tv-z]{6})([0-9]{2})", re.IGNORECASE)
_GND = re.compile(
    r"(?:gnd:|(?:https?://)?d-nb\.info/gnd/)?"
    r"(1[012]?[0-9]{7}[0-9X]|3[0-9]{7}[0-9X]|[1-9][0-9]{0,7}-[0-9X])",
    re.IGNORECASE,
)
_ISNI = re.compile(r"(?:isni:?\s*|https?://(?:www\.)?isni\.org/(?:isni/)?)?([0-9X \-]{16,22})", re.IGNORECASE)
_LIKE_DOI = re.compile(r"(?:doi:|https?://(?:dx\.)?doi\.org/)?\s*10\.[0-9]+", re.IGNORECASE)
_GRID = re.compile(r"(?:https?://(?:www\.)?grid\.ac/institutes/)?(grid\.[0-9]+\.[0-9a-f]+)", re.IGNORECASE)

PERSON_SCHEMES = {"orcid": "ORCID", "isni": "ISNI", "gnd": "GND", "ror": "ROR"}
"""Schemes of a person's or an organisation's identifiers, with the names that DataCite knows them by."""


@cache
def _idutils() -> Any:
    # It compiles its expressions when it is imported, for half a second, and most commands meet nothing to use it on.
    import idutils

    return idutils


# ---------------------------------------------------------------- people and organisations


def normal_person_id(scheme: str, value: str) -> str | None:
    """`value` in its scheme's normal form, without resolver (`0000-0002-1825-0097`, `118540238`); None where
    it is not valid, check digits included."""
    if len(value) > _LONGEST:
        return None
    normalise = _PERSON_FORMS.get(scheme)
    return normalise(value.strip()) if normalise else None


def person_scheme(value: str) -> str | None:
    """The first of ORCID, ROR, GND and ISNI that `value` is valid in."""
    return next(
        (scheme for scheme in ("orcid", "ror", "gnd", "isni") if normal_person_id(scheme, value)), None
    )


def person_url(scheme: str, value: str) -> str | None:
    """Where a normal identifier resolves."""
    home = {
        "orcid": "https://orcid.org/",
        "isni": "https://isni.org/isni/",
        "gnd": "https://d-nb.info/gnd/",
        "ror": "https://ror.org/",
    }.get(scheme)
    return f"{home}{value}" if home else None


def _normal_orcid(value: str) -> str | None:
    # The check digit alone decides: the ranges that ORCID has drawn from so far are no part of its form.
    found = _ORCID.fullmatch(value.rstrip("/"))
    bare = "".join(found.groups()).upper() if found else ""
    return (
        str(_idutils().normalizers.normalize_orcid(bare))
        if bare and _idutils().validators.is_isni(bare)
        else None
    )


def _normal_isni(value: str) -> str | None:
    found = _ISNI.fullmatch(value)
    bare = re.sub(r"[ \-]", "", found[1]).upper() if found else ""
    return bare if re.fullmatch(r"[0-9]{15}[0-9X]", bare) and _idutils().validators.is_isni(bare) else None


def _normal_gnd(value: str) -> str | None:
    found = _GND.fullmatch(value)
    bare = found[1].upper() if found else ""
    return bare if bare and _gnd_checks(bare) else None


def _gnd_checks(bare: str) -> bool:
    # Modulo 11 with weights 2, 3, … from the right; names of persons carry the complement of what the
    # hyphenated numbers of the former subject headings (4…-, 7…-) carry. The hyphenated numbers of the
    # former corporate bodies follow no single published rule: their form is all that is checked.
    digits, check = bare[:-1].rstrip("-"), bare[-1]
    remainder = sum(weight * int(digit) for weight, digit in enumerate(reversed(digits), start=2)) % 11
    if "-" not in bare:
        remainder = (11 - remainder) % 11
    elif not re.fullmatch(r"[47][0-9]{6}-.", bare):
        return True
    return check == "0123456789X"[remainder]


def _normal_ror(value: str) -> str | None:
    # ROR: Crockford base 32 of a number n, then 98 - (100 n mod 97) as in ISO/IEC 7064.
    found = _ROR.fullmatch(value.rstrip("/"))
    if found is None:
        return None
    number = 0
    for letter in found[1].lower():
        number = number * 32 + _CROCKFORD.index(letter)
    return (found[1] + found[2]).lower() if 98 - number * 100 % 97 == int(found[2]) else None


_PERSON_FORMS: dict[str, Callable[[str], str | None]] = {
    "orcid": _normal_orcid,
    "isni": _normal_isni,
    "gnd": _normal_gnd,
    "ror": _normal_ror,
}


# ---------------------------------------------------------------- works


@lru_cache(maxsize=4096)
def detect(value: str) -> str | None:
    """The scheme of a related or alternate identifier, the most specific first; None where none fits."""
    if len(value) > _LONGEST:
        return None
    if _GRID.fullmatch(value):
        return "grid"
    try:
        found = _idutils().detectors.detect_identifier_schemes(value)
    except ValueError:
        # Python's URL parser, which idutils asks first, raises on e.g. an unclosed IPv6 address.
        return None
    return next((scheme for scheme in found if _accepts(scheme, value)), None)


def _accepts(scheme: str, value: str) -> bool:
    # What begins like a DOI and is none (a blank in it, say) is a mistake, neither a handle nor an address.
    if scheme in ("doi", "handle", "url") and _LIKE_DOI.match(value):
        return scheme == "doi" and doi.parse(value) is not None
    return scheme in vocabulary.identifier_schemes()


def normal(scheme: str, value: str) -> str | None:
    """`value` in the normal form of a scheme of works; None where it is not valid in it.

    Schemes without a checkable form (`igsn`, `upc`, …) take any value.
    """
    if not value or len(value) > _LONGEST or scheme not in vocabulary.identifier_schemes():
        return None
    if scheme == "doi":
        return doi.parse(value)
    try:
        if not _is_valid(scheme, value):
            return None
        return str(_idutils().normalizers.normalize_pid(value, scheme))
    except ValueError:
        return None


def _is_valid(scheme: str, value: str) -> bool:
    if scheme == "grid":
        return _GRID.fullmatch(value) is not None
    test = _TESTS.get(scheme)
    return test is None or bool(getattr(_idutils().validators, test)(value))


def url(scheme: str, value: str) -> str | None:
    """Where a normal identifier of a work resolves, if it does."""
    if scheme in ("url", "purl", "w3id"):
        return value
    if scheme == "crossreffunderid":
        return f"https://doi.org/{value}"
    address = _idutils().normalizers.to_url(value, scheme, url_scheme="https")
    return str(address) if address else None


def is_isbn(value: str) -> bool:
    """Whether `value` is an ISBN-10 or ISBN-13 with the right check digit."""
    return len(value) <= _LONGEST and bool(_idutils().validators.is_isbn(value))


def is_url(value: str) -> bool:
    """Whether `value` is an absolute http or https URL."""
    try:
        return value.lower().startswith(("http://", "https://")) and bool(_idutils().validators.is_url(value))
    except ValueError:
        return False


_TESTS = {
    "ark": "is_ark",
    "arxiv": "is_arxiv",
    "ads": "is_ads",
    "cstr": "is_cstr",
    "ean13": "is_ean13",
    "eissn": "is_issn",
    "handle": "is_handle",
    "isbn": "is_isbn",
    "isni": "is_isni",
    "issn": "is_issn",
    "istc": "is_istc",
    "lissn": "is_issn",
    "lsid": "is_lsid",
    "pmid": "is_pmid",
    "purl": "is_purl",
    "raid": "is_raid",
    "rrid": "is_rrid",
    "swh": "is_swh",
    "url": "is_url",
    "urn": "is_urn",
    "wikidata": "is_wikidata",
}
"""Which of idutils' validators tells whether a value is valid in a scheme."""
