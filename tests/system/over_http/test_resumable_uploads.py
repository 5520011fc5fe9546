"""Uploads in several requests, by tus 1.0.0: its rules, and a gateway that is killed in the middle."""

import base64
import hashlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from infra.local.gateway import gateway
from infra.local.service import launched
from pipeline import upkeep
from pipeline.ingest import resumption
from pipeline.settings import StoreLocation
from pipeline.store.transfer import IN_PARTS_FROM, MIB
from tests.archive import Archive, open_archive
from tests.system.over_http.contract.depositor import CSV, Depositor, depositor
from tests.system.over_http.resumable import BODY, begun, named


@pytest.fixture
def ida(archive: Archive) -> Depositor:
    return depositor(archive, "ida@pier.example")


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


@pytest.fixture(params=["local", "seaweedfs"])
def location(request: pytest.FixtureRequest) -> StoreLocation | None:
    if request.param == "local":
        return None
    found: StoreLocation = request.getfixturevalue("seaweedfs_location")
    return found


def _slowly(body: bytes, sent: threading.Event) -> Iterator[bytes]:
    for at in range(0, len(body), MIB):
        yield body[at : at + MIB]
    sent.set()
    time.sleep(60)


def test_another_gateway_goes_on_where_one_was_killed(tmp_path: Path, location: StoreLocation | None) -> None:
    """In the middle of a request: what it had told before is there, and the file is right in the end."""
    home = tmp_path / "home"
    with open_archive(home, location) as archive:
        token = archive.token("ida@pier.example", scopes=("deposit:write",))
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    kind = {"Content-Type": "application/offset+octet-stream"}
    first = IN_PARTS_FROM + 5
    with httpx.Client(headers=headers, timeout=60) as client:
        before = gateway(home, location)
        with launched(before, tmp_path / "log") as process:
            links = client.post(f"{before.url}/api/deposit/depositions", json={}).json()["links"]
            length = {"Upload-Length": str(len(BODY)), "Upload-Metadata": named("large.bin")}
            made = client.post(links["self"] + "/uploads", headers=length)
            upload = made.headers["location"].removeprefix(before.url)
            url, start = before.url + upload, {**kind, "Upload-Offset": "0"}
            assert client.patch(url, content=BODY[:first], headers=start).status_code == 204
            sent = threading.Event()

            def send_on() -> None:
                with suppress(httpx.TransportError):
                    rest = _slowly(BODY[first:-1], sent)
                    httpx.patch(
                        url,
                        content=rest,
                        headers={**headers, **kind, "Upload-Offset": str(first)},
                        timeout=60,
                    )

            threading.Thread(target=send_on, daemon=True).start()
            assert sent.wait(30)
            process.send_signal(signal.SIGKILL)
            process.wait()
        after = gateway(home, location)
        with launched(after, tmp_path / "log"):
            url = after.url + upload
            offset = int(client.head(url).headers["upload-offset"])
            assert first <= offset < len(BODY)
            on = {**kind, "Upload-Offset": str(offset)}
            assert client.patch(url, content=BODY[offset:], headers=on).status_code == 204
            entry = client.get(links["bucket"].replace(before.url, after.url)).json()["contents"][0]
    assert entry["checksum"] == f"md5:{hashlib.md5(BODY, usedforsecurity=False).hexdigest()}"
