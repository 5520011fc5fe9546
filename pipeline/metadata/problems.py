"""What can be wrong with a description, in a form that both a person and a program can use."""

from __future__ import annotations

from dataclasses import dataclass

MISSING = "missing"
TOO_SHORT = "too-short"
INVALID = "invalid-value"
WRONG_TYPE = "wrong-type"
UNKNOWN_VALUE = "unknown-value"
MALFORMED = "malformed"
UNKNOWN_FIELD = "unknown-field"
IGNORED = "ignored"
EMBARGO_OVER = "embargo-over"
"""Whether it holds depends on what is published already: an embargo that was good may have ended since."""

UNKNOWN_ACCESS = "Unknown access type."
NO_DATE = "Invalid date provided."
NO_SCHEME = "No valid scheme recognized for identifier."
"""Reasons that Zenodo's deposit API tells of other fields than those that are to blame."""

REFUSED_ON_SAVE = frozenset({WRONG_TYPE, UNKNOWN_VALUE, MALFORMED, UNKNOWN_FIELD})
"""Codes that Zenodo's deposit API answers with 400 when a draft is saved; the
others let the draft be saved and, warnings aside, stop its publication."""

_WARNINGS = frozenset({UNKNOWN_FIELD, IGNORED})


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field. `field` is a dotted path with list positions as bare integers, as in
    Zenodo's errors (`metadata.creators.0.orcid`); `code` is one of this module's constants."""

    field: str
    code: str
    reason: str
    remedy: str = ""

    @property
    def warning(self) -> bool:
        """Whether the description is good without the field, which was left out as Zenodo leaves it out."""
        return self.code in _WARNINGS
