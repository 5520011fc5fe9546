"""What a survey says of what it cannot simply take (docs/architecture.md, fates)."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from pipeline.display import shown
from pipeline.model import Outcome, Problem

if TYPE_CHECKING:
    from pipeline.errors import Rejected
    from pipeline.ingest.sources.protocol import Remark


def kind_of(mode: int) -> str:
    """What a person calls something that is neither a file nor a folder."""
    kinds = {
        stat.S_IFLNK: "symbolic link",
        stat.S_IFIFO: "FIFO",
        stat.S_IFSOCK: "socket",
        stat.S_IFDIR: "folder",
    }
    return kinds.get(stat.S_IFMT(mode), "device")


def rejected(record: str, path: str, code: str, reason: str, remedy: str = "") -> Problem:
    """The item at `path` (`""`: the record as a whole) is not taken, and holds its record."""
    return Problem(shown(path), record, Outcome.REJECTED, code, reason, remedy=remedy)


def warned(record: str, path: str, code: str, reason: str, remedy: str = "") -> Problem:
    """Something that a person should know; it holds nothing."""
    return Problem(shown(path), record, Outcome.WARNED, code, reason, remedy=remedy)


def refused(record: str, path: str, error: Rejected) -> Problem:
    """Opening or looking at the item failed."""
    return rejected(record, path, error.code, error.message, error.remedy)


def remarked(record: str, path: str, remark: Remark) -> Problem:
    """What the tree itself says of the item."""
    return Problem(shown(path), record, remark.outcome, remark.code, remark.reason, remedy=remark.remedy)


def not_followed(record: str, path: str, mode: int) -> Problem:
    return warned(
        record,
        path,
        "not-regular",
        f"a {kind_of(mode)}: never followed or opened",
        "Put the file itself in its place if it belongs to the record.",
    )


def renamed(record: str, path: str, key: str) -> Problem:
    return warned(
        record, path, "name-not-utf8", f"the name is not UTF-8: the file is kept as {key}, its name recorded"
    )


def bad_name(record: str, path: str, reason: str) -> Problem:
    return rejected(record, path, "bad-name", reason, "Give it another name.")
