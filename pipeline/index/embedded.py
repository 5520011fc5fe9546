"""`SearchIndex` in a folder, by tantivy (decision 0001).

    <folder>/current             name of the generation in use, replaced by rename
    <folder>/building            name of the generation that a rebuild is filling, if any
    <folder>/lock                held (flock) while anything is written
    <folder>/generations/<name>  one tantivy index each; its file `builder` is held (flock) by the rebuild that fills it

Any number of processes read and write. A writer holds the lock for one batch and opens the index afresh
under it, because tantivy keeps its list of segments in memory and would bring back an old one over
another writer's. The lock dies with its process, and a batch whose commit did not finish was never
there. A reader looks at each search whether a commit or a swap has happened since the last.

While a rebuild goes on, batches go into both generations: the versions decide which document stays. The generation of
one that died is taken away by the next batch.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import TYPE_CHECKING, Final, TypeVar

from pipeline.durability import flush_folder, is_out_of_room
from pipeline.errors import Conflict, HeadraceError, OutOfSpace, Unavailable
from pipeline.index import dates, generation, rebuilds
from pipeline.index.document import prepared
from pipeline.index.generation import SCHEMA_DIGEST, Generation
from pipeline.index.selection import select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from pipeline.ports import Clock, IndexDocument, IndexEntry, SearchPage, SearchRequest

R = TypeVar("R")
_SWAPS_IN_A_ROW: Final = 5
_ENTRIES: Final = 5_000


class EmbeddedIndex:
    """`path` is the folder; `clock` tells which embargoes are over."""

    def __init__(self, path: Path, clock: Clock, *, rebuilding: str = "") -> None:
        """`rebuilding` names the generation of a rebuild under way; without it the index in use is meant.
        Raises `Unavailable`."""
        self._path, self._clock, self._rebuilding = path, clock, rebuilding
        self._opened: tuple[str, Generation] | None = None
        self._builder = self._hold(rebuilding) if rebuilding else None
        with _translated():
            path.mkdir(parents=True, exist_ok=True)
            if not rebuilding and not self._read("current"):
                with self._lock():
                    if not self._read("current"):
                        self._point("current", self._create())

    def write(
        self,
        documents: Sequence[IndexDocument],
        *,
        at_once: bool = False,  # noqa: ARG002 - everything is
    ) -> Mapping[int, str]:
        ready, refused = prepared(documents)
        if ready:
            with _translated(), self._lock():
                for name in self._targets():
                    generation.append(self._folder(name), ready)
        return refused

    def search(self, request: SearchRequest) -> SearchPage:
        # Embargoes end with a day: what is asked twice on one is the same question.
        now = dates.start_of_day(self._clock().astimezone(UTC).date())
        selection = select(request, now)
        return self._reading(lambda index: index.search(selection, request.facets, now))

    def count(self) -> int:
        return self._reading(Generation.count)

    def entries(self, after: int, upto: int) -> Iterator[IndexEntry]:
        while batch := self._batch(after, upto):
            yield from batch
            after = batch[-1].id

    def _batch(self, after: int, upto: int) -> list[IndexEntry]:
        return self._reading(lambda index: index.entries(after, upto, _ENTRIES))

    def begin_rebuild(self) -> EmbeddedIndex:
        """A rebuild that was under way before is abandoned: its next call raises `Conflict`."""
        with _translated(), self._lock():
            self._give_up(self._read("building"))
            name = self._create()
            begun = EmbeddedIndex(self._path, self._clock, rebuilding=name)
            self._point("building", name)
        return begun

    def finish_rebuild(self) -> None:
        """Raises `Conflict` where another rebuild has begun since."""
        with _translated(), self._lock():
            (name,) = self._targets() if self._rebuilding else ("",)
            if not name:
                raise Conflict(rebuilds.NONE_BEGAN)
            self._point("current", name)
            self._give_up(name)
            for folder in (self._path / "generations").iterdir():
                if folder.name != name:
                    shutil.rmtree(folder)
        self._rebuilding = ""

    def describe(self) -> str:
        building = self._read("building")
        rebuild = rebuilds.described(is_alive=self._is_held(building)) if building else ""
        return f"{generation.ENGINE} in {self._path}{rebuild}"

    def close(self) -> None:
        self._opened = None
        if self._rebuilding:
            with suppress(HeadraceError), _translated(), self._lock():
                if self._read("building") == self._rebuilding:
                    self._give_up(self._rebuilding)
        if self._builder is not None:
            self._builder.close()

    # ------------------------------------------------------------ generations

    def _folder(self, name: str) -> Path:
        return self._path / "generations" / name

    def _create(self) -> str:
        # The digest comes first in the name, so that an index of other code is known before it is opened.
        name = f"{SCHEMA_DIGEST}-{uuid.uuid4().hex[:12]}"
        generation.create(self._folder(name))
        return name

    def _read(self, pointer: str) -> str:
        try:
            return (self._path / pointer).read_text()
        except FileNotFoundError:
            return ""

    def _point(self, pointer: str, name: str) -> None:
        beside = self._path / f".{pointer}"
        with beside.open("w") as file:
            file.write(name)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path / pointer)
        # Before what it pointed at is removed.
        flush_folder(self._path)

    def _hold(self, name: str) -> TextIO:
        """For as long as this process lives: that it is dead is seen by its hold being gone."""
        builder = (self._folder(name) / "builder").open("w")
        fcntl.flock(builder, fcntl.LOCK_EX)
        return builder

    def _is_held(self, name: str) -> bool:
        try:
            with (self._folder(name) / "builder").open() as builder:
                fcntl.flock(builder, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            pass
        return False

    def _give_up(self, name: str) -> None:
        """No rebuild is under way any more; what it filled goes, if it did not become the index in use. The lock is
        held."""
        if name and name != self._read("current"):
            with suppress(FileNotFoundError):
                shutil.rmtree(self._folder(name))
        (self._path / "building").unlink(missing_ok=True)
        flush_folder(self._path)

    def _targets(self) -> list[str]:
        """Where a batch goes. The lock is held."""
        building = self._read("building")
        if self._rebuilding:
            if building != self._rebuilding:
                raise Conflict(rebuilds.UNDER_WAY)
            return [building]
        current = _fitting(self._read("current"))
        if building and not self._is_held(building):
            self._give_up(building)
            building = ""
        if building and not _fits(building):
            raise rebuilds.rebuilt_elsewhere()
        return [current, *([building] if building else [])]

    def _reading(self, read: Callable[[Generation], R]) -> R:
        """`read` on the generation in use now; once more when it was swapped out meanwhile."""
        for _ in range(_SWAPS_IN_A_ROW):
            name = self._rebuilding or _fitting(self._read("current"))
            try:
                with _translated():
                    return read(self._open(name))
            except Unavailable:
                if self._rebuilding or name == self._read("current"):
                    raise
        raise Unavailable("The search index is being swapped again and again.")

    def _open(self, name: str) -> Generation:
        opened = self._opened
        if opened is None or opened[0] != name:
            opened = (name, Generation(self._folder(name)))
            self._opened = opened
        return opened[1]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # A file opened anew each time: flock then keeps threads apart as well as processes.
        with (self._path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _fits(name: str) -> bool:
    return name.startswith(f"{SCHEMA_DIGEST}-")


def _fitting(name: str) -> str:
    if not _fits(name):
        raise rebuilds.made_elsewhere()
    return name


@contextmanager
def _translated() -> Iterator[None]:
    """tantivy raises `ValueError` for everything, the disk's errors included."""
    try:
        yield
    except HeadraceError:
        raise
    except (OSError, ValueError) as error:
        if (isinstance(error, OSError) and is_out_of_room(error)) or "No space left" in str(error):
            raise OutOfSpace("No room left for the search index.") from error
        raise Unavailable(f"The search index cannot be used: {error}") from error
