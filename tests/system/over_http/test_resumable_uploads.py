"""Uploads in several requests, by tus 1.0.0: its rules, and a gateway that is killed in the middle."""

import base64
import hashlib
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from infra.local.gateway import gateway
from infra.local.service import launched
from pipeline.catalogue import resumables
from pipeline.ingest import resumption
from pipeline.ports import StoreTraits
from pipeline.settings import StoreLocation
from pipeline.stewardship import upkeep
from pipeline.store.s3 import store as s3
from pipeline.store.transfer import IN_PARTS_FROM, MIB
from tests.archive import Archive, open_archive
from tests.faults import Fault, Trap
from tests.system.over_http.contract.depositor import CSV, Depositor, depositor, path_of
from tests.system.over_http.parts import slowly
from tests.system.over_http.resumable import BODY, SPOKEN, begun, named


@pytest.mark.parametrize("step", [3 * MIB + 1, IN_PARTS_FROM, len(BODY)])
def test_a_file_comes_in_as_many_requests_as_its_client_likes(ida: Depositor, step: int) -> None:
    """Each goes on at the offset of the one before, and HEAD tells it; at the end the file is in the draft."""
    upload = begun(ida)
    for at in range(0, len(BODY), step):
        assert upload.offset() == at
        answer = upload.send(at, BODY[at : at + step])
        assert (answer.status_code, answer.content) == (204, b"")
        assert int(answer.headers["upload-offset"]) == min(at + step, len(BODY))
    assert upload.file().content == BODY
    assert upload.file().headers["etag"].strip('"') != ""
    assert upload.ask("HEAD").status_code == 404


def test_a_file_in_large_parts_comes_in_many_requests(
    tmp_path: Path, seaweedfs_location: StoreLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too large for the smallest parts of S3 goes in larger ones: requests end anywhere in them, and the next
    go on there; what lies behind the last whole part is in pieces, which go when the part is whole."""
    monkeypatch.setattr(s3, "LARGEST_COLLECTED", len(BODY))
    monkeypatch.setattr(s3.S3Store, "traits", StoreTraits(renames_trees=False, largest_unsized=len(BODY)))
    body, step = BODY + BODY[::-1], 11 * MIB
    with open_archive(tmp_path / "home", seaweedfs_location) as archive:
        upload = begun(depositor(archive, "ida@pier.example"), len(body))
        left: list[list[int]] = []
        for at in range(0, len(body), step):
            assert upload.offset() == at
            assert upload.send(at, body[at : at + step]).status_code == 204
            left.append(sorted(one.size // MIB for one in archive.services.store.list("staging/tails")))
        assert upload.file().content == body
        assert left == [[3, 8], [6], [1], []]
        assert list(archive.services.store.open_uploads()) == []


@pytest.mark.parametrize(("size", "status"), [(49 << 40, 400), (48 << 40, 201)], ids=["49 TiB", "48 TiB"])
def test_an_upload_that_no_object_could_hold_is_not_begun(
    tmp_path: Path, seaweedfs_location: StoreLocation, size: int, status: int
) -> None:
    """S3 has objects of 10,000 parts of 5 GiB at most: who wants to send more is told before the first byte."""
    with open_archive(tmp_path / "home", seaweedfs_location) as archive:
        ida = depositor(archive, "ida@pier.example")
        uploads = path_of(ida.create()["links"]["self"]) + "/uploads"
        told = {"upload_length": str(size), "upload_metadata": named("huge.bin")}
        assert ida.client.ask("POST", uploads, **told, **SPOKEN).status_code == status


def test_what_a_client_is_told_of_an_upload(ida: Depositor) -> None:
    """HEAD is not to be kept by caches; OPTIONS tells what is spoken; who speaks nothing else is told so with 412."""
    upload = begun(ida)
    told = upload.ask("HEAD")
    assert (told.headers["cache-control"], told.headers["upload-length"]) == ("no-store", str(len(BODY)))
    assert told.headers["tus-resumable"] == "1.0.0"
    spoken = ida.client.ask("OPTIONS", upload.path.rpartition("/")[0])
    assert spoken.headers["tus-extension"] == "creation,checksum,expiration,termination"
    refused = ida.client.ask("HEAD", upload.path, tus_resumable="0.2.0")
    assert (refused.status_code, refused.headers["tus-version"]) == (412, "1.0.0")


def test_only_the_offset_that_is_there_is_gone_on_from(ida: Depositor) -> None:
    """Any other is 409, and changes nothing; more than was to come is 413."""
    upload = begun(ida, 10)
    assert upload.send(0, b"12345").status_code == 204
    assert [upload.send(at, b"x").status_code for at in (0, 4, 6)] == [409, 409, 409]
    assert upload.send(5, b"678901").status_code == 413
    assert upload.send(5, b"67890").status_code == 204
    assert upload.file().content == b"1234567890"


def test_what_has_another_checksum_is_not_taken(ida: Depositor) -> None:
    """460, none of it is kept, and the same bytes are taken again with the right one."""
    upload = begun(ida)
    first, rest = BODY[: IN_PARTS_FROM + 5], BODY[IN_PARTS_FROM + 5 :]
    assert upload.send(0, first).status_code == 204
    digest = base64.b64encode(hashlib.sha1(rest, usedforsecurity=False).digest()).decode()
    assert upload.send(len(first), bytes(len(rest)), upload_checksum=f"sha1 {digest}").status_code == 460
    assert upload.offset() == len(first)
    assert upload.send(len(first), rest, upload_checksum="crc32 AAAA").status_code == 400
    assert upload.send(len(first), rest, upload_checksum=f"sha1 {digest}").status_code == 204
    assert upload.file().content == BODY


def test_an_upload_is_its_drafts_owners_alone(archive: Archive, ida: Depositor) -> None:
    """Others may neither look, nor send, nor end it."""
    upload = begun(ida)
    other = upload.by(depositor(archive, "jo@pier.example"))
    answers = [other.ask("HEAD"), other.send(0, CSV), other.ask("DELETE")]
    assert [one.status_code for one in answers] == [403, 403, 403]
    assert upload.offset() == 0


def test_an_upload_that_is_ended_leaves_nothing(archive: Archive, ida: Depositor) -> None:
    """By its client, or by a sweep once it has expired, which tells of it, and which is 410 until then."""
    first, second = begun(ida), begun(ida)
    for one in (first, second):
        assert one.send(0, BODY[: IN_PARTS_FROM + 5]).status_code == 204
    assert first.ask("DELETE").status_code == 204
    archive.clock.move(seconds=resumption.LIFE.total_seconds())
    assert [one.ask("HEAD").status_code for one in (first, second)] == [404, 410]
    would_go = list(upkeep.sweep(archive.services, resumption.LIFE, dry_run=True))
    assert [(one.kind, one.size) for one in would_go] == [("upload", IN_PARTS_FROM + 5)]
    assert second.ask("HEAD").status_code == 410
    assert list(upkeep.sweep(archive.services, resumption.LIFE)) == would_go
    assert second.ask("HEAD").status_code == 404
    store = archive.services.store
    assert [*store.list("staging"), *store.open_uploads()] == []


def test_an_upload_whose_bytes_are_lost_is_over(each_archive: Archive) -> None:
    """Where the store has what was told no more: 410, once, then there is no such upload, it leaves nothing, and its
    draft may be published without it."""
    ida = depositor(each_archive, "ida@pier.example")
    upload, store = begun(ida), each_archive.services.store
    assert ida.client.ask("PUT", f"{upload.bucket}/other.csv", content=CSV).status_code == 201
    at = IN_PARTS_FROM + 5
    assert upload.send(0, BODY[:at]).status_code == 204
    [tail] = store.list("staging/tails")
    store.delete(tail.key)
    assert upload.send(at, BODY[at:]).status_code == 410
    assert upload.ask("HEAD").status_code == 404
    assert [*(one.size for one in store.list("staging")), *store.open_uploads()] == [len(CSV)]
    assert ida.send("POST", f"{upload.deposition}/actions/publish").status_code == 202


@pytest.mark.parametrize(
    ("states", "status", "later"),
    [({"engine": "another"}, 503, 200), ({"check": "damaged"}, 410, 404)],
    ids=["of another machine", "damaged"],
)
def test_only_states_that_nobody_can_use_end_an_upload(
    archive: Archive, ida: Depositor, states: dict[str, str], status: int, later: int
) -> None:
    """Digests' states of another machine may be gone on from there: 503, and the upload stays. Damaged ones are 410."""
    upload = begun(ida, 10)
    assert upload.send(0, b"12345").status_code == 204
    number, now = int(upload.path.rpartition("/")[2]), archive.clock()
    with archive.services.catalogue.write() as tx:
        one = resumables.claim(tx, number, 0, now=now, expires=now + resumption.LIFE)
        checkpoint = {"digests": {**one.ledger.checkpoint["digests"], **states}}
        resumables.keep(tx, replace(one, ledger=replace(one.ledger, checkpoint=checkpoint)), 0, [])
    assert upload.send(5, b"67890").status_code == status
    assert upload.ask("HEAD").status_code == later


def test_room_that_must_stay_free_stays_free(archive: Archive, ida: Depositor) -> None:
    """An upload that was begun while there was room is not gone on with while there is none for its rest: 503, and
    when to try again; then it goes on."""
    upload = begun(ida, 10)
    assert upload.send(0, b"12345").status_code == 204
    full = archive.services.settings.model_copy(update={"min_free": 1 << 60})
    crowded = Archive(replace(archive.services, settings=full), archive.clock)
    refused = upload.by(depositor(crowded, "ida@pier.example")).send(5, b"67890")
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    assert upload.send(5, b"67890").status_code == 204
    assert upload.file().content == b"1234567890"


@pytest.mark.parametrize("how", ["sent", "ended", "expired"])
def test_a_draft_is_not_published_over_a_half_sent_file(archive: Archive, ida: Depositor, how: str) -> None:
    """Between two requests, too: what is to be done is told, and once the upload is over the draft is published."""
    upload = begun(ida, 10)
    assert ida.client.ask("PUT", f"{upload.bucket}/other.csv", content=CSV).status_code == 201
    assert upload.send(0, b"12345").status_code == 204
    publish = f"{upload.deposition}/actions/publish"
    refused = ida.send("POST", publish)
    assert refused.status_code == 400
    [fault] = refused.json()["errors"]
    assert (fault["field"], "DELETE" in fault["messages"][0]) == ("files", True)
    match how:
        case "sent":
            assert upload.send(5, b"67890").status_code == 204
        case "ended":
            assert upload.ask("DELETE").status_code == 204
        case "expired":
            archive.clock.move(seconds=resumption.LIFE.total_seconds())
    published = ida.send("POST", publish)
    assert published.status_code == 202
    assert len(published.json()["files"]) == (2 if how == "sent" else 1)


@pytest.mark.parametrize("how", ["discarded", "emptied"])
def test_an_upload_ends_with_its_draft(archive: Archive, ida: Depositor, how: str) -> None:
    """Nothing of it stays where the draft is discarded, or all its files are deleted."""
    upload = begun(ida)
    assert upload.send(0, BODY[: IN_PARTS_FROM + 5]).status_code == 204
    if how == "discarded":
        assert ida.send("DELETE", upload.deposition).status_code == 204
    else:
        number = upload.deposition.rpartition("/")[2]
        assert ida.send("DELETE", f"/api/records/{number}/draft/files").status_code == 204
    assert upload.ask("HEAD").status_code == 404
    store = archive.services.store
    assert [*store.list("staging"), *store.open_uploads()] == []


# ---------------------------------------------------------------- kill -9


@dataclass
class Sender:
    """A client of one gateway after the other, at one upload; `url` is the gateway's that runs now."""

    client: httpx.Client
    url: str = ""
    path: str = ""
    bucket: str = ""

    def begin(self) -> None:
        links = self.client.post(f"{self.url}/api/deposit/depositions", json={}).json()["links"]
        length = {"Upload-Length": str(len(BODY)), "Upload-Metadata": named("large.bin")}
        made = self.client.post(links["self"] + "/uploads", headers=length)
        self.path = made.headers["location"].removeprefix(self.url)
        self.bucket = links["bucket"].removeprefix(self.url)

    def offset(self) -> int | None:
        """None where the upload is over."""
        told = self.client.head(self.url + self.path)
        return int(told.headers["upload-offset"]) if told.status_code == 200 else None

    def send(self, start: int, content: bytes | Iterator[bytes]) -> httpx.Response:
        headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(start)}
        return self.client.patch(self.url + self.path, content=content, headers=headers)

    def send_rest(self, step: int = len(BODY)) -> None:
        while (at := self.offset()) is not None:
            assert self.send(at, BODY[at : at + step]).status_code == 204

    def checksum(self) -> str:
        [entry] = self.client.get(self.url + self.bucket).json()["contents"]
        checksum: str = entry["checksum"]
        return checksum


WHOLE = f"md5:{hashlib.md5(BODY, usedforsecurity=False).hexdigest()}"


@contextmanager
def sender(home: Path, location: StoreLocation | None) -> Iterator[Sender]:
    with open_archive(home, location) as archive:
        token = archive.token("ida@pier.example", scopes=("deposit:write",))
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    with httpx.Client(headers=headers, timeout=60) as client:
        yield Sender(client)


def test_another_gateway_goes_on_where_one_was_killed(tmp_path: Path, location: StoreLocation | None) -> None:
    """In the middle of a request: what it had told before is there, and the file is right in the end."""
    home, first = tmp_path / "home", IN_PARTS_FROM + 5
    with sender(home, location) as ida:
        before, after = gateway(home, location), gateway(home, location)
        with launched(before, tmp_path / "log") as process:
            ida.url = before.url
            ida.begin()
            assert ida.send(0, BODY[:first]).status_code == 204
            sent = threading.Event()

            def send_on() -> None:
                with suppress(httpx.TransportError):
                    ida.send(first, slowly(BODY[first:-1], sent))

            threading.Thread(target=send_on, daemon=True).start()
            assert sent.wait(30)
            process.send_signal(signal.SIGKILL)
            process.wait()
        with launched(after, tmp_path / "log"):
            ida.url = after.url
            assert first <= (ida.offset() or 0) < len(BODY)
            ida.send_rest()
            assert ida.checksum() == WHOLE


NOTED, ATTACHED = "pipeline.catalogue.resumables:keep", "pipeline.ingest.arrival:attach"


@pytest.mark.parametrize(
    ("location", "fault"),
    [
        ("local", Fault(NOTED, call=2)),
        ("local", Fault(NOTED, call=2, after=True)),
        ("local", Fault(ATTACHED)),
        ("seaweedfs", Fault(ATTACHED)),
        ("local", Fault(ATTACHED, after=True)),
    ],
    indirect=["location"],
    ids=["noting", "noted", "committed", "committed on S3", "in the draft"],
)
def test_what_was_told_outlives_a_kill_at_any_step(
    tmp_path: Path, location: StoreLocation | None, fault: Fault
) -> None:
    """Where a gateway is killed between the steps that make bytes durable and tell of them, another goes on from what
    had been told, and the file is in the draft once, with nothing beside it that a sweep leaves."""
    home, trap = tmp_path / "home", Trap(tmp_path / "trap", fault)
    with sender(home, location) as ida:
        before, after = gateway(home, location, trap.environment), gateway(home, location)
        with launched(before, tmp_path / "log"):
            ida.url = before.url
            ida.begin()
            with suppress(httpx.TransportError):
                ida.send_rest(step=IN_PARTS_FROM + 5)
        assert trap.sprung()
        with launched(after, tmp_path / "log"):
            ida.url = after.url
            ida.send_rest()
            assert ida.checksum() == WHOLE
    with open_archive(home, location) as archive:
        archive.clock.move(days=3650)
        list(upkeep.sweep(archive.services, resumption.LIFE))
        assert [one.size for one in archive.services.store.list("staging")] == [len(BODY)]
        assert list(archive.services.store.open_uploads()) == []
