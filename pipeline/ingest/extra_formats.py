"""Use case: other serialisations of a record, one of a media type, which its depositor attaches to a draft or to the
published record (Zenodo's REST API, extra formats).

Who may do so was decided before. They are small documents, in the catalogue alone: no part of a version of the record,
and not preserved, since they may be replaced at any time and whoever wrote them can write them again.
"""

from __future__ import annotations

import hashlib
from contextlib import closing

from pipeline import refusals
from pipeline.access import heeded
from pipeline.catalogue import Transaction, drafts, extra_formats, quarantine, records, works
from pipeline.catalogue.drafts import Draft
from pipeline.errors import Rejected
from pipeline.ingest.arrival import Admitted
from pipeline.model import LET_THROUGH, Record, RecordState, ScanStatus
from pipeline.services import Services

_MOST = 20


def attach(
    services: Services, to: Draft | Record, media_type: str, content: bytes, *, admitted: Admitted
) -> None:
    """Attach a document, in the place of one of the same type, once the virus scanner has seen it. Raises `Rejected`
    for an infected one, with a scan gate also for one that no scanner could go through, and for one too many; `Missing`
    where the draft is open no more, or the record was withdrawn; what `admitted` raises."""
    _require_harmless(services, content)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    with services.catalogue.write() as tx:
        record_id = _locked(tx, to)
        admitted(tx)
        extra_formats.put(tx, record_id, media_type, content, md5=md5, most=_MOST, now=services.now())


def detach(services: Services, to: Draft | Record, media_type: str) -> None:
    """Take the document of that type away. Raises `Missing` where there is none, and as `attach`."""
    with services.catalogue.write() as tx:
        if not extra_formats.delete(tx, _locked(tx, to), media_type):
            raise refusals.not_found()


def _locked(tx: Transaction, to: Draft | Record) -> int:
    """The id of the record, which is neither discarded nor withdrawn until the transaction ends."""
    if isinstance(to, Draft):
        return drafts.locked(tx, to.deposit.id, may_be_sealed=True).record_id
    works.lock(tx, [to.concept_id])
    if records.get(tx, to.id).state is not RecordState.PUBLISHED:
        raise refusals.unknown_id()
    return to.id


def _require_harmless(services: Services, content: bytes) -> None:
    with services.catalogue.read() as tx:
        false_alarms = quarantine.released(tx, services.root_digest)
    with closing(services.scanner.begin(len(content))) as session:
        session.feed(content)
        digest = hashlib.new(services.root_digest, content).hexdigest()
        verdict = heeded(session.finish(), digest, false_alarms)
    if verdict.status is ScanStatus.INFECTED:
        raise Rejected(f"The document is infected: {verdict.signature} was found in it.")
    if services.settings.scan_gate != "none" and verdict.status not in LET_THROUGH:
        raise Rejected(
            "The virus scanner could not go through the document.",
            remedy="Attach it unpacked, and without a password: a scanner looks into archives so deep only.",
        )
