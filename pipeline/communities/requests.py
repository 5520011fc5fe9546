"""Requests that people make of each other: their life as a pure state machine, and who may do what with those of each
type (Zenodo's REST API, requests).

A request is made by somebody, received by somebody, and is about something; each of the three is an `Entity`. A *type*
says which power in a community makes somebody speak for it there, and who may do what. What accepting means is in
`pipeline.communities.requesting`, by the type's name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from pipeline.communities.roles import Power
from pipeline.errors import Denied, Rejected
from pipeline.model import JsonObject


class RequestState(StrEnum):
    CREATED = "created"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class RequestAction(StrEnum):
    SUBMIT = "submit"
    ACCEPT = "accept"
    DECLINE = "decline"
    CANCEL = "cancel"
    EXPIRE = "expire"


OPEN = frozenset({RequestState.CREATED, RequestState.SUBMITTED})
"""From where a request goes on; all other states are its end."""

_S, _A = RequestState, RequestAction
_STEPS: Mapping[tuple[RequestState, RequestAction], RequestState] = MappingProxyType(
    {
        (_S.CREATED, _A.SUBMIT): _S.SUBMITTED,
        (_S.SUBMITTED, _A.ACCEPT): _S.ACCEPTED,
        (_S.SUBMITTED, _A.DECLINE): _S.DECLINED,
        (_S.SUBMITTED, _A.CANCEL): _S.CANCELLED,
        (_S.SUBMITTED, _A.EXPIRE): _S.EXPIRED,
    }
)


class EntityKind(StrEnum):
    """What takes part in requests. An `EMAIL` is somebody without an account; whoever runs the archive is
    `ADMINISTRATORS`."""

    USER = "user"
    COMMUNITY = "community"
    RECORD = "record"
    EMAIL = "email"
    ADMINISTRATORS = "administrators"


@dataclass(frozen=True, slots=True)
class Entity:
    """`id` is an account's number, a community's UUID, a record's number, an address, or ''."""

    kind: EntityKind
    id: str

    def to_json(self) -> JsonObject:
        return {self.kind.value: self.id}


class Part(StrEnum):
    """Which entities a request has."""

    CREATOR = "creator"
    RECEIVER = "receiver"
    TOPIC = "topic"


class Party(StrEnum):
    """As what somebody takes part in a request."""

    CREATOR = "creator"
    RECEIVER = "receiver"
    TOPIC_OWNER = "owner of what it is about"


_USUAL: Mapping[RequestAction, frozenset[Party]] = MappingProxyType(
    {
        _A.SUBMIT: frozenset({Party.CREATOR}),
        _A.ACCEPT: frozenset({Party.RECEIVER}),
        _A.DECLINE: frozenset({Party.RECEIVER}),
        _A.CANCEL: frozenset({Party.CREATOR, Party.TOPIC_OWNER}),
        # By time alone, and by administrators.
        _A.EXPIRE: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class RequestType:
    """`power` is what somebody needs in a community to speak for it; `may` says which parties may do what; `life` is
    after which time an open one expires. No two are open that have the same of all that they are `told_apart_by`."""

    name: str
    power: Power
    may: Mapping[RequestAction, frozenset[Party]] = field(default_factory=lambda: _USUAL)
    life: timedelta | None = None
    told_apart_by: frozenset[Part] = frozenset({Part.TOPIC, Part.RECEIVER})


COMMUNITY_SUBMISSION = RequestType(
    "community-submission", Power.CURATE, told_apart_by=frozenset({Part.TOPIC})
)
"""Of a draft: it is published into the community."""
COMMUNITY_INCLUSION = RequestType("community-inclusion", Power.CURATE)
"""Of a published record: its work joins the community."""
COMMUNITY_INVITATION = RequestType("community-invitation", Power.MANAGE, life=timedelta(days=30))
"""Of a community to an account: it becomes a member."""
RECORD_DELETION = RequestType("record-deletion", Power.MANAGE, told_apart_by=frozenset({Part.TOPIC}))
"""Of an owner to the administrators: a published record is withdrawn."""

FILE_MODIFICATION = RequestType("file-modification", Power.MANAGE, told_apart_by=frozenset({Part.TOPIC}))
"""Of an owner to the administrators: the files of a published record change with the edit that is open."""
QUOTA_INCREASE = RequestType("quota-increase", Power.MANAGE, told_apart_by=frozenset({Part.TOPIC}))
"""Of an owner to the administrators: a work may hold more."""

USER_ACCESS = RequestType(
    "user-access-request", Power.MANAGE, told_apart_by=frozenset({Part.TOPIC, Part.CREATOR})
)
"""Of an account to the owner of a record: it may read its files."""
GUEST_ACCESS = RequestType(
    "guest-access-request", Power.MANAGE, told_apart_by=frozenset({Part.TOPIC, Part.CREATOR})
)
"""Of an address, which is shown to be whose it says: it is sent a link by which the files are read."""

TYPES: Mapping[str, RequestType] = MappingProxyType(
    {
        one.name: one
        for one in (
            COMMUNITY_SUBMISSION,
            COMMUNITY_INCLUSION,
            COMMUNITY_INVITATION,
            RECORD_DELETION,
            FILE_MODIFICATION,
            QUOTA_INCREASE,
            USER_ACCESS,
            GUEST_ACCESS,
        )
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """`number` counts all requests from 1; `payload` is what its type needs besides; `revision` counts changes from 1.
    `asked_by` is the account of who asked, which may be another than the creator's, in whose name they did. To a locked
    one nobody may add comments."""

    id: str
    number: int
    type: str
    title: str
    description: str
    state: RequestState
    creator: Entity
    receiver: Entity
    topic: Entity
    created: datetime
    updated: datetime
    revision: int
    payload: JsonObject = field(default_factory=dict)
    expires: datetime | None = None
    locked: bool = False
    asked_by: int | None = None

    @property
    def kind(self) -> RequestType:
        return TYPES[self.type]

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.state is RequestState.SUBMITTED


def step(state: RequestState, action: RequestAction) -> RequestState:
    """The state after `action`. Raises `Rejected` where it cannot happen in `state`."""
    try:
        return _STEPS[state, action]
    except KeyError:
        raise Rejected(f"Cannot {action} a request that is {state}.") from None


def require_unlocked(one: Request) -> None:
    """Raises `Denied` for a request about which nothing may be said any more."""
    if one.locked:
        raise Denied("The request is locked: nobody can comment on it.")


def as_of(one: Request, now: datetime) -> Request:
    """The request as it is now: its time may be over, though that is not noted yet."""
    if one.is_open and one.expires is not None and one.expires <= now:
        return replace(one, state=RequestState.EXPIRED)
    return one


def allowed(one: Request, action: RequestAction, parties: Collection[Party], *, admin: bool) -> bool:
    """Whether somebody who takes part as `parties` may do this, if it can be done. Administrators let requests
    expire."""
    if admin and action is RequestAction.EXPIRE:
        return True
    return not one.kind.may[action].isdisjoint(parties)


def actions(one: Request, parties: Collection[Party], *, admin: bool) -> list[RequestAction]:
    """What can be done with the request in its state, and may be by those who take part so."""
    possible = [action for state, action in _STEPS if state is one.state]
    return [action for action in possible if allowed(one, action, parties, admin=admin)]


def subject(kind: RequestType, creator: Entity, receiver: Entity, topic: Entity) -> str:
    """What no two open requests have in common."""
    parts = {Part.CREATOR: creator, Part.RECEIVER: receiver, Part.TOPIC: topic}
    named = [one for part, one in parts.items() if part in kind.told_apart_by]
    return " ".join((kind.name, *(f"{one.kind}:{one.id}" for one in named)))
