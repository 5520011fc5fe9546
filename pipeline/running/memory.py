"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import threading
from contextlib import AbstractContextManager

from pipeline.running.beside import beside

_EVERY = 10.0  # seconds


def given_back() -> AbstractContextManager[None]:
    """Give back what is free, again and again, for as long as the block lasts. The C library itself gives back no more
    than what lies behind all that is in use: after some minutes of many threads a gateway keeps as much of other
    memory as it uses. Where the library is another one nothing is done."""
    return beside("give back memory", _give_back)


def _give_back(is_over: threading.Event) -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc
    while trim is not None and not is_over.wait(_EVERY):
        trim(0)
