"""Use case: an inbox, a folder in which whatever is put at the top is an accession of its own, once it is ripe.

Others copy into it while it is watched, with tools that nobody knows. An entry is ripe when somebody says so, by a
marker beside it, or when nothing in it has changed for a while; that while is measured by one clock, ours, between
looks, since times of files are those of other machines, and may be old or in the future. What was taken is not taken
again until it changes, and never deleted. What is remembered of that is only to save work: without it, an entry ripens
once more, and the catalogue finds it unchanged.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import xxhash

from pipeline.display import shown
from pipeline.errors import Conflict, Unavailable
from pipeline.ingest.sources.names import archive_kind
from pipeline.ingest.sources.rows import SUFFIXES
from pipeline.model import JsonObject

REPORT = ".report.json"
"""What the name of an entry's report ends with, which lies beside it."""

_TEXT = ".txt"

# How rsync, browsers, and programs for SFTP and WebDAV call a file that they have not copied whole yet.
_HALF_COPIED = re.compile(
    r"\..+\.[A-Za-z0-9]{6}|.+\.(part|partial|filepart|crdownload|tmp)|\.~.*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry as a look found it. `signature` is another whenever a name, a size or a time in it is, `mark` whenever
    the marker beside it was made anew; `half_copied` is a file in it that seems to be under way still. The latter two
    are `""` where there is none."""

    name: str
    signature: str
    mark: str = ""
    half_copied: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of an entry: since when (seconds of our clock) it has this signature, whether it was taken so,
    and with which mark it was taken last."""

    signature: str
    since: float
    is_taken: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry that is not ripe yet, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of taking an entry in. One that is not `final` (a part was away, the run was stopped) is tried again;
    `document` is the report of it."""

    is_final: bool
    document: JsonObject


Take = Callable[[Path], Outcome]
"""Ingests an entry, under its name as the collection's."""


def ripened(known: Known | None, seen: Seen, now: float, quiet: float) -> tuple[Known, str]:
    """What is to be remembered of an entry, and why it is not ripe, `""` where it is (pure)."""
    if known is None or known.signature != seen.signature:
        known = Known(seen.signature, now, mark=known.mark if known else "")
    if known.is_taken:
        return known, "it was taken, and has not changed since"
    if known.since > now:  # the clock was set back
        known = replace(known, since=now)
    # A marker that was there when it was last taken says nothing of what came since.
    if seen.mark and seen.mark != known.mark:
        return known, ""
    if seen.half_copied:
        return known, f"{seen.half_copied} in it seems to be under way still"
    left = known.since + quiet - now
    return known, f"it has to be quiet for {left:.0f} s more" if left > 0 else ""


@dataclass(slots=True)
class Inbox:
    """The inbox `folder`. An entry is ripe when `<entry><marker>` lies beside it, or after `quiet` seconds; what is
    known of entries is kept in `memory`."""

    folder: Path
    marker: str
    quiet: float
    memory: Path
    now: Callable[[], float]
    waiting: list[Waiting] = field(default_factory=list)

    def round(
        self, take: Take, should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[str, Outcome]]:
        """Look once, and take in whatever is ripe, one entry after the other. Raises `Unavailable` where the folder
        cannot be listed, `Conflict` where somebody else watches it."""
        self.waiting.clear()
        with self._remembering() as known:
            for name in self._forget_gone(known):
                if should_stop():
                    return
                seen = self._look(name)
                if seen is None:
                    continue
                known[name], why = ripened(known.get(name), seen, self.now(), self.quiet)
                if why:
                    self.waiting.append(Waiting(name, why))
                    continue
                self._save(known)
                outcome = take(self.folder / name)
                # What came into it meanwhile may have come too late: it ripens anew.
                if outcome.is_final:
                    after = self._look(name)
                    is_same = after is not None and after.signature == seen.signature
                    known[name] = Known(seen.signature, self.now(), is_taken=is_same, mark=seen.mark)
                self._save(known)
                yield name, outcome

    def _forget_gone(self, known: dict[str, Known]) -> list[str]:
        """The names of what is there; of what is not, nothing is remembered."""
        names = self._names()
        for name in known.keys() - set(names):
            del known[name]
        return names

    def _names(self) -> list[str]:
        try:
            with os.scandir(self.folder) as entries:
                return sorted((entry.name for entry in entries if self._is_entry(entry)), key=os.fsencode)
        except OSError as error:
            raise Unavailable(
                f"The inbox {shown(str(self.folder))} cannot be listed: {error.strerror}",
                remedy="See that it is there, mounted, and readable here.",
            ) from error

    def _is_entry(self, entry: os.DirEntry[str]) -> bool:
        """Hidden names, links, our reports, markers, files that are no source, and text without a marker, are none."""
        name = entry.name
        if name.startswith(".") or name.endswith((REPORT, self.marker)):
            return False
        if entry.is_dir(follow_symlinks=False):
            return True
        suffix = Path(name).suffix.lower()
        is_source = archive_kind(name) or suffix in SUFFIXES
        # Most text is a note to people: it is a list of URLs where somebody says so.
        is_meant = suffix != _TEXT or bool(self._mark(name))
        return bool(is_source) and is_meant and entry.is_file(follow_symlinks=False)

    def _look(self, name: str) -> Seen | None:
        """The entry as it is now; None where it is gone."""
        path = self.folder / name
        hashed = xxhash.xxh3_128()
        half_copied = ""
        try:
            for place, found in _everything(path):
                inner = os.path.basename(place)  # noqa: PTH119 - a string, of millions
                if place != str(path) and _HALF_COPIED.fullmatch(inner):
                    half_copied = half_copied or shown(inner)
                size = 0 if stat.S_ISDIR(found.st_mode) else found.st_size
                # A folder's own time says nothing that its names do not.
                time = 0 if stat.S_ISDIR(found.st_mode) else found.st_mtime_ns
                hashed.update(os.fsencode(f"{place}\0{found.st_mode}\0{size}\0{time}\0"))
        except FileNotFoundError:
            return None
        return Seen(name, hashed.hexdigest(), self._mark(name), half_copied)

    def _mark(self, name: str) -> str:
        try:
            found = (self.folder / f"{name}{self.marker}").lstat()
        except FileNotFoundError:
            return ""
        return f"{found.st_ino}-{found.st_mtime_ns}"

    # ------------------------------------------------------------ what is remembered

    @contextmanager
    def _remembering(self) -> Iterator[dict[str, Known]]:
        """What is known of the entries, while nobody else may take them."""
        self.memory.parent.mkdir(parents=True, exist_ok=True)
        with self.memory.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as held:
                raise Conflict(
                    f"The inbox {shown(str(self.folder))} is watched by another process",
                    remedy="Let that one go on: what is ripe is taken in once.",
                ) from held
            known = self._load()
            try:
                yield known
            finally:
                self._save(known)

    def _load(self) -> dict[str, Known]:
        with suppress(OSError, ValueError, TypeError, AttributeError):
            return {name: Known(**one) for name, one in json.loads(self.memory.read_text()).items()}
        return {}

    def _save(self, known: Mapping[str, Known]) -> None:
        beside = self.memory.with_suffix(".new")
        beside.write_text(json.dumps({name: asdict(one) for name, one in known.items()}))
        beside.replace(self.memory)


def _everything(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The entry and all below it, in an order that depends on names only; links as themselves."""
    yield str(path), path.lstat()
    if path.is_dir() and not path.is_symlink():
        pending = [str(path)]
        while pending:
            folder = pending.pop()
            for inner in _listed(folder):
                try:
                    found = inner.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield inner.path, found
                if stat.S_ISDIR(found.st_mode):
                    pending.append(inner.path)


def _listed(folder: str) -> Collection[os.DirEntry[str]]:
    """What cannot be listed looks empty here: the survey says what is wrong with it."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return ()


def write_report(entry: Path, document: JsonObject) -> bool:
    """Write what became of an entry beside it, for those who put it there; whether that could be done: the inbox may be
    read-only."""
    target = entry.with_name(entry.name + REPORT)
    beside = entry.with_name(f".{entry.name}{REPORT}.new")
    try:
        # Whoever may read the inbox may read what became of what is in it.
        beside.write_text(json.dumps(document, ensure_ascii=True, indent=2) + "\n")
        beside.chmod(0o644)
        beside.replace(target)
    except OSError:
        return False
    return True
