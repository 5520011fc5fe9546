"""Use case: reading files in custody again, several at once, for whoever asks for their bytes.

In threads of the process that asks, not on workers: what is asked is bounded by a day's share, and a petabyte in ninety
days is 130 MB a second, which a few threads digest. So there is no protocol to keep, and no lease.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import TypeVar

from pipeline.errors import HeadraceError, Interrupted

F = TypeVar("F")
R = TypeVar("R")

_AT_ONCE = 4
_POLL = 0.5  # seconds between two checkpoints
_COMMIT_EVERY = 5.0  # seconds


def reread(
    files: Iterator[F],
    look: Callable[[F, Callable[[], None]], R],
    *,
    checkpoint: Callable[[], None] = lambda: None,
) -> Generator[tuple[F, R | HeadraceError], None, None]:
    """What `look(file, go_on)` answers of each file, as it comes, or why the file cannot be read: what is wrong with
    one does not end the reading of others. `look` runs in threads and is to call `go_on` at every block. `files` is
    drawn from as looks end; `checkpoint` is called several times a second in the caller's thread. What it raises ends
    all looks, as does closing the generator."""
    is_over = threading.Event()

    def go_on() -> None:
        if is_over.is_set():
            raise Interrupted("the reading was given up")

    under_way: dict[Future[R], F] = {}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reread") as pool:
        try:
            while True:
                while len(under_way) < _AT_ONCE and (chosen := next(files, None)) is not None:
                    under_way[pool.submit(look, chosen, go_on)] = chosen
                if not under_way:
                    return
                done, _ = wait(under_way, timeout=_POLL, return_when=FIRST_COMPLETED)
                checkpoint()
                for one in done:
                    answer: R | HeadraceError
                    try:
                        answer = one.result()
                    except HeadraceError as error:
                        answer = error
                    yield under_way.pop(one), answer
        finally:
            is_over.set()


def reread_all(
    files: Iterator[F],
    look: Callable[[F, Callable[[], None]], R],
    take: Callable[[F, R | HeadraceError], None],
    commit: Callable[[], None],
    *,
    batch: int,
    checkpoint: Callable[[], None] = lambda: None,
) -> None:
    """Let `take` have what `reread` gives of each file. What was taken is to be kept by `commit`, which is called every
    few seconds, after `batch` files at most, and at the end: that much an interruption forgets."""
    taken, committed = 0, time.monotonic()
    with closing(reread(files, look, checkpoint=checkpoint)) as found:
        for one, answer in found:
            take(one, answer)
            taken += 1
            if taken >= batch or time.monotonic() - committed >= _COMMIT_EVERY:
                commit()
                taken, committed = 0, time.monotonic()
    commit()


class Allowance:
    """How many bytes may be read; None: no bound. The last file may go beyond it, else one larger than it would never
    be read."""

    def __init__(self, size: int | None) -> None:
        self._left = size

    @property
    def is_used_up(self) -> bool:
        return self._left is not None and self._left <= 0

    def take(self, size: int) -> None:
        """A file of that size is going to be read."""
        if self._left is not None:
            self._left -= size

    def give_back(self, size: int) -> None:
        """It could not be, and takes no room from others."""
        self.take(-size)
