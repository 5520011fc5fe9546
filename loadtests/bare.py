"""What the figures are divided by: loops and uploaders that do nothing but the least that must be done.

Each reads the files of a collection, `at_once` of them at a time in processes of their own, and computes the digests
that the ingest computes, a thread for each.
"""

from __future__ import annotations

import hashlib
import os
import queue
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

from pipeline.store.root import preferred_algorithm

_BLOCK = 1 << 20
_PART = 16 << 20
_PARTS_AT_ONCE = 4
DIGESTS = f"md5, {preferred_algorithm()}"


class _Running(Protocol):
    def update(self, block: bytes, /) -> None: ...


def loop(files: list[Path], target: Path, at_once: int) -> float:
    """Seconds for reading, hashing, writing and flushing the files."""
    target.mkdir()
    with _processes(at_once) as pool:
        return _timed(pool, _copy, [(path, target / f"{number}.bin") for number, path in enumerate(files)])


def _copy(job: tuple[Path, Path]) -> None:
    source, target = job
    with target.open("wb", buffering=0) as writer:
        _digest(source, writer.write)
        os.fsync(writer.fileno())


def _digest(source: Path, consume: Callable[[bytes], object] = lambda _: None) -> None:
    """Hash a file, a thread for each digest; `consume` has its blocks beside them."""
    hashes = [hashlib.md5(usedforsecurity=False), hashlib.new(preferred_algorithm())]
    inboxes: list[queue.Queue[bytes | None]] = [queue.Queue(8) for _ in hashes]
    threads = [threading.Thread(target=_hash, args=pair) for pair in zip(hashes, inboxes, strict=True)]
    for thread in threads:
        thread.start()
    with source.open("rb", buffering=0) as reader:
        while block := reader.read(_BLOCK):
            for inbox in inboxes:
                inbox.put(block)
            consume(block)
    for inbox in inboxes:
        inbox.put(None)
    for thread in threads:
        thread.join()


def _hash(running: _Running, inbox: queue.Queue[bytes | None]) -> None:
    while (block := inbox.get()) is not None:
        running.update(block)


# ---------------------------------------------------------------- to S3


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket on a server of this machine. Keys are in the environment."""

    endpoint: str
    name: str


def uploads(files: list[Path], bucket: Bucket, at_once: int) -> Mapping[str, float]:
    """Seconds that each uploader there is takes for the files, while others hash the same files beside it, by the
    uploader's name."""
    ways = {"botocore": _botocore, "obstore": _obstore, "rclone": _rclone, "s5cmd": _s5cmd}
    return {name: _upload(way, files, bucket, at_once) for name, way in ways.items()}


def _upload(
    way: Callable[[tuple[Path, Bucket]], None], files: list[Path], bucket: Bucket, at_once: int
) -> float:
    with _processes(at_once) as uploading, _processes(at_once) as hashing, ThreadPoolExecutor(1) as beside:
        digests = beside.submit(_timed, hashing, _digest, files)
        return max(_timed(uploading, way, [(path, bucket) for path in files]), digests.result())


def _key(path: Path) -> str:
    return f"bare/{path.parent.name}"


def _botocore(job: tuple[Path, Bucket]) -> None:
    """Parts side by side, bodies neither signed nor summed: the fastest that it can do, and blind to flipped bits."""
    import botocore.config
    import botocore.session

    path, bucket = job
    client = botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=bucket.endpoint,
        config=botocore.config.Config(
            request_checksum_calculation="when_required", s3={"payload_signing_enabled": False}
        ),
    )
    name = {"Bucket": bucket.name, "Key": _key(path)}
    upload = client.create_multipart_upload(**name)["UploadId"]

    def part(number: int) -> dict[str, Any]:
        with path.open("rb") as file:
            body = os.pread(file.fileno(), _PART, (number - 1) * _PART)
        sent = client.upload_part(**name, UploadId=upload, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": sent["ETag"]}

    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
        parts = list(pool.map(part, range(1, -(-path.stat().st_size // _PART) + 1)))
    client.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})


def _obstore(job: tuple[Path, Bucket]) -> None:
    import obstore
    from obstore.store import S3Store

    path, bucket = job
    store = S3Store(
        bucket.name,
        endpoint=bucket.endpoint,
        region="us-east-1",
        virtual_hosted_style_request=False,
        unsigned_payload=True,
        client_options={"allow_http": True},
    )
    obstore.put(store, _key(path), path, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)


def _s5cmd(job: tuple[Path, Bucket]) -> None:
    path, bucket = job
    target = f"s3://{bucket.name}/{_key(path)}"
    command = [peer("s5cmd"), "--endpoint-url", bucket.endpoint, "cp", "--concurrency", str(_PARTS_AT_ONCE)]
    subprocess.run([*command, "--part-size", "16", str(path), target], check=True, capture_output=True)


def _rclone(job: tuple[Path, Bucket]) -> None:
    path, bucket = job
    remote = f":s3,provider=Other,env_auth,endpoint='{bucket.endpoint}':{bucket.name}/{_key(path)}"
    options = ["--s3-chunk-size", "16M", "--s3-upload-concurrency", str(_PARTS_AT_ONCE), "--ignore-checksum"]
    command = [peer("rclone"), "copyto", *options, str(path), remote]
    subprocess.run(command, check=True, capture_output=True)


def peer(name: str) -> str:
    """The path of a program that `make bench` installs beside this Python."""
    return str(Path(sysconfig.get_path("scripts"), name))


# ---------------------------------------------------------------- processes


@contextmanager
def _processes(number: int) -> Iterator[Executor]:
    with ProcessPoolExecutor(number, mp_context=get_context("spawn")) as pool:
        list(pool.map(time.sleep, [0.5] * number))  # all of them are there before a clock starts
        yield pool


def _timed(pool: Executor, job: Callable[[Any], None], jobs: list[Any]) -> float:
    started = time.perf_counter()
    list(pool.map(job, jobs))
    return time.perf_counter() - started
