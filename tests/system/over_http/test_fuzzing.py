"""Requests that schemathesis makes up from the OpenAPI document, sent to a gateway that is a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from infra.local.gateway import gateway
from infra.local.service import installed, running
from pipeline.access import TokenScope
from pipeline.model import JsonObject, Record
from tests.archive import open_archive

SEED = 1
DRAFTS = 8
FILE = "gauge.csv"
CHECKS = (
    "not_a_server_error",
    "response_headers_conformance",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)
"""Not those of what the document leaves open: the statuses of success besides 200, types of content, which values are
refused."""

SETTINGS = r"""
[generation]
database = "none"

# Half of the requests are about what is there.
[parameters]
"path.record_id" = { dictionary = "works", probability = 0.5 }
"path.bucket" = { dictionary = "buckets", probability = 0.5 }
"path.key" = { dictionary = "keys", probability = 0.5 }
"path.name" = { dictionary = "names", probability = 0.5 }
"path.term_id" = { dictionary = "terms", probability = 0.5 }
"path.licence_id" = { dictionary = "terms", probability = 0.5 }
"path.slug" = { dictionary = "slugs", probability = 0.5 }
"query.q" = { dictionary = "questions", probability = 0.5 }

[dictionaries]
keys = { values = ["gauge.csv", "absent.csv"] }
names = { values = ["licenses", "languages", "json", "datacite-xml", "10.5072/headrace.2"] }
terms = { values = ["cc-by-4.0", "eng", "dataset", "00k4n6c32"] }
slugs = { values = ["tides"] }
questions = { values = [
  'title:(tide AND "harbour pier") OR -gauge~2', 'recid:[1 TO *]', 'publication_date:{2020 TO 2026-03]', '(((',
  'creators.name:/Mar.*/^3', 'doi:"10.5072/headrace.2"', '_exists_:title AND NOT *', 'communities:tides',
] }
"""
ANSWERED = re.compile(r'^headrace_http_requests_total{.*status="(\d+)"}', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Size:
    """The phases of each run, how many cases it makes up for an operation at most, and how many cases both runs
    have at least."""

    phases: str
    per_operation: int
    cases: int


SHORT = Size("fuzzing", per_operation=2, cases=400)
LONG = Size("coverage,fuzzing,stateful", per_operation=40, cases=10_000)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SHORT, id="short"),
        pytest.param(LONG, id="long", marks=[pytest.mark.fuzz, pytest.mark.timeout(3600)]),
    ],
)
def test_no_request_is_the_servers_fault(size: Size, tmp_path: Path) -> None:
    """Each operation is asked for works that are there and for others, with a user's token, and with none or a made-up
    one: no answer is 5xx, and where a token is needed nothing but a token will do."""
    with open_archive(tmp_path / "home") as archive:
        token = archive.token("ida@pier.example", scopes=list(TokenScope))
        record = archive.publish(files={FILE: b"time,height\n"}, community="tides")
    with running(gateway(tmp_path / "home"), tmp_path / "log") as url:
        settings = tmp_path / "schemathesis.toml"
        settings.write_text(SETTINGS + _there(url, token, record))
        user = [
            "--header",
            f"Authorization: Bearer {token}",
            "--generation-with-security-parameters",
            "false",
        ]
        reports = [_report(url, size, settings, credentials) for credentials in (user, [])]
        answered = set(ANSWERED.findall(httpx.get(f"{url}/metrics").text))
    assert {"200", "201", "400", "401", "404"} <= answered
    assert not {status for status in answered if status >= "500"}
    assert all(one["operations"]["tested"] == one["operations"]["total"] > 100 for one in reports)
    assert sum(one["test_cases"]["generated"] for one in reports) >= size.cases


def _there(url: str, token: str, record: Record) -> str:
    """Dictionaries of what there is to be asked for: the record, and drafts of the user's with a file in each."""
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as user:
        drafts = [user.post(f"{url}/api/deposit/depositions", json={}).json() for _ in range(DRAFTS)]
        for draft in drafts:
            user.put(f"{draft['links']['bucket']}/{FILE}", content=b"time,height\n").raise_for_status()
    works = [str(id_) for id_ in (record.id, record.concept_id, *(draft["id"] for draft in drafts))]
    buckets = [draft["links"]["bucket"].rpartition("/")[2] for draft in drafts]
    return f"works.values = {json.dumps(works)}\nbuckets.values = {json.dumps(buckets)}\n"


def _report(url: str, size: Size, settings: Path, credentials: list[str]) -> JsonObject:
    """What schemathesis says of its run, in which every check held."""
    report = settings.with_suffix(".json")
    command = [
        *(str(installed("schemathesis")), "--config-file", str(settings), "run", f"{url}/api/openapi.json"),
        *("--phases", size.phases, "--max-examples", str(size.per_operation), "--seed", str(SEED)),
        *("--checks", ",".join(CHECKS), "--report", "json", "--report-json-path", str(report), "--no-color"),
        *credentials,
    ]
    ended = subprocess.run(command, cwd=settings.parent, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    document: JsonObject = json.loads(report.read_text())
    return document
