"""What the source has no more. `met` holds the ids of the works that a survey met, sorted: eight bytes a record are all
that it costs to know them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from pipeline.catalogue import Catalogue, deposits
from pipeline.catalogue.deposits import Deposit, PublishedWork
from pipeline.ingest.patience import AT_ONCE, Patience
from pipeline.model import DepositState, Outcome, Problem

_BATCH = 500


def absent_lines(
    catalogue: Catalogue, accession_id: str, met: Sequence[int], patience: Patience
) -> Iterator[list[Deposit]]:
    """Planned lines whose records the survey did not meet, in batches."""
    after = 0

    def page() -> list[Deposit]:
        with catalogue.read() as tx:
            return deposits.in_state(tx, accession_id, DepositState.PLANNED, _BATCH, after)

    while lines := patience.insist(page):
        after = lines[-1].id
        if absent := [one for one in lines if not _has(met, one.concept_id)]:
            yield absent


def absent_works(
    catalogue: Catalogue, collection: str, met: Sequence[int], patience: Patience = AT_ONCE
) -> Iterator[list[PublishedWork]]:
    """Published works of the collection that the survey did not meet, in batches."""
    after = 0

    def page() -> list[PublishedWork]:
        with catalogue.read() as tx:
            return deposits.published_works(tx, collection, after=after, limit=_BATCH)

    while works := patience.insist(page):
        after = works[-1].concept_id
        if absent := [one for one in works if not _has(met, one.concept_id)]:
            yield absent


def gone(key: str) -> Problem:
    """The line of the report about a published record that is gone from the source (architecture, identity)."""
    return Problem(
        path="",
        record=key,
        outcome=Outcome.WARNED,
        code="gone",
        reason="no longer in the source; the published record stays",
    )


def no_files(key: str) -> Problem:
    """What is said of a record that is nothing but a description."""
    return Problem(
        path="",
        record=key,
        outcome=Outcome.REJECTED,
        code="no-files",
        reason="the record has no file",
        remedy="Put its files beside the description, or take the description away.",
    )


def _has(met: Sequence[int], concept_id: int) -> bool:
    place = bisect_left(met, concept_id)
    return place < len(met) and met[place] == concept_id
