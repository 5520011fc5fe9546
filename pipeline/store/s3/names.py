"""Names of objects in a bucket, below a prefix, for the keys of a store (pure).

S3 takes any UTF-8 of 1,024 bytes as a name (user guide, "Naming Amazon S3 objects"), but answers in XML, which cannot
say all of it, and servers that keep objects as files read a backslash as a slash. Such characters go escaped, and
so does the escape; nothing of that is in the keys of an OCFL root.
"""

from __future__ import annotations

import re

from pipeline.errors import Rejected

_MOST_BYTES = 1024
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\\|\ufffe\uffff]")
_ESCAPED = re.compile(r"\|([0-9a-f]+)\|")


def name_of(prefix: str, key: str) -> str:
    """The object's name. Raises `Rejected` for what is no key, or is too long."""
    if any(part in ("", ".", "..") for part in key.split("/")) or not _is_utf8_text(key):
        raise Rejected(f"not a key of the store: {key!r}")
    name = (f"{prefix}/" if prefix else "") + _UNSPEAKABLE.sub(lambda found: f"|{ord(found[0]):x}|", key)
    if len(name.encode()) > _MOST_BYTES:
        raise Rejected(f"a name is longer than S3 bears ({_MOST_BYTES:,} bytes): {key!r}")
    return name


def key_of(prefix: str, name: str) -> str:
    """The key that has this name."""
    inner = name.removeprefix(f"{prefix}/") if prefix else name
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), inner)


def _is_utf8_text(key: str) -> bool:
    try:
        return b"\0" not in key.encode()
    except UnicodeEncodeError:
        return False
