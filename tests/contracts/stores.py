"""The implementations of `ObjectStore` that pass the contract suites. A new one adds itself to `STORES`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest

from pipeline.ports import ObjectStore
from pipeline.settings import StoreLocation
from pipeline.store.local import LocalStore
from pipeline.store.s3.store import S3Store
from pipeline.store.transfer import IN_PARTS_FROM, SMALLEST_PART

"""The smallest that S3 allows, so that objects of a test need not be large to go in several parts."""

Opener: TypeAlias = Callable[..., ObjectStore]
"""Opens one and the same store, again and again, also in another process (it can be pickled). Takes `part_size`, the
least size of parts, which is `SMALLEST_PART` where nothing is said."""


def _open_local(folder: Path, *, part_size: int = SMALLEST_PART) -> ObjectStore:
    return LocalStore(folder, part_size=part_size)


def _local(request: pytest.FixtureRequest) -> Opener:
    folder: Path = request.getfixturevalue("tmp_path")
    return partial(_open_local, folder / "store")


def _open_s3(location: StoreLocation, *, part_size: int = SMALLEST_PART) -> ObjectStore:
    return S3Store(location, least_part=part_size, copy_in_parts_from=IN_PARTS_FROM)


def _seaweedfs(request: pytest.FixtureRequest) -> Opener:
    return partial(_open_s3, request.getfixturevalue("seaweedfs_location"))


def _versitygw(request: pytest.FixtureRequest) -> Opener:
    return partial(_open_s3, request.getfixturevalue("versitygw_location"))


STORES: dict[str, Callable[[pytest.FixtureRequest], Opener]] = {
    "local": _local,
    "seaweedfs": _seaweedfs,
    "versitygw": _versitygw,
}
