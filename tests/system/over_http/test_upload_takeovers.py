"""Requests that go on with an upload while an earlier one may still be at it: the later one has it, and the earlier one
can neither bring its file in nor take any bytes away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from pipeline.catalogue import resumables
from pipeline.errors import Conflict
from pipeline.ingest import resumption
from pipeline.settings import StoreLocation
from pipeline.stewardship import upkeep
from pipeline.stewardship.stocktaking import compare
from pipeline.store import layout
from pipeline.store.transfer import MIB
from tests.archive import Archive, open_archive
from tests.held_up import held_up
from tests.system.over_http.contract.depositor import Depositor, depositor
from tests.system.over_http.resumable import BODY, Upload, begun

IDA = "ida@pier.example"
HALF = len(BODY) // 2


@pytest.fixture
def archive(each_archive: Archive) -> Iterator[Archive]:
    """Whatever happened in it, store and catalogue agree once a sweep has been there, and nothing stays open."""
    yield each_archive
    each_archive.clock.move(seconds=resumption.LIFE.total_seconds())
    list(upkeep.sweep(each_archive.services, resumption.LIFE))
    assert list(compare(each_archive.services)) == []
    assert list(each_archive.services.store.open_uploads()) == []


@pytest.fixture
def ida(archive: Archive) -> Depositor:
    return depositor(archive, IDA)


def interrupted_by(meanwhile: Callable[[], object], before: bytes, after: bytes) -> AsyncIterator[bytes]:
    """A body in the middle of which something else happens."""

    async def body() -> AsyncIterator[bytes]:
        yield before
        await asyncio.to_thread(meanwhile)
        yield after

    return body()


def gone_on_with(upload: Upload, end: int | None = None) -> httpx.Response:
    """As a client does that lost its connection: from where the upload is told to be."""
    at = upload.offset()
    return upload.send(at, BODY[at:end])


def swept_a_day_later(archive: Archive) -> None:
    archive.clock.move(seconds=resumption.LIFE.total_seconds())
    list(upkeep.sweep(archive.services, resumption.LIFE))


@pytest.mark.parametrize("minutes", [0, 11])
@pytest.mark.parametrize("end", [HALF + 1, None], ids=["in part", "to the end"])
def test_who_was_overtaken_brings_nothing_in(
    archive: Archive, ida: Depositor, minutes: int, end: int | None
) -> None:
    """A client that lost its connection goes on at once, or when the lease of the request before has run out: that
    one's file does not come in when it ends after all, and the file is whole in the end, also when all has expired."""
    upload = begun(ida)
    again = upload.by(depositor(archive, IDA))
    sent: list[httpx.Response] = []

    def meanwhile() -> None:
        archive.clock.move(minutes=minutes)
        sent.append(gone_on_with(again, end))

    slow = upload.send(0, interrupted_by(meanwhile, BODY[:HALF], BODY[HALF:]))
    assert sent[0].status_code == 204
    assert slow.status_code in (404, 409)
    if end is not None:
        assert gone_on_with(again).status_code == 204
    assert upload.file().content == BODY
    swept_a_day_later(archive)
    assert upload.file().content == BODY


def test_other_bytes_of_who_was_overtaken_are_not_in_the_file(archive: Archive, ida: Depositor) -> None:
    """Even where an earlier request sends other bytes than the later one, the file has the later one's, and their
    digests."""
    upload = begun(ida)
    again = upload.by(depositor(archive, IDA))

    def meanwhile() -> None:
        assert gone_on_with(again, HALF + MIB).status_code == 204

    slow = upload.send(0, interrupted_by(meanwhile, BODY[:HALF], bytes(len(BODY) - HALF)))
    assert slow.status_code == 409
    assert gone_on_with(again).status_code == 204
    assert upload.file().content == BODY


def test_who_was_sent_to_when_an_upload_ended_brings_nothing_in(archive: Archive, ida: Depositor) -> None:
    """DELETE does not wait for a request that is under way, whose bytes go with the upload."""
    upload = begun(ida)
    again = upload.by(depositor(archive, IDA))

    def meanwhile() -> None:
        assert again.ask("DELETE").status_code == 204

    slow = upload.send(0, interrupted_by(meanwhile, BODY[:HALF], BODY[HALF:]))
    assert slow.status_code == 409
    assert upload.ask("HEAD").status_code == 404
    assert upload.file().status_code == 404
    store = archive.services.store
    assert [*store.list("staging"), *store.open_uploads()] == []


def test_an_upload_that_ends_as_a_request_begins_ends_that_as_well(
    tmp_path: Path, postgres_catalogue: str, seaweedfs_location: StoreLocation
) -> None:
    """Where a DELETE comes while a PATCH is about to have the upload, it takes nothing away from under it: the PATCH
    is refused, and its file is not in the draft."""
    parts = open_archive(tmp_path / "home", seaweedfs_location, database=postgres_catalogue)
    with parts as archive, ThreadPoolExecutor() as pool:
        upload, is_over = begun(depositor(archive, IDA), 10), threading.Event()
        again = upload.by(depositor(archive, IDA))
        with held_up(postgres_catalogue, "SELECT 1 FROM resumable FOR UPDATE") as until_waiting:
            sent = pool.submit(upload.send, 0, interrupted_by(lambda: is_over.wait(30), b"12345", b"67890"))
            until_waiting(1)
            ended = pool.submit(again.ask, "DELETE")
            until_waiting(2)
        assert ended.result().status_code == 204
        is_over.set()
        assert sent.result().status_code == 409
        assert upload.file().status_code == 404
        assert list(archive.services.store.list("staging")) == []


def test_a_request_completes_only_the_upload_that_it_is_at(archive: Archive, ida: Depositor) -> None:
    """A transfer that lives on brings nothing in where its upload was given up, or taken over."""
    upload = begun(ida)
    number, now = int(upload.path.rpartition("/")[2]), archive.clock()
    with archive.services.catalogue.write() as tx:
        resumables.claim(tx, number, 1, now=now, expires=now + resumption.LIFE)
        with pytest.raises(Conflict):
            resumables.complete(tx, number, 2)
        resumables.expire(tx, number, now=now)
        with pytest.raises(Conflict):
            resumables.complete(tx, number, 1)


def test_an_upload_that_is_sent_to_does_not_expire(archive: Archive, ida: Depositor) -> None:
    """A request that began in time brings its file in, also where a sweep goes meanwhile."""
    upload = begun(ida)
    archive.clock.move(seconds=resumption.LIFE.total_seconds() - 60)

    def meanwhile() -> None:
        archive.clock.move(seconds=90)
        list(upkeep.sweep(archive.services, resumption.LIFE))

    assert upload.send(0, interrupted_by(meanwhile, BODY[:HALF], BODY[HALF:])).status_code == 204
    assert upload.file().content == BODY


def test_a_sweep_ends_no_upload_that_was_completed_since_it_looked(archive: Archive, ida: Depositor) -> None:
    """As a gateway may do whose clock is behind: what was found expired is looked at again before it is ended."""
    first, second = begun(ida, 10), begun(ida, 10)
    archive.clock.move(seconds=resumption.LIFE.total_seconds())
    sweep = upkeep.sweep(archive.services, resumption.LIFE)
    swept = [next(sweep)]
    archive.clock.move(seconds=-60)
    assert second.send(0, BODY[:10]).status_code == 204
    archive.clock.move(seconds=60)
    swept += sweep
    assert len(swept) == 1
    assert first.ask("HEAD").status_code == 404
    assert second.file().content == BODY[:10]


@pytest.mark.parametrize("key", ["small.bin", "large.bin"])
def test_a_request_whose_lease_ran_out_brings_nothing_in(archive: Archive, ida: Depositor, key: str) -> None:
    """A gateway that stood still for longer than its lease lets the upload be, and it can be gone on with."""
    upload = begun(ida, 10 if key == "small.bin" else len(BODY))
    body = BODY[: upload.size]

    def meanwhile() -> None:
        archive.clock.move(minutes=11)

    answer = upload.send(0, interrupted_by(meanwhile, body[:5], body[5:]))
    assert answer.status_code == 409
    at = upload.offset()
    assert upload.send(at, body[at:]).status_code == 204
    assert upload.file().content == body


def test_a_file_that_is_whole_in_the_store_is_gone_on_with(archive: Archive, ida: Depositor) -> None:
    """Where its object was complete, and the file could not come into the draft: what the client sends again is
    compared with the object. Other bytes are refused; the same are taken, some now and the rest later."""
    upload = begun(ida)
    assert upload.send(0, BODY[:HALF]).status_code == 204

    def meanwhile() -> None:
        archive.clock.move(minutes=11)

    draft_id = int(upload.deposition.rpartition("/")[2])
    rest = interrupted_by(meanwhile, BODY[HALF : HALF + 5], BODY[HALF + 5 :])
    assert upload.send(HALF, rest).status_code == 409
    assert [one.size for one in archive.services.store.list(layout.staged(draft_id))] == [len(BODY)]
    at = upload.offset()
    assert upload.send(at, bytes(len(BODY) - at)).status_code == 409
    assert upload.send(at, BODY[at : at + 3]).status_code == 204
    assert upload.offset() == at + 3
    assert upload.send(at + 3, BODY[at + 3 :]).status_code == 204
    assert upload.file().content == BODY


def test_a_put_whose_lease_ran_out_brings_nothing_in(archive: Archive, ida: Depositor) -> None:
    """The same of a file that comes in one request: it is refused, and what came of it is deleted."""
    deposition = ida.create()

    def meanwhile() -> None:
        archive.clock.move(minutes=11)

    answer = ida.put(deposition, "gauge.csv", interrupted_by(meanwhile, BODY[:HALF], BODY[HALF:]))
    assert answer.status_code == 409
    assert ida.send("GET", deposition["links"]["files"]).json() == []
    assert list(archive.services.store.list("staging")) == []
