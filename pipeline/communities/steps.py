"""A step that a request takes: who may take it, who is told, and whether whoever asked still may."""

from __future__ import annotations

from datetime import datetime

from pipeline import refusals
from pipeline.access import STRANGER, Viewer
from pipeline.catalogue import Transaction, accounts, requests, rights
from pipeline.catalogue.accounts import Account
from pipeline.communities import notices
from pipeline.communities.participation import parties
from pipeline.communities.requests import Request, RequestAction, allowed, require_unlocked, step
from pipeline.errors import Denied, Rejected
from pipeline.model import Right
from pipeline.services import Services


def take(
    tx: Transaction,
    services: Services,
    one: Request,
    action: RequestAction,
    viewer: Viewer,
    *,
    comment: str,
    now: datetime,
) -> Request:
    """Take the step with a request that is locked, and tell those whom it concerns."""
    require_takeable(tx, one, action, viewer, comment=comment, now=now)
    moved = requests.move(tx, one, action, by=viewer.account_id, comment=comment, now=now)
    if action is RequestAction.SUBMIT:
        notices.tell_asked(tx, services.repository, moved, by=viewer.account_id, now=now)
    elif action is not RequestAction.CANCEL:
        notices.tell_answer(tx, services.repository, moved, by=viewer.account_id, now=now)
    return moved


def require_takeable(
    tx: Transaction, one: Request, action: RequestAction, viewer: Viewer, *, comment: str, now: datetime
) -> None:
    """Raises `Denied`, also for a comment on one that is locked; `Rejected` where it cannot be taken, and where whoever
    asked is let in no more: nothing is done any more that they asked for."""
    step(one.state, action)
    [mine] = parties(tx, [one], viewer, now=now)
    if not allowed(one, action, mine, admin=viewer.admin):
        raise refusals.not_permitted()
    if comment:
        require_unlocked(one)
    asker = _asker(tx, one)
    if action in (RequestAction.SUBMIT, RequestAction.ACCEPT) and asker is not None and asker.disabled:
        raise Rejected(
            "The account of whoever asked for this was disabled meanwhile.",
            remedy="Ask for it anew, in place of them.",
        )


def require_asker(tx: Transaction, one: Request, concept_id: int, now: datetime) -> None:
    """Raises `Rejected` where whoever has named the community does not manage the work any more; nobody takes that from
    them until the transaction ends."""
    asker = _asker(tx, one)
    viewer = STRANGER if asker is None else Viewer(asker.email, asker.admin, account_id=asker.id)
    try:
        rights.hold(tx, concept_id, viewer, Right.MANAGE, now=now)
    except Denied:
        raise Rejected(
            "Whoever asked for this has lost the right to the record meanwhile.",
            remedy="Ask for it anew, in place of them.",
        ) from None


def _asker(tx: Transaction, one: Request) -> Account | None:
    return next(iter(accounts.by_ids(tx, [one.asked_by or 0]).values()), None)
