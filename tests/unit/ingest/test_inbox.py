"""An inbox: what ripens when, and what is taken how often, by a clock that the tests move."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Conflict, Unavailable
from pipeline.ingest.inbox import Inbox, Known, Outcome, Seen, ripened, write_report
from tests.unit.ingest.surveying import write

QUIET = 100.0


@dataclass
class Desk:
    """An inbox whose entries are taken by writing their names down."""

    place: Path
    now: float = 1_000_000.0
    taken: list[str] = field(default_factory=list)
    is_final: bool = True

    @property
    def folder(self) -> Path:
        return self.place / "inbox"

    def inbox(self) -> Inbox:
        return Inbox(self.folder, ".done", QUIET, self.place / "home" / "memory.json", lambda: self.now)

    def look(self, after: float = 0.0) -> list[str]:
        """What is taken at a look, so many seconds after the last."""
        self.now += after
        self.taken.clear()
        # Each look is of a new process, as cron's are.
        list(self.inbox().round(self.take))
        return list(self.taken)

    def waiting(self) -> dict[str, str]:
        inbox = self.inbox()
        list(inbox.round(self.take))
        return {one.name: one.reason for one in inbox.waiting}

    def take(self, entry: Path) -> Outcome:
        self.taken.append(entry.name)
        return Outcome(self.is_final, {})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.folder.mkdir()
    return desk


def test_an_entry_ripens_when_nothing_in_it_changes(desk: Desk) -> None:
    """A name, a size or a time that is another starts the while anew, however deep it lies; then it is taken, once."""
    data = write(desk.folder / "set/deep/a.csv", "1")
    assert desk.look() == []
    assert desk.look(QUIET - 1) == []
    data.write_text("12")
    assert desk.look(2) == []
    os.utime(data, ns=(0, 0))
    assert desk.look(QUIET - 1) == []
    write(desk.folder / "set/deep/b.csv", "")
    assert desk.look(QUIET - 1) == []
    assert desk.look(QUIET - 1) == []
    assert desk.look(1) == ["set"]
    assert desk.look(10 * QUIET) == []


@pytest.mark.parametrize("time", [0, 4_000_000_000])
def test_the_times_of_files_do_not_ripen_them(desk: Desk, time: int) -> None:
    """Copies keep old times, and clocks elsewhere run ahead: what counts is what was seen by our own."""
    data = write(desk.folder / "set/a.csv", "1")
    os.utime(data, (time, time))
    os.utime(data.parent, (time, time))
    assert desk.look() == []
    assert desk.look(QUIET - 1) == []
    assert desk.look(1) == ["set"]


def test_a_clock_that_is_set_back_starts_the_while_anew(desk: Desk) -> None:
    """Nothing is taken early, and nothing waits for a time that is years ahead."""
    write(desk.folder / "set/a.csv", "1")
    desk.look()
    assert desk.look(-1000 * QUIET) == []
    assert desk.look(QUIET - 1) == []
    assert desk.look(1) == ["set"]


def test_a_marker_beside_an_entry_makes_it_ripe_at_once(desk: Desk) -> None:
    """Of a folder and of an archive alike; what comes after that needs a new one, or the while."""
    write(desk.folder / "bag.tar.gz", "1")
    data = write(desk.folder / "set/a.csv", "1")
    write(desk.folder / "set.done")
    write(desk.folder / "bag.tar.gz.done")
    assert desk.look() == ["bag.tar.gz", "set"]
    data.write_text("12")
    assert desk.look(1) == []
    assert desk.look(QUIET) == ["set"]
    data.write_text("123")
    assert desk.look(1) == []
    (desk.folder / "set.done").unlink()
    write(desk.folder / "set.done")
    os.utime(desk.folder / "set.done", ns=(1, 1))
    assert desk.look(1) == ["set"]


@pytest.mark.parametrize("name", [".a.csv.Xy12Zq", "a.csv.part", "a.csv.filepart", "sub/.b.tar.AbCdEf"])
def test_what_is_half_copied_keeps_its_entry_waiting(desk: Desk, name: str) -> None:
    """However long nothing moved: the copy may have stalled. Whoever knows better leaves a marker."""
    half = write(desk.folder / "set" / name, "1")
    desk.look()
    assert desk.look(100 * QUIET) == []
    assert half.name in desk.waiting()["set"]
    write(desk.folder / "set.done")
    assert desk.look() == ["set"]
    write(desk.folder / "other" / name, "1")
    desk.look()
    (desk.folder / "other" / name).rename(desk.folder / "other" / "a.csv")
    assert desk.look(QUIET) == []
    assert desk.look(QUIET) == ["other"]


def test_an_entry_that_changed_while_it_was_taken_ripens_anew(desk: Desk) -> None:
    """What came late may have come after the survey."""
    data = write(desk.folder / "set/a.csv", "1")
    write(desk.folder / "set.done")

    def take(entry: Path) -> Outcome:
        data.write_text("12")
        return Outcome(is_final=True, document={})

    assert [name for name, _ in desk.inbox().round(take)] == ["set"]
    assert desk.look(1) == []
    assert desk.look(QUIET) == ["set"]


def test_what_could_not_be_done_is_tried_again(desk: Desk) -> None:
    """A part that is away, or a full disk, is no judgement of the entry."""
    write(desk.folder / "set/a.csv", "1")
    write(desk.folder / "set.done")
    desk.is_final = False
    assert desk.look() == ["set"]
    desk.is_final = True
    assert desk.look() == ["set"]
    assert desk.look() == []


def test_without_its_memory_everything_ripens_once_more(desk: Desk) -> None:
    """Lost or spoilt, it costs a survey of each entry that finds nothing new, and nothing else."""
    write(desk.folder / "set/a.csv", "1")
    desk.look()
    assert desk.look(QUIET) == ["set"]
    for spoilt in ("", "[]", '{"set": {"colour": 1}}', "{"):
        (desk.place / "home" / "memory.json").write_text(spoilt)
        assert desk.look() == []
        assert desk.look(QUIET) == ["set"]


def test_only_what_can_be_a_source_is_an_entry(desk: Desk, tmp_path: Path) -> None:
    """Folders, archives and manifests; no hidden names, links, reports, markers, or other files."""
    (desk.folder / "empty").mkdir()
    for name in ("a.zip", "a.csv", ".hidden/x", "a.zip.report.json", "notes.md", "a.zip.md5", "set.done"):
        write(desk.folder / name, "1")
    (desk.folder / "link").symlink_to(tmp_path)
    desk.look()
    assert desk.look(QUIET) == ["a.csv", "a.zip", "empty"]


def test_text_is_an_entry_where_a_marker_says_so(desk: Desk) -> None:
    """A list of URLs is called like any note to people, which is not for being published."""
    for name in ("README.txt", "NOTES.TXT", "urls.txt", "urls.txt.done"):
        write(desk.folder / name, "1")
    assert desk.look() == ["urls.txt"]
    assert desk.look(QUIET) == []
    write(desk.folder / "README.txt.done")
    assert desk.look() == ["README.txt"]


def test_links_in_an_entry_are_not_followed(desk: Desk, tmp_path: Path) -> None:
    """What lies behind one may change as it likes, and a circle has no end."""
    outside = write(tmp_path / "outside/x", "1")
    write(desk.folder / "set/a")
    (desk.folder / "set/out").symlink_to(tmp_path / "outside")
    (desk.folder / "set/circle").symlink_to(desk.folder)
    desk.look()
    outside.write_text("12")
    assert desk.look(QUIET) == ["set"]


def test_an_entry_that_went_away_is_forgotten(desk: Desk) -> None:
    """One of the same name that comes later is another."""
    data = write(desk.folder / "a.csv", "1")
    times = data.stat()
    desk.look()
    assert desk.look(QUIET) == ["a.csv"]
    data.unlink()
    assert desk.look() == []
    write(data, "1")
    os.utime(data, ns=(times.st_mtime_ns, times.st_mtime_ns))
    assert desk.look() == []
    assert desk.look(QUIET) == ["a.csv"]


def test_an_inbox_has_one_watcher_at_a_time(desk: Desk) -> None:
    """The second is told; the first goes on."""
    write(desk.folder / "a.csv", "1")
    write(desk.folder / "a.csv.done")

    def take(entry: Path) -> Outcome:
        with pytest.raises(Conflict):
            list(desk.inbox().round(desk.take))
        return desk.take(entry)

    assert [name for name, _ in desk.inbox().round(take)] == ["a.csv"]
    assert desk.taken == ["a.csv"]


def test_an_inbox_that_is_not_mounted_is_away(desk: Desk) -> None:
    """That is no reason to end, and nothing is forgotten for it."""
    write(desk.folder / "a.csv", "1")
    desk.look()
    desk.folder.rename(desk.place / "elsewhere")
    with pytest.raises(Unavailable):
        desk.look()
    (desk.place / "elsewhere").rename(desk.folder)
    assert desk.look(QUIET) == ["a.csv"]


def test_a_watcher_that_is_to_stop_begins_nothing_new(desk: Desk) -> None:
    """It is asked before each entry."""
    for name in ("a.csv", "b.csv"):
        write(desk.folder / name, "1")
        write(desk.folder / f"{name}.done")
    done = [name for name, _ in desk.inbox().round(desk.take, lambda: bool(desk.taken))]
    assert done == ["a.csv"]
    assert desk.look() == ["b.csv"]


def test_names_that_are_not_utf8_are_entries_as_well(desk: Desk) -> None:
    """They are remembered, too."""
    name = os.fsdecode(b"\xff.zip")
    write(desk.folder / name, "1")
    desk.look()
    assert desk.look(QUIET) == [name]
    assert desk.look(QUIET) == []


def test_a_report_that_cannot_be_written_is_no_failure(desk: Desk) -> None:
    """The inbox may be read-only: then only the catalogue has it."""
    entry = write(desk.folder / "a.csv", "1")
    assert write_report(entry, {"state": "completed"})
    report = desk.folder / "a.csv.report.json"
    assert '"completed"' in report.read_text()
    report.unlink()
    write(report / "in the way")
    assert not write_report(entry, {"state": "completed"})


LOOKS = st.lists(
    st.tuples(st.floats(-50, 150), st.sampled_from("ab"), st.sampled_from(["", "m", "n"]), st.booleans()),
    max_size=30,
)


@given(LOOKS)
def test_nothing_is_ripe_without_a_new_mark_or_a_quiet_while(
    looks: list[tuple[float, str, str, bool]],
) -> None:
    """Whatever changes when: an unmarked entry was seen unchanged, at looks that lie far enough apart."""
    now, known = 0.0, None
    history: list[tuple[float, str]] = []
    used = {""}
    for step, signature, mark, is_half in looks:
        now += step
        history = [one for one in history if one[0] <= now]
        history.append((now, signature))
        known, why = ripened(known, Seen("x", signature, mark, "half" if is_half else ""), now, QUIET)
        if why:
            continue
        if mark in used:
            unchanged = []
            for time, seen in reversed(history):
                if seen != signature:
                    break
                unchanged.append(time)
            assert not is_half
            assert now - min(unchanged) >= QUIET
        known = Known(signature, now, is_taken=True, mark=mark)
        used = {"", mark}
