"""The storage root: making and opening it; and the checker that other tests trust to find its faults."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import Misconfigured
from pipeline.store.local import LocalStore
from pipeline.store.root import open_root
from tests.ocfl_root import objects, problems

NOW = datetime(2026, 3, 9, tzinfo=UTC)
OURS = "data.example.org"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with closing(LocalStore(tmp_path)) as opened:
        yield opened


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_new_root_is_valid(store: LocalStore, tmp_path: Path, algorithm: str) -> None:
    """From its first moment on, with the system object in it."""
    assert open_root(store, OURS, algorithm, now=NOW) == algorithm
    assert problems(tmp_path / "root") == []
    assert len(objects(tmp_path / "root")) == 1


def test_opening_a_root_again_writes_nothing(store: LocalStore, tmp_path: Path) -> None:
    """And answers the algorithm it was made with, whatever this machine would choose."""
    open_root(store, OURS, "sha256", now=NOW)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert open_root(store, OURS, None, now=NOW) == "sha256"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_root_keeps_its_algorithm(store: LocalStore) -> None:
    """Asking for another is refused, and names the setting."""
    open_root(store, OURS, "sha512", now=NOW)
    with pytest.raises(Misconfigured) as refused:
        open_root(store, OURS, "sha256", now=NOW)
    assert refused.value.field == "HEADRACE_ROOT_DIGEST"


def test_a_root_belongs_to_one_repository(store: LocalStore) -> None:
    """Another one's id is refused: the objects' ids would not be found any more."""
    open_root(store, OURS, None, now=NOW)
    with pytest.raises(Misconfigured) as refused:
        open_root(store, "other.example.org", None, now=NOW)
    assert refused.value.field == "HEADRACE_REPOSITORY_ID"
    assert OURS in refused.value.remedy


class _PowerLoss(Exception):
    pass


class _Failing(LocalStore):
    """Loses power at a given call of `put_many`, before anything of it is written."""

    def __init__(self, folder: Path, survives: int) -> None:
        super().__init__(folder)
        self._survives = survives

    def put_many(self, objects: Mapping[str, bytes]) -> None:
        if self._survives == 0:
            raise _PowerLoss
        self._survives -= 1
        super().put_many(objects)


def test_a_root_that_many_make_at_once_is_one_root(tmp_path: Path) -> None:
    """Each of them opens the one that the fastest made."""
    together = threading.Barrier(8)

    def open_(number: int) -> str:
        with closing(LocalStore(tmp_path)) as store:
            together.wait()
            return open_root(store, OURS, None, now=NOW + timedelta(seconds=number))

    with ThreadPoolExecutor(8) as pool:
        answered = set(pool.map(open_, range(8)))
    assert len(answered) == 1
    assert problems(tmp_path / "root") == []


@pytest.mark.parametrize("survives", [0, 1, 2, 3])
def test_a_root_half_made_is_made_whole(tmp_path: Path, survives: int) -> None:
    """Whichever write the power went at, the next opening ends in a valid root."""
    with closing(_Failing(tmp_path, survives)) as store, pytest.raises(_PowerLoss):
        open_root(store, OURS, "sha512", now=NOW)
    with closing(LocalStore(tmp_path)) as store:
        assert open_root(store, OURS, "sha512", now=NOW) == "sha512"
    assert problems(tmp_path / "root") == []


# ---------------------------------------------------------------- the checker


def _stray(root: Path) -> None:
    (root / "3c0").mkdir()
    (root / "3c0" / "stray").touch()


def _stray_at_top(root: Path) -> None:
    (root / "stray").touch()


def _empty(root: Path) -> None:
    (root / "3c0").mkdir()


def _moved(root: Path) -> None:
    (root / "3c0").mkdir()
    shutil.move(objects(root)[0], root / "3c0")


def _nested(root: Path) -> None:
    shutil.copytree(objects(root)[0], objects(root)[0] / "extensions" / "x")


def _changed(root: Path) -> None:
    next(root.rglob("v1/content/*")).write_bytes(b"other")


def _undeclared(root: Path) -> None:
    (root / "0=ocfl_1.1").unlink()


def _declared_twice(root: Path) -> None:
    (root / "0=ocfl_1.0").write_bytes(b"ocfl_1.0\n")


def _without_layout(root: Path) -> None:
    (root / "ocfl_layout.json").unlink()


def _without_sidecar(root: Path) -> None:
    (objects(root)[0] / "inventory.json.sha512").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        _stray, _stray_at_top, _empty, _moved, _nested, _changed, _undeclared, _declared_twice, _without_layout,
        _without_sidecar,
    ],
)  # fmt: skip
def test_the_checker_finds_every_fault(
    store: LocalStore, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """A sound root is told from one that was damaged in any of these ways."""
    open_root(store, OURS, "sha512", now=NOW)
    damage(tmp_path / "root")
    assert problems(tmp_path / "root") != []
