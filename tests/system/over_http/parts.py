"""Sending a file in parts as a client does: to the addresses that the server told; and sending without an end."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx

from pipeline.store.transfer import MIB, SMALLEST_PART
from tests.archive import BASE_URL
from tests.system.over_http.contract.depositor import Depositor, path_of

BODY = os.urandom(2 * SMALLEST_PART + MIB + 7)
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
COUNT = 3
MULTIPART = {
    "key": "a/large.bin",
    "size": len(BODY),
    "transfer": {"type": "M", "parts": COUNT, "part_size": SMALLEST_PART},
}


def part(number: int, body: bytes = BODY) -> bytes:
    return body[(number - 1) * SMALLEST_PART : number * SMALLEST_PART]


def announced(ida: Depositor, deposition: dict[str, Any], **changes: object) -> dict[str, Any]:
    """The entry of `BODY`, to come in parts."""
    answer = ida.send("POST", f"/api/records/{deposition['id']}/draft/files", [{**MULTIPART, **changes}])
    assert answer.status_code == 201, answer.text
    [entry] = answer.json()["entries"]
    assert isinstance(entry, dict)
    return entry


def send(ida: Depositor, entry: dict[str, Any], number: int, content: bytes | None = None) -> httpx.Response:
    """Here, or to the store where the part has a URL of its own."""
    content = part(number) if content is None else content
    url = entry["links"]["parts"][number - 1]["url"]
    if url.startswith(BASE_URL):
        return ida.client.ask("PUT", path_of(url), content=content)
    return httpx.put(url, content=content, timeout=60)


def commit(ida: Depositor, entry: dict[str, Any]) -> httpx.Response:
    return ida.send("POST", entry["links"]["commit"])


def slowly(body: bytes, sent: threading.Event) -> Iterator[bytes]:
    """The body, and no end of it."""
    for at in range(0, len(body), MIB):
        yield body[at : at + MIB]
    sent.set()
    time.sleep(60)


def committed(ida: Depositor, deposition: dict[str, Any], **changes: object) -> dict[str, Any]:
    """The entry of `BODY`, whose parts have all come."""
    entry = announced(ida, deposition, **changes)
    for number in range(1, COUNT + 1):
        assert send(ida, entry, number).status_code == 200
    answer = commit(ida, entry)
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done
