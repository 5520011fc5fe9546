"""Several dispatchers at once, real processes on either database: none does what another is at, and one that is killed
is succeeded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.catalogue import Catalogue, mails, outbox
from pipeline.catalogue.engine import open_catalogue
from tests.command import wait_until
from tests.dispatcher import AHEAD, HELD, Note, notes

MAILS = 30
BATCH = 4
"""Mails that a dispatcher claims at once."""
AT = {"Gauge 2": 1}
LEASE_OVER = 360
"""Seconds."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where all dispatchers of a test note what they do."""
    (tmp_path / AHEAD).write_text("0")
    return tmp_path


@pytest.fixture
def catalogue(database_url: str) -> Iterator[Catalogue]:
    with closing(open_catalogue(database_url)) as opened:
        yield opened


def want(catalogue: Catalogue) -> None:
    """Mails that are to be sent."""
    now = datetime.now(UTC)
    with catalogue.write() as tx:
        for number in range(MAILS):
            mails.want(tx, to="ida@pier.example", subject=f"Gauge {number}", text="ready", now=now)


@contextmanager
def dispatching(folder: Path, database_url: str, machine: str = "one") -> Iterator[None]:
    """A dispatcher on a machine, with a HOME there; killed at the end of the block."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    settings = {"HEADRACE_HOME": str(folder / machine), "HEADRACE_DATABASE": database_url}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.dispatcher", str(folder)],
        env={**outside, **settings, "HEADRACE_BASE_URL": "https://archive.example.org"},
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def left(catalogue: Catalogue) -> int:
    with catalogue.read() as tx:
        return sum(one.due for one in outbox.waiting(tx))


def times(noted: list[Note], what: str) -> Counter[str]:
    return Counter(one.mail for one in noted if one.what == what)


def test_two_dispatchers_at_once_never_do_an_effect_twice(
    folder: Path, database_url: str, catalogue: Catalogue
) -> None:
    """They share what is to be done: each mail is begun once, by one of them."""
    with dispatching(folder, database_url), dispatching(folder, database_url, "other"):
        want(catalogue)
        wait_until(lambda: left(catalogue) == 0, "the last mail")
    noted = notes(folder)
    once = {f"Gauge {number}": 1 for number in range(MAILS)}
    assert times(noted, "begin") == times(noted, "end") == once
    assert len({one.process for one in noted}) == 2


def killed(folder: Path, database_url: str, catalogue: Catalogue) -> list[Note]:
    """What a dispatcher did that was killed over the mail `AT`, one of its batch."""
    want(catalogue)
    (folder / HELD).write_text("\n".join(AT))
    with dispatching(folder, database_url):
        wait_until(lambda: times(notes(folder), "begin") >= Counter(AT), "the mail that takes long")
    (folder / HELD).unlink()
    before = notes(folder)
    assert times(before, "begin") - times(before, "end") == AT
    return before


def require_complete(noted: list[Note]) -> None:
    """All came about, and only what a dispatcher was killed over was begun again."""
    assert times(noted, "end") == {f"Gauge {number}": 1 for number in range(MAILS)}
    assert times(noted, "begin") - times(noted, "end") == AT


def test_a_dispatcher_that_is_killed_is_succeeded_at_once_where_it_was(
    folder: Path, database_url: str, catalogue: Catalogue
) -> None:
    """On the same machine it is known to be dead: the next one begins with what it was at."""
    killed(folder, database_url, catalogue)
    with dispatching(folder, database_url), dispatching(folder, database_url):
        wait_until(lambda: left(catalogue) == 0, "the last mail")
    require_complete(notes(folder))


def test_a_dispatcher_that_is_killed_is_succeeded_elsewhere_once_its_lease_is_over(
    folder: Path, database_url: str, catalogue: Catalogue
) -> None:
    """On another machine it might live still: nobody touches what it was at, while all else is done."""
    before = killed(folder, database_url, catalogue)
    with dispatching(folder, database_url, "other"), dispatching(folder, database_url, "third"):
        wait_until(lambda: left(catalogue) == BATCH, "all but what the dead one held")
        meanwhile = times(notes(folder)[len(before) :], "begin")
        assert meanwhile.total() == MAILS - BATCH
        assert not meanwhile & times(before, "begin")
        (folder / AHEAD).write_text(str(LEASE_OVER))
        wait_until(lambda: left(catalogue) == 0, "the rest")
    require_complete(notes(folder))
