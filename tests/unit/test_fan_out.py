"""Blocks that are fanned out to consumers."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.running import fan_out as module
from pipeline.running.fan_out import AHEAD, STREAMS, WORTH, FanOut

LARGE = bytes(WORTH)


def _await(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@given(
    st.lists(
        st.integers(0, 255).flatmap(lambda n: st.sampled_from([bytes([n]), bytes([n]) * WORTH])), max_size=12
    )
)
def test_every_consumer_is_given_all_blocks_in_order(blocks: list[bytes]) -> None:
    """Large ones and small ones in any order, also behind a `finish`."""
    taken: list[list[bytes]] = [[], [], []]
    fan_out = FanOut([one.append for one in taken])
    for block in blocks:
        fan_out.feed(block)
    fan_out.finish()
    assert taken == [blocks] * 3
    fan_out.feed(b"last")
    fan_out.finish()
    assert taken == [[*blocks, b"last"]] * 3


def test_consumers_work_beside_each_other_and_beside_whoever_feeds() -> None:
    meeting = threading.Barrier(3)
    fan_out = FanOut([lambda _: meeting.wait(30), lambda _: meeting.wait(30)])
    fan_out.feed(LARGE)
    meeting.wait(30)
    fan_out.finish()


def test_who_feeds_is_held_back_to_the_pace_of_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, fed, waits = threading.Semaphore(0), list[int](), threading.Event()

    class Telling(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waits.set()
            return super().wait(timeout)

    monkeypatch.setattr(threading, "Condition", Telling)
    fan_out = FanOut([lambda _: go_on.acquire(timeout=30), len])
    monkeypatch.undo()

    def feed() -> None:
        for number in range(AHEAD + 2):
            fan_out.feed(LARGE)
            fed.append(number)

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert waits.wait(30)
    assert len(fed) == AHEAD
    go_on.release()
    _await(lambda: len(fed) == AHEAD + 1)
    go_on.release(AHEAD + 1)
    feeder.join()
    fan_out.finish()


def test_streams_beyond_the_cores_are_worked_on_by_their_own_threads() -> None:
    """And have threads again once others are through."""
    go_on, idents = threading.Event(), list[int]()
    others = [FanOut([lambda _: go_on.wait(30)]) for _ in range(STREAMS)]
    for one in others:
        one.feed(LARGE)
    mine = FanOut([lambda _: idents.append(threading.get_ident())])
    mine.feed(LARGE)
    assert idents == [threading.get_ident()]
    go_on.set()
    for one in others:
        one.finish()
    mine.feed(LARGE)
    mine.finish()
    assert idents[1] != threading.get_ident()


def test_small_blocks_wake_nobody() -> None:
    idents = list[int]()
    fan_out = FanOut([lambda _: idents.append(threading.get_ident())])
    fan_out.feed(b"small")
    assert idents == [threading.get_ident()]


def test_what_a_consumer_raises_is_raised_to_whoever_feeds() -> None:
    """Nobody is given anything any more, and the threads serve others."""

    def fail(_: bytes) -> None:
        raise OSError("out of order")

    for _ in range(STREAMS + 1):
        fan_out = FanOut([fail])
        fan_out.feed(LARGE)
        with pytest.raises(OSError, match="out of order"):
            fan_out.finish()
        with pytest.raises(OSError, match="out of order"):
            fan_out.feed(LARGE)
    idents = list[int]()
    other = FanOut([lambda _: idents.append(threading.get_ident())])
    other.feed(LARGE)
    other.finish()
    assert idents != [threading.get_ident()]


def test_who_abandons_a_stream_waits_for_what_is_under_way() -> None:
    """And nothing behind that is given to anybody; the stream's place is free again."""
    begun, go_on, taken = threading.Event(), threading.Event(), list[bytes]()

    def take(block: bytes) -> None:
        begun.set()
        go_on.wait(30)
        taken.append(block)

    fan_out = FanOut([take])
    for _ in range(AHEAD):
        fan_out.feed(LARGE)
    assert begun.wait(30)
    with ThreadPoolExecutor(1) as pool:
        abandoning = pool.submit(fan_out.abandon)
        with pytest.raises(TimeoutError):
            abandoning.result(timeout=0.05)
        go_on.set()
        abandoning.result(timeout=30)
    assert taken == [LARGE]
    with pytest.raises(RuntimeError, match="abandoned"):
        fan_out.feed(LARGE)


def test_where_no_thread_can_be_started_whoever_feeds_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block once and in order, also when threads are there again; and no place is lost."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with ThreadPoolExecutor(2) as threads, monkeypatch.context() as patched:
        patched.setattr(module, "_THREADS", threads)
        for _ in range(STREAMS + 1):
            with pytest.MonkeyPatch.context() as full:
                full.setattr(threading.Thread, "start", refuse)
                taken: list[list[tuple[bytes, int]]] = [[], []]
                fan_out = FanOut(
                    [lambda block, own=own: own.append((block, threading.get_ident())) for own in taken]
                )
                blocks = [bytes([number]) * WORTH for number in range(6)]
                for block in blocks[:3]:
                    fan_out.feed(block)
            for block in blocks[3:]:
                fan_out.feed(block)
            fan_out.finish()
            for own in taken:
                assert [block for block, _ in own] == blocks
                assert own[-1][1] != threading.get_ident()


def test_no_block_is_held_once_it_is_done_with() -> None:
    fan_out = FanOut([len, len])
    block = bytes(bytearray(WORTH))
    before = sys.getrefcount(block)
    fan_out.feed(block)
    fan_out.finish()
    # The thread lets go of it a moment after it has told.
    _await(lambda: sys.getrefcount(block) == before)
