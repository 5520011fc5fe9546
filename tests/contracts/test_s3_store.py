"""What only a store on S3 has to hold to, on two real servers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from botocore.retries.standard import ExponentialBackoff

from pipeline.errors import Conflict, Misconfigured, Missing, Unavailable
from pipeline.model import PartLedger
from pipeline.ports import Upload
from pipeline.settings import StoreLocation
from pipeline.store.s3.bucket import Abilities, Bucket
from pipeline.store.s3.buffers import BufferPool
from pipeline.store.s3.checksums import CRC32C, CRC64NVME, Checksum
from pipeline.store.s3.store import S3Store
from pipeline.store.s3.uploads import Assembly, MultipartUpload
from pipeline.store.s3.wire import Target, Trailer
from pipeline.store.transfer import MIB, PartPlan
from tests.contracts.stores import SMALLEST_PART
from tests.cutting_proxy import CuttingProxy, cutting_proxy
from tests.fault_proxy import Kind, fault_proxy

BODY = os.urandom(11 * MIB + 5)
"""Three parts of 5 MiB, the last one shorter."""


@pytest.fixture
def store(s3_location: StoreLocation) -> Iterator[S3Store]:
    with closing(opened(s3_location)) as store:
        yield store


@pytest.fixture
def bucket(s3_location: StoreLocation) -> Iterator[Bucket]:
    with closing(Bucket(s3_location)) as bucket:
        yield bucket


@pytest.fixture
def proxy(s3_location: StoreLocation) -> Iterator[CuttingProxy]:
    with cutting_proxy(s3_location.s3_endpoint) as proxy:
        yield proxy


def opened(location: StoreLocation) -> S3Store:
    return S3Store(location, least_part=SMALLEST_PART, copy_in_parts_from=8 * MIB)


def begun(bucket: Bucket, key: str, pool: BufferPool) -> MultipartUpload:
    """An upload in parts of 5 MiB that has its memory from `pool`."""
    name, algorithm = bucket.full(key), bucket.abilities().checksum
    kind = {"ChecksumAlgorithm": algorithm.name, "ChecksumType": "FULL_OBJECT"} if algorithm else {}
    answer = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=name, **kind)
    assembly = Assembly(bucket, name, answer["UploadId"])
    return MultipartUpload(assembly, PartPlan(len(BODY), SMALLEST_PART), pool)


def write(upload: Upload, start: int = 0) -> None:
    view = memoryview(BODY)
    for at in range(start, len(BODY), MIB):
        upload.write(view[at : at + MIB])


def finish(upload: Upload, start: int) -> None:
    write(upload, start)
    upload.commit()


def content(store: S3Store, key: str) -> bytes:
    return b"".join(store.read(key))


def complete_elsewhere(bucket: Bucket, name: str, upload: Upload) -> None:
    """As this upload's own commit does, but for hearing the answer."""
    parts = [
        {"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC64NVME": part.checksum}
        for part in upload.parts()
    ]
    bucket.client.complete_multipart_upload(
        Bucket=bucket.name, Key=name, UploadId=upload.id, MultipartUpload={"Parts": parts}
    )


def wait_for_parts(upload: Upload, count: int) -> None:
    """Until so many have arrived."""
    deadline = time.monotonic() + 30
    while len(upload.parts()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ledger_of(upload: Upload, offset: int = 0) -> PartLedger:
    return PartLedger(upload.id, upload.part_size, offset, {}, tuple(upload.parts()))


# ---------------------------------------------------------------- bytes are checked in transit


def test_what_a_server_can_do_is_seen_and_told(store: S3Store) -> None:
    """Both servers verify checksums, in trailers too, and heed conditions."""
    assert store.describe().endswith("bytes verified by CRC64NVME in trailers, conditional writes honoured")


@pytest.mark.parametrize("algorithm", [CRC64NVME, CRC32C])
def test_a_part_with_a_wrong_checksum_is_refused(bucket: Bucket, algorithm: Checksum) -> None:
    """By the server; it is not among the parts then."""
    name, block = bucket.full("wrong"), memoryview(BODY)[:MIB]
    upload_id = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=name)["UploadId"]
    target = Target(name, f"partNumber=1&uploadId={upload_id}")
    with pytest.raises(Unavailable):
        bucket.wire.stream(target, [block], MIB, Trailer(algorithm, lambda: algorithm.of(block[1:])))
    listed = bucket.client.list_parts(Bucket=bucket.name, Key=name, UploadId=upload_id)
    assert not listed.get("Parts")
    bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=name, UploadId=upload_id)


def test_the_whole_object_keeps_a_checksum(store: S3Store, bucket: Bucket) -> None:
    """Computed here from its parts, and verified by the server when they become one."""
    upload = store.begin("whole", len(BODY))
    write(upload)
    upload.commit()
    head = bucket.client.head_object(Bucket=bucket.name, Key=bucket.full("whole"), ChecksumMode="ENABLED")
    assert (head["ChecksumCRC64NVME"], head["ChecksumType"]) == (CRC64NVME.of(BODY), "FULL_OBJECT")


@pytest.mark.parametrize(
    "abilities",
    [Abilities(CRC32C, trailers=False, conditions=True), Abilities(None, trailers=False, conditions=True)],
    ids=["checksum-before", "no-checksum"],
)
def test_a_server_that_can_less_gets_the_same_bytes(s3_location: StoreLocation, abilities: Abilities) -> None:
    """With the checksum in a header, or none."""

    class Lesser(Bucket):
        def abilities(self) -> Abilities:
            return abilities

    with closing(Lesser(s3_location)) as bucket:
        upload = begun(bucket, "lesser", BufferPool(64))
        finish(upload, 0)
        stored = bucket.client.get_object(Bucket=bucket.name, Key=bucket.full("lesser"))
        assert stored["Body"].read() == BODY
    assert [bool(part.checksum) for part in upload.parts()] == [abilities.checksum is not None] * 3


# ---------------------------------------------------------------- answers that get lost


def test_a_commit_whose_answer_is_lost_has_happened(store: S3Store, bucket: Bucket) -> None:
    """Asked again, S3 says that there is no such upload; what it has under the key is what counts."""
    upload = store.begin("lost", len(BODY))
    write(upload)
    wait_for_parts(upload, 3)
    complete_elsewhere(bucket, bucket.full("lost"), upload)
    upload.commit()
    assert content(store, "lost") == BODY


def test_a_worker_killed_before_the_answer_does_no_harm(store: S3Store, bucket: Bucket) -> None:
    """The next one finds no upload to go on with, begins afresh, and ends with the same object and nothing else."""
    upload = store.begin("killed", len(BODY))
    write(upload)
    wait_for_parts(upload, 3)
    complete_elsewhere(bucket, bucket.full("killed"), upload)
    next_one = store.begin("killed", len(BODY), ledger_of(upload, offset=2 * SMALLEST_PART))
    assert next_one.offset == 0
    write(next_one)
    next_one.commit()
    assert content(store, "killed") == BODY
    assert list(store.open_uploads()) == []
    upload.leave()


def test_a_commit_that_somebody_prevented_is_not_believed(store: S3Store, bucket: Bucket) -> None:
    """Where the upload was ended, an object of the same size under the key is not ours."""
    store.put_many({"other": bytes(len(BODY))})
    upload = store.begin("other", len(BODY))
    write(upload)
    bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=bucket.full("other"), UploadId=upload.id)
    with pytest.raises((Conflict, Unavailable)):
        upload.commit()
    upload.abort()
    assert content(store, "other") == bytes(len(BODY))


# ---------------------------------------------------------------- connections that break


def test_a_part_that_breaks_off_is_told_and_gone_on_with(
    s3_location: StoreLocation, proxy: CuttingProxy
) -> None:
    """As something that may work later; what had arrived is not sent again."""
    with closing(opened(replace(s3_location, s3_endpoint=proxy.url))) as store:
        upload = store.begin("broken", len(BODY))
        upload.write(BODY[:SMALLEST_PART])
        wait_for_parts(upload, 1)
        proxy.cut_upload_after, proxy.cuts = 2 * MIB, 1
        with pytest.raises(Unavailable):
            finish(upload, SMALLEST_PART)
        upload.leave()
        with pytest.raises(Missing):
            store.size("broken")
        first = [part for part in upload.parts() if part.number == 1]
        ledger = replace(ledger_of(upload, offset=SMALLEST_PART), parts=tuple(first))
        resumed = store.begin("broken", len(BODY), ledger)
        assert (resumed.id, resumed.offset) == (upload.id, SMALLEST_PART)
        finish(resumed, SMALLEST_PART)
        assert content(store, "broken") == BODY


@pytest.mark.timeout(60)
def test_a_part_that_breaks_off_gives_its_memory_back(
    s3_location: StoreLocation, proxy: CuttingProxy
) -> None:
    """All of it, while somebody still looks at the error."""
    pool = BufferPool(4)
    with closing(Bucket(replace(s3_location, s3_endpoint=proxy.url))) as bucket:
        upload = begun(bucket, "broken", pool)
        proxy.cut_upload_after, proxy.cuts = MIB, 3
        with pytest.raises(Unavailable) as failure:
            finish(upload, 0)
        upload.abort()
        assert [len(pool.take()) for _ in range(4)] == [MIB] * 4
    assert failure.value.retryable


@pytest.mark.parametrize("size", [0, 1000, len(BODY)])
def test_what_an_object_takes_in_requests_is_known_beforehand(s3_location: StoreLocation, size: int) -> None:
    """By those that a proxy before the server has seen."""
    with (
        fault_proxy(s3_location.s3_endpoint, 0, rate=0.0) as proxy,
        closing(opened(replace(s3_location, s3_endpoint=proxy.url))) as store,
    ):
        for _ in range(2):  # what the server can do is found out in the first
            before = proxy.requests
            upload = store.begin("some/object", size)
            upload.write(BODY[:size])
            upload.commit()
        assert proxy.requests - before == store.requests(size)


@pytest.mark.parametrize("is_copy", [False, True])
def test_an_upload_that_nobody_heard_of_is_ended(s3_location: StoreLocation, is_copy: bool) -> None:
    """S3 began it, and its answer got lost: the request is sent again, and begins another."""
    with closing(opened(s3_location)) as store:
        store.put_many({"source": BODY})
        store.describe()
        with (
            fault_proxy(s3_location.s3_endpoint, 0, rate=0.0) as proxy,
            closing(opened(replace(s3_location, s3_endpoint=proxy.url))) as behind,
        ):
            behind.describe()
            proxy.befall("POST", "uploads", Kind.RESET_AFTER)
            if is_copy:
                behind.copy_many({"source": "target"})
            else:
                upload = behind.begin("target", len(BODY))
                upload.write(BODY)
                upload.commit()
            assert [one.status for one in proxy.injected] == [200]
        assert (content(store, "target"), list(store.open_uploads())) == (BODY, [])


def test_a_small_object_is_sent_again(s3_location: StoreLocation, proxy: CuttingProxy) -> None:
    """A few times, without whoever writes it noticing."""
    with closing(opened(replace(s3_location, s3_endpoint=proxy.url))) as store:
        store.put_many({"first": b"opens a connection"})
        proxy.cut_upload_after, proxy.cuts = MIB, 2
        store.put_many({"small": BODY[: 2 * MIB]})
        assert proxy.cuts == 0
        assert content(store, "small") == BODY[: 2 * MIB]


def test_a_part_that_came_over_a_network_is_sent_again(s3_location: StoreLocation) -> None:
    """Nobody could be asked for its bytes again."""
    with (
        fault_proxy(s3_location.s3_endpoint, 0, rate=0.0) as proxy,
        closing(opened(replace(s3_location, s3_endpoint=proxy.url))) as store,
    ):
        upload = store.begin("received", len(BODY), from_network=True)
        upload.write(BODY[:SMALLEST_PART])
        while not upload.parts():
            time.sleep(0.002)
        for kind in (Kind.SLOW_DOWN, Kind.RESET_BEFORE, Kind.RESET_AFTER):
            proxy.befall("PUT", urlencode({"partNumber": 2, "uploadId": upload.id}), kind)
        upload.write(BODY[SMALLEST_PART:])
        upload.commit()
        assert len(proxy.injected) == 3
        assert content(store, "received") == BODY


def test_a_reader_does_not_notice_a_broken_connection(
    s3_location: StoreLocation, proxy: CuttingProxy
) -> None:
    """It goes on with the next byte of the same object."""
    with closing(opened(replace(s3_location, s3_endpoint=proxy.url))) as store:
        store.put_many({"read": BODY})
        proxy.cut_download_after, proxy.cuts = 2 * MIB, 3
        assert content(store, "read") == BODY
        assert proxy.cuts == 0
        proxy.cut_download_after, proxy.cuts = 100_000, 100
        with pytest.raises(Unavailable):
            content(store, "read")


# ---------------------------------------------------------------- copies, settings


def test_large_objects_are_copied_in_parts(store: S3Store) -> None:
    """Each range once; no upload is left open."""
    upload = store.begin("from/large", len(BODY))
    write(upload)
    upload.commit()
    store.copy_many({"from/large": "copy"})
    store.move_many({"from": "to"})
    assert content(store, "copy") == content(store, "to/large") == BODY
    assert list(store.list("from")) == []
    assert list(store.open_uploads()) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "s3://nobody-made-this-bucket/x"}, "HEADRACE_STORE"),
        ({"url": "s3:///x"}, "HEADRACE_STORE"),
        ({"s3_endpoint": "http://192.0.2.1:9000"}, "HEADRACE_S3_ENDPOINT"),
        ({"s3_endpoint": "localhost:9000"}, "HEADRACE_S3_ENDPOINT"),
        ({"url": "s3://AKIA:s3cret@tests/x"}, "HEADRACE_STORE"),
        ({"s3_endpoint": "http://AKIA:s3cret@127.0.0.1:9000"}, "HEADRACE_S3_ENDPOINT"),
    ],
)
def test_a_location_that_will_not_do_names_its_setting(
    seaweedfs_location: StoreLocation, change: dict[str, str], field: str
) -> None:
    """When the store is opened. Without TLS only this machine is spoken to, unless the network is trusted. Keys in a
    URL are refused, and not told."""
    with pytest.raises(Misconfigured) as refused:
        opened(replace(seaweedfs_location, **change))
    assert refused.value.field == field
    assert refused.value.remedy
    assert "s3cret" not in f"{refused.value} {refused.value.remedy}"


@pytest.mark.parametrize("keys", [None, ("headrace-tests", "wrong-secret"), ("nobody", "wrong-secret")])
def test_keys_that_will_not_do_are_named_and_not_told(
    s3_location: StoreLocation, keys: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come from the environment alone."""
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), keys or ("", ""), strict=True):
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    with pytest.raises(Misconfigured) as refused:
        opened(s3_location)
    assert refused.value.field == "AWS_ACCESS_KEY_ID"
    assert "wrong-secret" not in f"{refused.value} {refused.value.remedy}"


def test_a_host_without_subdomains_has_the_bucket_in_the_path(seaweedfs_location: StoreLocation) -> None:
    """Whatever the setting says."""
    with closing(opened(replace(seaweedfs_location, s3_path_style=False))) as store:
        store.put_many({"a": b"x"})
        assert content(store, "a") == b"x"


def test_a_server_that_is_away_may_come_back(
    seaweedfs_location: StoreLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So this is no fault of the settings."""
    # A quarter of a minute between botocore's tries changes nothing of what it finds.
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda backoff, context: 0.0)
    with cutting_proxy(seaweedfs_location.s3_endpoint) as proxy:
        proxy.cut_upload_after, proxy.cuts = 0, 1000
        with pytest.raises(Unavailable):
            opened(replace(seaweedfs_location, s3_endpoint=proxy.url))
