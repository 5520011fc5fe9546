"""Several people, or one with several programs, at one deposit at once: each has a defined answer, and nothing is left
behind. Each client has a gateway of its own over one archive, as where several gateways run side by side."""

from __future__ import annotations

import asyncio
import hashlib
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.app import create_app
from gateway.http import receiving
from pipeline import dispatch
from pipeline.catalogue import Catalogue, Transaction, accounts, drafts, records
from pipeline.catalogue.tables import user
from pipeline.errors import Unavailable
from pipeline.ingest import arrival
from pipeline.people import signing_in
from pipeline.stewardship.stocktaking import compare
from pipeline.store import layout
from tests.archive import Archive
from tests.asking import Client
from tests.at_once import at_once, statuses
from tests.instance import Instance, open_instance, write_record
from tests.system.over_http.contract.depositor import CSV, METADATA, Depositor, depositor, path_of
from tests.system.over_http.parts import BODY, COUNT, announced, commit, part

IDA = "ida@pier.example"
LARGE = random.Random(6).randbytes(12 << 20)


@pytest.fixture
def archive(each_archive: Archive) -> Iterator[Archive]:
    """Whatever happened in it, when the effects are brought about store and catalogue agree."""
    yield each_archive
    dispatch.drain(each_archive.services)
    assert list(compare(each_archive.services)) == []
    assert list(each_archive.services.store.open_uploads()) == []


def gateways(archive: Archive, number: int) -> list[Depositor]:
    """Clients of one person."""
    return [depositor(archive, IDA) for _ in range(number)]


def staged(archive: Archive, deposition: dict[str, Any]) -> list[str]:
    """Keys of what the store has of a draft."""
    return [one.key for one in archive.services.store.list(layout.staged(deposition["id"]))]


@contextmanager
def upload_under_way(
    who: Depositor, deposition: dict[str, Any], key: str = "slow.csv"
) -> Iterator[Callable[[], httpx.Response]]:
    """As `under_way`, of a file."""
    with under_way(who, f"{path_of(deposition['links']['bucket'])}/{key}", LARGE) as rest:
        yield rest


@contextmanager
def under_way(who: Depositor, path: str, content: bytes) -> Iterator[Callable[[], httpx.Response]]:
    """An upload of which the gateway has the first half; whoever calls has it sent on, and its answer."""
    begun, go_on = threading.Event(), threading.Event()

    async def halves() -> AsyncIterator[bytes]:
        yield content[: len(content) // 2]
        begun.set()
        await asyncio.to_thread(go_on.wait, 30)
        yield content[len(content) // 2 :]

    def send() -> httpx.Response:
        return who.client.ask("PUT", path, content=halves(), content_length=str(len(content)))

    with ThreadPoolExecutor(1) as pool:
        sent: Future[httpx.Response] = pool.submit(send)
        try:
            assert begun.wait(30)

            def rest() -> httpx.Response:
                go_on.set()
                return sent.result(60)

            yield rest
        finally:
            go_on.set()


# ---------------------------------------------------------------- actions


@pytest.mark.parametrize("number", [2, 4])
def test_of_publishes_at_once_one_is_accepted(archive: Archive, number: int) -> None:
    """The others find no draft; there is one record, published once."""
    people = gateways(archive, number)
    draft = people[0].create()
    people[0].put(draft, "gauge.csv")
    publish = draft["links"]["publish"]
    answers = at_once(*(partial(one.send, "POST", publish) for one in people))
    assert statuses(answers) == [202] + [404] * (number - 1)
    assert archive.record(draft["id"]).version == 1
    assert len(people[0].client.get(f"/api/records/{draft['id']}").json()["files"]) == 1


def test_of_edits_at_once_there_is_one(archive: Archive) -> None:
    """All are answered with the same draft."""
    people = gateways(archive, 4)
    published = people[0].published()
    edit = published["links"]["edit"]
    answers = at_once(*(partial(one.send, "POST", edit) for one in people))
    assert statuses(answers) == [201] * 4
    assert len({one.json()["links"]["bucket"] for one in answers}) == 1


def test_of_new_versions_at_once_there_is_one(archive: Archive) -> None:
    """All are answered with the same draft, which has each file of the version before once."""
    people = gateways(archive, 4)
    published = people[0].published()
    new_version = published["links"]["newversion"]
    answers = at_once(*(partial(one.send, "POST", new_version) for one in people))
    assert statuses(answers) == [201] * 4
    [id_] = {one.json()["id"] for one in answers}
    assert id_ != published["id"]
    assert [one["filename"] for one in people[0].send("GET", answers[0].json()["links"]["files"]).json()] == [
        "gauge.csv"
    ]


def test_an_edit_and_its_publication_at_once(archive: Archive) -> None:
    """Both are accepted: whoever edits has the draft that is being published, or the next one. What was published is
    published."""
    ida, jo = gateways(archive, 2)
    published = ida.published()
    for number in range(4):
        edit = ida.send("POST", published["links"]["edit"]).json()
        title = f"Mended {number}"
        ida.send("PUT", edit["links"]["self"], {"metadata": {**METADATA, "title": title}})
        answers = at_once(
            partial(ida.send, "POST", edit["links"]["publish"]),
            partial(jo.send, "POST", published["links"]["edit"]),
        )
        assert [one.status_code for one in answers] == [202, 201]
        record = ida.client.get(f"/api/records/{published['id']}").json()
        assert (record["title"], record["revision"]) == (title, number + 2)
        assert ida.send("GET", published["links"]["latest_draft"]).json()["title"] == title


def test_a_publication_and_a_discard_at_once(archive: Archive) -> None:
    """One of them finds the draft, and has its way."""
    ida, jo = gateways(archive, 2)
    for _ in range(4):
        draft = ida.create()
        ida.put(draft, "gauge.csv")
        publish, discard = at_once(
            partial(ida.send, "POST", draft["links"]["publish"]),
            partial(jo.send, "POST", draft["links"]["discard"]),
        )
        assert (publish.status_code, discard.status_code) in [(202, 404), (404, 204)]
        is_public = ida.client.get(f"/api/records/{draft['id']}").status_code == 200
        assert is_public is (publish.status_code == 202)


# ---------------------------------------------------------------- uploads


def test_a_draft_is_not_published_while_a_file_is_sent(archive: Archive) -> None:
    """`files` are told to be under way; when the file is there it is published, with all of it."""
    ida, jo = gateways(archive, 2)
    draft = ida.create()
    ida.put(draft, "gauge.csv")
    with upload_under_way(jo, draft) as rest:
        answer = ida.send("POST", draft["links"]["publish"])
        assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (400, ["files"])
        assert rest().status_code == 201
    published = ida.publish(draft)
    content = ida.client.get(f"/api/records/{published['id']}/files/slow.csv/content").content
    assert content == LARGE


def test_a_file_that_is_sent_into_a_discarded_draft_is_lost(archive: Archive) -> None:
    """The discard does not wait for it; it is answered when it is there that there is no draft, and nothing of it
    stays."""
    ida, jo = gateways(archive, 2)
    draft = ida.create()
    ida.put(draft, "gauge.csv")
    with upload_under_way(jo, draft) as rest:
        assert ida.send("POST", draft["links"]["discard"]).status_code == 204
        assert rest().status_code == 404
    assert staged(archive, draft) == []


def test_a_file_that_is_sent_by_who_loses_the_right_meanwhile_is_lost(archive: Archive) -> None:
    """The grant was revoked while the file came: that is answered, the draft stays as it was, and nothing of the file
    is kept."""
    [ida] = gateways(archive, 1)
    jo = depositor(archive, "jo@pier.example")
    draft = ida.create()
    revoke = edited_by(ida, draft, jo)
    with upload_under_way(jo, draft) as rest:
        revoke()
        assert rest().status_code == 403
    assert ida.send("GET", draft["links"]["files"]).json() == []
    assert staged(archive, draft) == []


def test_a_file_that_is_sent_by_who_is_disabled_meanwhile_is_lost(archive: Archive) -> None:
    """Though the draft is theirs."""
    [ida] = gateways(archive, 1)
    draft = ida.create()
    with upload_under_way(ida, draft) as rest:
        with archive.services.catalogue.read() as tx:
            account = accounts.find_account(tx, IDA)
        assert account is not None
        signing_in.disable(archive.services, account)
        assert rest().status_code == 403
    signing_in.enable(archive.services, account)
    assert ida.send("GET", draft["links"]["files"]).json() == []
    assert staged(archive, draft) == []


def test_a_file_that_is_sent_by_an_administrator_who_is_none_any_more_is_lost(archive: Archive) -> None:
    """It was not their draft, and nothing ties them to it."""
    [ida] = gateways(archive, 1)
    jo = depositor(archive, "jo@pier.example", admin=True)
    draft = ida.create()
    with upload_under_way(jo, draft) as rest:
        with archive.services.catalogue.write() as tx:
            tx.execute(sa.update(user).where(user.c.email == jo.email).values(admin=False))
        assert rest().status_code == 403
    assert ida.send("GET", draft["links"]["files"]).json() == []
    assert staged(archive, draft) == []


@pytest.mark.parametrize("door", ["bucket", "tus"])
def test_who_may_not_send_a_file_waits_for_no_place(
    archive: Archive, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused while all places for uploads are taken."""
    monkeypatch.setattr(receiving, "_AT_ONCE", 1)
    monkeypatch.setattr(receiving, "_TURN", 0.5)
    app = create_app(archive.services)
    [ida, jo] = (
        replace(one, client=Client(app, archive.token(one.email, scopes=("deposit:write",))))
        for one in (depositor(archive, IDA), depositor(archive, "jo@pier.example"))
    )
    draft = ida.create()
    with upload_under_way(ida, draft) as rest:
        if door == "bucket":
            refused = jo.put(draft, "mine.csv")
        else:
            told = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
            place = f"{path_of(draft['links']['self'])}/uploads/1"
            refused = jo.client.ask(
                "PATCH", place, content=CSV, content_type="application/offset+octet-stream", **told
            )
        assert refused.status_code == 403
        assert rest().status_code == 201


def test_a_part_that_is_sent_by_who_loses_the_right_meanwhile_takes_no_place(archive: Archive) -> None:
    """The file is what its owner sent, who may send the part again."""
    [ida] = gateways(archive, 1)
    jo = depositor(archive, "jo@pier.example")
    draft = ida.create()
    revoke, entry = edited_by(ida, draft, jo), announced(ida, draft)
    path = f"{path_of(entry['links']['self'])}/content"
    for number in range(1, COUNT + 1):
        assert ida.client.ask("PUT", f"{path}/{number}", content=part(number)).status_code == 200
    with under_way(jo, f"{path}/2", bytes(len(part(2)))) as rest:
        revoke()
        assert rest().status_code == 403
    assert ida.client.ask("PUT", f"{path}/2", content=part(2)).status_code == 200
    assert commit(ida, entry).status_code == 200
    [file] = ida.send("GET", draft["links"]["files"]).json()
    assert ida.client.get(path_of(file["links"]["download"])).content == BODY


def edited_by(ida: Depositor, draft: dict[str, Any], who: Depositor) -> Callable[[], None]:
    """They may edit the draft, until that is taken from them."""
    access = f"/api/records/{draft['id']}/access"
    number = who.create()["owner"]
    grant = {"subject": {"type": "user", "id": str(number)}, "permission": "edit"}
    assert ida.send("POST", f"{access}/grants", {"grants": [grant]}).status_code == 201

    def revoke() -> None:
        assert ida.send("DELETE", f"{access}/users/{number}").status_code == 204

    return revoke


def test_uploads_and_a_discard_at_once(archive: Archive) -> None:
    """The draft is gone, and so is every file, whichever came first."""
    people = gateways(archive, 5)
    for _ in range(4):
        draft = people[0].create()
        people[0].put(draft, "gauge.csv")
        uploads = [partial(one.put, draft, f"{number}.csv") for number, one in enumerate(people[1:])]
        discard, *sent = at_once(partial(people[0].send, "DELETE", draft["links"]["self"]), *uploads)
        assert discard.status_code == 204
        assert set(statuses(sent)) <= {201, 404}
        assert people[0].send("GET", draft["links"]["self"]).status_code == 404
        assert staged(archive, draft) == []


def test_of_uploads_of_one_name_at_once_one_stays(archive: Archive) -> None:
    """All are accepted; the file is one of them, whole, and nothing of the others is kept."""
    people = gateways(archive, 4)
    draft = people[0].create()
    contents = [bytes([number]) * (1 << 20) * (number + 1) for number in range(4)]
    answers = at_once(
        *(
            partial(one.put, draft, "gauge.csv", content)
            for one, content in zip(people, contents, strict=True)
        )
    )
    assert statuses(answers) == [201] * 4
    [file] = people[0].send("GET", draft["links"]["files"]).json()
    content = people[0].client.get(path_of(file["links"]["download"])).content
    assert content in contents
    assert file["checksum"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert len(staged(archive, draft)) == 1
    assert people[0].publish(draft)["files"][0]["filesize"] == len(content)


class LossyCatalogue(Catalogue):
    """Loses the connection in the second of its transactions that write, before or after it has committed it."""

    has_committed = True
    _written = 0

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        self._written += 1
        is_lost = self._written == 2
        if is_lost and not self.has_committed:
            raise Unavailable("the connection to the database was lost")
        with super().write() as tx:
            yield tx
        if is_lost:
            raise Unavailable("the connection to the database was lost")


@pytest.mark.parametrize("has_committed", [False, True])
def test_a_file_outlives_a_moment_without_the_catalogue(archive: Archive, has_committed: bool) -> None:
    """Where a file has come, and the catalogue is away just then, or its word got lost that the file is in the draft,
    it is asked again, and the file is there."""
    [ida] = gateways(archive, 1)
    deposition = ida.create()
    with archive.services.catalogue.read() as tx:
        draft = drafts.get(tx, deposition["id"])
    with closing(LossyCatalogue(archive.services.catalogue._engine)) as catalogue:
        catalogue.has_committed = has_committed
        lossy = replace(archive.services, catalogue=catalogue)
        received = arrival.receive(
            lossy, draft, "gauge.csv", iter([CSV]), size=len(CSV), admitted=lambda _: None
        )
    assert received.size == len(CSV)
    [file] = ida.send("GET", deposition["links"]["files"]).json()
    assert ida.client.get(path_of(file["links"]["download"])).content == CSV


# ---------------------------------------------------------------- readers


async def download(who: Depositor, path: str, meanwhile: Callable[[], None]) -> bytes:
    """A download whose client, having the first of it, does something else before it takes the rest."""
    blocks: list[bytes] = []
    token = who.client._headers["Authorization"].encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", token)],
        "client": ("127.0.0.1", 1),
        "server": ("elsewhere.invalid", 80),
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
        elif message["body"]:
            blocks.append(message["body"])
            if len(blocks) == 1:
                await asyncio.to_thread(meanwhile)

    await create_app(who.archive.services)(scope, receive, send)  # type: ignore[arg-type]
    return b"".join(blocks)


@pytest.mark.parametrize("how", ["overwritten", "deleted", "discarded", "published"])
def test_a_download_of_a_draft_is_whole_whatever_becomes_of_it(archive: Archive, how: str) -> None:
    """Whoever has begun to read a file has its bytes to the last."""
    ida, jo = gateways(archive, 2)
    draft = ida.create()
    ida.put(draft, "large.bin", LARGE)
    [file] = ida.send("GET", draft["links"]["files"]).json()

    def meanwhile() -> None:
        match how:
            case "overwritten":
                assert jo.put(draft, "large.bin", b"another").status_code == 201
            case "deleted":
                assert jo.send("DELETE", file["links"]["self"]).status_code == 204
            case "discarded":
                assert jo.send("DELETE", draft["links"]["self"]).status_code == 204
            case "published":
                jo.publish(draft)
                dispatch.drain(archive.services)

    assert asyncio.run(download(ida, path_of(file["links"]["download"]), meanwhile)) == LARGE


# ---------------------------------------------------------------- people and accessions


@pytest.fixture
def instance(tmp_path: Path, database_url: str) -> Iterator[Instance]:
    with open_instance(tmp_path / "home", database=database_url) as opened:
        yield opened
        opened.drain()
        assert list(compare(opened.services)) == []


def ingested(instance: Instance, source: Path) -> tuple[Depositor, int]:
    """(its owner, a record of one file that came from a folder)."""
    write_record(source / "pier", {"gauge.csv": CSV})
    archive = Archive(instance.services, instance.clock)  # type: ignore[arg-type]
    ida = depositor(archive, IDA)
    report = instance.ingest(source, owner=IDA)
    return ida, report["records"][0]["id"]


def test_an_accession_and_a_person_each_make_their_new_version(instance: Instance, tmp_path: Path) -> None:
    """A work has a new version drafted when its source changes: the accession publishes what the source has, the draft
    stays as the person left it, and becomes the version after."""
    source = tmp_path / "tides"
    ida, id_ = ingested(instance, source)
    draft = ida.send("POST", f"/api/deposit/depositions/{id_}/actions/newversion").json()
    ida.put(draft, "own.csv", b"own")
    write_record(source / "pier", {"gauge.csv": b"from the source"})
    [second] = instance.ingest(source, owner=IDA)["records"]
    assert second["id"] not in (id_, draft["id"])
    assert instance.files(second["id"]) == {"gauge.csv": b"from the source"}
    published = ida.publish(ida.send("GET", draft["links"]["self"]).json())
    instance.drain()
    assert instance.files(published["id"]) == {"gauge.csv": CSV, "own.csv": b"own"}
    versions = [instance.record(one).version for one in (id_, second["id"], published["id"])]
    assert versions == [1, 2, 3]


def test_an_accession_and_a_person_publish_at_once(instance: Instance, tmp_path: Path) -> None:
    """Both new versions of the work are published, one after the other, each with its own files."""
    source = tmp_path / "tides"
    ida, id_ = ingested(instance, source)
    for number in range(3):
        draft = ida.send("POST", f"/api/deposit/depositions/{id_}/actions/newversion").json()
        ida.put(draft, "own.csv", f"own {number}".encode())
        write_record(source / "pier", {"gauge.csv": f"source {number}".encode()})
        attempt = instance.attempt(source, owner=IDA)
        attempt.take_in()
        start = threading.Barrier(2)

        def publish_ingested(attempt: Any = attempt, start: threading.Barrier = start) -> None:
            start.wait(10)
            attempt.publish()

        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(publish_ingested)
            start.wait(10)
            assert ida.send("POST", draft["links"]["publish"]).status_code == 202
            other.result(60)
        attempt.finish()
    with instance.services.catalogue.read() as tx:
        concept_id = records.get(tx, id_).concept_id
        last = records.get(tx, records.newest_published(tx, concept_id))
    assert last.version == 7
