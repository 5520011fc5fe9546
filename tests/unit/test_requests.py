"""The life of requests, in any order of actions, and who may do what."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.communities.requests import (
    COMMUNITY_INCLUSION,
    COMMUNITY_INVITATION,
    COMMUNITY_SUBMISSION,
    OPEN,
    TYPES,
    Entity,
    EntityKind,
    Party,
    Request,
    RequestAction,
    RequestState,
    RequestType,
    actions,
    allowed,
    as_of,
    step,
    subject,
)
from pipeline.errors import Rejected

NOW = datetime(2026, 3, 9, 14, 10, tzinfo=UTC)
IDA, BO = (Entity(EntityKind.USER, name) for name in ("1", "2"))
TIDES, WAVES = (Entity(EntityKind.COMMUNITY, name) for name in ("t", "w"))
RECORD = Entity(EntityKind.RECORD, "7")
PARTIES = [frozenset(some) for number in range(4) for some in combinations(Party, number)]


def made(kind: RequestType, state: RequestState = RequestState.SUBMITTED) -> Request:
    return Request("id", 1, kind.name, "Title", "", state, IDA, TIDES, RECORD, NOW, NOW, 1)


def states_after(taken: Collection[RequestAction]) -> list[RequestState]:
    """The states of a request over actions; those that cannot be taken are refused and change nothing."""
    states = [RequestState.CREATED]
    for action in taken:
        try:
            states.append(step(states[-1], action))
        except Rejected:
            continue
    return states


@given(st.lists(st.sampled_from(RequestAction), max_size=12))
def test_5_4_a_request_is_answered_once(taken: list[RequestAction]) -> None:
    """After it was submitted; nothing leads on from its end, and every end can be come to."""
    states = states_after(taken)
    ended = [state for state in states if state not in OPEN]
    assert ended in ([], states[-1:])
    assert not ended or RequestState.SUBMITTED in states
    if not ended:
        rest = [RequestAction.SUBMIT, RequestAction.CANCEL]
        assert states_after([*taken, *rest])[-1] is RequestState.CANCELLED


@given(st.sampled_from(sorted(TYPES)), st.sampled_from(RequestState), st.sampled_from(PARTIES), st.booleans())
def test_5_4_what_is_offered_can_be_done(
    name: str, state: RequestState, parties: frozenset[Party], admin: bool
) -> None:
    """Those actions, and no others, that are possible and allowed; who takes no part is offered none."""
    one = made(TYPES[name], state)
    offered = actions(one, parties, admin=admin)
    for action in RequestAction:
        try:
            step(state, action)
        except Rejected:
            assert action not in offered
        else:
            assert (action in offered) == allowed(one, action, parties, admin=admin)
    if not parties and not admin:
        assert offered == []


@pytest.mark.parametrize("kind", TYPES.values(), ids=sorted(TYPES))
def test_5_4_only_who_is_asked_answers(kind: RequestType) -> None:
    """Whoever made a request neither accepts nor declines it, and takes it back."""
    one = made(kind)
    assert actions(one, {Party.RECEIVER}, admin=False) == [RequestAction.ACCEPT, RequestAction.DECLINE]
    assert actions(one, {Party.CREATOR}, admin=False) == [RequestAction.CANCEL]
    assert actions(one, set(), admin=True) == [RequestAction.EXPIRE]
    assert actions(made(kind, RequestState.CREATED), {Party.CREATOR}, admin=False) == [RequestAction.SUBMIT]


@given(st.integers(-100, 100))
def test_5_4_an_open_request_expires_by_itself(seconds: int) -> None:
    """When its time is over; what was answered before stays so."""
    one = replace(made(COMMUNITY_INVITATION), expires=NOW + timedelta(seconds=seconds))
    assert as_of(one, NOW).state is (RequestState.EXPIRED if seconds <= 0 else RequestState.SUBMITTED)
    accepted = replace(one, state=RequestState.ACCEPTED)
    assert as_of(accepted, NOW) == accepted


def test_5_4_requests_that_are_the_same() -> None:
    """A draft is under one review; a work is asked into a community once, whoever asks."""
    assert subject(COMMUNITY_SUBMISSION, IDA, TIDES, RECORD) == subject(
        COMMUNITY_SUBMISSION, BO, WAVES, RECORD
    )
    assert subject(COMMUNITY_INCLUSION, IDA, TIDES, RECORD) == subject(COMMUNITY_INCLUSION, BO, TIDES, RECORD)
    assert subject(COMMUNITY_INCLUSION, IDA, TIDES, RECORD) != subject(
        COMMUNITY_INCLUSION, IDA, WAVES, RECORD
    )
    assert subject(COMMUNITY_INCLUSION, IDA, TIDES, RECORD) != subject(
        COMMUNITY_SUBMISSION, IDA, TIDES, RECORD
    )
