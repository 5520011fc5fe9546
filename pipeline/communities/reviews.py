"""Use case: reviews of drafts by communities.

A review is made in the depositor's name, whoever of those who may has a hand in it: what they are in the community
decides whether it takes the draft. Naming the community takes managing the work, as in a deposit.
"""

from __future__ import annotations

from datetime import datetime

from pipeline import publication
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, communities, drafts, members, requests, rights
from pipeline.catalogue.communities import ManagedCommunity
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.drafts import Draft
from pipeline.communities.requests import (
    COMMUNITY_SUBMISSION,
    OPEN,
    Entity,
    EntityKind,
    Request,
    RequestAction,
    RequestState,
)
from pipeline.communities.roles import includes_directly, submits
from pipeline.communities.steps import require_asker, require_takeable, take
from pipeline.errors import Missing, Rejected
from pipeline.ingest import deposit
from pipeline.model import DepositAction, Right
from pipeline.services import Services


def choose(services: Services, draft: Draft, community_id: str, viewer: Viewer) -> Request:
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


def drop(services: Services, draft: Draft, viewer: Viewer) -> None:
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


def submit(
    services: Services, draft: Draft, viewer: Viewer, *, comment: str = "", reviewed: bool = False
) -> Request:
    """Ask the chosen community for its review; again where it declined. Where the depositor needs none, and none is
    wanted (`reviewed`), the draft is published at once. Raises as `requesting.act`, and `Missing` where no community
    was chosen. All of it is done, or nothing."""
    now = services.now()
    with services.catalogue.write() as tx:
        locked = drafts.locked_draft(tx, draft.deposit.id)
        review = requests.review(tx, draft.record_id, now=now)
        if review is None:
            raise _no_review()
        community, one = require_reviewable(tx, services, locked, review)
        if review.state not in OPEN:
            review = _begin_review(tx, draft, community.id, asked_by=review.asked_by, now=now)
        asked = requests.locked(tx, review.id, now=now)
        require_takeable(tx, asked, RequestAction.SUBMIT, viewer, comment=comment, now=now)
        require_asker(tx, asked, one.concept_id, now)
        role = members.role(tx, community.id, draft.account_id)
        if reviewed or not includes_directly(role, community.charter.policies.review_policy):
            return take(tx, services, asked, RequestAction.SUBMIT, viewer, comment=comment, now=now)
        submitted = requests.move(
            tx, asked, RequestAction.SUBMIT, by=viewer.account_id, comment=comment, now=now
        )
        accepted = requests.move(tx, submitted, RequestAction.ACCEPT, by=viewer.account_id, now=now)
        communities.include(tx, [(one.concept_id, community.id)])
        communities.set_default(tx, one.concept_id, community.id)
        publication.publish_locked(tx, services, one)
        return accepted


def require_reviewable(
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
