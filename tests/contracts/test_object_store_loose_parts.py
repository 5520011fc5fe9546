"""One suite for objects whose parts come in any order, for every `ObjectStore`: from whichever process, and from
whoever has a URL where the store gives any."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from pipeline.errors import Conflict, Missing, Rejected, Unavailable
from pipeline.ingest.digests import PartsHash
from pipeline.ports import ObjectStore, OpenUpload, PartsUpload
from pipeline.store.transfer import MIB, PartPlan, md5_of_parts
from tests.contracts.stores import SMALLEST_PART, Opener

PART = SMALLEST_PART
BODY = os.urandom(3 * PART + MIB + 11)
PLAN = PartPlan(len(BODY), PART)
MD5_OF_PARTS = md5_of_parts(
    hashlib.md5(BODY[at : at + PART], usedforsecurity=False).digest() for at in range(0, len(BODY), PART)
)
KEY = "large/object"
HOUR = timedelta(hours=1)


def part(number: int, body: bytes = BODY) -> bytes:
    return body[(number - 1) * PART : number * PART]


def blocks(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), MIB):
        yield content[at : at + MIB]


def send(upload: PartsUpload, number: int, content: bytes | None = None) -> None:
    """As a client does: to the part's URL where it has one."""
    content = part(number) if content is None else content
    url = upload.url(number, HOUR)
    if url is None:
        upload.write(number, blocks(content))
    else:
        httpx.put(url, content=content, timeout=60).raise_for_status()


def content(store: ObjectStore) -> bytes:
    return b"".join(store.read(KEY))


def test_parts_come_in_any_order_side_by_side_and_again(store: ObjectStore, opener: Opener) -> None:
    """What came last counts, whoever took it; nothing is seen before the commit, and it is told by whoever commits."""
    upload = store.begin_parts(KEY, PLAN)
    with closing(opener()) as other:
        numbers = random.sample(range(1, PLAN.count + 1), PLAN.count)
        with ThreadPoolExecutor(PLAN.count) as pool:
            list(pool.map(lambda number: send(upload, number, bytes(len(part(number)))), numbers))
            again = other.open_parts(KEY, PLAN, upload.id)
            list(pool.map(lambda number: send(again, number), numbers))
        assert [one.key for one in store.open_uploads()] == [KEY]
        assert list(store.list("large")) == []
        # SeaweedFS may list what was sent before as well, and then nobody can tell.
        assert again.commit() in (MD5_OF_PARTS, "")
    assert content(store) == BODY


# versitygw takes what was cut off for a part of the length that was announced.
@pytest.mark.parametrize("opener", ["local", "seaweedfs"], indirect=True)
def test_a_part_that_is_cut_off_is_not_taken(store: ObjectStore) -> None:
    """Nor one that is too long or too short; the others stay, and the part can be sent again."""
    upload = store.begin_parts(KEY, PLAN)
    for number in (1, 3, 4):
        upload.write(number, blocks(part(number)))

    def cut_off() -> Iterator[bytes]:
        yield part(2)[:MIB]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        upload.write(2, cut_off())
    for wrong in (part(2)[:-1], part(2) + b"x"):
        with pytest.raises(Rejected):
            upload.write(2, blocks(wrong))
    with pytest.raises(Rejected, match=r"1 of 4 parts .*: 2$"):
        upload.commit()
    upload.write(2, blocks(part(2)))
    upload.commit()
    assert content(store) == BODY


def test_nothing_is_committed_before_all_parts_are_there(store: ObjectStore) -> None:
    """However often it is tried: which are missing is told, and the upload goes on."""
    upload = store.begin_parts(KEY, PLAN)
    for number in range(1, PLAN.count + 1):
        with pytest.raises(Rejected, match=f"{PLAN.count - number + 1} of {PLAN.count} parts"):
            upload.commit()
        send(upload, number)
    upload.commit()
    assert store.size(KEY) == len(BODY)


def test_a_commit_can_be_repeated(store: ObjectStore, opener: Opener) -> None:
    """By whichever process, if the first died before it could tell; no part is taken any more. Once the upload was
    ended nothing is left of it but the object."""
    upload = store.begin_parts(KEY, PLAN)
    for number in range(1, PLAN.count + 1):
        send(upload, number)
    upload.commit()
    with closing(opener()) as other:
        again = other.open_parts(KEY, PLAN, upload.id)
        assert again.commit() == MD5_OF_PARTS
        with pytest.raises((Conflict, Missing)):
            again.write(1, blocks(part(2)))
        other.end_upload(OpenUpload(KEY, upload.id, datetime.now(UTC)))
        assert again.commit() in (MD5_OF_PARTS, "")
    assert list(store.open_uploads()) == []
    assert content(store) == BODY


def test_what_was_ended_takes_no_part_and_is_not_committed(store: ObjectStore) -> None:
    """Ended by itself, or because its key was begun anew; nothing of it is left."""
    for end in (lambda: list(map(store.end_upload, store.open_uploads())), lambda: store.begin(KEY, 1 << 24)):
        upload = store.begin_parts(KEY, PLAN)
        send(upload, 1)
        end()
        with pytest.raises(Conflict):
            upload.write(2, blocks(part(2)))
        with pytest.raises(Conflict):
            upload.commit()
        assert upload.id not in {one.upload_id for one in store.open_uploads()}
        assert list(store.list("large")) == []
    for one in store.open_uploads():
        store.end_upload(one)


def test_what_came_is_told_whatever_the_server_makes_of_it(store: ObjectStore) -> None:
    """Where a part that was cut off counts as whole, the md5 that the commit tells is not that of the object: whoever
    reads it notices."""
    upload = store.begin_parts(KEY, PLAN)
    for number in (1, 3, 4):
        send(upload, number)
    with pytest.raises(Rejected):
        upload.write(2, blocks(part(2)[:MIB]))
    try:
        told = upload.commit()
    except (Rejected, Unavailable):  # the server is not done with it yet
        assert list(store.list("large")) == []
        return
    stored = PartsHash(PART)
    stored.update(content(store))
    assert told != stored.hexdigest().partition("-")[0]


def test_an_object_of_one_short_part(store: ObjectStore) -> None:
    """Only the last part may be shorter than S3 has them, and of one part the first is the last."""
    upload = store.begin_parts(KEY, PartPlan(7, PART))
    send(upload, 1, b"7 bytes")
    upload.commit()
    assert content(store) == b"7 bytes"


# ---------------------------------------------------------------- one kind only


@pytest.mark.parametrize("opener", ["seaweedfs", "versitygw"], indirect=True)
def test_a_signed_url_is_good_for_one_part_only(store: ObjectStore) -> None:
    """Another number, key, upload or length is refused, and so is another method; it tells how long it lasts."""
    upload = store.begin_parts(KEY, PLAN)
    url = str(upload.url(2, HOUR))
    asked = parse_qs(urlsplit(url).query)
    assert (asked["partNumber"], asked["X-Amz-Expires"]) == (["2"], ["3600"])
    forged = [
        url.replace("partNumber=2", "partNumber=3"),
        url.replace("large/object", "large/other"),
        url.replace(upload.id, upload.id[:-1] + ("0" if upload.id[-1] != "0" else "1")),
        url.replace("X-Amz-Expires=3600", "X-Amz-Expires=604800"),
        url.partition("?")[0],
    ]
    for one in forged:
        assert httpx.put(one, content=part(2), timeout=60).status_code in (400, 401, 403)
    assert httpx.put(url, content=part(2)[:-1], timeout=60).status_code in (400, 401, 403)
    assert httpx.delete(url).status_code in (400, 401, 403)
    assert httpx.put(url, content=part(2), timeout=60).status_code == 200


@pytest.mark.parametrize("opener", ["local"], indirect=True)
def test_of_two_that_send_one_part_at_once_one_is_refused(store: ObjectStore, opener: Opener) -> None:
    """And nothing is committed while a part is just coming; a part sent again counts only when it is there again."""
    upload = store.begin_parts(KEY, PLAN)
    for number in range(1, PLAN.count + 1):
        upload.write(number, blocks(part(number)))
    begun, ended = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        begun.set()
        assert ended.wait(30)
        yield part(2)

    with ThreadPoolExecutor(1) as pool, closing(opener()) as other:
        writing = pool.submit(upload.write, 2, slowly())
        assert begun.wait(30)
        again = other.open_parts(KEY, PLAN, upload.id)
        for refused in (lambda: again.write(2, blocks(part(2))), again.commit):
            with pytest.raises(Conflict):
                refused()
        again.write(3, blocks(part(3)))
        ended.set()
        writing.result()
        again.commit()
    assert content(store) == BODY
