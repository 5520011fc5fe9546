"""Pairs of transactions that PostgreSQL lets interleave (SQLite has one writer at a time): each pair is brought into
the order that would do harm, and does none."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline import dispatch
from pipeline.model import RecordState
from tests.archive import Archive, open_archive
from tests.eicar import EICAR
from tests.held_up import held_up
from tests.system.over_http.contract.depositor import depositor


@pytest.fixture
def archive(tmp_path: Path, postgres_database: str) -> Iterator[Archive]:
    with open_archive(tmp_path / "home", database=postgres_database) as opened:
        yield opened


def test_a_verdict_that_is_given_while_its_draft_is_published_is_not_lost(
    archive: Archive, postgres_database: str
) -> None:
    """The draft's files were copied into the record already, and the draft still had them to note a verdict in: the
    infected record is out of service all the same."""
    ida = depositor(archive, "ida@pier.example")
    deposition = ida.create()
    ida.put(deposition, "bad.com", EICAR)
    with ThreadPoolExecutor(1) as pool:
        # DOIs are written between the copy and the end of the draft.
        with held_up(postgres_database, "LOCK TABLE doi IN SHARE ROW EXCLUSIVE MODE") as until_waiting:
            published = pool.submit(ida.publish, deposition)
            until_waiting(1)
            dispatch.drain(archive.services)
        assert published.result(30)["state"] == "done"
    dispatch.drain(archive.services)
    assert archive.record(deposition["id"]).state is RecordState.WITHDRAWN
