"""Work that goes on beside a block of code, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
