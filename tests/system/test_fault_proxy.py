"""The fault proxy: with it, a store that works has bad days; without its faults, it is not to be noticed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.settings import StoreLocation
from tests.fault_proxy import LATENCY_SECONDS, FaultProxy, Kind, fault_proxy

BUCKET = "tests"
CONTENT = os.urandom(300_000)


@contextmanager
def client(endpoint: str, attempts: int = 1) -> Iterator[Any]:
    """An S3 client that signs what it sends, and tries so many times."""
    config = Config(
        retries={"total_max_attempts": attempts, "mode": "standard"},
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_supported",
        proxies={},
    )
    made = botocore.session.get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=endpoint, config=config
    )
    with closing(made):
        yield made


@pytest.fixture
def key(s3_location: StoreLocation) -> str:
    """A key that nobody uses."""
    return f"{s3_location.url.removeprefix(f's3://{BUCKET}/')}/object"


def stored(location: StoreLocation, key: str) -> bytes | None:
    """What the store itself has under a key."""
    with client(location.s3_endpoint) as direct:
        try:
            return bytes(direct.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        except direct.exceptions.NoSuchKey:
            return None


def test_without_faults_it_is_not_to_be_noticed(s3_location: StoreLocation, key: str) -> None:
    """Signed requests pass with bodies of any kind: in one piece, in parts, with trailing checksums, empty, ranges."""
    with fault_proxy(s3_location.s3_endpoint, 1, rate=0) as proxy, client(proxy.url) as s3:
        s3.put_object(Bucket=BUCKET, Key=key, Body=CONTENT, ChecksumAlgorithm="CRC32")
        answer = s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=7-99999")
        assert answer["Body"].read() == CONTENT[7:100_000]
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        first = CONTENT * 20
        parts = [
            {
                "PartNumber": number,
                "ETag": s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=body)[
                    "ETag"
                ],
            }
            for number, body in ((1, first), (2, CONTENT))
        ]
        s3.complete_multipart_upload(
            Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
        )
        assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == len(first) + len(CONTENT)
        s3.put_object(Bucket=BUCKET, Key=f"{key}-empty", Body=b"")
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]
        assert {one["Key"]: one["Size"] for one in listed} == {
            key: len(first) + len(CONTENT),
            f"{key}-empty": 0,
        }
        assert proxy.injected == []
    assert stored(s3_location, key) == first + CONTENT


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.SLOW_DOWN, Kind.RESET_BEFORE])
def test_what_fails_before_the_store_changes_nothing(
    kind: Kind, s3_location: StoreLocation, key: str
) -> None:
    """Errors and resets of this kind reach the client, and the store has seen nothing."""
    with fault_proxy(s3_location.s3_endpoint, 1, rate=1, kinds=[kind]) as proxy, client(proxy.url) as s3:
        with pytest.raises((ClientError, BotoCoreError)) as failure:
            s3.put_object(Bucket=BUCKET, Key=key, Body=CONTENT)
        assert proxy.counts() == {kind: 1}
    if isinstance(failure.value, ClientError):
        code = failure.value.response["Error"]["Code"]
        assert code == {Kind.ERROR: "InternalError", Kind.SLOW_DOWN: "SlowDown"}[kind]
    else:
        assert kind is Kind.RESET_BEFORE
    assert stored(s3_location, key) is None


def test_a_reset_after_the_commit_leaves_the_object(s3_location: StoreLocation, key: str) -> None:
    """The client is told of a failure although the store has the object."""
    kinds = [Kind.RESET_AFTER]
    with fault_proxy(s3_location.s3_endpoint, 1, rate=1, kinds=kinds) as proxy, client(proxy.url) as s3:
        with pytest.raises(BotoCoreError):
            s3.put_object(Bucket=BUCKET, Key=key, Body=CONTENT)
        [injected] = proxy.injected
        assert (injected.kind, injected.method, injected.status) == (Kind.RESET_AFTER, "PUT", 200)
    assert stored(s3_location, key) == CONTENT


def test_a_body_ends_half_way(s3_location: StoreLocation, key: str) -> None:
    """An answer says how long it is and stops before that."""
    with client(s3_location.s3_endpoint) as direct:
        direct.put_object(Bucket=BUCKET, Key=key, Body=CONTENT)
    kinds = [Kind.TRUNCATED]
    with fault_proxy(s3_location.s3_endpoint, 1, rate=1, kinds=kinds) as proxy, client(proxy.url) as s3:
        body = s3.get_object(Bucket=BUCKET, Key=key)["Body"]
        with pytest.raises(BotoCoreError):
            body.read()
        assert proxy.counts() == {Kind.TRUNCATED: 1}


def test_an_etag_is_another(s3_location: StoreLocation, key: str) -> None:
    """The answer to a PUT, and a listing, name an ETag that the object does not have; the object is right."""
    md5 = hashlib.md5(CONTENT).hexdigest()
    kinds = [Kind.WRONG_ETAG]
    with fault_proxy(s3_location.s3_endpoint, 1, rate=1, kinds=kinds) as proxy, client(proxy.url) as s3:
        told = s3.put_object(Bucket=BUCKET, Key=key, Body=CONTENT)["ETag"].strip('"')
        [listed] = s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]
        assert len(told) == len(md5)
        assert md5 not in (told, listed["ETag"].strip('"'))
        assert proxy.counts() == {Kind.WRONG_ETAG: 2}
    assert stored(s3_location, key) == CONTENT


def test_an_answer_comes_late(s3_location: StoreLocation, key: str) -> None:
    """Latency is added and nothing else."""
    kinds = [Kind.LATENCY]
    with fault_proxy(s3_location.s3_endpoint, 1, rate=1, kinds=kinds) as proxy, client(proxy.url) as s3:
        began = time.monotonic()
        s3.put_object(Bucket=BUCKET, Key=key, Body=CONTENT)
        assert time.monotonic() - began >= LATENCY_SECONDS
    assert stored(s3_location, key) == CONTENT


def test_a_client_that_tries_again_gets_through(s3_location: StoreLocation, key: str) -> None:
    """In a mix in which every kind of fault truly happens, a client that repeats what failed stores and reads
    everything right."""
    with (
        fault_proxy(s3_location.s3_endpoint, 7, rate=0.4) as proxy,
        client(proxy.url, attempts=20) as s3,
    ):
        for number in range(40):
            s3.put_object(Bucket=BUCKET, Key=f"{key}-{number}", Body=CONTENT[number:])
            assert read_whole(s3, f"{key}-{number}") == CONTENT[number:]
            if proxy.counts().keys() == set(Kind):
                break
        assert proxy.counts().keys() == set(Kind)


def read_whole(s3: Any, key: str) -> bytes:
    while True:
        try:
            return bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        except BotoCoreError:  # the body ended half-way
            continue


def test_the_same_seed_draws_the_same_faults() -> None:
    """A run can be repeated: the faults follow from the seed and the order of requests."""
    methods = ["PUT", "GET", "POST", "HEAD", "DELETE"] * 60

    def drawn(seed: int) -> list[Kind | None]:
        plan = FaultProxy(seed, 0.2, tuple(Kind))
        return [plan.draw(method, "/") for method in methods]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)
    assert set(drawn(3)) == {*Kind, None}
