"""From the id in an address to the record that it names, and Zenodo's answers for want of one."""

import re
from collections.abc import Sequence

from gateway.http.problems import RecordMoved, Withdrawn
from pipeline import refusals
from pipeline.access import as_of
from pipeline.catalogue import Transaction, drafts, records
from pipeline.catalogue.drafts import Draft
from pipeline.dissemination import Dissemination
from pipeline.errors import Missing
from pipeline.feeds import crosswalks
from pipeline.model import Record, RecordState
from pipeline.services import Services

FILES_IN_RECORD = 10_000
"""Files listed in one record's JSON; `/files` lists them all."""

# An id fits into 64 bits, and has one spelling only.
_ID = re.compile("[1-9][0-9]{0,17}")


def find(services: Services, tx: Transaction, record_id: str, *, withdrawn_too: bool = False) -> Record:
    """The published record of that id. Raises `Missing`, `RecordMoved` for the id of a work, `Withdrawn` unless
    `withdrawn_too`."""
    number = number_of(record_id)
    try:
        record = records.get(tx, number)
    except Missing:
        raise RecordMoved(_newest(tx, number)) from None
    if record.state is RecordState.WITHDRAWN and not withdrawn_too:
        raise withdrawn(services, tx, record.id)
    return record


def draft_or_record(tx: Transaction, record_id: int) -> Draft | Record:
    """The open draft, else the record, be it withdrawn. Raises `Missing`."""
    try:
        return drafts.get(tx, record_id)
    except Missing:
        return records.get(tx, record_id)


def find_described(
    services: Services,
    tx: Transaction,
    record_id: str,
    *,
    file_limit: int = FILES_IN_RECORD,
    withdrawn_too: bool = False,
) -> Dissemination:
    """As `find`, with all that outputs show of the record today."""
    record = find(services, tx, record_id, withdrawn_too=withdrawn_too)
    return described(services, tx, [record.id], files=file_limit)[record.id]


def described(
    services: Services, tx: Transaction, record_ids: Sequence[int], *, files: int
) -> dict[int, Dissemination]:
    """Published records as they are today, each with so many of its files at most."""
    today = services.now().date()
    found = records.disseminate(tx, services.repository, record_ids, file_limit=files)
    return {number: as_of(one, today=today) for number, one in found.items()}


def newest_id(tx: Transaction, record_id: str) -> int:
    """The newest version of the work that the id, of any version or of the work itself, belongs to: of those
    that are still published, if there are any. Raises `Missing`."""
    number = number_of(record_id)
    try:
        concept_id = records.get(tx, number).concept_id
    except Missing:
        concept_id = number
    return _newest(tx, concept_id)


def withdrawn(services: Services, tx: Transaction, record_id: int) -> Withdrawn:
    gone = records.disseminate(tx, services.repository, [record_id], file_limit=0)[record_id]
    return Withdrawn(record_id, crosswalks.tombstone_json(gone)["tombstone"])


def number_of(record_id: str) -> int:
    """The number that an id in an address is. Raises `Missing`."""
    if not _ID.fullmatch(record_id):
        raise refusals.unknown_id()
    return int(record_id)


def _newest(tx: Transaction, concept_id: int) -> int:
    try:
        return records.newest_published(tx, concept_id)
    except Missing:
        # What is drafted has its id already, which Zenodo tells from one that nobody was given.
        drafts.get(tx, concept_id)
        raise Missing("The persistent identifier is not registered.") from None
