"""Faults at exact points of running processes, without a hook in the product.

A test says where with `Fault`s and starts processes in the environment of a `Trap`. In each Python interpreter that
comes of them (workers are spawned) the named function is replaced, when its module is loaded, by one that sends its
own process a signal at the n-th call, or waits there. The first process that gets there leaves a note; after that
this fault is over, so that those who come later live, unless it `lasts`.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.at_import import ENVIRONMENT, when_imported

HOLD = 0
"""In the place of a signal: the caller waits until the trap lets it go."""

_VARIABLE = "HEADRACE_TEST_FAULT"


@dataclass(frozen=True, slots=True)
class Fault:
    """`place` is `module:function` or `module:Class.method`. Counted are calls within one process, where `having` is
    given only those whose arguments, as text, match that expression."""

    place: str
    call: int = 1
    after: bool = False
    having: str = ""
    signal: int = signal.SIGKILL
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class Sprung:
    """Which process met the fault. `is_flow` tells whether it was one that knows Prefect, as no worker does."""

    pid: int
    is_flow: bool


class Trap:
    """Faults laid out in a folder of their own; they are told apart by their place in the order given."""

    def __init__(self, folder: Path, *faults: Fault) -> None:
        folder.mkdir(parents=True)
        self._notes = [folder / f"note-{number}.json" for number in range(len(faults))]
        laid = [{**asdict(fault), "note": str(note)} for fault, note in zip(faults, self._notes, strict=True)]
        self.environment: Mapping[str, str] = {**ENVIRONMENT, _VARIABLE: json.dumps(laid)}

    def sprung(self, number: int = 0) -> Sprung | None:
        """Who met the fault; None as long as nobody did."""
        try:
            return Sprung(**json.loads(self._notes[number].read_bytes()))
        except (FileNotFoundError, ValueError):
            return None

    def let_go(self, number: int = 0) -> None:
        """End a `HOLD`."""
        _released(self._notes[number]).touch()


def arm() -> None:
    """Called in the process to be."""
    for document in json.loads(os.environ.get(_VARIABLE, "[]")):
        note = Path(document.pop("note"))
        fault = Fault(**document)
        when_imported(fault.place.partition(":")[0], functools.partial(_lay, fault, note))


def _lay(fault: Fault, note: Path, module: ModuleType) -> None:
    *path, name = fault.place.partition(":")[2].split(".")
    owner: Any = functools.reduce(getattr, path, module)
    setattr(owner, name, _faulty(getattr(owner, name), fault, note))


def _faulty(function: Callable[..., Any], fault: Fault, note: Path) -> Callable[..., Any]:
    numbers, lock = itertools.count(1), threading.Lock()

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        is_meant = not fault.having or re.search(fault.having, repr((arguments, named))) is not None
        with lock:
            is_due = is_meant and next(numbers) == fault.call
        if is_due and not fault.after:
            _strike(fault, note)
        result = function(*arguments, **named)
        if is_due and fault.after:
            _strike(fault, note)
        return result

    return call


def _strike(fault: Fault, note: Path) -> None:
    try:
        with note.open("x") as file:
            json.dump(asdict(Sprung(os.getpid(), "prefect" in sys.modules)), file)
    except FileExistsError:
        if not fault.lasts:
            return
    if fault.signal != HOLD:
        os.kill(os.getpid(), fault.signal)
    while fault.signal == HOLD and not _released(note).exists():
        time.sleep(0.02)


def _released(note: Path) -> Path:
    return note.with_suffix(".released")
