"""Use case: requests, from being made to what accepting them means.

A community that something is asked of is not deleted (`pipeline.communities.curation`), so that it is there when that
is accepted; what has it asked, and what makes members, holds it. Who speaks for whom, and what that lets them do, is
decided by `pipeline.communities.requests` and `pipeline.access`. What accepting a request of some type means is done in
the transaction that accepts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from pipeline import refusals
from pipeline.access import Viewer, may_in_community, owns
from pipeline.catalogue import (
    Transaction,
    accounts,
    communities,
    drafts,
    members,
    records,
    requests,
    rights,
    sharing,
)
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.requests import TimelineEntry
from pipeline.communities import curation, notices
from pipeline.communities.requests import (
    COMMUNITY_INCLUSION,
    COMMUNITY_INVITATION,
    COMMUNITY_SUBMISSION,
    GUEST_ACCESS,
    OPEN,
    USER_ACCESS,
    Entity,
    EntityKind,
    Party,
    Request,
    RequestAction,
    RequestState,
    allowed,
    step,
)
from pipeline.communities.roles import Power, Role, includes_directly, submits
from pipeline.errors import Denied, Missing, Rejected
from pipeline.ingest import deposit
from pipeline.model import DepositAction, RecordState, Right
from pipeline.people import access_requests
from pipeline.services import Services

Take: TypeAlias = Callable[[Transaction], Request]
"""Takes the step in a transaction. Raises `Denied`, `Rejected` where it cannot be taken."""


# ---------------------------------------------------------------- who


def speaks_for(tx: Transaction, entity: Entity, viewer: Viewer, power: Power) -> bool:
    """Whether the viewer acts for somebody or something that takes part in a request; for a community with `power`."""
    match entity.kind:
        case EntityKind.USER:
            return viewer.account_id is not None and str(viewer.account_id) == entity.id
        case EntityKind.COMMUNITY:
            return may_in_community(members.role(tx, entity.id, viewer.account_id), power, viewer)
        case EntityKind.RECORD:
            return owns(_owner(tx, int(entity.id)), viewer)
        case EntityKind.ADMINISTRATORS:
            return viewer.admin
        case EntityKind.EMAIL:
            return False


def _owner(tx: Transaction, record_id: int) -> str:
    """Of a record, or of the draft of one; '' where there is neither any more."""
    for find in (records.get, drafts.get):
        try:
            return find(tx, record_id).owner
        except Missing:
            continue
    return ""


def parties(tx: Transaction, one: Request, viewer: Viewer) -> frozenset[Party]:
    """As what the viewer takes part in a request."""
    if viewer.account_id is None:
        return frozenset()
    found = {
        Party.CREATOR: speaks_for(tx, one.creator, viewer, one.kind.power),
        Party.RECEIVER: speaks_for(tx, one.receiver, viewer, one.kind.power),
        Party.TOPIC_OWNER: one.topic.kind is EntityKind.RECORD
        and speaks_for(tx, one.topic, viewer, one.kind.power),
    }
    return frozenset(party for party, is_one in found.items() if is_one)


def require_owner(tx: Transaction, topic: Entity, viewer: Viewer) -> None:
    """Raises `Denied` unless the viewer owns the record, or the draft, that this is."""
    if not speaks_for(tx, topic, viewer, Power.READ):
        raise refusals.not_permitted()


def visible(
    tx: Transaction, request_id: str, viewer: Viewer, *, now: datetime
) -> tuple[Request, frozenset[Party]]:
    """A request, and as what the viewer takes part in it. Raises `Missing`, and `Denied` for those who do not; while
    nobody was asked yet, only who asks does."""
    one = requests.get(tx, request_id, now=now)
    mine = parties(tx, one, viewer)
    if one.state is RequestState.CREATED:
        mine &= {Party.CREATOR}
    if not mine and not viewer.admin:
        raise refusals.not_permitted()
    return one, mine


def _held(
    tx: Transaction, request_id: str, viewer: Viewer, *, now: datetime
) -> tuple[Request, frozenset[Party]]:
    """As `visible`, and nobody else changes the request, or what is said about it, until the transaction ends."""
    requests.locked(tx, request_id, now=now)
    return visible(tx, request_id, viewer, now=now)


# ---------------------------------------------------------------- actions


def act(
    services: Services, request_id: str, action: RequestAction, viewer: Viewer, *, comment: str = ""
) -> Request:
    """Do this with a request, and all that follows from it, or nothing. Raises `Missing`, `Denied`, `Rejected` where it
    cannot be done; what the type's own step raises."""
    now = services.now()
    with services.catalogue.read() as tx:
        one, _ = visible(tx, request_id, viewer, now=now)

    def take(tx: Transaction) -> Request:
        current = requests.locked(tx, request_id, now=now)
        step(current.state, action)
        if not allowed(current, action, parties(tx, current, viewer), admin=viewer.admin):
            raise refusals.not_permitted()
        moved = requests.move(tx, current, action, by=viewer.account_id, comment=comment, now=now)
        if action is RequestAction.SUBMIT:
            notices.tell_asked(tx, services.repository, moved, by=viewer.account_id, now=now)
        elif action is not RequestAction.CANCEL:
            notices.tell_answer(tx, services.repository, moved, by=viewer.account_id, now=now)
        return moved

    return _STEPS.get((one.type, action), _only)(services, one, take)


def _only(services: Services, _one: Request, take: Take) -> Request:
    with services.catalogue.write() as tx:
        return take(tx)


def _submit_draft(services: Services, one: Request, take: Take) -> Request:
    """Curators are asked for a review of what could be published."""
    with services.catalogue.write() as tx:
        draft = drafts.get(tx, int(one.topic.id))
        locked = drafts.locked(tx, draft.deposit.id)
        _require_editor(tx, one, draft, services.now())
        communities.locked(tx, one.receiver.id)
        deposit.require_publishable(tx, services, locked)
        return take(tx)


def _publish(services: Services, one: Request, take: Take) -> Request:
    """The draft becomes a record of the community."""
    draft = deposit.find(services, int(one.topic.id))
    moved: list[Request] = []

    def accept(tx: Transaction) -> None:
        moved.append(take(tx))
        _require_editor(tx, one, draft, services.now())
        concept_id = draft.deposit.concept_id
        communities.include(tx, [(concept_id, one.receiver.id)])
        communities.set_default(tx, concept_id, one.receiver.id)

    deposit.publish(services, draft, accepting=accept)
    return moved[-1]


def _include(services: Services, one: Request, take: Take) -> Request:
    """The work joins the community."""
    with services.catalogue.write() as tx:
        moved = take(tx)
        record = records.get(tx, int(one.topic.id))
        if record.state is not RecordState.PUBLISHED:
            raise Rejected("The record was withdrawn.")
        if rights.to_work(tx, record.concept_id, _creator(tx, one), now=services.now()) < Right.MANAGE:
            raise _lost()
        curation.join(tx, [(record.concept_id, one.receiver.id)], now=services.now())
        return moved


def _creator(tx: Transaction, one: Request) -> Viewer:
    account_id = int(one.creator.id)
    account = accounts.by_ids(tx, [account_id])[account_id]
    return Viewer(account.email, account.admin, account_id=account_id)


def _require_editor(tx: Transaction, one: Request, draft: Draft, now: datetime) -> None:
    """Raises `Rejected` where whoever asked may not edit the draft any more, by themselves or by a link: by which of
    them they came is not kept."""
    links = [link.token for link in sharing.links(tx, draft.deposit.concept_id) if link.right >= Right.EDIT]
    viewer = _creator(tx, one)
    if not any(
        rights.to(tx, draft, replace(viewer, link=token), now=now) >= Right.EDIT for token in ("", *links)
    ):
        raise _lost()


def _lost() -> Rejected:
    return Rejected("Whoever asked for this has lost the right to the record meanwhile.")


def _make_member(services: Services, one: Request, take: Take) -> Request:
    """Unless the community was deleted meanwhile: that does not wait for who is invited."""
    with services.catalogue.write() as tx:
        communities.locked(tx, one.topic.id)
        moved = take(tx)
        role = Role(moved.payload["role"])
        members.add(tx, one.topic.id, int(one.receiver.id), role, now=services.now())
        return moved


def _admit(services: Services, _one: Request, take: Take) -> Request:
    """Whoever asked may view the files from now on."""
    with services.catalogue.write() as tx:
        moved = take(tx)
        access_requests.admit(services, tx, moved)
        return moved


_STEPS: Mapping[tuple[str, RequestAction], Callable[[Services, Request, Take], Request]] = {
    (COMMUNITY_SUBMISSION.name, RequestAction.SUBMIT): _submit_draft,
    (COMMUNITY_SUBMISSION.name, RequestAction.ACCEPT): _publish,
    (COMMUNITY_INCLUSION.name, RequestAction.ACCEPT): _include,
    (COMMUNITY_INVITATION.name, RequestAction.ACCEPT): _make_member,
    (USER_ACCESS.name, RequestAction.ACCEPT): _admit,
    (GUEST_ACCESS.name, RequestAction.ACCEPT): _admit,
}
"""What happens together with a step; with others nothing does."""


# ---------------------------------------------------------------- reviews of drafts


def set_review(services: Services, draft: Draft, community_id: str, account_id: int) -> Request:
    """Choose which community shall review a draft, in place of one that was chosen before. Raises `Missing`, `Rejected`
    for a record that is published already, while one is under way, and where the community takes none from them."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        if one.action is not DepositAction.NEW:
            raise Rejected("You cannot create a review for an already published record.")
        chosen = communities.locked(tx, community_id)
        role = members.role(tx, chosen.id, account_id)
        if not submits(role, chosen.charter.policies.record_submission_policy):
            raise Rejected("Submission to this community is only allowed to community members.")
        before = requests.review(tx, draft.record_id, now=now)
        if before is not None and before.is_open:
            raise Rejected("You cannot update a review which is already open.")
        if before is not None and before.state is RequestState.CREATED:
            requests.remove(tx, before)
        return _begin_review(tx, draft, chosen.id, account_id, now=now)


def _begin_review(
    tx: Transaction, draft: Draft, community_id: str, account_id: int, *, now: datetime
) -> Request:
    return requests.add(
        tx,
        COMMUNITY_SUBMISSION,
        title=str(draft.description.metadata.get("title", "")),
        creator=Entity(EntityKind.USER, str(account_id)),
        receiver=Entity(EntityKind.COMMUNITY, community_id),
        topic=Entity(EntityKind.RECORD, str(draft.record_id)),
        submitted=False,
        now=now,
    )


def drop_review(services: Services, draft: Draft) -> None:
    """Choose no community. Raises `Missing` where none was chosen, `Rejected` while one is reviewing it."""
    now = services.now()
    with services.catalogue.write() as tx:
        drafts.locked(tx, draft.deposit.id)
        review = requests.review(tx, draft.record_id, now=now)
        if review is None or review.state not in OPEN:
            raise _no_review()
        if review.is_open:
            raise Rejected("You cannot delete an open review.", remedy="Cancel its request.")
        requests.remove(tx, review)


def submit_review(
    services: Services, draft: Draft, viewer: Viewer, *, comment: str = "", reviewed: bool = False
) -> Request:
    """Ask the chosen community for its review; again where it declined. Where the depositor needs none, and wants none
    (`reviewed`), the draft is published at once. Raises as `act`, and `Missing` where no community was chosen."""
    now = services.now()
    with services.catalogue.write() as tx:
        drafts.locked(tx, draft.deposit.id)
        review = requests.review(tx, draft.record_id, now=now)
        if review is None:
            raise _no_review()
        if review.state not in OPEN:
            again = communities.locked(tx, review.receiver.id)
            review = _begin_review(tx, draft, again.id, viewer.account_id or 0, now=now)
    asked = act(services, review.id, RequestAction.SUBMIT, viewer, comment=comment)
    with services.catalogue.read() as tx:
        policy = communities.get(tx, review.receiver.id).charter.policies.review_policy
        role = members.role(tx, review.receiver.id, viewer.account_id)
    if reviewed or not includes_directly(role, policy):
        return asked

    def take(tx: Transaction) -> Request:
        current = requests.locked(tx, asked.id, now=now)
        return requests.move(tx, current, RequestAction.ACCEPT, by=viewer.account_id, now=now)

    return _publish(services, asked, take)


def _no_review() -> Missing:
    return Missing("There is no review for this draft.")


# ---------------------------------------------------------------- what is said


def say(
    services: Services, request_id: str, viewer: Viewer, content: str, *, parent_id: str | None = None
) -> TimelineEntry:
    """Comment on a request, or answer a comment. Raises `Missing`, `Denied` for those who take no part, and where it is
    locked."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, _ = _held(tx, request_id, viewer, now=now)
        _require_unlocked(one)
        return requests.comment(tx, one, content, by=viewer.account_id or 0, parent_id=parent_id, now=now)


def edit(services: Services, request_id: str, entry_id: str, viewer: Viewer, content: str) -> TimelineEntry:
    """Its author has a comment say something else. Raises as `say`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, _ = _held(tx, request_id, viewer, now=now)
        _require_unlocked(one)
        if requests.entry(tx, one, entry_id).author_id != viewer.account_id:
            raise refusals.not_permitted()
        return requests.edit(tx, one, entry_id, content, now=now)


def erase(services: Services, request_id: str, entry_id: str, viewer: Viewer) -> None:
    """Its author, or who receives the request, takes a comment back. Raises `Missing`, `Denied`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, mine = _held(tx, request_id, viewer, now=now)
        is_author = requests.entry(tx, one, entry_id).author_id == viewer.account_id
        if not is_author and Party.RECEIVER not in mine and not viewer.admin:
            raise refusals.not_permitted()
        requests.erase(tx, entry_id, now=now)


def _require_unlocked(one: Request) -> None:
    if one.locked:
        raise Denied("The request is locked: nobody can comment on it.")


def lock(services: Services, request_id: str, viewer: Viewer, *, locked: bool) -> Request:
    """Who receives a request, and administrators, let nobody comment on it, or let them again. Raises `Missing`,
    `Denied`, `Rejected` where it is so already."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, mine = _held(tx, request_id, viewer, now=now)
        if Party.RECEIVER not in mine and not viewer.admin:
            raise refusals.not_permitted()
        if one.locked == locked:
            raise Rejected("The request is locked already." if locked else "The request is not locked.")
        requests.lock(tx, one, locked=locked, by=viewer.account_id or 0, now=now)
        return requests.get(tx, request_id, now=now)


def describe(services: Services, request_id: str, viewer: Viewer, *, title: str, description: str) -> Request:
    """Who made a request says anew what it is about, while it is open. Raises `Missing`, `Denied`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, mine = _held(tx, request_id, viewer, now=now)
        if Party.CREATOR not in mine or one.state not in OPEN:
            raise refusals.not_permitted()
        requests.describe(tx, one, title, description, now=now)
        return requests.get(tx, request_id, now=now)


def forget(services: Services, request_id: str, viewer: Viewer) -> None:
    """Who made a request takes it back before anybody was asked. Raises `Missing`, `Denied`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, mine = _held(tx, request_id, viewer, now=now)
        if Party.CREATOR not in mine or one.state is not RequestState.CREATED:
            raise refusals.not_permitted()
        requests.remove(tx, one)
