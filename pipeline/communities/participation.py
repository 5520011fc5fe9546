"""Who takes part in requests, and as what: what the catalogue knows of a viewer, put to those who decide
(`pipeline.communities.requests`, `pipeline.access`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline import refusals
from pipeline.access import Viewer, may_in_community, owns
from pipeline.catalogue import Transaction, members, requests, rights
from pipeline.catalogue.rights import Standing
from pipeline.communities.requests import (
    COMMUNITY_SUBMISSION,
    Entity,
    EntityKind,
    Party,
    Request,
    RequestState,
)
from pipeline.communities.roles import Power, Role
from pipeline.model import Right


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


def held(
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
