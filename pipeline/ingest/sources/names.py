"""Names as sources have them and keys as records have them: pure rules, no folder is touched.

A *path* is a relative path in the source's own bytes, as Python gives them (`os.fsdecode`: bytes that
are not UTF-8 are lone surrogates). A *key* is valid Unicode, its segments joined by `/`.
"""

from __future__ import annotations

import os
import re
import unicodedata
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
"""How files are called that are read as the tree of files in them."""

KEY_LIMIT = 4096
"""Bytes of a key in UTF-8: what Linux allows a path (PATH_MAX)."""


def archive_kind(name: str) -> str:
    """Which of `ARCHIVES` the name ends with, in any case; `""` for no archive."""
    return next((kind for kind in ARCHIVES if name.lower().endswith(kind) and len(name) > len(kind)), "")


def is_url(locator: str) -> bool:
    """Whether a source is named by a URL, and not by a path of this machine."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", locator) is not None


def is_web(path: str) -> bool:
    """Whether what a list names is a file of the web, by its URL, and not a path below the list."""
    return path[:8].lower().startswith(("http://", "https://"))


def url_fault(url: str) -> str:
    """Why a URL that somebody wrote down must not be asked for, or `""`."""
    try:
        parts = urlsplit(url)
        has_server = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "it is no URL"
    if parts.scheme not in ("http", "https") or not has_server:
        return "it does not name a server by http:// or https://"
    if "@" in parts.netloc:
        return "it holds a user or a password, which would be kept and shown"
    if re.search(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]", url):
        return "it holds blanks, control characters or bytes that are not UTF-8"
    return ""


def name_in(url: str) -> str:
    """What a file of the web is called: the last segment of its URL's path, in the server's bytes."""
    return os.fsdecode(unquote_to_bytes(urlsplit(url).path.rpartition("/")[2]))


def is_utf8(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= char <= "\udfff" for char in name)


def escaped(name: str) -> str:
    """The name with `%XX` for each byte that is not UTF-8, all else as it is."""
    if is_utf8(name):
        return name
    return "".join(f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char for char in name)


def segments(names: Iterable[str]) -> dict[str, str]:
    """The key segments of those of a folder's `names` that are not UTF-8.

    All other names are their own segments. No two names of one folder get the same segment: where the
    escaped form is the name of a sibling, `%` is put before it until it is not.
    """
    names = list(names)
    odd = sorted((name for name in names if not is_utf8(name)), key=os.fsencode)
    if not odd:
        return {}
    taken = set(names)
    chosen: dict[str, str] = {}
    for name in odd:
        candidates = ("%" * extra + escaped(name) for extra in count())
        chosen[name] = next(segment for segment in candidates if segment not in taken)
        taken.add(chosen[name])
    return chosen


def join(folder: str, name: str) -> str:
    """`folder/name`, where the folder may be the top itself (`""`)."""
    return f"{folder}/{name}" if folder else name


def key_fault(key: str) -> str:
    """Why `key` cannot be a key, or `""`."""
    if len(key) * 4 > KEY_LIMIT and len(key.encode()) > KEY_LIMIT:
        return f"the path is longer than {KEY_LIMIT} bytes"
    if not key.isprintable() and any(unicodedata.category(char) == "Cc" for char in key):
        return "the name holds control characters"
    return ""


def path_fault(path: str) -> str:
    """Why a path that somebody wrote down must not be opened below the source, or `""`."""
    if path.startswith("/"):
        return "the path is absolute"
    if ".." in path.split("/"):
        return "the path leads out of its folder (`..`)"
    if "\0" in path:
        return "the path holds a NUL character"
    return ""


def normal(path: str) -> str:
    """The path without empty and `.` segments."""
    return "/".join(segment for segment in path.split("/") if segment not in ("", "."))
