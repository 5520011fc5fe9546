"""The multipart transfer, by §4.4 of the contract."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest

from gateway.app import create_app
from pipeline import dispatch
from pipeline.catalogue import drafts, transfers
from pipeline.ingest import multipart, transferring
from pipeline.stewardship import upkeep
from pipeline.store.transfer import LARGEST_PART, SMALLEST_PART, PartPlan
from tests.archive import BASE_URL, Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import Depositor, depositor, path_of
from tests.system.over_http.parts import (
    BODY,
    COUNT,
    MD5,
    MULTIPART,
    announced,
    commit,
    committed,
    part,
    send,
)
from tests.system.over_http.resumable import SPOKEN, named

PARTS = [hashlib.md5(part(number), usedforsecurity=False).digest() for number in range(1, COUNT + 1)]
PENDING = f"multipart:{hashlib.md5(b''.join(PARTS), usedforsecurity=False).hexdigest()}-{SMALLEST_PART}"


@pytest.fixture
def ida(archive: Archive) -> Depositor:
    return depositor(archive, "ida@pier.example")


def stored(archive: Archive) -> list[str]:
    """What the store has of drafts, begun or whole."""
    store = archive.services.store
    return [*(one.key for one in store.list("staging")), *(one.key for one in store.open_uploads("staging"))]


def test_4_4_a_file_comes_in_parts(archive: Archive, ida: Depositor) -> None:
    """In any order, side by side, again; when it is committed it is one of type L, its checksum the md5 of the md5s of
    its parts until it was read once, and then the md5 as everywhere."""
    deposition = ida.create()
    entry = announced(ida, deposition)
    assert entry["transfer"] == {"type": "M", "parts": COUNT, "part_size": SMALLEST_PART}
    assert (entry["status"], entry["size"], entry["links"].keys()) == (
        "pending",
        len(BODY),
        {"self", "commit", "parts"},
    )
    parts = entry["links"]["parts"]
    assert [one["part"] for one in parts] == list(range(1, COUNT + 1))
    expiration = datetime.fromisoformat(parts[0]["expiration"])
    assert expiration == archive.clock() + timedelta(days=7)
    assert send(ida, entry, 2, bytes(SMALLEST_PART)).status_code == 200
    with ThreadPoolExecutor(COUNT) as pool:
        answers = list(pool.map(lambda number: send(ida, entry, number), (3, 1, 2)))
    assert [(one.status_code, one.content) for one in answers] == [(200, b"")] * COUNT
    done = commit(ida, entry)
    assert (done.status_code, done.json()["status"], done.json()["transfer"]) == (
        200,
        "completed",
        {"type": "L"},
    )
    checksum = done.json()["checksum"]
    assert checksum == PENDING
    assert commit(ida, entry).json() == done.json()
    [legacy] = ida.send("GET", deposition["links"]["files"]).json()
    assert (legacy["filename"], legacy["checksum"], legacy["filesize"]) == (
        "a/large.bin",
        checksum,
        len(BODY),
    )
    assert ida.client.get(path_of(legacy["links"]["download"])).content == BODY
    dispatch.drain(archive.services)
    assert ida.send("GET", entry["links"]["self"]).json()["checksum"] == f"md5:{MD5}"
    assert ida.publish(deposition)["state"] == "done"
    read = ida.client.get(f"/api/records/{deposition['id']}/files/a/large.bin/content")
    assert (read.content, read.headers["etag"]) == (BODY, f'"md5:{MD5}"')


def test_4_4_parts_may_come_through_the_gateway_whatever_the_store(ida: Depositor) -> None:
    """To `content/{n}`, for whoever cannot reach the store."""
    entry = announced(ida, ida.create())
    for number in range(1, COUNT + 1):
        url = f"{path_of(entry['links']['self'])}/content/{number}"
        assert ida.client.ask("PUT", url, content=part(number)).status_code == 200
        for wrong in (part(number)[:-1], part(number) + b"x"):
            assert ida.client.ask("PUT", url, content=wrong).status_code == 400
    assert commit(ida, entry).status_code == 200
    for number in (0, COUNT + 1):
        assert ida.client.ask("PUT", url[:-1] + str(number), content=part(1)).status_code in (400, 404)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"size": None}, "0.size"),
        ({"transfer": {"type": "M", "part_size": SMALLEST_PART}}, "0.transfer.parts"),
        ({"transfer": {"type": "M", "parts": COUNT}}, "0.transfer.part_size"),
        ({"transfer": {"type": "M", "parts": COUNT + 1, "part_size": SMALLEST_PART}}, "0.transfer.part_size"),
        ({"transfer": {"type": "M", "parts": 3, "part_size": SMALLEST_PART - 1}}, "0.transfer.part_size"),
        ({"transfer": {"type": "M", "parts": 1, "part_size": LARGEST_PART + 1}}, "0.transfer.part_size"),
        ({"transfer": {"type": "M", "parts": "3", "part_size": SMALLEST_PART}}, "0.transfer.parts"),
        (
            {
                "size": 10_001 * SMALLEST_PART,
                "transfer": {"type": "M", "parts": 10_001, "part_size": SMALLEST_PART},
            },
            "0.transfer.part_size",
        ),
    ],
)
def test_4_4_size_parts_and_part_size_must_agree(
    archive: Archive, ida: Depositor, said: dict[str, object], field: str
) -> None:
    """And be what S3 takes, on every store; the answer says what that is."""
    url = f"/api/records/{ida.create()['id']}/draft/files"
    answer = ida.send("POST", url, [{**MULTIPART, **said}])
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert stored(archive) == []


def test_4_4_a_key_is_announced_once(archive: Archive, ida: Depositor) -> None:
    """The store has begun no upload for another."""
    deposition = ida.create()
    announced(ida, deposition)
    twins = [{**MULTIPART, "key": "twin"}] * 2
    for body, key in (([MULTIPART], "a/large.bin"), (twins, "twin")):
        answer = ida.send("POST", f"/api/records/{deposition['id']}/draft/files", body)
        assert (answer.status_code, answer.json()["message"]) == (400, f"File with key {key} already exists.")
    assert len(stored(archive)) == 1


def test_4_4_nothing_is_committed_before_all_parts_are_there(ida: Depositor) -> None:
    """As the store has them; the answer names those that are missing, and the draft is not published meanwhile."""
    deposition = ida.create()
    entry = announced(ida, deposition)
    assert send(ida, entry, 2).status_code == 200
    refused = commit(ida, entry)
    assert refused.status_code == 400
    assert refused.json()["message"].endswith(": 1, 3")
    assert ida.send("POST", deposition["links"]["publish"]).status_code == 400
    content = f"{path_of(entry['links']['self'])}/content"
    assert ida.client.ask("PUT", content, content=BODY).status_code == 400
    for number in (1, 3):
        assert send(ida, entry, number).status_code == 200
    assert commit(ida, entry).status_code == 200
    assert send(ida, entry, 1).status_code in (400, 404)


def test_4_4_what_nobody_has_read_waits_to_be_published(archive: Archive, ida: Depositor) -> None:
    """Sealed, whatever the scan gate, and is published with its digests."""
    deposition = ida.create()
    committed(ida, deposition)
    answer = ida.send("POST", deposition["links"]["publish"])
    assert (answer.status_code, answer.json()["state"], answer.json()["submitted"]) == (
        202,
        "inprogress",
        True,
    )
    assert ida.client.get(f"/api/records/{deposition['id']}").status_code == 404
    assert ida.put(deposition, "more.csv").status_code == 403
    dispatch.drain(archive.services)
    published = ida.send("GET", deposition["links"]["self"]).json()
    assert (published["state"], published["files"][0]["checksum"]) == ("done", MD5)
    read = ida.client.get(f"/api/records/{deposition['id']}/files/a/large.bin/content")
    assert (read.content, read.headers["content-md5"]) == (BODY, MD5)


def test_4_4_bytes_that_vanished_reopen_the_draft(archive: Archive, ida: Depositor) -> None:
    """It tells which, is not published with them, and is once they are sent again."""
    deposition = ida.create()
    committed(ida, deposition)
    assert ida.send("POST", deposition["links"]["publish"]).status_code == 202
    [place] = archive.services.store.list("staging")
    archive.services.store.delete(place.key)
    dispatch.drain(archive.services)
    draft = ida.send("GET", deposition["links"]["self"]).json()
    assert draft["state"] == "unsubmitted"
    assert "a/large.bin: its bytes are not in the store any more" in draft["errors"][0]["message"]
    assert ida.send("DELETE", f"/api/records/{deposition['id']}/draft/files/a/large.bin").status_code == 204
    committed(ida, deposition)
    dispatch.drain(archive.services)
    assert ida.publish(deposition)["state"] == "done"


def test_4_4_a_declared_checksum_is_compared_when_the_file_is_read(archive: Archive, ida: Depositor) -> None:
    """The right one passes; with a wrong one the draft tells, and is not published."""
    good, bad = ida.create(), ida.create()
    committed(ida, good, checksum=f"md5:{MD5}")
    committed(ida, bad, checksum=f"sha256:{'0' * 64}")
    dispatch.drain(archive.services)
    assert ida.publish(good)["state"] == "done"
    for _ in range(2):
        [error] = ida.send("GET", bad["links"]["self"]).json()["errors"]
        assert (error["field"], "its sha256 is" in error["message"]) == ("files", True)
        assert ida.send("POST", bad["links"]["publish"]).status_code == 202
        dispatch.drain(archive.services)
        assert ida.send("GET", bad["links"]["self"]).json()["state"] == "unsubmitted"


def test_4_4_what_is_not_there_as_it_was_sent_is_not_published(archive: Archive, ida: Depositor) -> None:
    """The reading compares it with the md5s of the parts as they came, whether a checksum was declared or not."""
    deposition = ida.create()
    committed(ida, deposition)
    [place] = archive.services.store.list("staging")
    archive.services.store.put_many({place.key: bytes(len(BODY))})
    assert ida.send("POST", deposition["links"]["publish"]).status_code == 202
    dispatch.drain(archive.services)
    draft = ida.send("GET", deposition["links"]["self"]).json()
    assert draft["state"] == "unsubmitted"
    assert "its parts are not there as they were sent" in draft["errors"][0]["message"]


@pytest.mark.parametrize("how", ["the file", "all files", "the draft", "another way to send it"])
def test_4_4_what_is_given_up_leaves_nothing(archive: Archive, ida: Depositor, how: str) -> None:
    """The parts go, in whatever way the file does."""
    deposition = ida.create()
    entry = announced(ida, deposition)
    send(ida, entry, 1)
    files = f"/api/records/{deposition['id']}/draft/files"
    match how:
        case "the file":
            assert ida.send("DELETE", entry["links"]["self"]).status_code == 204
        case "all files":
            assert ida.send("DELETE", files).status_code == 204
        case "the draft":
            assert ida.send("DELETE", deposition["links"]["self"]).status_code == 204
        case _:
            named = announced(ida, deposition, key="large.bin")
            assert ida.put(deposition, "large.bin").status_code == 201
            assert send(ida, named, 1).status_code in (400, 404)
            assert ida.send("DELETE", files).status_code == 204
    assert stored(archive) == []
    assert send(ida, entry, 2).status_code == 404
    assert commit(ida, entry).status_code == 404


def test_4_4_what_nobody_goes_on_with_ends_by_time(archive: Archive, ida: Depositor) -> None:
    """With the URLs: it takes no part and is not committed any more, and after a sweep, which tells of it, also before
    it is done, the draft is published without it."""
    deposition = ida.create()
    ida.put(deposition, "gauge.csv")
    entry = announced(ida, deposition)
    itself = path_of(entry["links"]["self"])
    send(ida, entry, 1)
    assert list(upkeep.sweep(archive.services, timedelta(days=1))) == []
    assert ida.client.get(itself).status_code == 200
    archive.clock.move(seconds=multipart.LIFE.total_seconds())
    late = [ida.client.ask("PUT", f"{itself}/content/2", content=part(2)), commit(ida, entry)]
    assert [(one.status_code, "a/large.bin" in one.json()["message"]) for one in late] == [(410, True)] * 2
    assert ida.client.get(itself).json()["status"] == "pending"
    told = list(upkeep.sweep(archive.services, timedelta(days=1), dry_run=True))
    assert [(one.kind, one.since) for one in told] == [("upload", archive.clock())]
    assert ida.client.get(itself).status_code == 200
    assert list(upkeep.sweep(archive.services, timedelta(days=1))) == told
    assert ida.client.get(itself).status_code == 404
    assert len(stored(archive)) == 1
    assert ida.publish(deposition)["state"] == "done"


def test_4_4_a_draft_that_is_discarded_does_not_keep_a_sweep(archive: Archive, ida: Depositor) -> None:
    """That was about to end a file of it: the others are ended."""
    depositions = [ida.create() for _ in range(3)]
    for one in depositions:
        announced(ida, one)
    archive.clock.move(seconds=multipart.LIFE.total_seconds())
    sweeping = upkeep.sweep(archive.services, timedelta(days=1))
    next(sweeping)
    assert ida.send("DELETE", depositions[1]["links"]["self"]).status_code == 204
    assert len(list(sweeping)) == 1
    assert stored(archive) == []


def test_4_4_an_upload_that_no_file_is_noted_for_is_swept(archive: Archive, ida: Depositor) -> None:
    """However long its draft stays open: a gateway may die, or the store be away, when it is to end. Of the others in
    the draft none is, nor is one that a request is sending."""
    deposition = ida.create()
    entry = announced(ida, deposition)
    send(ida, entry, 1)
    services = archive.services
    [noted] = services.store.open_uploads("staging")
    place, plan = f"{noted.key}.forgotten", PartPlan(len(BODY), SMALLEST_PART)
    forgotten = services.store.begin_parts(place, plan)
    with services.catalogue.write() as tx:
        one = drafts.get(tx, deposition["id"])
        number = transferring.begin(services, tx, one.deposit.id, "gauge.csv")
    later = timedelta(days=-10_000)  # the store has the real time
    assert [one.kind for one in upkeep.sweep(services, later)] == []
    with services.catalogue.write() as tx:
        transfers.end(tx, number, now=services.now())
    assert [(one.kind, one.name) for one in upkeep.sweep(services, later)] == [("upload", place)]
    assert forgotten.id not in [one.upload_id for one in services.store.open_uploads("staging")]
    for sent in (2, 3):
        assert send(ida, entry, sent).status_code == 200
    assert commit(ida, entry).status_code == 200


def test_4_4_a_draft_has_so_many_uploads_open(archive: Archive, ida: Depositor) -> None:
    """In parts and in several requests together: one more is refused, by itself or among others, and leaves nothing.
    One that is ended makes room; files that are announced in one piece are none."""
    settings = archive.services.settings.model_copy(update={"open_uploads": 2})
    services = replace(archive.services, settings=settings)
    token = archive.token(ida.email, scopes=("deposit:write", "deposit:actions"))
    bounded = Depositor(archive, Client(create_app(services), token), ida.email)
    made = bounded.create()
    files = f"/api/records/{made['id']}/draft/files"

    def announce(*keys: str) -> httpx.Response:
        return bounded.send("POST", files, [{**MULTIPART, "key": key} for key in keys])

    def upload() -> httpx.Response:
        return bounded.client.ask(
            "POST",
            path_of(made["links"]["self"]) + "/uploads",
            upload_length="3",
            **SPOKEN,
            upload_metadata=named("c"),
        )

    assert announce("a", "b", "c").status_code == 400
    assert stored(archive) == []
    assert announce("a").status_code == 201
    begun = upload()
    assert begun.status_code == 201
    before = stored(archive)
    for refused in (announce("b"), upload()):
        assert refused.status_code == 400, refused.text
        assert refused.json()["message"].startswith("Too many uploads into the draft are open")
        assert "2 open at most" in refused.json()["remedy"]
    assert stored(archive) == before
    assert bounded.send("POST", files, [{"key": "plain.csv"}]).status_code == 201
    ended = bounded.client.ask("DELETE", path_of(begun.headers["location"]), **SPOKEN)
    assert ended.status_code == 204
    assert announce("b").status_code == 201
    assert upload().status_code == 400


def test_4_4_a_file_that_keeps_its_draft_is_named(ida: Depositor) -> None:
    """With what to do about it; the words of the contract stay."""
    deposition = ida.create()
    announced(ida, deposition)
    [error] = ida.send("POST", deposition["links"]["publish"]).json()["errors"]
    assert "a/large.bin" in error["remedy"]


def test_4_4_parts_are_the_owners_alone(archive: Archive, ida: Depositor) -> None:
    """To be told of, to send here, and to commit."""
    entry = announced(ida, ida.create())
    itself = path_of(entry["links"]["self"])
    app = create_app(archive.services)
    others = (Client(app), 401), (depositor(archive, "jo@quay.example").client, 403)
    for client, status in others:
        answers = [
            client.get(itself),
            client.ask("PUT", f"{itself}/content/1", content=part(1)),
            client.ask("POST", f"{itself}/commit"),
        ]
        assert [one.status_code for one in answers] == [status] * len(answers)
    assert "1, 2, 3" in commit(ida, entry).json()["message"]


def test_4_4_urls_of_the_store_are_told_to_those_who_may_write(archive: Archive, ida: Depositor) -> None:
    """Whoever has another token of the owner's is told the gateway's own, which refuse it; neither is cached."""
    deposition = ida.create()
    entries = [announced(ida, deposition, key=key) for key in ("a/large.bin", "b/content")]
    reader = Client(create_app(archive.services), archive.token(ida.email, scopes=()))
    files = f"/api/records/{deposition['id']}/draft/files"
    for one in entries:
        answer = reader.get(path_of(one["links"]["self"]))
        assert answer.headers["cache-control"] == "no-store"
        urls = [part_["url"] for part_ in answer.json()["links"]["parts"]]
        assert urls == [f"{one['links']['self']}/content/{number}" for number in range(1, COUNT + 1)]
        assert reader.ask("PUT", path_of(urls[0]), content=part(1)).status_code == 403
    listed = reader.get(files).json()["entries"]
    assert [one["links"]["parts"][0]["url"].startswith(BASE_URL) for one in listed] == [True, True]
    again = ida.send("GET", entries[1]["links"]["self"])
    assert (again.headers["cache-control"], send(ida, again.json(), 1).status_code) == ("no-store", 200)
