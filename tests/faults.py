"""Faults at exact points of running processes, without a hook in the product.

A test says where with a `Fault` and starts a process in the environment of a `trap`. Every Python interpreter that
comes of it (workers are spawned) imports `sitecustomize` at its start, which calls `arm`: when the named module is
loaded its function is replaced by one that sends its own process a signal at the n-th call, or waits there. The
first process that gets there leaves a note; after that nothing happens any more, so that those who come later live.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Sprung:
    """Which process met the fault. `is_flow` tells whether it was one that knows Prefect, as no worker does."""

    pid: int
    is_flow: bool


class Trap:
    """A fault laid out in a folder of its own."""

    def __init__(self, folder: Path, fault: Fault) -> None:
        folder.mkdir(parents=True)
        (folder / "sitecustomize.py").write_text("from tests.faults import arm\n\narm()\n")
        self._note = folder / "note.json"
        self.environment: Mapping[str, str] = {
            _VARIABLE: json.dumps({**asdict(fault), "note": str(self._note)}),
            "PYTHONPATH": os.pathsep.join([str(folder), str(_CHECKOUT)]),
        }

    def sprung(self) -> Sprung | None:
        """Who met the fault; None as long as nobody did."""
        try:
            return Sprung(**json.loads(self._note.read_bytes()))
        except (FileNotFoundError, ValueError):
            return None

    def let_go(self) -> None:
        """End a `HOLD`."""
        _released(self._note).touch()


_CHECKOUT = Path(__file__).resolve().parent.parent


def arm() -> None:
    """Called in the process to be."""
    if given := os.environ.get(_VARIABLE):
        document = json.loads(given)
        note = Path(document.pop("note"))
        sys.meta_path.insert(0, _Finder(Fault(**document), note))


class _Finder(importlib.abc.MetaPathFinder):
    """Has the one module with the point loaded by `_Loader`."""

    def __init__(self, fault: Fault, note: Path) -> None:
        self._fault, self._note = fault, note

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._fault.place.partition(":")[0]:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._fault, self._note)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader, fault: Fault, note: Path) -> None:
        self._inner, self._fault, self._note = inner, fault, note

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        *path, name = self._fault.place.partition(":")[2].split(".")
        owner: Any = functools.reduce(getattr, path, module)
        setattr(owner, name, _faulty(getattr(owner, name), self._fault, self._note))


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
        return
    if fault.signal != HOLD:
        os.kill(os.getpid(), fault.signal)
    while fault.signal == HOLD and not _released(note).exists():
        time.sleep(0.02)


def _released(note: Path) -> Path:
    return note.with_suffix(".released")
