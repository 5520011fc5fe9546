"""A folder of one process is its own for as long as it lives, and anybody's afterwards."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.running.scratch import (
    abandoned_folders,
    abandoned_runs,
    own_folder,
    scratch_database,
    scratch_folder,
)


def test_a_folder_goes_with_its_block(tmp_path: Path) -> None:
    """With all that is in it, however the block ends."""
    with scratch_folder(tmp_path) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_bytes(b"x")
        assert list(abandoned_runs(tmp_path)) == []
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path):
        1 / 0  # noqa: B018
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_database_goes_with_its_block(tmp_path: Path) -> None:
    """It is a file below the folder that it was given, and nothing of it stays."""
    with scratch_database(tmp_path, "CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID") as database:
        database.execute("INSERT INTO seen VALUES ('a')")
        assert database.execute("SELECT key FROM seen").fetchall() == [("a",)]
        assert len(list(tmp_path.rglob("*.sqlite"))) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_its_folder_to_others(tmp_path: Path) -> None:
    """Told by its name's beginning; where there never was a folder there is nothing to tell."""
    assert list(abandoned_folders(tmp_path / "never")) == []
    killed = multiprocessing.get_context("spawn").Process(target=_die_in_a_folder, args=(tmp_path,))
    killed.start()
    killed.join()
    [left] = abandoned_folders(tmp_path, "mine-")
    assert left.name.startswith("mine-")
    assert list(abandoned_folders(tmp_path, "theirs-")) == []


def _die_in_a_folder(parent: Path) -> None:
    with own_folder(parent, "mine-"):
        os.kill(os.getpid(), 9)


def test_nobody_takes_away_what_is_just_being_made(tmp_path: Path) -> None:
    """While some make folders and use them, others clear away what seems abandoned."""

    def use(turn: int) -> None:
        for _ in range(40):
            with own_folder(tmp_path) as folder:
                (folder / str(turn)).write_bytes(b"x")
                assert (folder / str(turn)).read_bytes() == b"x"

    def clear(_: int) -> None:
        for _ in range(100):
            for folder in abandoned_folders(tmp_path):
                shutil.rmtree(folder, ignore_errors=True)

    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda job: job[0](job[1]), [(use, n) for n in range(4)] + [(clear, n) for n in range(4)]
            )
        )
    assert list(tmp_path.iterdir()) == []
