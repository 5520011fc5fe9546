"""Use case: requests, from being made to what accepting them means.

A community that something is asked of is not deleted (`pipeline.communities.curation`), so that it is there when that
is accepted; what has it asked, and what makes members, holds it. Who speaks for whom, and what that lets them do, is
decided by `pipeline.communities.requests` and `pipeline.access`. What accepting a request of some type means is done in
the transaction that accepts it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pipeline import publication, refusals, security_events
from pipeline.access import STRANGER, Viewer, may_in_community, owns
from pipeline.catalogue import (
    Transaction,
    accounts,
    communities,
    drafts,
    members,
    records,
    requests,
    rights,
)
from pipeline.catalogue.communities import ManagedCommunity
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.requests import TimelineEntry
from pipeline.catalogue.rights import Standing
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


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a viewer: their roles in communities, and how they stand to what requests are about."""

    viewer: Viewer
    roles: Mapping[str, Role]
    topics: Mapping[int, Standing]

    def right_to(self, topic: Entity) -> Right:
        found = self.topics.get(int(topic.id)) if topic.kind is EntityKind.RECORD else None
        return Right.NONE if found is None else found.right

    def speaks_for(self, entity: Entity, power: Power) -> bool:
        """Whether they act for somebody or something that takes part in a request; for a community with `power`."""
        match entity.kind:
            case EntityKind.USER:
                return str(self.viewer.account_id) == entity.id
            case EntityKind.COMMUNITY:
                return may_in_community(self.roles.get(entity.id), power, self.viewer)
            case EntityKind.RECORD:
                found = self.topics.get(int(entity.id))
                return owns("" if found is None else found.owner, self.viewer)
            case EntityKind.ADMINISTRATORS:
                return self.viewer.admin
            case EntityKind.EMAIL:
                return False

    def parties(self, one: Request) -> frozenset[Party]:
        """As what they take part in a request. A review is its depositor's, and of all who may edit the draft."""
        found = {
            Party.CREATOR: self.speaks_for(one.creator, one.kind.power)
            or (one.type == COMMUNITY_SUBMISSION.name and self.right_to(one.topic) >= Right.EDIT),
            Party.RECEIVER: self.speaks_for(one.receiver, one.kind.power),
            Party.TOPIC_OWNER: one.topic.kind is EntityKind.RECORD
            and self.speaks_for(one.topic, one.kind.power),
        }
        return frozenset(party for party, is_one in found.items() if is_one)

    def sees(self, one: Request) -> bool:
        """Whether they may look at a request: those who take part in it, but for who is not asked yet, and a review
        whoever may see its draft."""
        asked = frozenset({Party.RECEIVER} if one.state is RequestState.CREATED else ())
        is_review = one.type == COMMUNITY_SUBMISSION.name
        may_preview = is_review and self.right_to(one.topic) >= Right.PREVIEW
        return self.viewer.admin or bool(self.parties(one) - asked) or may_preview


def _known(tx: Transaction, ones: Collection[Request], viewer: Viewer, now: datetime) -> _Known:
    """All that is to be known of the viewer for these requests, in as many queries for many as for one."""
    topics = {int(one.topic.id) for one in ones if one.topic.kind is EntityKind.RECORD}
    roles = members.roles(tx, viewer.account_id)
    return _Known(viewer, roles, rights.to_ids(tx, topics, viewer, now=now))


def parties(
    tx: Transaction, ones: Collection[Request], viewer: Viewer, *, now: datetime
) -> list[frozenset[Party]]:
    """As what the viewer, who has an account, takes part in each of the requests."""
    known = _known(tx, ones, viewer, now)
    return [known.parties(one) for one in ones]


def require_owner(tx: Transaction, topic: Entity, viewer: Viewer, *, now: datetime) -> None:
    """Raises `Denied` unless the viewer owns the record, or the draft, that this is."""
    known = _Known(viewer, {}, rights.to_ids(tx, [int(topic.id)], viewer, now=now))
    if not known.speaks_for(topic, Power.READ):
        raise refusals.not_permitted()


def visible(tx: Transaction, request_id: str, viewer: Viewer, *, now: datetime) -> Request:
    """A request. Raises `Missing`, and `Denied` for those who do not take part in it; while nobody was asked yet, for
    who will be. A review is seen by whoever may see the draft."""
    one = requests.get(tx, request_id, now=now)
    if not _known(tx, [one], viewer, now).sees(one):
        raise refusals.not_permitted()
    return one


def _held(
    tx: Transaction, request_id: str, viewer: Viewer, *, now: datetime
) -> tuple[Request, frozenset[Party]]:
    """A request in which the viewer takes part, and as what. Nobody else changes it, or what is said about it, until
    the transaction ends. Raises `Missing`, `Denied`."""
    one = requests.locked(tx, request_id, now=now)
    known = _known(tx, [one], viewer, now)
    mine = known.parties(one)
    if not known.sees(one) or not (mine or viewer.admin):
        raise refusals.not_permitted()
    return one, mine


# ---------------------------------------------------------------- actions


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
        return _take(tx, services, current, action, viewer, comment=comment, now=now)

    return _STEPS.get((one.type, action), _only)(services, one, take, viewer)


def _take(
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
    _require_takeable(tx, one, action, viewer, comment=comment, now=now)
    moved = requests.move(tx, one, action, by=viewer.account_id, comment=comment, now=now)
    if action is RequestAction.SUBMIT:
        notices.tell_asked(tx, services.repository, moved, by=viewer.account_id, now=now)
    elif action is not RequestAction.CANCEL:
        notices.tell_answer(tx, services.repository, moved, by=viewer.account_id, now=now)
    return moved


def _require_takeable(
    tx: Transaction, one: Request, action: RequestAction, viewer: Viewer, *, comment: str, now: datetime
) -> None:
    step(one.state, action)
    [mine] = parties(tx, [one], viewer, now=now)
    if not allowed(one, action, mine, admin=viewer.admin):
        raise refusals.not_permitted()
    if comment:
        _require_unlocked(one)


def _only(services: Services, _one: Request, take: Take, _viewer: Viewer) -> Request:
    with services.catalogue.write() as tx:
        return take(tx)


def _submit_draft(services: Services, one: Request, take: Take, _viewer: Viewer) -> Request:
    with services.catalogue.write() as tx:
        draft = drafts.get(tx, int(one.topic.id))
        locked = drafts.locked_draft(tx, draft.deposit.id)
        _require_reviewable(tx, services, locked, one)
        moved = take(tx)
        _require_asker(tx, one, locked.deposit.concept_id, services.now())
        return moved


def _publish(services: Services, one: Request, take: Take, _viewer: Viewer) -> Request:
    """The draft becomes a record of the community."""
    draft = deposit.find(services, int(one.topic.id))
    moved: list[Request] = []

    def accept(tx: Transaction) -> None:
        moved.append(take(tx))
        concept_id = draft.deposit.concept_id
        _require_asker(tx, one, concept_id, services.now())
        communities.include(tx, [(concept_id, one.receiver.id)])
        communities.set_default(tx, concept_id, one.receiver.id)

    deposit.publish(services, draft, accepting=accept)
    return moved[-1]


def _include(services: Services, one: Request, take: Take, _viewer: Viewer) -> Request:
    """The work joins the community."""
    with services.catalogue.write() as tx:
        moved = take(tx)
        concept_id = records.get(tx, int(one.topic.id)).concept_id
        _require_asker(tx, one, concept_id, services.now())
        if records.get(tx, int(one.topic.id)).state is not RecordState.PUBLISHED:
            raise Rejected("The record was withdrawn.")
        curation.join(tx, [(concept_id, one.receiver.id)], now=services.now())
        return moved


def _require_asker(tx: Transaction, one: Request, concept_id: int, now: datetime) -> None:
    """Raises `Rejected` where whoever has named the community does not manage the work any more; nobody takes that from
    them until the transaction ends."""
    asker = next(iter(accounts.by_ids(tx, [one.asked_by or 0]).values()), None)
    viewer = STRANGER if asker is None else Viewer(asker.email, asker.admin, account_id=asker.id)
    try:
        rights.hold(tx, concept_id, viewer, Right.MANAGE, now=now)
    except Denied:
        raise Rejected(
            "Whoever asked for this has lost the right to the record meanwhile.",
            remedy="Ask for it anew, in place of them.",
        ) from None


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


# ---------------------------------------------------------------- reviews of drafts
#
# A review is made in the depositor's name, whoever of those who may has a hand in it: what they are in the community
# decides whether it takes the draft. Naming the community takes managing the work, as in a deposit.


def set_review(services: Services, draft: Draft, community_id: str, viewer: Viewer) -> Request:
    """Choose which community shall review a draft, in place of one that was chosen before. Raises `Missing`, `Denied`,
    `Rejected` for a record that is published already, while one is under way, and where the community takes none from
    the depositor."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        if one.action is not DepositAction.NEW:
            raise Rejected("You cannot create a review for an already published record.")
        chosen = communities.locked(tx, community_id)
        _require_submits(tx, chosen, draft.account_id)
        before = requests.review(tx, draft.record_id, now=now)
        if before is not None and before.is_open:
            raise Rejected("You cannot update a review which is already open.")
        if before is not None and before.state is RequestState.CREATED:
            requests.remove(tx, before)
        begun = _begin_review(tx, draft, chosen.id, asked_by=viewer.account_id, now=now)
        rights.hold(tx, one.concept_id, viewer, Right.MANAGE, now=now)
        return begun


def _begin_review(
    tx: Transaction, draft: Draft, community_id: str, *, asked_by: int | None, now: datetime
) -> Request:
    return requests.add(
        tx,
        COMMUNITY_SUBMISSION,
        title=str(draft.description.metadata.get("title", "")),
        creator=Entity(EntityKind.USER, str(draft.account_id)),
        receiver=Entity(EntityKind.COMMUNITY, community_id),
        topic=Entity(EntityKind.RECORD, str(draft.record_id)),
        asked_by=asked_by,
        submitted=False,
        now=now,
    )


def drop_review(services: Services, draft: Draft, viewer: Viewer) -> None:
    """Choose no community. Raises `Missing` where none was chosen, `Denied`, `Rejected` while one is reviewing it."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        review = requests.review(tx, draft.record_id, now=now)
        if review is None or review.state not in OPEN:
            raise _no_review()
        if review.is_open:
            raise Rejected("You cannot delete an open review.", remedy="Cancel its request.")
        requests.remove(tx, review)
        rights.hold(tx, one.concept_id, viewer, Right.MANAGE, now=now)


def submit_review(
    services: Services, draft: Draft, viewer: Viewer, *, comment: str = "", reviewed: bool = False
) -> Request:
    """Ask the chosen community for its review; again where it declined. Where the depositor needs none, and none is
    wanted (`reviewed`), the draft is published at once. Raises as `act`, and `Missing` where no community was chosen.
    All of it is done, or nothing."""
    now = services.now()
    with services.catalogue.write() as tx:
        locked = drafts.locked_draft(tx, draft.deposit.id)
        review = requests.review(tx, draft.record_id, now=now)
        if review is None:
            raise _no_review()
        community, one = _require_reviewable(tx, services, locked, review)
        if review.state not in OPEN:
            review = _begin_review(tx, draft, community.id, asked_by=review.asked_by, now=now)
        asked = requests.locked(tx, review.id, now=now)
        _require_takeable(tx, asked, RequestAction.SUBMIT, viewer, comment=comment, now=now)
        _require_asker(tx, asked, one.concept_id, now)
        role = members.role(tx, community.id, draft.account_id)
        if reviewed or not includes_directly(role, community.charter.policies.review_policy):
            return _take(tx, services, asked, RequestAction.SUBMIT, viewer, comment=comment, now=now)
        submitted = requests.move(
            tx, asked, RequestAction.SUBMIT, by=viewer.account_id, comment=comment, now=now
        )
        accepted = requests.move(tx, submitted, RequestAction.ACCEPT, by=viewer.account_id, now=now)
        communities.include(tx, [(one.concept_id, community.id)])
        communities.set_default(tx, one.concept_id, community.id)
        publication.publish_locked(tx, services, one)
        return accepted


def _require_reviewable(
    tx: Transaction, services: Services, draft: Draft, review: Request
) -> tuple[ManagedCommunity, Deposit]:
    """The community that a draft, which is locked, is submitted to, and what it would be published as: curators are
    asked for a review of what could be published, from whom the community takes it. Raises `Missing` where it was
    deleted, `Rejected`, `InvalidFields`."""
    publication.hold_communities(tx, draft.deposit, besides=[review.receiver.id])
    community = communities.locked(tx, review.receiver.id)
    _require_submits(tx, community, int(review.creator.id))
    return community, deposit.require_publishable(tx, services, draft)


def _require_submits(tx: Transaction, community: ManagedCommunity, account_id: int) -> None:
    role = members.role(tx, community.id, account_id)
    if not submits(role, community.charter.policies.record_submission_policy):
        raise Rejected("Submission to this community is only allowed to community members.")


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
        return requests.comment(tx, one, content, by=viewer.known_id, parent_id=parent_id, now=now)


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
    """Its author, or who receives the request, takes a comment back. Raises as `say`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, mine = _held(tx, request_id, viewer, now=now)
        _require_unlocked(one)
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
        requests.lock(tx, one, locked=locked, by=viewer.known_id, now=now)
        return requests.get(tx, request_id, now=now)


def describe(
    services: Services, request_id: str, viewer: Viewer, *, title: str | None, description: str | None
) -> Request:
    """Who made a request says anew what it is about, while it is open; what is None stays. Raises `Missing`,
    `Denied`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, mine = _held(tx, request_id, viewer, now=now)
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
        one, mine = _held(tx, request_id, viewer, now=now)
        if Party.CREATOR not in mine or one.state is not RequestState.CREATED:
            raise refusals.not_permitted()
        requests.remove(tx, one)
        if one.type == COMMUNITY_SUBMISSION.name:
            concept_id = drafts.get(tx, int(one.topic.id)).deposit.concept_id
            rights.hold(tx, concept_id, viewer, Right.MANAGE, now=now)
