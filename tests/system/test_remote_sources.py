"""Collections that are elsewhere, taken in by the command."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import botocore.session
import pytest

from pipeline.ingest.identify import HEAD
from pipeline.settings import StoreLocation
from pipeline.store.s3.store import S3Store
from tests.command import Instance, wait_until
from tests.web_server import WebServer

PART = 16 << 20
"""Bytes of the parts in which a large file goes into a bucket."""
LARGE = random.Random(5).randbytes(40 << 20)
RECORD = {
    "title": "Sea level",
    "upload_type": "dataset",
    "creators": [{"name": "Marlow, Ida"}],
    "publication_date": "2026-03-09",
    "description": "<p>Ten-minute means.</p>",
    "license": "cc-by-4.0",
}


@pytest.mark.timeout(600)
def test_a_prefix_of_a_bucket_is_ingested(
    prefect: dict[str, str], versitygw_location: StoreLocation, s3_keys: tuple[str, str], tmp_path: Path
) -> None:
    """Its records are published with the digests of their bytes; the same command again finds nothing new, and reads
    nothing."""
    bucket, _, prefix = versitygw_location.url.removeprefix("s3://").partition("/")
    client = botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=versitygw_location.s3_endpoint,
        aws_access_key_id=s3_keys[0],
        aws_secret_access_key=s3_keys[1],
    )
    with closing(client):
        files = {
            "pier/record.json": json.dumps(RECORD).encode(),
            "pier/a.csv": b"1,2\n",
            "pier/d/b.bin": LARGE,
        }
        for key, content in files.items():
            client.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=content)
    endpoint = {"HEADRACE_SOURCE_S3_ENDPOINT": versitygw_location.s3_endpoint}
    instance = Instance(tmp_path / "home", {**prefect, **endpoint})
    ended = instance.run("ingest", f"{versitygw_location.url}/", "--json")
    assert ended.code == 0, ended.err
    report = ended.report
    assert (report["records_total"], report["files"], report["problems"]) == (1, 2, [])
    stored = {hashlib.sha256(path.read_bytes()).digest() for path in (tmp_path / "home/store").rglob("*.bin")}
    assert hashlib.sha256(LARGE).digest() in stored
    again = instance.run("ingest", versitygw_location.url, "--json").report
    assert (again["unchanged"], again["bytes_read"]) == (1, 0)


@pytest.mark.timeout(600)
def test_a_large_file_of_the_web_goes_on_at_a_part_border_after_a_kill(
    prefect: dict[str, str], web_server: WebServer, seaweedfs_location: StoreLocation, tmp_path: Path
) -> None:
    """The command is killed in the middle of a file that comes slowly; the same command again asks the server for what
    lies behind the last part that was durable, reads before that only the head that tells the format, and publishes the
    file with its own digest."""
    web_server.put("/large.bin", LARGE)
    rows = [{"path": f"{web_server.url}/large.bin", "record": "pier", "metadata": RECORD}]
    web_server.put("/list.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows).encode())
    web_server.holds["/large.bin"] = len(LARGE) - 1, threading.Event()
    settings = {
        "HEADRACE_PRIVATE_ADDRESSES": "yes",
        "HEADRACE_STORE": seaweedfs_location.url,
        "HEADRACE_S3_ENDPOINT": seaweedfs_location.s3_endpoint,
        "HEADRACE_S3_PATH_STYLE": "yes",
    }
    instance = Instance(tmp_path / "home", {**prefect, **settings})
    command = ("ingest", f"{web_server.url}/list.jsonl", "--json")

    with instance.start(*command) as running:
        wait_until(lambda: durable(instance.home) >= PART, "a part that is durable", 60)
        running.kill_family()
    border = durable(instance.home)
    assert 0 < border < len(LARGE)
    assert border % PART == 0
    web_server.holds.pop("/large.bin")[1].set()
    web_server.requests.clear()
    web_server.handed.clear()

    ended = instance.run(*command)
    assert ended.code == 0, ended.err
    read = [one[2] for one in web_server.requests if one[:2] == ("GET", "/large.bin")]
    assert [headers.get("range") for headers in read] == [None, f"bytes={border}-"]
    rest = len(LARGE) - border
    assert ended.report["bytes_read"] == rest + HEAD
    # Of what was not read some was on its way when the connection was closed.
    assert rest <= web_server.handed["/large.bin"] < len(LARGE)
    assert (ended.report["records_total"], ended.report["problems"]) == (1, [])
    with closing(S3Store(seaweedfs_location)) as store:
        [key] = (one.key for one in store.list("root") if one.key.endswith("/large.bin"))
        assert b"".join(store.read(key)) == LARGE
        inventory = json.loads(b"".join(store.read(f"{key.split('/v1/')[0]}/inventory.json")))
    digest = hashlib.new(inventory["digestAlgorithm"], LARGE).hexdigest()
    assert [Path(path).name for path in inventory["manifest"][digest]] == ["large.bin"]


def durable(home: Path) -> int:
    """Bytes of the large file under way, from its start on, that the catalogue knows to be in the store."""
    file = home / "catalogue.sqlite"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as catalogue:
        if not catalogue.execute("SELECT 1 FROM sqlite_master WHERE name = 'upload'").fetchone():
            return 0
        found = catalogue.execute('SELECT "offset" FROM upload').fetchone()
    return int(found[0]) if found else 0
