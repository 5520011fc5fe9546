"""Collections that are elsewhere, taken in by the command."""

from __future__ import annotations

import hashlib
import json
import random
from contextlib import closing
from pathlib import Path

import botocore.session
import pytest

from pipeline.settings import StoreLocation
from tests.command import Instance

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
