"""DOI names: how ours are made, and how anybody's are recognised (DOI Handbook)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.dissemination import Repository

_RESOLVERS = (
    r"(?:doi:\s*|info:doi/|urn:doi:|(?:https?://)?"
    r"(?:(?:dx\.|www\.)?doi\.org|handle\.(?:test|stage)\.datacite\.org)/(?:doi:)?)"
)
# ISO 26324 allows any graphic character in a suffix; registrants' prefixes may have sub-prefixes.
_DOI = re.compile(rf"{_RESOLVERS}?(10\.\d{{4,9}}(?:\.\d+)*/[^\s\x00-\x1f\x7f-\x9f]+)", re.IGNORECASE)
_ZERO_WIDTH = dict.fromkeys(map(ord, "\u200b\ufeff\u2060"))
_LONGEST = 2048


def version_doi(repository: Repository, record_id: int) -> str:
    """The DOI that a record has, or will have once it is published: a function of its id alone."""
    return f"{repository.doi_prefix}/{repository.doi_name}.{record_id}"


def concept_doi(repository: Repository, concept_id: int) -> str:
    """The DOI of a work, all versions in one; its form is the same, as ids come from one sequence."""
    return version_doi(repository, concept_id)


def parse(text: str) -> str | None:
    """The bare DOI in `text` (bare, `doi:`, or a resolver's URL), its suffix as given; None if it is none."""
    if len(text) > _LONGEST:
        return None
    found = _DOI.fullmatch(text.translate(_ZERO_WIDTH).strip())
    return found[1] if found else None


def same(one: str, other: str) -> bool:
    """Whether two DOI names are one: they are compared without regard to the case of ASCII letters."""
    return _folded(one) == _folded(other)


def is_own(repository: Repository, doi: str) -> bool:
    """Whether a DOI lies under the repository's own prefix, be it one of its records' or not."""
    bare = parse(doi)
    return bare is not None and _folded(bare).startswith(_folded(f"{repository.doi_prefix}/"))


def prefix_is_managed(repository: Repository) -> str:
    """Why nobody brings a DOI of ours along, without a full stop (Zenodo's words)."""
    return f"The prefix '{repository.doi_prefix}' is managed by {repository.name}"


def is_given_here(repository: Repository, doi: str) -> bool:
    """Whether a DOI is of the form of those that the repository itself gives, has given or may give yet."""
    bare = parse(doi)
    stem = _folded(f"{repository.doi_prefix}/{repository.doi_name}.")
    return bare is not None and _folded(bare).startswith(stem) and _folded(bare)[len(stem) :].isdecimal()


def _folded(doi: str) -> str:
    # Only ASCII letters are equal across cases in a DOI name.
    return doi.translate(_ASCII_LOWER)


_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
