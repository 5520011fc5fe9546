"""From which border of a file under way another worker could go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Interrupted
from pipeline.ingest.checkpoints import Checkpoints
from pipeline.model import Part, PartLedger

SIZE = 10


@dataclass
class Acknowledging:
    """An upload of parts of 10 bytes, of which the store acknowledges those that a test says."""

    id: str = "u1"
    part_size: int = SIZE
    offset: int = 0
    acknowledged: set[int] = field(default_factory=set)

    def write(self, block: bytes | memoryview) -> None:
        raise AssertionError("not written to here")

    def parts(self) -> Sequence[Part]:
        return [part(number) for number in sorted(self.acknowledged)]

    def commit(self) -> None: ...
    def abort(self) -> None: ...
    def leave(self) -> None: ...


def part(number: int, etag: str = "e") -> Part:
    return Part(number, SIZE, f"{etag}{number}", f"x{number}")


def state(border: int) -> dict[str, object]:
    return {"source": {"size": 99}, "digests": border}


@given(st.lists(st.one_of(st.just("pass"), st.just("report"), st.integers(1, 6)), max_size=40))
def test_a_checkpoint_is_where_readers_and_store_have_both_come(steps: list[str | int]) -> None:
    """However the two race: the last border that all have passed and before which no part is missing. What is told adds
    up to what is known, and nothing is told twice."""
    upload = Acknowledging()
    told: list[PartLedger] = []
    checkpoints = Checkpoints(upload, None, {"size": 99}, told.append)
    passed = 0
    for step in [*steps, "report"]:
        if isinstance(step, int):
            upload.acknowledged.add(step)
        elif step == "pass":
            passed += 1
            checkpoints.passed(passed * SIZE, {"digests": passed * SIZE})
        else:
            checkpoints.report()
            without_gap = next(n for n in range(9) if n + 1 not in upload.acknowledged)
            offset = min(passed, without_gap) * SIZE
            assert checkpoints.ledger.offset == offset
            assert checkpoints.ledger.checkpoint == (state(offset) if offset else {})
            assert checkpoints.ledger.parts == tuple(upload.parts())
    assert sorted(one.number for news in told for one in news.parts) == sorted(upload.acknowledged)
    assert (told[-1].offset, told[-1].checkpoint) == (
        checkpoints.ledger.offset,
        checkpoints.ledger.checkpoint,
    )


def test_an_upload_is_told_of_before_anything_is_durable() -> None:
    """Whoever finds the file unfinished has to end it."""
    told: list[PartLedger] = []
    Checkpoints(Acknowledging(), None, {}, told.append)
    assert told == [PartLedger("u1", SIZE)]


def test_an_object_in_one_piece_is_not_told_of() -> None:
    """Nobody can go on with it."""
    told: list[PartLedger] = []
    checkpoints = Checkpoints(Acknowledging(id="", part_size=0), None, {}, told.append)
    checkpoints.report()
    assert told == []


def test_what_a_ledger_had_is_not_told_again() -> None:
    """Only parts that are new, or that the store has as others now; parts behind the checkpoint that have not been
    written again yet are kept, for them to be compared."""
    ledger = PartLedger("u1", SIZE, SIZE, state(SIZE), (part(1), part(2), part(3, "old"), part(4)))
    upload = Acknowledging(offset=SIZE, acknowledged={1, 2, 3})
    told: list[PartLedger] = []
    checkpoints = Checkpoints(upload, ledger, {"size": 99}, told.append)
    assert told == []
    checkpoints.passed(2 * SIZE, {"digests": 2 * SIZE})
    checkpoints.report()
    assert told == [PartLedger("u1", SIZE, 2 * SIZE, state(2 * SIZE), (part(3),))]
    assert checkpoints.ledger.parts == (part(1), part(2), part(3), part(4))
    checkpoints.report()
    assert len(told) == 1


def test_a_report_without_news_asks() -> None:
    """Whether to go on must not be learned only when the store gets on; an attempt whose question fails, ends."""

    def ask() -> None:
        raise Interrupted("nobody waits")

    upload = Acknowledging()
    told: list[PartLedger] = []
    checkpoints = Checkpoints(upload, None, {}, told.append, ask)
    upload.acknowledged.add(1)
    checkpoints.report()
    assert len(told) == 2
    with pytest.raises(Interrupted):
        checkpoints.report()


def test_reports_are_half_a_second_apart() -> None:
    """Each is a row of the catalogue."""
    now = [0.0]
    upload = Acknowledging()
    told: list[PartLedger] = []
    checkpoints = Checkpoints(upload, None, {}, told.append, clock=lambda: now[0])
    told.clear()
    for tick in range(40):
        now[0] = tick / 8
        upload.acknowledged.add(tick + 1)
        checkpoints.report_in_time()
    assert 9 <= len(told) <= 10
