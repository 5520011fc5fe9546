"""Use case: the DOI of a record-to-be, reserved before it is published. It follows from the record's id, and is nobody
else's; to reserve it is to say so in the draft."""

from __future__ import annotations

from dataclasses import replace

from pipeline import refusals
from pipeline.catalogue import Transaction, drafts, records
from pipeline.catalogue.drafts import Draft
from pipeline.errors import Rejected
from pipeline.pid.doi import same, version_doi
from pipeline.services import Services


def own_doi(services: Services, draft: Draft) -> str:
    """The DOI that the draft's record has, or will be given."""
    if draft.is_edit:
        with services.catalogue.read() as tx:
            external = records.get(tx, draft.record_id).description.doi
        if external is not None:
            return external
    return version_doi(services.repository, draft.record_id)


def has_reserved(services: Services, draft: Draft) -> bool:
    """Whether the DOI that the draft's record will be given was asked for already."""
    doi = draft.description.doi
    return doi is not None and same(doi, version_doi(services.repository, draft.record_id))


def reserve_doi(services: Services, draft: Draft) -> Draft:
    """Have the draft name the DOI that its record will be given. Raises `Rejected` where it has one, `Missing` where it
    is open no more."""
    with services.catalogue.write() as tx:
        current = drafts.locked_draft(tx, draft.deposit.id)
        if current.is_edit or current.description.doi is not None:
            raise Rejected("A PID already exists for type doi", field="pids.doi")
        return _name(services, tx, current, version_doi(services.repository, current.record_id))


def give_up_doi(services: Services, draft: Draft) -> Draft:
    """Have the draft name no DOI any more. Raises `Missing` where it names none, or is open no more; `Rejected` for a
    DOI that was not reserved: the record's, or one that the depositor brought."""
    with services.catalogue.write() as tx:
        current = drafts.locked_draft(tx, draft.deposit.id)
        if not current.is_edit and current.description.doi is None:
            raise refusals.unknown_id()
        if current.is_edit or not has_reserved(services, current):
            raise Rejected(
                "Only a DOI that is reserved can be given up.",
                field="pids.doi",
                remedy="Replace one that you brought by saving the draft with other `pids`.",
            )
        return _name(services, tx, current, None)


def _name(services: Services, tx: Transaction, draft: Draft, doi: str | None) -> Draft:
    return drafts.describe(
        tx,
        draft,
        replace(draft.description, doi=doi),
        has_metadata=draft.has_metadata,
        dropped=draft.dropped,
        now=services.now(),
    )
