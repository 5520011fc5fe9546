"""Memory and pace of a gateway while many upload at once.

    python -m loadtests.bench_uploads [--uploads 32] [--mib 1024] [--s3] [--folder DIR]

A gateway process of its own takes `--uploads` files of `--mib` MiB side by side, by PUT into one bucket, into a store
on disk or, with `--s3`, on a SeaweedFS of this machine. Prints the highest resident memory that the process has had.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from infra.local.buckets import make_bucket
from infra.local.gateway import gateway
from infra.local.seaweedfs import seaweedfs
from infra.local.service import launched, running
from loadtests.depositing import client, depositor_token, draft
from loadtests.running import peak
from pipeline.settings import Settings, StoreLocation

_KEYS = ("benchmark", "benchmark-of-this-machine")
_BLOCK = os.urandom(1 << 20)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """`peak` in MB (VmHWM of the gateway), `seconds` from the first byte to the last answer."""

    peak: float
    seconds: float


def measure(home: Path, uploads: int, mib: int, location: StoreLocation | None = None) -> Uploaded:
    """Upload so many files of so many MiB at once into a new instance at `home`. Raises `httpx.HTTPError` where one is
    refused."""
    token = depositor_token(Settings(home=home))
    service = gateway(home, location)
    with launched(service, home / "gateway.log") as process, client(service.url, token) as asking:
        bucket = draft(asking, "Uploads at once")["links"]["bucket"]
        begun = time.monotonic()
        with ThreadPoolExecutor(uploads) as pool:
            list(pool.map(lambda number: _put(asking, f"{bucket}/{number}.bin", mib), range(uploads)))
        return Uploaded(peak(process.pid), time.monotonic() - begun)


def _put(asking: httpx.Client, url: str, mib: int) -> None:
    length = {"Content-Length": str(mib << 20)}
    asking.put(url, content=_blocks(mib), headers=length).raise_for_status()


def _blocks(mib: int) -> Iterator[bytes]:
    for _ in range(mib):
        yield _BLOCK


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m loadtests.bench_uploads")
    options.add_argument("--uploads", type=int, default=32)
    options.add_argument("--mib", type=int, default=1024)
    options.add_argument("--s3", action="store_true")
    options.add_argument("--folder", type=Path, default=None)
    chosen = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=chosen.folder)))
        location = _seaweedfs(stack, folder / "s3") if chosen.s3 else None
        uploaded = measure(folder / "home", chosen.uploads, chosen.mib, location)
    pace = chosen.uploads * chosen.mib / uploaded.seconds
    print(f"{chosen.uploads} x {chosen.mib} MiB: peak {uploaded.peak:.0f} MB, {pace:.0f} MiB/s")


def _seaweedfs(stack: ExitStack, folder: Path) -> StoreLocation:
    folder.mkdir()
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = _KEYS
    endpoint = stack.enter_context(running(seaweedfs(folder, *_KEYS), folder / "log"))
    return StoreLocation(make_bucket(endpoint, "uploads", *_KEYS), endpoint, s3_path_style=True)


if __name__ == "__main__":
    main()
