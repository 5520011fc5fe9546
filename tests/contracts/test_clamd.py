"""What only clamd does: limits, versions, being away. With a real one, and with servers that answer as none should."""

from __future__ import annotations

import select
import socket
import socketserver
import sys
import threading
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.clamd import CANARY, clamd
from infra.local.service import launched, running
from pipeline.errors import Misconfigured, Unavailable
from pipeline.ingest.clamd import OVERLAP
from pipeline.model import ScanStatus, ScanVerdict
from pipeline.ports import Scanner, ScanResumption
from pipeline.running.loopback import free_port
from tests.contracts.scanners import (
    MIB,
    NOISE,
    NOON,
    SIZE,
    WINDOW,
    checkpoint_at,
    clamd_at,
    infected_at,
    verdict,
)
from tests.eicar import EICAR
from tests.zipped import TOO_DEEP, zipped

FIRST, SECOND, THIRD = (number * (WINDOW - OVERLAP) for number in range(3))
"""Where the windows of a large file begin."""


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that does this with each connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):
                handle(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"clamd://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


# ---------------------------------------------------------------- verdicts


def test_a_verdict_says_how_by_what_and_when(clamd_urls: tuple[str, str]) -> None:
    """In one stream, or in windows."""
    scanner = clamd_at(clamd_urls[0])
    small, large = verdict(scanner, b"x"), verdict(scanner, NOISE)
    assert (small.status, small.method, small.at) == (ScanStatus.CLEAN, "stream", NOON)
    assert small.engine.startswith("ClamAV ")
    assert (large.status, large.method, large.scanned) == (ScanStatus.CLEAN, "windows", ())


def test_archives_are_looked_into(clamd_urls: tuple[str, str]) -> None:
    """In the whole of a file, and within a window of one."""
    scanner = clamd_at(clamd_urls[0])
    archive = zipped(EICAR * 3, depth=2)
    assert EICAR not in archive
    assert verdict(scanner, archive).status is ScanStatus.INFECTED
    within = NOISE[: SECOND + 2 * MIB] + archive + NOISE[SECOND + 2 * MIB :]
    assert verdict(scanner, within).status is ScanStatus.INFECTED


def test_what_limits_kept_it_from_is_not_clean(clamd_urls: tuple[str, str]) -> None:
    """A file that it did not look into is unscanned; of a large one the ranges that it went through are told."""
    scanner = clamd_at(clamd_urls[0])
    small = verdict(scanner, TOO_DEEP)
    assert (small.status, small.method) == (ScanStatus.UNSCANNED, "none")
    assert "MaxRecursion" in small.reason
    place = SECOND + 2 * MIB
    large = verdict(scanner, NOISE[:place] + TOO_DEEP + NOISE[place + len(TOO_DEEP) :])
    assert (large.status, large.method) == (ScanStatus.PARTIAL, "windows")
    assert large.scanned == ((0, WINDOW), (THIRD, SIZE))
    assert "MaxRecursion" in large.reason


def test_what_was_found_counts_though_limits_were_met(clamd_urls: tuple[str, str]) -> None:
    """Elsewhere in the file."""
    content = infected_at(SIZE - 100)
    place = SECOND + 2 * MIB
    assert (
        verdict(clamd_at(clamd_urls[0]), content[:place] + TOO_DEEP + content[place + len(TOO_DEEP) :]).status
        is ScanStatus.INFECTED
    )


def test_all_that_is_found_in_a_large_file_is_named(clamd_urls: tuple[str, str]) -> None:
    """Once each: who says that one alarm is false has not said so of another."""
    content = infected_at(SECOND + 100)  # in two windows
    content = content[: -len(CANARY)] + CANARY
    found = verdict(clamd_at(clamd_urls[0]), content, range(0, SIZE, MIB))
    assert found.signature == "Test.Eicar.UNOFFICIAL, Test.Canary.UNOFFICIAL"


# ---------------------------------------------------------------- windows

POSITIONS = array("Q", range(5 * WINDOW // 8)).tobytes()
"""Bytes of which any eight tell where they stand."""


@contextmanager
def recording() -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a server that finds nothing, and keeps each stream that it was sent."""
    streams: list[bytes] = []

    def handle(client: socket.socket) -> None:
        with client.makefile("rb") as sent:
            if sent.read(len(b"zVERSION\0")) == b"zVERSION\0":
                client.sendall(b"ClamAV 1.4.6\0")
                return
            sent.read(1)  # zINSTREAM is one longer
            content = bytearray()
            while length := int.from_bytes(head := sent.read(4)):
                content += sent.read(length)
            if not head:
                return  # given up
            streams.append(bytes(content))
        is_probe = content.startswith(b"PK")
        client.sendall(b"stream: Heuristics.Limits.Exceeded.X FOUND\0" if is_probe else b"stream: OK\0")

    with serving(handle) as url:
        yield url, streams


@settings(max_examples=15, deadline=None)
@given(
    data=st.data(),
    size=st.integers(16, len(POSITIONS)) | st.sampled_from([WINDOW, WINDOW + 1, 2 * WINDOW - MIB]),
)
def test_windows_leave_no_byte_out(data: st.DataObject, size: int) -> None:
    """Whatever the file's size and wherever its blocks end, with another session going on or not: windows are no longer
    than they may be, begin within the one before, by the overlap, and end with the file."""
    content = POSITIONS[:size]
    borders = data.draw(st.lists(st.integers(0, size), max_size=8))
    border = data.draw(st.none() | st.integers(0, size))
    with recording() as (url, streams):
        scanner = clamd_at(url)
        scanner.describe()
        streams.clear()
        if border is None:
            found = verdict(scanner, content, borders)
        else:
            state = checkpoint_at(scanner, content, border)
            read_back = ScanResumption(state, lambda start, length: content[start : start + length])
            with closing(scanner.begin(size, read_back)) as session:
                session.feed(content[border:])
                found = session.finish()
        windows = sorted({(start_of(one), start_of(one) + len(one)) for one in streams if len(one) >= 16})
        assert all(content[start:end] in streams for start, end in windows)
    assert found.status is ScanStatus.CLEAN
    assert (windows[0][0], windows[-1][1]) == (0, size)
    assert all(end - start <= WINDOW for start, end in windows)
    assert all(after <= before - OVERLAP for (_, before), (after, _) in pairwise(windows))


def start_of(window: bytes) -> int:
    return int.from_bytes(window[:8], sys.byteorder) * 8


def test_the_longest_window_is_learned_for_files_that_have_use_for_it() -> None:
    """Once: a worker that meets only small files does not have clamd look through it."""
    longest = 2 * WINDOW
    with recording() as (url, streams):
        scanner = clamd_at(url, window=longest)
        for _ in range(2):
            verdict(scanner, b"x" * WINDOW)
        assert max(map(len, streams)) == WINDOW
        for _ in range(2):
            verdict(scanner, b"x" * (WINDOW + 1))
        assert [len(one) for one in streams].count(longest) == 1
        assert [len(one) for one in streams].count(WINDOW + 1) == 2


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("limit", ["StreamMaxLength", "MaxFileSize", "MaxScanSize"])
def test_windows_keep_to_the_limits_of_clamd(tmp_path: Path, limit: str) -> None:
    """Though they are lower than ours: no byte is skipped, and a virus in the last megabyte is found."""
    with running(clamd(tmp_path, **{limit: "5M"}), tmp_path / "log") as url:
        scanner = clamd_at(url, window=16 * MIB)
        assert verdict(scanner, infected_at(SIZE - MIB)).status is ScanStatus.INFECTED
        clean = verdict(scanner, NOISE)
        assert (clean.status, clean.method) == (ScanStatus.CLEAN, "windows")


def test_a_clamd_with_limits_too_low_is_refused(tmp_path: Path) -> None:
    """Windows would be too small; it is said what to raise."""
    with running(clamd(tmp_path, StreamMaxLength="1M"), tmp_path / "log") as url:
        with pytest.raises(Misconfigured) as refused:
            clamd_at(url).begin(1)
        assert "StreamMaxLength" in refused.value.remedy


def test_a_clamd_that_does_not_tell_what_it_skips_is_refused(tmp_path: Path) -> None:
    """Its OK says nothing; it is said what to set."""
    with running(clamd(tmp_path, AlertExceedsMax="no"), tmp_path / "log") as url:
        for ask in (lambda: clamd_at(url, away="go-on").begin(1), clamd_at(url).describe):
            with pytest.raises(Misconfigured) as refused:
                ask()
            assert "AlertExceedsMax yes" in refused.value.remedy


def test_one_that_is_started_again_with_lower_limits_is_asked_anew(tmp_path: Path) -> None:
    """The scan that meets them is to be begun again, and then keeps to them."""
    port = free_port()
    with running(clamd(tmp_path, port=port), tmp_path / "log") as url:
        scanner = clamd_at(url, window=16 * MIB)
        assert verdict(scanner, NOISE).method == "stream"
    with running(clamd(tmp_path, port=port, StreamMaxLength="5M"), tmp_path / "log"):
        with pytest.raises(Unavailable):
            verdict(scanner, NOISE, range(0, SIZE, MIB))
        assert verdict(scanner, NOISE).method == "windows"


def test_one_that_is_started_again_and_does_not_tell_what_it_skips_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No error tells of it, so it is asked again by time: before a file is begun, and before a verdict is given on one
    that was begun with the clamd of before."""
    monkeypatch.setattr("pipeline.ingest.clamd._PROVEN_SECONDS", 0.0)
    port = free_port()
    with running(clamd(tmp_path, port=port), tmp_path / "log") as url:
        scanner = clamd_at(url)
        assert verdict(scanner, b"x").status is ScanStatus.CLEAN
        begun = scanner.begin(1)
    with running(clamd(tmp_path, port=port, AlertExceedsMax="no"), tmp_path / "log"):
        with closing(begun):
            begun.feed(b"x")
            with pytest.raises(Misconfigured, match="does not tell"):
                begun.finish()
        with pytest.raises(Misconfigured, match="does not tell"):
            scanner.begin(1)


@pytest.mark.parametrize("way", ["host", "socket"])
def test_more_files_at_once_than_clamd_has_room_for_wait(tmp_path: Path, way: str) -> None:
    """Each gets its verdict; at a socket that has no room for those who wait, too."""
    narrow = {"LocalSocket": f"{tmp_path}/socket", "MaxConnectionQueueLength": "1"} if way == "socket" else {}
    busy = clamd(tmp_path, MaxThreads="1", MaxQueue="2", **narrow)
    with running(busy, tmp_path / "log") as url, ThreadPoolExecutor(12) as pool:
        scanner = clamd_at(f"clamd://{tmp_path}/socket" if narrow else url)
        contents = [EICAR if number % 3 == 0 else b"%d" % number * 50_000 for number in range(36)]
        found = list(pool.map(lambda content: verdict(scanner, content).status, contents))
    assert found == [ScanStatus.INFECTED if one is EICAR else ScanStatus.CLEAN for one in contents]


# ---------------------------------------------------------------- away


def scan_while_it_goes(scanner: Scanner, tmp_path: Path, port: int) -> ScanVerdict:
    """The verdict on a large file of which two windows were answered when clamd was killed."""
    with (
        launched(clamd(tmp_path, port=port), tmp_path / "log") as process,
        closing(scanner.begin(SIZE)) as session,
    ):
        session.feed(NOISE[: SECOND + WINDOW])
        while session.checkpoint()["settled"] < SECOND + WINDOW:  # type: ignore[index]
            pass
        process.kill()
        process.wait()
        for start in range(SECOND + WINDOW, SIZE, MIB):
            session.feed(NOISE[start : start + MIB])
        return session.finish()


def test_one_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """Whoever scans hears that it is to be tried again, and what to do."""
    port = free_port()
    scanner = clamd_at(f"clamd://127.0.0.1:{port}")
    for ask in (lambda: scanner.begin(1), scanner.describe):
        with pytest.raises(Unavailable) as away:
            ask()
        assert "start clamd" in away.value.remedy
    with pytest.raises(Unavailable):
        scan_while_it_goes(scanner, tmp_path, port)


def test_where_nobody_waits_files_are_unscanned_or_partial(tmp_path: Path) -> None:
    """With the ranges that were scanned before it went, and why no more were; when it is back files are clean."""
    port = free_port()
    scanner = clamd_at(f"clamd://127.0.0.1:{port}", away="go-on")
    unscanned = verdict(scanner, b"x")
    assert (unscanned.status, unscanned.method) == (ScanStatus.UNSCANNED, "none")
    assert "does not answer" in unscanned.reason
    partial = scan_while_it_goes(scanner, tmp_path, port)
    assert (partial.status, partial.scanned) == (ScanStatus.PARTIAL, ((0, SECOND + WINDOW),))
    assert partial.reason
    with running(clamd(tmp_path, port=port), tmp_path / "log"):
        assert verdict(scanner, b"x").status is ScanStatus.CLEAN


def test_what_is_gone_on_with_while_nobody_waits_stays_partial(clamd_urls: tuple[str, str]) -> None:
    """Another worker does not read everything again that the first one could not have scanned."""
    scanner = clamd_at(clamd_urls[0])
    state = {**checkpoint_at(scanner, NOISE, 6 * MIB), "scanned": [[0, 5]], "gave_up": True, "reason": "away"}
    with closing(scanner.begin(SIZE, ScanResumption(state, lambda *_: pytest.fail("read")))) as session:
        session.feed(NOISE[6 * MIB :])
        found = session.finish()
    assert (found.status, found.scanned, found.reason) == (ScanStatus.PARTIAL, ((0, 5),), "away")


@pytest.mark.parametrize("away", ["wait", "go-on"])
def test_a_source_that_stumbles_is_not_taken_for_clamd(clamd_urls: tuple[str, str], away: str) -> None:
    """While a file is gone on with: its reader hears of the source's error, and the next try comes to a whole verdict
    from the same checkpoint."""
    scanner = clamd_at(clamd_urls[0], away=away)
    state = checkpoint_at(scanner, NOISE, 6 * MIB)

    def stumble(_start: int, _length: int) -> bytes:
        raise Unavailable("the source does not answer")

    with pytest.raises(Unavailable, match="the source does not answer"):
        scanner.begin(SIZE, ScanResumption(state, stumble))
    with closing(
        scanner.begin(SIZE, ScanResumption(state, lambda start, length: NOISE[start : start + length]))
    ) as session:
        session.feed(NOISE[6 * MIB :])
        assert session.finish().status is ScanStatus.CLEAN


# ---------------------------------------------------------------- versions


def test_signatures_that_were_replaced_meanwhile_make_a_verdict_stale(clamd_urls: tuple[str, str]) -> None:
    """A part of the file was scanned by another worker with older ones: every byte was, but not by today's."""
    scanner = clamd_at(clamd_urls[0])
    state = checkpoint_at(scanner, NOISE, 11 * MIB)
    older = {
        **state,
        "scanned": [[0, WINDOW]],
        "settled": WINDOW,
        "database": "27499/Tue Nov 17 10:00:00 2026",
    }
    with closing(
        scanner.begin(SIZE, ScanResumption(older, lambda start, length: NOISE[start : start + length]))
    ) as session:
        session.feed(NOISE[11 * MIB :])
        found = session.finish()
    assert (found.status, found.database) == (ScanStatus.STALE, "27499/Tue Nov 17 10:00:00 2026")
    assert "replaced" in found.reason


@pytest.mark.parametrize(
    ("date", "told"),
    [("Wed Nov 18 10:00:00 2026", "3 days old"), ("Thu Oct  1 10:00:00 2026", "freshclam"), ("", "27500")],
)
def test_the_age_of_signatures_is_told(clamd_urls: tuple[str, str], date: str, told: str) -> None:
    """By their version; where they are old, who should have renewed them."""
    real = urlsplit(clamd_urls[0])

    def handle(client: socket.socket) -> None:
        first = client.recv(1 << 16)
        if first == b"zVERSION\0":
            client.sendall(f"ClamAV 1.4.6/27500/{date}\0".encode())
            return
        with socket.create_connection((real.hostname, real.port)) as server:
            server.sendall(first)
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    if not (block := ready.recv(1 << 20)):
                        return
                    (server if ready is client else client).sendall(block)

    with serving(handle) as url:
        described = clamd_at(url).describe()
        assert told in described
        assert ("freshclam" in described) == (told == "freshclam")
        found = verdict(clamd_at(url), b"x")
    assert (found.engine, found.database) == ("ClamAV 1.4.6", f"27500/{date}")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"stream: OK",
        b"\0",
        b"OK\0",
        b"stream: OK\0stream: OK\0",
        b"stream: Can't allocate memory ERROR\0",
        b"COMMAND READ TIMED OUT\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff" * 10_000,
    ],
)
def test_an_answer_that_is_none_is_no_verdict(answer: bytes) -> None:
    """Empty, cut off, of another server: the file is to be scanned again, and never clean."""

    def handle(client: socket.socket) -> None:
        client.settimeout(0.2)
        with suppress(TimeoutError):
            while client.recv(1 << 20):
                pass
        client.sendall(answer)

    with serving(handle) as url, pytest.raises(Unavailable):
        clamd_at(url).begin(5)


def test_a_machine_that_does_not_answer_costs_one_file_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those after it do not find out for themselves, for a while."""
    monkeypatch.setattr("pipeline.ingest.clamd._CONNECT_SECONDS", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        socket.create_connection(full.getsockname()),
    ):
        scanner = clamd_at(f"clamd://127.0.0.1:{full.getsockname()[1]}", away="go-on")
        reasons = [verdict(scanner, b"x").reason for _ in range(3)]
    assert "timed out" in reasons[0]
    assert all("a moment ago" in reason for reason in reasons[1:])


def test_a_clamd_that_hangs_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It took everything, and says nothing."""
    monkeypatch.setattr("pipeline.ingest.clamd._ANSWER_SECONDS", 0.05)

    def handle(client: socket.socket) -> None:
        while client.recv(1 << 20):
            pass

    with serving(handle) as url, pytest.raises(Unavailable, match="gave no verdict"):
        clamd_at(url).begin(5)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("clamd:", ""),
        ("clamd://", ""),
        ("clamd:///", ""),
        ("clamd://host:0x1", ""),
        ("clamd://host/run/clamd", ""),
    ],
)
def test_a_url_without_a_place_is_refused(url: str, path: str) -> None:
    """Or with two; it is said how one looks."""
    with pytest.raises(Misconfigured) as refused:
        clamd_at(url)
    assert "clamd://host:3310" in refused.value.remedy
