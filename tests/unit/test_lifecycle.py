"""The life of deposits and records, in any order of events."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Conflict
from pipeline.lifecycle import (
    DepositEvent,
    QuarantineEvent,
    RecordEvent,
    step_deposit,
    step_quarantine,
    step_record,
)
from pipeline.model import DepositState, EffectKind, QuarantineState, RecordState

FINAL = {
    DepositState.PUBLISHED,
    DepositState.UNCHANGED,
    DepositState.SUPERSEDED,
    DepositState.CANCELLED,
}

deposit_events = st.lists(st.sampled_from(DepositEvent), max_size=20)
record_events = st.lists(st.sampled_from(RecordEvent), max_size=20)


def deposit_after(events: Sequence[DepositEvent]) -> list[DepositState]:
    """The states of a deposit over events; those that cannot happen are refused and change nothing."""
    states = [DepositState.PLANNED]
    for event in events:
        try:
            states.append(step_deposit(states[-1], event))
        except Conflict:
            continue
    return states


@given(deposit_events)
def test_a_deposit_that_has_come_to_an_end_stays_so(events: list[DepositEvent]) -> None:
    """Published, unchanged, superseded or cancelled: no event leads on from there."""
    states = deposit_after(events)
    ended = [state for state in states if state in FINAL]
    assert len(ended) <= 1
    assert ended in ([], states[-1:])


@given(deposit_events)
def test_only_a_sealed_deposit_is_published(events: list[DepositEvent]) -> None:
    """Whatever came before: nothing is public whose files were not all judged."""
    states = deposit_after(events)
    for before, after in pairwise(states):
        assert after is not DepositState.PUBLISHED or before is DepositState.SEALED


@given(deposit_events)
def test_a_held_deposit_is_never_published_itself(events: list[DepositEvent]) -> None:
    """A later deposit goes on in its stead, or somebody cancels it."""
    states = deposit_after(events)
    for before, after in pairwise(states):
        if before is DepositState.HELD:
            assert after in (DepositState.HELD, DepositState.SUPERSEDED, DepositState.CANCELLED)


@given(deposit_events)
def test_every_deposit_can_come_to_an_end(events: list[DepositEvent]) -> None:
    """From any state it was brought into."""
    state = deposit_after(events)[-1]
    if state not in FINAL:
        assert step_deposit(state, DepositEvent.CANCEL) is DepositState.CANCELLED


@pytest.mark.parametrize(("state", "event"), list(product(sorted(FINAL), DepositEvent)))
def test_what_cannot_happen_says_what_and_where(state: DepositState, event: DepositEvent) -> None:
    """A refused step is a conflict that a person understands."""
    with pytest.raises(Conflict, match=f"a deposit that is {state} cannot {event}"):
        step_deposit(state, event)


@given(record_events)
def test_a_record_is_published_once_and_comes_back_only_when_it_is_restored(
    events: list[RecordEvent],
) -> None:
    """And never disappears."""
    state: RecordState | None = None
    seen: list[RecordState] = []
    for event in events:
        try:
            state, _ = step_record(state, event)
        except Conflict:
            continue
        if event is RecordEvent.RESTORE:
            assert seen[-1] is RecordState.WITHDRAWN
            seen.clear()
        seen.append(state)
    assert seen == sorted(seen, key=[RecordState.PUBLISHED, RecordState.WITHDRAWN].index)
    assert (state is None) == (RecordEvent.PUBLISH not in events)


@given(record_events)
def test_outputs_end_as_the_record_was_seen_last(events: list[RecordEvent]) -> None:
    """After each event that changes what an output shows, the effect that brings it there is wanted: each output
    shows the newest revision, the versions there are, and the withdrawal."""
    state: RecordState | None = None
    # Changes of the record itself, and of what is beside it: other versions, communities, what is found in its files.
    actual = {kind: [0, 0] for kind in _SHOWN}
    shown = {kind: [0, 0] for kind in EffectKind}
    for event in events:
        try:
            state, effects = step_record(state, event)
        except Conflict:
            continue
        if state is RecordState.PUBLISHED or event is RecordEvent.WITHDRAW:
            for kind in _SHOWN_BY.get(event, _SHOWN):
                actual[kind][event in _BESIDE] += 1
        for kind in effects:
            shown[kind] = list(actual.get(kind, actual[EffectKind.REGISTER]))
    for kind in _SHOWN:
        assert shown[kind] == actual[kind]
    # The stored object says nothing of later versions, nor of communities.
    assert shown[EffectKind.PRESERVE][0] == actual[EffectKind.REGISTER][0]


_SHOWN = (EffectKind.REGISTER, EffectKind.INDEX, EffectKind.ANNOUNCE)
_SHOWN_BY = {
    RecordEvent.EXAMINE: (EffectKind.REGISTER, EffectKind.ANNOUNCE),
    RecordEvent.GAIN_ACCOUNT: (EffectKind.INDEX,),
    RecordEvent.EXTRACT: (EffectKind.INDEX,),
    RecordEvent.REWORD: (),
}
"""Outputs besides pages that show what an event changes, where that is not all of them."""
_BESIDE = {RecordEvent.GAIN_VERSION, RecordEvent.CHANGE_COMMUNITIES, *_SHOWN_BY}

_WHILE_WITHDRAWN = {
    RecordEvent.GAIN_VERSION,
    RecordEvent.PURGE,
    RecordEvent.RESTORE,
    RecordEvent.CHANGE_COMMUNITIES,
    *_SHOWN_BY,
}


def test_effects_are_wanted_in_the_order_in_which_they_are_brought_about() -> None:
    """Kept first, announced last: whoever hears of a record finds it."""
    _, effects = step_record(None, RecordEvent.PUBLISH)
    assert effects == (EffectKind.PRESERVE, EffectKind.REGISTER, EffectKind.INDEX, EffectKind.ANNOUNCE)


@pytest.mark.parametrize("event", sorted(set(RecordEvent) - _WHILE_WITHDRAWN))
def test_nothing_is_done_to_a_withdrawn_record(event: RecordEvent) -> None:
    """Its description is not changed, it is not withdrawn again; it may be restored, a newer version of its work may
    come, its bytes may be purged, of which only its object tells, and harvesters are told of sets that it leaves."""
    with pytest.raises(Conflict):
        step_record(RecordState.WITHDRAWN, event)
    purged = step_record(RecordState.WITHDRAWN, RecordEvent.PURGE)
    assert purged == (RecordState.WITHDRAWN, (EffectKind.PRESERVE,))
    assert step_record(RecordState.WITHDRAWN, RecordEvent.GAIN_VERSION) == (RecordState.WITHDRAWN, ())
    left = step_record(RecordState.WITHDRAWN, RecordEvent.CHANGE_COMMUNITIES)
    assert left == (RecordState.WITHDRAWN, (EffectKind.ANNOUNCE,))
    for beside in _SHOWN_BY:
        assert step_record(RecordState.WITHDRAWN, beside) == (RecordState.WITHDRAWN, ())


@given(st.lists(st.sampled_from(QuarantineEvent), max_size=20))
def test_no_file_leaves_quarantine_before_that_was_decided(events: list[QuarantineEvent]) -> None:
    """Each decision is written down before it is carried out, and what was carried out is final: what was released is
    never destroyed, nor the other way round."""
    states = [QuarantineState.QUARANTINED]
    for event in events:
        try:
            states.append(step_quarantine(states[-1], event))
        except Conflict:
            continue
    decided = {
        QuarantineState.RELEASED: QuarantineState.RELEASING,
        QuarantineState.DESTROYED: QuarantineState.DESTROYING,
    }
    for before, after in pairwise(states):
        assert before not in decided
        assert decided.get(after, before) is before
