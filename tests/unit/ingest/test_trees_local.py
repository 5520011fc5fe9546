"""Opening the files of a source on a worker."""

from __future__ import annotations

import errno
import os
import pickle
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import Rejected, SourceChanged, Unavailable
from pipeline.ingest.sources.protocol import FileMissing, FileUnreadable, NotRegular
from tests.unit.ingest.surveying import local_tree, write

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_read_from_its_start(tmp_path: Path) -> None:
    """The reader gives the bytes, and says that nothing changed."""
    found = write(tmp_path / "a/b", "hello").stat()
    with local_tree(str(tmp_path)).open("a/b", 5, str(found.st_mtime_ns)) as reader:
        assert reader.read(3) == b"hel"
        rest = bytearray(10)
        assert reader.readinto(rest) == 2
        reader.still_same()


def test_an_unknown_stamp_is_not_compared(tmp_path: Path) -> None:
    """A source need not know when its files were written."""
    write(tmp_path / "a", "x")
    with local_tree(str(tmp_path)).open("a", 1, "") as reader:
        assert reader.read() == b"x"


@pytest.mark.parametrize(("size", "later"), [(4, 0), (5, 1)])
def test_a_file_that_is_not_what_was_surveyed_is_rejected(tmp_path: Path, size: int, later: int) -> None:
    """Another size or another time."""
    found = write(tmp_path / "a", "hello").stat()
    with pytest.raises(SourceChanged, match="since the survey"):
        local_tree(str(tmp_path)).open("a", size, str(found.st_mtime_ns + later))


@pytest.mark.parametrize("change", ["grow", "touch", "shrink"])
def test_a_change_during_the_reading_is_noticed(tmp_path: Path, change: str) -> None:
    """Bytes that were read from two states of a file are nobody's file."""
    path = write(tmp_path / "a", "hello")
    with local_tree(str(tmp_path)).open("a", 5, "") as reader:
        reader.read()
        match change:
            case "grow":
                write(path, "hello!")
            case "touch":
                os.utime(path, ns=(1, 1))
            case _:
                os.truncate(path, 1)
        with pytest.raises(SourceChanged, match="while it was read") as rejection:
            reader.still_same()
    assert rejection.value.code == "changed"


def test_another_file_under_the_name_is_a_change(tmp_path: Path) -> None:
    """Writers replace a file by renaming a new one over it: what was read is the source's no more, though the new
    one has the same size and time."""
    path = write(tmp_path / "a", "hello")
    with local_tree(str(tmp_path)).open("a", 5, "") as reader:
        reader.read()
        new = write(tmp_path / "new", "world")
        os.utime(new, ns=(1, int(reader.stamp)))
        new.rename(path)
        with pytest.raises(SourceChanged, match="while it was read"):
            reader.still_same()
        path.unlink()
        with pytest.raises(FileMissing):
            reader.still_same()


@pytest.mark.parametrize("path", ["gone", "d/gone", "gone/x"])
def test_a_missing_file_is_missing(tmp_path: Path, path: str) -> None:
    """So is one whose folder is not there."""
    (tmp_path / "d").mkdir()
    with pytest.raises(FileMissing) as rejection:
        local_tree(str(tmp_path)).open(path, 0, "")
    assert rejection.value.code == "missing"


def test_nothing_but_files_is_opened(tmp_path: Path) -> None:
    """Links, at the end of a path or within it, folders and FIFOs; the FIFO does not block either."""
    write(tmp_path / "d/x", "secret")
    (tmp_path / "link").symlink_to("d/x")
    (tmp_path / "linked").symlink_to("d")
    os.mkfifo(tmp_path / "fifo")
    for path in ("link", "linked/x", "d", "fifo", "d/x/y", "../x", "/etc/passwd"):
        with pytest.raises(NotRegular) as rejection:
            local_tree(str(tmp_path)).open(path, 6, "")
        assert rejection.value.code == "not-regular"


def test_a_file_without_permission_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system's refusal is told in its own words."""
    write(tmp_path / "a")
    real = os.open

    def refuse(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        # Permissions do not stop the superuser that tests may run as.
        if path == "a":
            raise PermissionError(13, "Permission denied")
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FileUnreadable, match="Permission denied") as rejection:
        local_tree(str(tmp_path)).open("a", 0, "")
    assert (rejection.value.code, rejection.value.retryable) == ("unreadable", False)


def test_a_source_that_is_away_is_not_the_files_fault(tmp_path: Path) -> None:
    """An unmounted root may come back: a million files are not rejected for it."""
    with pytest.raises(Unavailable):
        local_tree(str(tmp_path / "unmounted")).open("a", 0, "")


def test_a_machine_without_open_files_is_not_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is asked for again later, and the operator is told where to look."""
    write(tmp_path / "a")
    real = os.open

    def refuse(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if path == "a":
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(Unavailable, match="Too many open files") as away:
        local_tree(str(tmp_path)).open("a", 0, "")
    assert "ulimit" in away.value.remedy


def test_the_odd_bytes_of_a_name_are_the_systems(tmp_path: Path) -> None:
    """A path as a survey gives it opens the very file."""
    name = os.fsdecode(b"\xff\xfe")
    write(tmp_path / name, "x")
    with local_tree(str(tmp_path)).open(name, 1, "") as reader:
        assert reader.read() == b"x"
    with pytest.raises(FileMissing, match=r"\\xff"):
        local_tree(str(tmp_path)).open(name * 2, 1, "")


def test_rejections_travel_between_processes(tmp_path: Path) -> None:
    """A worker's rejection arrives with its class, message and remedy."""
    with pytest.raises(FileMissing) as rejection:
        local_tree(str(tmp_path)).open("gone", 0, "")
    again = pickle.loads(pickle.dumps(rejection.value))
    assert isinstance(again, Rejected)
    assert (again.code, again.message) == ("missing", "gone is missing")
    assert again.remedy == rejection.value.remedy
