"""The implementations of `ObjectStore` that pass the contract suites. A new one adds itself to `STORES`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest

from pipeline.ports import ObjectStore
from pipeline.store.local import LocalStore
from pipeline.store.transfer import SMALLEST_PART

Opener: TypeAlias = Callable[..., ObjectStore]
"""Opens one and the same store, again and again, also in another process (it can be pickled). Takes `part_size`, the
least size of parts, which is `SMALLEST_PART` where nothing is said."""


def _open_local(folder: Path, *, part_size: int = SMALLEST_PART) -> ObjectStore:
    return LocalStore(folder, part_size=part_size)


def _local(request: pytest.FixtureRequest) -> Opener:
    folder: Path = request.getfixturevalue("tmp_path")
    return partial(_open_local, folder / "store")


STORES: dict[str, Callable[[pytest.FixtureRequest], Opener]] = {"local": _local}
