"""Use case: requests, from being made to what accepting them means.

A community that something is asked of is not deleted (`pipeline.communities.curation`), so that it is there when that
is accepted; what has it asked, and what makes members, holds it. What accepting a request of some type means is done in
the transaction that accepts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pipeline import refusals, security_events
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, communities, drafts, members, records, requests, rights
from pipeline.communities import curation, reviews, steps
from pipeline.communities.participation import held, visible
from pipeline.communities.requests import (
    COMMUNITY_INCLUSION,
    COMMUNITY_INVITATION,
    COMMUNITY_SUBMISSION,
    GUEST_ACCESS,
    OPEN,
    USER_ACCESS,
    Party,
    Request,
    RequestAction,
    RequestState,
)
from pipeline.communities.roles import Role
from pipeline.errors import Rejected
from pipeline.ingest import deposit
from pipeline.model import RecordState, Right
from pipeline.people import access_requests
from pipeline.services import Services

Take: TypeAlias = Callable[[Transaction], Request]
"""Takes the step in a transaction. Raises `Denied`, `Rejected` where it cannot be taken."""


def act(
    services: Services, request_id: str, action: RequestAction, viewer: Viewer, *, comment: str = ""
) -> Request:
    """Do this with a request, and all that follows from it, or nothing. Raises `Missing`, `Denied`, also for a comment
    on one that is locked; `Rejected` where it cannot be done; what the type's own step raises."""
    now = services.now()
    with services.catalogue.read() as tx:
        one = visible(tx, request_id, viewer, now=now)

    def take(tx: Transaction) -> Request:
        current = requests.locked(tx, request_id, now=now)
        return steps.take(tx, services, current, action, viewer, comment=comment, now=now)

    return _STEPS.get((one.type, action), _only)(services, one, take, viewer)


def _only(services: Services, _one: Request, take: Take, _viewer: Viewer) -> Request:
    with services.catalogue.write() as tx:
        return take(tx)


def _submit_draft(services: Services, one: Request, take: Take, _viewer: Viewer) -> Request:
    with services.catalogue.write() as tx:
        draft = drafts.get(tx, int(one.topic.id))
        locked = drafts.locked_draft(tx, draft.deposit.id)
        reviews.require_reviewable(tx, services, locked, one)
        moved = take(tx)
        steps.require_asker(tx, one, locked.deposit.concept_id, services.now())
        return moved


def _publish(services: Services, one: Request, take: Take, _viewer: Viewer) -> Request:
    """The draft becomes a record of the community."""
    draft = deposit.find(services, int(one.topic.id))
    moved: list[Request] = []

    def accept(tx: Transaction) -> None:
        moved.append(take(tx))
        concept_id = draft.deposit.concept_id
        steps.require_asker(tx, one, concept_id, services.now())
        communities.include(tx, [(concept_id, one.receiver.id)])
        communities.set_default(tx, concept_id, one.receiver.id)

    deposit.publish(services, draft, accepting=accept)
    return moved[-1]


def _include(services: Services, one: Request, take: Take, _viewer: Viewer) -> Request:
    """The work joins the community."""
    with services.catalogue.write() as tx:
        moved = take(tx)
        concept_id = records.get(tx, int(one.topic.id)).concept_id
        steps.require_asker(tx, one, concept_id, services.now())
        if records.get(tx, int(one.topic.id)).state is not RecordState.PUBLISHED:
            raise Rejected("The record was withdrawn.")
        curation.join(tx, [(concept_id, one.receiver.id)], now=services.now())
        return moved


def _make_member(services: Services, one: Request, take: Take, viewer: Viewer) -> Request:
    """Unless the community was deleted meanwhile: that does not wait for who is invited."""
    with services.catalogue.write() as tx:
        communities.locked(tx, one.topic.id)
        moved = take(tx)
        role = Role(moved.payload["role"])
        account_id = int(one.receiver.id)
        is_new = members.add(tx, one.topic.id, account_id, role, now=services.now())
    if is_new:
        security_events.role_changed(viewer.account_id, community=one.topic.id, of=account_id, role=role)
    return moved


def _admit(services: Services, _one: Request, take: Take, viewer: Viewer) -> Request:
    """Whoever asked may view the files from now on."""
    with services.catalogue.write() as tx:
        moved = take(tx)
        work, to = access_requests.admit(services, tx, moved)
    if to is not None:
        security_events.access_given(viewer.account_id, work=work, right=Right.VIEW, to=to)
    return moved


_STEPS: Mapping[tuple[str, RequestAction], Callable[[Services, Request, Take, Viewer], Request]] = {
    (COMMUNITY_SUBMISSION.name, RequestAction.SUBMIT): _submit_draft,
    (COMMUNITY_SUBMISSION.name, RequestAction.ACCEPT): _publish,
    (COMMUNITY_INCLUSION.name, RequestAction.ACCEPT): _include,
    (COMMUNITY_INVITATION.name, RequestAction.ACCEPT): _make_member,
    (USER_ACCESS.name, RequestAction.ACCEPT): _admit,
    (GUEST_ACCESS.name, RequestAction.ACCEPT): _admit,
}
"""What happens together with a step; with others nothing does."""


def describe(
    services: Services, request_id: str, viewer: Viewer, *, title: str | None, description: str | None
) -> Request:
    """Who made a request says anew what it is about, while it is open; what is None stays. Raises `Missing`,
    `Denied`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, mine = held(tx, request_id, viewer, now=now)
        if Party.CREATOR not in mine or one.state not in OPEN:
            raise refusals.not_permitted()
        requests.describe(
            tx,
            one,
            one.title if title is None else title,
            one.description if description is None else description,
            now=now,
        )
        return requests.get(tx, request_id, now=now)


def forget(services: Services, request_id: str, viewer: Viewer) -> None:
    """Who made a request takes it back before anybody was asked; of a review who may choose another. Raises `Missing`,
    `Denied`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, mine = held(tx, request_id, viewer, now=now)
        if Party.CREATOR not in mine or one.state is not RequestState.CREATED:
            raise refusals.not_permitted()
        requests.remove(tx, one)
        if one.type == COMMUNITY_SUBMISSION.name:
            concept_id = drafts.get(tx, int(one.topic.id)).deposit.concept_id
            rights.hold(tx, concept_id, viewer, Right.MANAGE, now=now)
