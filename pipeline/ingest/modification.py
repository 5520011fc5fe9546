"""Use case: the files of a published record are changed, while it is young (Zenodo's REST API, life-cycle requests).

An owner asks for it once an edit is open, and has it at once: from then on the edit has the record's files, to be
added to, replaced and taken out, and takes them along when it is published in time. What the record had before stays in
earlier versions of its object. Later on there is a new version.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline import refusals
from pipeline.access import Viewer, may_change_files
from pipeline.catalogue import draft_files, drafts, records, requests
from pipeline.catalogue.drafts import Draft
from pipeline.communities.requests import FILE_MODIFICATION, Request
from pipeline.errors import Denied, Unavailable
from pipeline.ingest.patience import Patience
from pipeline.model import Record, RecordState
from pipeline.services import Services
from pipeline.stewardship.preservation import preserve
from pipeline.store import layout

GRACE = timedelta(days=15)
"""How long what was asked for on the last day may be worked at (Zenodo's REST API, life-cycle requests)."""
_PATIENCE = 10.0
"""Seconds that are waited for a record to be preserved."""
_OWNERS, _ADMINISTRATORS = "file-modification-grace-period-v1", "file-modification-admin-v1"
"""What InvenioRDM calls the rules."""


def reopen(services: Services, draft: Draft, viewer: Viewer, *, comment: str) -> Request:
    """Let the files of an edit be changed, for whoever `access.may_change_files` lets: owners while the record is
    young, administrators always. The request that stands in the books is accepted already; asked for again the time
    begins anew, and the files stay as they are by then. Raises `Missing` where the edit is open no more or the record
    is withdrawn, `Denied` when its time is over, `Unavailable` while it is being preserved."""
    _settle(services, draft.record_id)
    now = services.now()
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        record = records.get(tx, draft.record_id)
        if not may_change_files(record, viewer):
            raise refusals.not_permitted()
        if record.state is not RecordState.PUBLISHED:
            raise refusals.unknown_id()
        until, policy = publishable_until(
            record, now, days=services.settings.modification_days, is_admin=viewer.admin
        )
        if until is None:
            raise Denied(
                f"Files are changed within {services.settings.modification_days} days of their publication.",
                remedy="Make a new version.",
            )
        if one.home:
            draft_files.prolong_files(tx, one, until=until)
        else:
            draft_files.open_files(tx, one, layout.restaged(record.id, one.id), until=until, now=now)
        return requests.add_accepted(
            tx,
            FILE_MODIFICATION,
            title=f'File modification request for "{record.description.metadata.get("title", "")}"',
            creator_id=viewer.account_id,
            record_id=record.id,
            payload={"policy_id": policy, **({"comment": comment} if comment else {})},
            now=now,
        )


def publishable_until(
    record: Record, now: datetime, *, days: int, is_admin: bool
) -> tuple[datetime | None, str]:
    """Until when other files may be published with a record, if they may be at all, and by which rule (pure). Owners
    begin within so many days of its publication; what administrators begin later has its time from then on."""
    ends = record.created + timedelta(days=days)
    if now < ends:
        return ends + GRACE, _OWNERS
    return (now + GRACE if is_admin else None), _ADMINISTRATORS


def _settle(services: Services, record_id: int) -> None:
    """Have the record be preserved: what it brings besides is kept apart from what it brought before."""

    def bring() -> None:
        with services.catalogue.read() as tx:
            if records.get(tx, record_id).staged is None:
                return
        for error in preserve(services, [record_id]).values():
            raise error

    try:
        Patience(_PATIENCE).insist(bring)
    except Unavailable:
        raise Unavailable(
            "The record is still being brought into the archive's storage.", remedy="Ask again in a minute."
        ) from None
