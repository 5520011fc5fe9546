"""Changing modules of the product in processes that a test starts, at the moment when they are loaded: nothing is
imported earlier than it would be, or at all where it would not be."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

_TESTS = Path(__file__).resolve().parent

ENVIRONMENT: Mapping[str, str] = {
    "PYTHONPATH": os.pathsep.join([str(_TESTS / "at_start"), str(_TESTS.parent)])
}
"""Of processes whose interpreters, and those that come of them, shall run `tests/at_start/sitecustomize.py`."""

Patch: TypeAlias = Callable[[ModuleType], None]


def when_imported(module: str, patch: Patch) -> None:
    """Call `patch` with the module as soon as this process has loaded it."""
    sys.meta_path.insert(0, _Finder(module, patch))


class _Finder(importlib.abc.MetaPathFinder):
    """Has the one module loaded by `_Loader`. Several may stand before the same module: each asks the next."""

    def __init__(self, module: str, patch: Patch) -> None:
        self._module, self._patch = module, patch

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._patch)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader, patch: Patch) -> None:
        self._inner, self._patch = inner, patch

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        self._patch(module)
