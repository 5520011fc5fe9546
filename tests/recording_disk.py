"""A disk that remembers the order of what was asked of it, and one that loses power at a given moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pipeline.store.disk import Disk


class Step(NamedTuple):
    """One call: `write`, `flush`, `flush-all`, `rename` or `flush-folder`, on a path; of a rename, `to` is the new
    one."""

    call: str
    path: Path
    to: Path | None = None


class PowerLoss(BaseException):
    """Nothing is written from now on."""


@dataclass
class RecordingDisk(Disk):
    """Does everything, and notes it in `steps` once it is done. `before` is called ahead of every rename."""

    before_rename: Callable[[Path, Path], None] = lambda _source, _target: None
    steps: list[Step] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        super().write(descriptor, block)
        self._note(Step("write", _path(descriptor)))

    def flush(self, descriptor: int) -> None:
        super().flush(descriptor)
        self._note(Step("flush", _path(descriptor)))

    def flush_all(self, folder: Path) -> bool:
        is_done = super().flush_all(folder)
        if is_done:
            self._note(Step("flush-all", folder))
        return is_done

    def rename(self, source: Path, target: Path) -> None:
        self.before_rename(source, target)
        super().rename(source, target)
        self._note(Step("rename", source, target))

    def flush_folder(self, folder: Path) -> None:
        super().flush_folder(folder)
        self._note(Step("flush-folder", folder))

    def _note(self, step: Step) -> None:
        with self._lock:
            self.steps.append(step)

    def renames(self) -> list[Path]:
        """What came to stand under its name, in order."""
        return [step.to for step in self.steps if step.to is not None]

    def unsafe(self, path: Path, top: Path) -> list[str]:
        """Why the file or tree at `path` might be lost with the power; `top` is the store's own folder. For a file
        that was written here: its bytes flushed before the rename, every folder up to `top` flushed after it."""
        placed = max(at for at, step in enumerate(self.steps) if step.to == path)
        source = self.steps[placed].path
        written = [at for at, step in enumerate(self.steps) if step == Step("write", source)]
        flushed = self._flushes("flush", source, top)
        faults = []
        if written and not any(max(written) < at < placed for at in flushed):
            faults.append(f"the bytes of {path.name} are not flushed before it is named")
        folders = [folder for folder in path.parents if folder.is_relative_to(top)]
        faults += [
            f"{folder} is not flushed after {path.name} came into being"
            for folder in folders
            if not any(at > placed for at in self._flushes("flush-folder", folder, top))
        ]
        return faults

    def _flushes(self, call: str, path: Path, top: Path) -> list[int]:
        wanted = (Step(call, path), Step("flush-all", top))
        return [at for at, step in enumerate(self.steps) if step in wanted]


class FailingDisk(Disk):
    """Loses power just before its rename number `survives`, counted from 0; stays without."""

    def __init__(self, survives: int) -> None:
        self.survives = survives

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        self._require_power()
        super().write(descriptor, block)

    def rename(self, source: Path, target: Path) -> None:
        self.survives -= 1
        self._require_power()
        super().rename(source, target)

    def flush_folder(self, folder: Path) -> None:
        self._require_power()
        super().flush_folder(folder)

    def flush_all(self, folder: Path) -> bool:
        self._require_power()
        return super().flush_all(folder)

    def _require_power(self) -> None:
        if self.survives < 0:
            raise PowerLoss


def _path(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()
