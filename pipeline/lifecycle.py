"""The life of deposits and records as pure state machines: (state, event) → what follows.

A **deposit** is a record-to-be: a line of an accession's plan, or a draft over HTTP. A **record** is a published
version: its description may be revised, while it is young its files as well, later on they never change (a purge may
take bytes away), and it never disappears (a withdrawn one leaves a tombstone). What must happen outside after a step is
answered as effects, which the catalogue writes into the outbox in the same transaction.

A **quarantined file** lies apart until a person decides. A decision is written down before the store is changed and
again after it, so that one which was cut off in between is known, and can be completed.
"""

from __future__ import annotations

from enum import StrEnum

from pipeline.errors import Conflict
from pipeline.model import DepositState, EffectKind, QuarantineState, RecordState


class DepositEvent(StrEnum):
    SEAL = "seal"
    HOLD = "hold"
    PUBLISH = "publish"
    FIND_UNCHANGED = "find unchanged"
    SUPERSEDE = "supersede"
    CANCEL = "cancel"
    REOPEN = "be opened again"


class RecordEvent(StrEnum):
    PUBLISH = "publish"
    REVISE = "revise"
    GAIN_VERSION = "gain a newer version"
    CHANGE_COMMUNITIES = "join or leave a community"
    WITHDRAW = "withdraw"
    RESTORE = "be restored"
    PURGE = "lose files to a purge"
    EXAMINE = "have its files looked into"
    EXTRACT = "have the text of its files read"
    GAIN_ACCOUNT = "be of somebody who has an account now"
    REWORD = "be shown in other words"


class QuarantineEvent(StrEnum):
    RELEASE = "be released"
    RETURN = "go back to its record"
    DESTROY = "be destroyed"
    DELETE = "be deleted"


_D, _E = DepositState, DepositEvent

_DEPOSIT_STEPS: dict[tuple[DepositState, DepositEvent], DepositState] = {
    (_D.PLANNED, _E.SEAL): _D.SEALED,
    (_D.PLANNED, _E.HOLD): _D.HELD,
    (_D.PLANNED, _E.FIND_UNCHANGED): _D.UNCHANGED,
    (_D.SEALED, _E.PUBLISH): _D.PUBLISHED,
    (_D.SEALED, _E.HOLD): _D.HELD,
    (_D.HELD, _E.HOLD): _D.HELD,
    # A draft that waited for verdicts, and was given bad ones.
    (_D.SEALED, _E.REOPEN): _D.PLANNED,
    (_D.PLANNED, _E.SUPERSEDE): _D.SUPERSEDED,
    (_D.SEALED, _E.SUPERSEDE): _D.SUPERSEDED,
    (_D.HELD, _E.SUPERSEDE): _D.SUPERSEDED,
    (_D.PLANNED, _E.CANCEL): _D.CANCELLED,
    (_D.SEALED, _E.CANCEL): _D.CANCELLED,
    (_D.HELD, _E.CANCEL): _D.CANCELLED,
}

# What came over HTTP is examined since it came; whether anything of it is left to be is asked where drafts are
# published.
_ALL = (EffectKind.PRESERVE, EffectKind.REGISTER, EffectKind.INDEX, EffectKind.ANNOUNCE)

_RECORD_STEPS: dict[tuple[RecordState | None, RecordEvent], tuple[RecordState, tuple[EffectKind, ...]]] = {
    (None, RecordEvent.PUBLISH): (RecordState.PUBLISHED, _ALL),
    (RecordState.PUBLISHED, RecordEvent.REVISE): (RecordState.PUBLISHED, _ALL),
    # An older version's bytes and object stay; its DOI relations, search entry and feed entry change.
    (RecordState.PUBLISHED, RecordEvent.GAIN_VERSION): (
        RecordState.PUBLISHED,
        (EffectKind.REGISTER, EffectKind.INDEX, EffectKind.ANNOUNCE),
    ),
    (RecordState.WITHDRAWN, RecordEvent.GAIN_VERSION): (RecordState.WITHDRAWN, ()),
    # Harvesters are told of sets, also of what was withdrawn from them.
    (RecordState.PUBLISHED, RecordEvent.CHANGE_COMMUNITIES): (
        RecordState.PUBLISHED,
        (EffectKind.REGISTER, EffectKind.INDEX, EffectKind.ANNOUNCE),
    ),
    (RecordState.WITHDRAWN, RecordEvent.CHANGE_COMMUNITIES): (
        RecordState.WITHDRAWN,
        (EffectKind.ANNOUNCE,),
    ),
    (RecordState.PUBLISHED, RecordEvent.WITHDRAW): (RecordState.WITHDRAWN, _ALL),
    (RecordState.WITHDRAWN, RecordEvent.RESTORE): (RecordState.PUBLISHED, _ALL),
    (RecordState.PUBLISHED, RecordEvent.PURGE): (RecordState.PUBLISHED, _ALL),
    # Of a withdrawn record nobody sees a file; its object tells of the purge.
    (RecordState.WITHDRAWN, RecordEvent.PURGE): (RecordState.WITHDRAWN, (EffectKind.PRESERVE,)),
    # What formats its files have, which search goes by only where their text is read; its object tells of them once
    # it is whole.
    (RecordState.PUBLISHED, RecordEvent.EXAMINE): (
        RecordState.PUBLISHED,
        (EffectKind.REGISTER, EffectKind.ANNOUNCE),
    ),
    (RecordState.WITHDRAWN, RecordEvent.EXAMINE): (RecordState.WITHDRAWN, ()),
    (RecordState.PUBLISHED, RecordEvent.EXTRACT): (RecordState.PUBLISHED, (EffectKind.INDEX,)),
    (RecordState.WITHDRAWN, RecordEvent.EXTRACT): (RecordState.WITHDRAWN, ()),
    # Outputs for the world at large name no owners.
    (RecordState.PUBLISHED, RecordEvent.GAIN_ACCOUNT): (RecordState.PUBLISHED, (EffectKind.INDEX,)),
    (RecordState.WITHDRAWN, RecordEvent.GAIN_ACCOUNT): (RecordState.WITHDRAWN, ()),
    # Pages and their JSON alone have the titles of its communities, and which of these stands for it.
    (RecordState.PUBLISHED, RecordEvent.REWORD): (RecordState.PUBLISHED, ()),
    (RecordState.WITHDRAWN, RecordEvent.REWORD): (RecordState.WITHDRAWN, ()),
}

_Q, _QE = QuarantineState, QuarantineEvent

_QUARANTINE_STEPS: dict[tuple[QuarantineState, QuarantineEvent], QuarantineState] = {
    (_Q.QUARANTINED, _QE.RELEASE): _Q.RELEASING,
    (_Q.RELEASING, _QE.RELEASE): _Q.RELEASING,
    (_Q.RELEASING, _QE.RETURN): _Q.RELEASED,
    (_Q.QUARANTINED, _QE.DESTROY): _Q.DESTROYING,
    # Where what it should go back to is no more.
    (_Q.RELEASING, _QE.DESTROY): _Q.DESTROYING,
    (_Q.DESTROYING, _QE.DESTROY): _Q.DESTROYING,
    (_Q.DESTROYING, _QE.DELETE): _Q.DESTROYED,
}


def step_deposit(state: DepositState, event: DepositEvent) -> DepositState:
    """The state after `event`. Raises `Conflict` where the event cannot happen in `state`."""
    try:
        return _DEPOSIT_STEPS[state, event]
    except KeyError:
        raise Conflict(f"a deposit that is {state} cannot {event}") from None


def step_record(state: RecordState | None, event: RecordEvent) -> tuple[RecordState, tuple[EffectKind, ...]]:
    """The state after `event` and the effects to bring about. Raises `Conflict` where it cannot happen."""
    try:
        return _RECORD_STEPS[state, event]
    except KeyError:
        raise Conflict(f"a record that is {state or 'not there'} cannot {event}") from None


def record_steps(event: RecordEvent) -> dict[RecordState, tuple[RecordState, tuple[EffectKind, ...]]]:
    """What follows from an event in each of the states in which it can happen to a record that there is."""
    return {
        state: step for (state, each), step in _RECORD_STEPS.items() if each is event and state is not None
    }


def step_quarantine(state: QuarantineState, event: QuarantineEvent) -> QuarantineState:
    """The state after `event`. Raises `Conflict` where the event cannot happen in `state`."""
    try:
        return _QUARANTINE_STEPS[state, event]
    except KeyError:
        raise Conflict(f"a file in quarantine that is {state} cannot {event}") from None
