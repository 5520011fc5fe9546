"""Use case: an owner's own deletion of a record that was published not long ago (Zenodo's REST API, life-cycle
requests). It is carried out at once, and leaves a tombstone. Later on only administrators take a record out of service.
"""

from __future__ import annotations

from datetime import timedelta

from pipeline.access import Viewer
from pipeline.catalogue import requests
from pipeline.communities.requests import RECORD_DELETION, Request
from pipeline.errors import Conflict, Denied, Rejected
from pipeline.metadata import vocabulary
from pipeline.model import Record, RecordState, Tombstone
from pipeline.publication import show_at_once, withdraw_in
from pipeline.services import Services

POLICY = "grace-period-v1"
"""What Zenodo calls the rule."""


def delete_own(services: Services, record: Record, viewer: Viewer, *, reason: str, comment: str) -> Request:
    """By whoever `access.may_delete` lets. The request that stands in the books is accepted already; what its comment
    says, the tombstone does not. Raises `Rejected` for a reason that no vocabulary has, and where the record is deleted
    already; `Denied` when its time is over."""
    require_reason(reason)
    if record.state is RecordState.WITHDRAWN:
        raise _deleted_already()
    now, days = services.now(), services.settings.deletion_days
    if now >= record.created + timedelta(days=days):
        raise Denied(
            f"Records are deleted within {days} days of their publication.",
            remedy=f"Tell {services.repository.admin_email} why it has to go.",
        )
    try:
        with services.catalogue.write() as tx:
            accepted = requests.add_accepted(
                tx,
                RECORD_DELETION,
                title=f"Delete {record.description.metadata.get('title', '')}",
                creator_id=viewer.account_id,
                record_id=record.id,
                payload={"reason": reason, "comment": comment},
                now=now,
            )
            changed = withdraw_in(tx, record.id, Tombstone(reason, "", viewer.email or "", now, POLICY))
    except Conflict:  # somebody else was faster
        raise _deleted_already() from None
    show_at_once(services, changed)
    return accepted


def require_reason(reason: str) -> None:
    """Raises `Rejected` for a reason that no vocabulary has."""
    if reason not in vocabulary.removal_reasons():
        some = ", ".join(vocabulary.removal_reasons())
        raise Rejected(f"Invalid value {reason}.", field="reason", remedy=f"Choose one of: {some}.")


def _deleted_already() -> Rejected:
    return Rejected("Record in unexpected deletion status.")
