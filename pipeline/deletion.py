"""Use case: an owner's own deletion of a record that was published not long ago (Zenodo's REST API, life-cycle
requests). It is carried out at once, and leaves a tombstone. Later on only administrators take a record out of service.
"""

from __future__ import annotations

from datetime import timedelta

from pipeline import publication
from pipeline.errors import Conflict, Denied, Rejected
from pipeline.metadata import vocabulary
from pipeline.model import Record, RecordState
from pipeline.services import Services

POLICY = "grace-period-v1"
"""What Zenodo calls the rule."""


def delete_own(services: Services, record: Record, *, reason: str, comment: str, by: str) -> None:
    """Whoever asks may change the record. The comment is for the archive's books, not for the tombstone. Raises
    `Rejected` for a reason that no vocabulary has, and where the record is deleted already; `Denied` when its time is
    over."""
    require_reason(reason)
    if record.state is RecordState.WITHDRAWN:
        raise _deleted_already()
    days = services.settings.deletion_days
    if services.now() >= record.created + timedelta(days=days):
        raise Denied(
            f"Records are deleted within {days} days of their publication.",
            remedy=f"Tell {services.repository.admin_email} why it has to go.",
        )
    try:
        publication.withdraw(
            services, record.id, reason=reason, note="", by=by, policy=POLICY, comment=comment
        )
    except Conflict:  # somebody else was faster
        raise _deleted_already() from None


def require_reason(reason: str) -> None:
    """Raises `Rejected` for a reason that no vocabulary has."""
    if reason not in vocabulary.removal_reasons():
        some = ", ".join(vocabulary.removal_reasons())
        raise Rejected(f"Invalid value {reason}.", field="reason", remedy=f"Choose one of: {some}.")


def _deleted_already() -> Rejected:
    return Rejected("Record in unexpected deletion status.")
