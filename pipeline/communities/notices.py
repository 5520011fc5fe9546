"""Mails about requests: to those who are asked, and to who asked when there is an answer; and to those with whom a
work is shared. They are wanted in the
transaction that gives cause for them; people without an address that mails reach are told by nothing but the API."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from pipeline.catalogue import Transaction, accounts, communities, mails, members
from pipeline.communities.requests import (
    COMMUNITY_INCLUSION,
    COMMUNITY_INVITATION,
    COMMUNITY_SUBMISSION,
    EntityKind,
    Request,
)
from pipeline.communities.roles import allows
from pipeline.dissemination import Repository
from pipeline.errors import Rejected
from pipeline.model import AccessGrant, Right

_MOST_TOLD = 50
"""Members of a community that one request sends mails to."""
_ASKED = {
    COMMUNITY_SUBMISSION.name: 'A draft was submitted to "{community}" for review',
    COMMUNITY_INCLUSION.name: 'A record was submitted to "{community}"',
    COMMUNITY_INVITATION.name: 'You are invited to "{community}"',
}


def tell_asked(
    tx: Transaction, repository: Repository, one: Request, *, by: int | None, now: datetime
) -> None:
    """Whoever may answer the request, but for who made it."""
    community = _community(tx, one)
    role = f" as {one.payload['role']}" if "role" in one.payload else ""
    subject = _ASKED.get(one.type, "You are asked for something").format(community=community)
    text = f"{subject}{role}: {one.title}\n\nAccept or decline it: {_address(repository, one)}\n"
    _mail(tx, _answerers(tx, one) - {by}, subject, text, now)


def tell_answer(
    tx: Transaction, repository: Repository, one: Request, *, by: int | None, now: datetime
) -> None:
    """Who made the request, unless they answered it themselves."""
    if one.creator.kind is EntityKind.USER:
        subject = f"Your request is {one.state}: {one.title}"
        text = f"{subject}\n\nWhat was said of it: {_address(repository, one)}\n"
        _mail(tx, {int(one.creator.id)} - {by}, subject, text, now)


def tell_granted(
    tx: Transaction,
    repository: Repository,
    given: AccessGrant,
    record_id: int,
    message: str,
    *,
    now: datetime,
) -> None:
    """Whom a work is shared with, and what whoever shares it says."""
    subject = f"Record {record_id} of {repository.name} is shared with you: {given.right.word}"
    draft = f"Its draft, while there is one: {repository.base_url}/uploads/{record_id}\n"
    text = f"{subject}\n\n{message}\n\n{repository.base_url}/records/{record_id}\n"
    _mail(tx, [given.account_id], subject, text + (draft if given.right >= Right.PREVIEW else ""), now)


def _community(tx: Transaction, one: Request) -> str:
    """What the community is called that the request is to, or about."""
    ids = [each.id for each in (one.receiver, one.topic) if each.kind is EntityKind.COMMUNITY]
    return next((each.charter.title for each in communities.by_ids(tx, ids).values()), "")


def _answerers(tx: Transaction, one: Request) -> set[int | None]:
    if one.receiver.kind is EntityKind.USER:
        return {int(one.receiver.id)}
    if one.receiver.kind is not EntityKind.COMMUNITY:
        return set()
    some, _ = members.page(tx, one.receiver.id, visible_only=False, page=1, size=1_000)
    return {
        each.account_id for each in [each for each in some if allows(each.role, one.kind.power)][:_MOST_TOLD]
    }


def _address(repository: Repository, one: Request) -> str:
    return f"{repository.base_url}/me/requests/{one.id}"


def _mail(tx: Transaction, account_ids: Iterable[int | None], subject: str, text: str, now: datetime) -> None:
    known = accounts.by_ids(tx, {one for one in account_ids if one is not None})
    for account in known.values():
        with suppress(Rejected):
            mails.want(tx, to=account.email, subject=subject, text=text, now=now)
