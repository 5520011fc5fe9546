"""Work that goes on beside a block of code, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta

from pipeline.errors import Conflict, Unavailable


@contextmanager
def beside(name: str, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work` in a thread of that name for as long as the block lasts: the event that it is given is set when the
    block is over, and its end is waited for. What it raises stays in the thread."""
    is_over = threading.Event()
    # A daemon: where the wait is cut off, no process stays for it.
    thread = threading.Thread(target=work, args=(is_over,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def renewing(every: timedelta, *renewals: Callable[[], None]) -> AbstractContextManager[None]:
    """Renew leases for as long as the block lasts, which may read or copy for hours without a transaction. One that
    cannot be renewed now, or was lost, the block finds out about at its next transaction."""

    def renew(is_over: threading.Event) -> None:
        while not is_over.wait(every.total_seconds()):
            for one in renewals:
                with suppress(Unavailable, Conflict):
                    one()

    return beside("renew leases", renew)
