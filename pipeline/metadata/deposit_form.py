"""The metadata of a deposit as Zenodo's deposit API takes it in, gives it out and judges it before publication.

Fields and values are `legacy`'s and `legacy_form`'s. This module says what a request is refused for at once, what is
left out of a draft and named, and what stops its publication, under the field names of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline.errors import FieldFault, InvalidFields, Rejected
from pipeline.metadata.legacy import from_legacy
from pipeline.metadata.legacy_form import to_legacy
from pipeline.metadata.problems import (
    IGNORED,
    MISSING,
    NO_DATE,
    NO_SCHEME,
    REFUSED_ON_SAVE,
    UNKNOWN_ACCESS,
    UNKNOWN_VALUE,
    FieldProblem,
)
from pipeline.metadata.text import clean
from pipeline.metadata.validation import validate
from pipeline.model import Description
from pipeline.pid.doi import version_doi

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from pipeline.dissemination import Repository
    from pipeline.model import JsonObject

_WHOLE = "_schema"
_FIELDS_BY_REASON = {
    UNKNOWN_ACCESS: _WHOLE,
    NO_DATE: "metadata.dates",
    NO_SCHEME: "metadata.related_identifiers.scheme",
}
"""What Zenodo tells of another field than the one that is to blame."""
_OTHERS_COMMUNITIES = (
    FieldProblem(
        "metadata.communities",
        IGNORED,
        "Only who manages a work says which communities it is to be in; they stay as they are.",
    ),
)


class Unsaid(StrEnum):
    """What a request may say nothing of: how the files are shown, the communities, any DOI at all, or only whether the
    record's own is reserved (Zenodo's deposit form does not tell that from no DOI)."""

    FILES_VIEW = "files view"
    COMMUNITIES = "communities"
    DOI = "doi"
    RESERVATION = "reservation"


@dataclass(frozen=True, slots=True)
class DepositMetadata:
    """What the body of a `POST` or `PUT` says of a deposit.

    `description` has the canonical shape and need not be complete; its `doi` is what the depositor gave, without
    resolver and not checked, its `communities` are the slugs that were given, known or not. Without `has_metadata`
    there was no `metadata` in the body, and nothing is said but that the files are open. A value that is `dropped`
    is not in `description`. What is `unsaid` stays in a draft as it is.
    """

    description: Description
    has_metadata: bool
    dropped: tuple[FieldProblem, ...] = ()
    unsaid: frozenset[Unsaid] = frozenset({Unsaid.FILES_VIEW, Unsaid.RESERVATION})

    @property
    def errors(self) -> list[JsonObject]:
        """What was dropped, as `{"field", "message"}`: an answer names it beside the draft that was saved."""
        return [{"field": clean(each.field), "message": clean(each.reason)} for each in self.dropped]

    def without_communities(self, kept: Sequence[str]) -> DepositMetadata:
        """The same, but that nothing is said of communities, which stay those that are `kept`; it is named where it
        would have changed them."""
        if Unsaid.COMMUNITIES in self.unsaid:
            return self
        told = _OTHERS_COMMUNITIES if set(self.description.communities) != set(kept) else ()
        return replace(self, dropped=(*self.dropped, *told), unsaid=self.unsaid | {Unsaid.COMMUNITIES})


def read(body: object, *, today: date) -> DepositMetadata:
    """Read the JSON body of a request: `{"metadata": {…}}`, or `{}`. `today` is the default date of publication.

    Defaults are Zenodo's, but for the publisher: a description that names none is published by the repository, and
    only one that was given as empty text is kept (as `""`), since it stops publication. Raises `InvalidFields` for
    shapes that Zenodo answers with 400, and for the odd ones that it fails on; `Rejected` with Zenodo's words for a
    term that no vocabulary has.
    """
    if not isinstance(body, dict):
        raise InvalidFields((FieldFault(_WHOLE, ("Invalid input type.",)),))
    if not body:
        return DepositMetadata(Description({}), has_metadata=False)
    reading = from_legacy({"metadata": {}} | body, today=today)
    _refuse([each for each in reading.problems if each.code in REFUSED_ON_SAVE])
    if "metadata" not in body or reading.description is None:
        return DepositMetadata(Description({}), has_metadata=False)
    description = reading.description
    if "publisher" not in description.metadata and body["metadata"].get("imprint_publisher") is not None:
        description = replace(description, metadata=description.metadata | {"publisher": ""})
    return DepositMetadata(description, has_metadata=True, dropped=reading.dropped)


def _refuse(problems: list[FieldProblem]) -> None:
    """Raise what is to be told of `problems`, if there are any, without remedies: clients compare answers to what they
    save whole. Shapes are looked at before vocabularies are."""
    misshapen = [each for each in problems if each.code != UNKNOWN_VALUE]
    if misshapen:
        raise InvalidFields(
            _faults(
                replace(each, field=_FIELDS_BY_REASON.get(each.reason, each.field), remedy="")
                for each in misshapen
            )
        )
    for each in problems:
        raise Rejected(clean(each.reason))


def write(
    description: Description, *, repository: Repository, record_id: int, doi: str | None = None
) -> JsonObject:
    """`metadata` of a deposition. `doi` is the one that its record has, None for a draft that was never published: that
    shows what the depositor gave. `prereserve_doi` is there always, `imprint_publisher` wherever anything is said."""
    legacy = to_legacy(
        replace(description, doi=doi or description.doi, metadata=_published(description, repository))
    )
    reserved = {"doi": version_doi(repository, record_id), "recid": record_id}
    return legacy | {"prereserve_doi": reserved}


def _published(description: Description, repository: Repository) -> JsonObject:
    metadata = description.metadata
    return {"publisher": repository.name} | metadata if metadata else metadata


def faults_at_publish(description: Description, *, today: date) -> tuple[FieldFault, ...]:
    """What a draft is not published for, under the field names of InvenioRDM's record JSON; empty when nothing is in
    the way. Files, and which DOIs are free, are the caller's to look at."""
    problems = list(validate(description, today=today))
    if description.metadata.get("publisher") == "":
        reason = "Missing publisher field required for DOI registration."
        problems.append(
            FieldProblem("metadata.publisher", MISSING, reason, "Name the publisher, or leave it out.")
        )
    return _faults(problems)


def _faults(problems: Iterable[FieldProblem]) -> tuple[FieldFault, ...]:
    """Problems by field, in their order; what is said twice of a field is told once."""
    of_fields: dict[str, list[FieldProblem]] = {}
    for each in problems:
        of_fields.setdefault(each.field, []).append(each)
    return tuple(
        FieldFault(
            # Keys of the depositor's are in them, which may hold what no answer can carry, such as lone surrogates.
            clean(field),
            tuple(dict.fromkeys(clean(each.reason) for each in found)),
            remedy=clean(" ".join(dict.fromkeys(each.remedy for each in found))),
        )
        for field, found in of_fields.items()
    )
