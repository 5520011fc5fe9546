"""Users of an instance, for Locust: what they ask for, and what they make of the answers.

    HEADRACE_LOAD_TOKEN=hr_… locust -f loadtests/locustfile.py --host https://archive.example.org [CLASS ...]

Without classes all of them come, in the mix of their weights; each can come alone. `--tags` narrows what they do,
`--think 0` leaves them no time to think, `--rate 5` has them begin five things a second, however many they are. The
token, of the scopes deposit:write and deposit:actions, is for depositors alone, who publish: run them against an
instance that is there to be tested. A bulk operator comes where HEADRACE_HOME names an instance of this machine.

A wrong status is a failure, and so is a wrong body: what was published must be found again, bytes must be those of
their check sums, harvests must neither skip nor repeat.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from gevent.lock import BoundedSemaphore
from locust import FastHttpUser, User, constant_throughput, events, tag, task
from locust.exception import RescheduleTask, StopUser

from loadtests.sources import make_small

_TOKEN = "HEADRACE_LOAD_TOKEN"
_KB, _MB = 1_000, 1_000_000
_SIZES = {10 * _KB: 70, 1 * _MB: 25, 20 * _MB: 5}
"""Bytes of what depositors upload, and how many of a hundred files have them."""
_BYTES = os.urandom(20 * _MB)
_WHOLE = 1 * _MB
"""Files up to this size are downloaded whole at times, and compared with their check sums."""
_SHOWN = 25
_PAGES = 400
_KNOWN = 250
"""Records that readers choose from."""
_FOUND_WITHIN = 60.0
"""Seconds until search must show what was published."""
_LOOKED_AT_AGAIN = 10
"""One of so many small deposits is looked at once more; of all others the answers themselves tell."""
_OAI = "{http://www.openarchives.org/OAI/2.0/}"
_WORD = re.compile(r"[a-z0-9]{3,}")
_known: list[dict[str, Any]] = []
_looking = BoundedSemaphore()


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    parser.add_argument("--think", type=float, default=1.0, help="how much of their time to think users take")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="what all users together begin a second, instead of thinking"
    )


def _is_json(fault: Callable[[Any], str]) -> Callable[[Any], str]:
    """A check of an answer by what its JSON holds."""

    def check(answer: Any) -> str:
        try:
            return fault(json.loads(answer.content))
        except (ValueError, LookupError, TypeError) as wrong:
            return f"the body is not what it should be: {wrong!r}"

    return check


def _nothing(_answer: object) -> str:
    return ""


class _Visitor(FastHttpUser):  # type: ignore[misc] # untyped
    abstract = True
    insecure = False
    connection_timeout = 60.0
    network_timeout = 120.0

    def wait_time(self) -> float:
        """Seconds until the next task."""
        options = self.environment.parsed_options
        if options.rate:
            seconds: float = constant_throughput(options.rate / options.num_users)(self)
            return seconds
        return float(options.think) * random.uniform(1, 5)

    def ask(
        self,
        method: str,
        address: str,
        name: str,
        *,
        status: int = 200,
        check: Callable[[Any], str] = _nothing,
        **more: Any,
    ) -> Any:
        """The answer, whose status is this and in which `check` found no fault; else the task is over, and the
        request is counted as a failure."""
        with self.client.request(method, address, name=name, catch_response=True, **more) as answer:
            fault = check(answer) if answer.status_code == status else _other(answer, status)
            if fault:
                answer.failure(fault)
            else:
                answer.success()
        if fault:
            raise RescheduleTask
        return answer

    def some_records(self) -> list[dict[str, Any]]:
        """Records of any pages of the newest ones, which the first user looks for. Ends a user where there are none."""
        with _looking:
            if not _known:
                first = self._page(1)
                pages = range(1, min(_PAGES, first["total"] // _SHOWN) + 1)
                found = list(first["hits"])
                for page in random.sample(pages, min(len(pages), _KNOWN // _SHOWN)):
                    found += self._page(page)["hits"]
                _known.extend(found)
        if not _known:
            raise StopUser
        return _known

    def _page(self, page: int) -> dict[str, Any]:
        answer = self.ask("GET", f"/api/records?sort=newest&size={_SHOWN}&page={page}", "what there is")
        hits: dict[str, Any] = json.loads(answer.content)["hits"]
        return hits


def _other(answer: Any, status: int) -> str:
    return f"{answer.status_code} instead of {status}: {(answer.content or b'')[:300]!r}"


# ---------------------------------------------------------------- readers


class Reader(_Visitor):
    """Looks at landing pages, asks for records, downloads files whole and in part."""

    weight = 60

    def on_start(self) -> None:
        self._records = self.some_records()
        self._with_files = [one for one in self._records if one["files"]]

    @tag("landing")
    @task(5)
    def landing_page(self) -> None:
        """Of a record; it shows the title."""
        one = random.choice(self._records)
        words = _WORD.findall(one["title"].lower())

        def check(answer: Any) -> str:
            return (
                "" if all(word in answer.text.lower() for word in words) else "the title is not on the page"
            )

        self.ask("GET", f"/records/{one['id']}", "landing page", check=check)

    @tag("record-json")
    @task(5)
    def record_json(self) -> None:
        """The record that was asked for, with its title."""
        one = random.choice(self._records)

        @_is_json
        def check(body: Any) -> str:
            return "" if (body["id"], body["title"]) == (one["id"], one["title"]) else "another record"

        self.ask("GET", f"/api/records/{one['id']}", "record JSON", check=check)

    @tag("download")
    @task(2)
    def download(self) -> None:
        """A small file whole, whose bytes are those of its check sum, or a part of any file."""
        if not self._with_files:
            return
        file = random.choice(random.choice(self._with_files)["files"])
        address, size = _path(file["links"]["self"]), file["size"]
        if size <= _WHOLE and random.random() < 0.5:

            def check(answer: Any) -> str:
                return (
                    ""
                    if _md5(answer.content) == file["checksum"]
                    else "other bytes than those of the check sum"
                )

            self.ask("GET", address, "file", check=check)
            return
        start = random.randrange(size)
        end = min(size, start + _WHOLE) - 1

        def check_part(answer: Any) -> str:
            told, length = answer.headers.get("Content-Range"), len(answer.content)
            return (
                "" if (told, length) == (f"bytes {start}-{end}/{size}", end - start + 1) else "another part"
            )

        ranged = {"Range": f"bytes={start}-{end}"}
        self.ask("GET", address, "part of a file", status=206, check=check_part, headers=ranged)


class Searcher(_Visitor):
    """Looks for words that there are, ten hits a page, with all facets."""

    weight = 20

    def on_start(self) -> None:
        titles = [one["title"].lower() for one in self.some_records()]
        self._words = sorted({word for title in titles for word in _WORD.findall(title)})

    @tag("facets")
    @task
    def search(self) -> None:
        """A word of a title finds a record at least."""

        @_is_json
        def check(body: Any) -> str:
            total, shown = body["hits"]["total"], len(body["hits"]["hits"])
            if total < 1 or shown != min(10, total):
                return f"{shown} of {total} hits are shown"
            return "" if body["aggregations"]["resource_type"]["buckets"] else "no facets"

        self.ask(
            "GET", f"/api/records?q={random.choice(self._words)}&size=10", "search, 10 hits", check=check
        )


class Harvester(_Visitor):
    """Harvests as OAI-PMH's harvesters do, page after page, some pages each time."""

    weight = 2
    _PAGES = 20

    @tag("harvest")
    @task
    def harvest(self) -> None:
        """No record comes twice."""
        seen: set[str] = set()
        question = "verb=ListRecords&metadataPrefix=oai_dc"
        for _ in range(self._PAGES):
            page: list[ElementTree.Element] = []
            self.ask("GET", f"/oai2d?{question}", "harvest", check=partial(_harvested, seen, page))
            token = page[0].findtext(f".//{_OAI}resumptionToken")
            if not token:
                return
            question = f"verb=ListRecords&resumptionToken={quote(token)}"


def _harvested(seen: set[str], page: list[ElementTree.Element], answer: Any) -> str:
    try:
        root = ElementTree.fromstring(answer.content)
    except ElementTree.ParseError as wrong:
        return f"no XML: {wrong}"
    page.append(root)
    names = [header.findtext(f"{_OAI}identifier") or "" for header in root.iter(f"{_OAI}header")]
    if not names:
        return "a page without records"
    if seen.intersection(names):
        return "a record came twice"
    seen.update(names)
    return ""


# ---------------------------------------------------------------- depositors


class Depositor(_Visitor):
    """Deposits, publishes, and looks whether what was published is there."""

    weight = 18

    def on_start(self) -> None:
        token = os.environ.get(_TOKEN)
        if not token:
            raise SystemExit(f"depositors need a token in {_TOKEN}")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._published: deque[tuple[float, int, str]] = deque()

    @tag("mixed")
    @task(9)
    def deposit_files(self) -> None:
        """A deposit of some files of mixed sizes, which is looked at again once it is published."""
        sizes = random.choices(list(_SIZES), list(_SIZES.values()), k=random.randint(1, 4))
        self._look_for_older()
        self._look_at(*self._deposit(sizes))

    @tag("cycle")
    @task(9)
    def deposit_one_file(self) -> None:
        """Four requests: an empty draft, its metadata, a file of 10 kB, publication."""
        begun = time.perf_counter()
        record_id, files = self._deposit([10 * _KB])
        self.environment.events.request.fire(
            request_type="DEPOSIT",
            name="full deposit",
            response_time=(time.perf_counter() - begun) * 1000,
            response_length=0,
            exception=None,
            context={},
        )
        if random.randrange(_LOOKED_AT_AGAIN) == 0:
            self._look_for_older()
            self._look_at(record_id, files)

    @tag("discard")
    @task(2)
    def give_up(self) -> None:
        """A draft with a file that is discarded."""
        links = self._draft()
        self._upload(links["bucket"], 10 * _KB)
        self.ask("POST", _path(links["discard"]), "discard", status=204, headers=self._headers)

    def _deposit(self, sizes: list[int]) -> tuple[int, Mapping[str, str]]:
        """(the id of the new record, check sums of its files by name)."""
        word = f"d{uuid.uuid4().hex}"
        links = self._draft()
        described = {"metadata": _description(f"Measurements of station {word}")}
        title = described["metadata"]["title"]
        self.ask(
            "PUT",
            _path(links["self"]),
            "describe",
            json=described,
            headers=self._headers,
            check=_is_json(lambda body: "" if body["metadata"]["title"] == title else "another title"),
        )
        files = dict(self._upload(links["bucket"], size) for size in sizes)

        @_is_json
        def check(body: Any) -> str:
            told = {one["filename"]: f"md5:{one['checksum']}" for one in body["files"]}
            return "" if body["submitted"] and told == files else "not published, or not with its files"

        answer = self.ask(
            "POST", _path(links["publish"]), "publish", status=202, headers=self._headers, check=check
        )
        record_id = json.loads(answer.content)["record_id"]
        self._published.append((time.monotonic(), record_id, word))
        return record_id, files

    def _draft(self) -> dict[str, str]:
        answer = self.ask(
            "POST",
            "/api/deposit/depositions",
            "new draft",
            status=201,
            json={},
            headers=self._headers,
            check=_is_json(lambda body: "" if body["state"] == "unsubmitted" else "no draft"),
        )
        links: dict[str, str] = json.loads(answer.content)["links"]
        return links

    def _upload(self, bucket: str, size: int) -> tuple[str, str]:
        """(name, check sum)."""
        start = random.randrange(len(_BYTES) - size + 1)
        # No two files are the same, and none costs the client more than what it sends.
        content = uuid.uuid4().bytes + _BYTES[start : start + size - 16]
        name, digest = f"{uuid.uuid4().hex}.bin", _md5(content)
        self.ask(
            "PUT",
            f"{_path(bucket)}/{name}",
            f"upload of {size // _KB:,} kB",
            status=201,
            data=content,
            headers={**self._headers, "Content-Type": "application/octet-stream"},
            check=_is_json(lambda body: "" if body["checksum"] == digest else "other bytes than were sent"),
        )
        return name, digest

    def _look_at(self, record_id: int, files: Mapping[str, str]) -> None:
        """The record is there with its files, and one of them has the bytes that were sent."""

        @_is_json
        def check(body: Any) -> str:
            told = {one["key"]: one["checksum"] for one in body["files"]}
            return "" if told == files else "other files than were sent"

        self.ask("GET", f"/api/records/{record_id}", "own record", check=check)
        name, digest = random.choice(list(files.items()))

        def check_bytes(answer: Any) -> str:
            return "" if _md5(answer.content) == digest else "other bytes than were sent"

        self.ask("GET", f"/api/records/{record_id}/files/{name}/content", "own file", check=check_bytes)

    def _look_for_older(self) -> None:
        """Search shows what was published a while ago."""
        while self._published and time.monotonic() - self._published[0][0] > _FOUND_WITHIN:
            _, record_id, word = self._published.popleft()

            @_is_json
            def check(body: Any, record_id: int = record_id) -> str:
                found = [one["id"] for one in body["hits"]["hits"]]
                return "" if found == [record_id] else f"search has {found}, not {record_id}"

            self.ask("GET", f"/api/records?q={word}", "own record in search", check=check)


def _description(title: str) -> dict[str, Any]:
    return {
        "title": title,
        "upload_type": "dataset",
        "description": "<p>Made by a load test.</p>",
        "creators": [{"name": "Load, Test", "affiliation": "Headrace"}],
        "publication_date": "2026-01-01",
        "access_right": "open",
        "license": "cc-by-4.0",
        "keywords": ["load test"],
    }


def _md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}"


def _path(address: str) -> str:
    """The address without the host, which may be known by another name here."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


# ---------------------------------------------------------------- operators


class BulkOperator(User):  # type: ignore[misc] # untyped
    """Ingests collections of small files one after the other, on the machine of the instance."""

    abstract = "HEADRACE_HOME" not in os.environ
    fixed_count = 1
    _FILES: ClassVar = 1_000
    _PER_RECORD: ClassVar = 10
    _REST: ClassVar = 60.0

    def wait_time(self) -> float:
        """Seconds until the next collection: a minute, where users go at a rate of theirs."""
        return self._REST if self.environment.parsed_options.rate else 1.0

    @tag("ingest")
    @task
    def ingest(self) -> None:
        """A new collection, all of whose records are published."""
        begun, fault = time.perf_counter(), None
        with tempfile.TemporaryDirectory(prefix="load-") as folder:
            collection = Path(folder) / f"bulk-{uuid.uuid4().hex[:12]}"
            make_small(collection, self._FILES, self._PER_RECORD)
            command = [sys.executable, "-m", "pipeline", "ingest", str(collection), "--json"]
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode != 0:
                fault = RuntimeError(f"headrace ingest ended with {done.returncode}: {done.stderr[-300:]!r}")
        self.environment.events.request.fire(
            request_type="INGEST",
            name=f"bulk ingest of {self._FILES:,} files",
            response_time=(time.perf_counter() - begun) * 1000,
            response_length=0,
            exception=fault,
            context={},
        )
