"""Checksum files as data centres ship them beside their data: `checksums.md5`, `SHA256SUMS`, `md5sum.txt`,
`manifest-sha512.txt` … in the forms that GNU coreutils (`md5sum`, `sha256sum`, `cksum --tag`) and the BSD
tools (`md5`, `sha256`) write.

Sources: GNU coreutils manual, "md5sum invocation" (the two separators, the escapes, comment lines); md5(1) of
FreeBSD (the tagged form). Paths stay bytes: what stands in such a file is what the file system was asked for.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from pipeline.errors import Rejected

Checksums: TypeAlias = dict[bytes, str]
"""Path relative to the checksum file's folder, with `/`, in the bytes of the file system → lower-case hex."""

_HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}

_ALGORITHM = "(md5|sha1|sha256|sha512)"
_NAMES = re.compile(
    rf"checksums?\.{_ALGORITHM}|{_ALGORITHM}sums?(?:\.txt)?|manifest-{_ALGORITHM}\.txt", re.IGNORECASE
)
_GNU = re.compile(rb"(?P<escaped>\\?)(?P<digest>[0-9A-Fa-f]+) [ *](?P<path>.+)", re.DOTALL)
_BSD = re.compile(
    rb"(?P<escaped>\\?)(?P<tag>[A-Z0-9]+) \((?P<path>.+)\) = (?P<digest>[0-9A-Fa-f]+)", re.DOTALL
)
_ESCAPE = re.compile(rb"\\(.?)", re.DOTALL)
_ESCAPED = {b"\\": b"\\", b"n": b"\n", b"r": b"\r"}


def checksum_algorithm(name: str) -> str | None:
    """The algorithm whose digests a file of this name lists, or None where it is no checksum file.

    Known, in any case: `checksum[s].<algorithm>`, `<algorithm>sum[s][.txt]`, `manifest-<algorithm>.txt`.
    """
    found = _NAMES.fullmatch(name)
    return next(filter(None, found.groups())).lower() if found else None


def parse_checksum_file(name: str, text: bytes) -> tuple[str, Checksums]:
    """The algorithm and the digests that the checksum file `name` (no folders) declares.

    Both forms may be mixed; blank lines, `#` comments and CR LF line ends are allowed; a leading `./` is
    taken off the paths. Raises `Rejected` (`field` is `name`, the message says which line) for a name of no
    known algorithm, a line that cannot be understood, a digest of another length or algorithm than the name
    says, and a path with two different digests.
    """
    algorithm = checksum_algorithm(name)
    if algorithm is None:
        raise _rejected(name, "its name tells no algorithm")
    checksums: Checksums = {}
    for number, line in enumerate(text.split(b"\n"), start=1):
        line = line.removesuffix(b"\r")
        if not line.strip() or line.startswith(b"#"):
            continue
        path, digest = _parse_line(name, number, line, algorithm)
        if checksums.setdefault(path, digest) != digest:
            raise _rejected(name, f"line {number} gives another digest for a path that was listed before")
    return algorithm, checksums


def _parse_line(name: str, number: int, line: bytes, algorithm: str) -> tuple[bytes, str]:
    found = _BSD.fullmatch(line) or _GNU.fullmatch(line)
    if found is None:
        raise _rejected(name, f"line {number} is neither `digest  path` nor `ALGORITHM (path) = digest`")
    tag = found.groupdict().get("tag")
    if tag is not None and tag.decode().lower() != algorithm:
        raise _rejected(name, f"line {number} gives a digest of {tag.decode()}, the name says {algorithm}")
    digest = found["digest"].decode().lower()
    if len(digest) != _HEX_DIGITS[algorithm]:
        raise _rejected(name, f"line {number} has {len(digest)} hex digits, not {_HEX_DIGITS[algorithm]}")
    path = _unescape(name, number, found["path"]) if found["escaped"] else found["path"]
    return path.removeprefix(b"./"), digest


def _unescape(name: str, number: int, path: bytes) -> bytes:
    def original(escape: re.Match[bytes]) -> bytes:
        if escape[1] not in _ESCAPED:
            raise _rejected(name, f"line {number} has an escape other than \\\\, \\n and \\r")
        return _ESCAPED[escape[1]]

    return _ESCAPE.sub(original, path)


def _rejected(name: str, reason: str) -> Rejected:
    return Rejected(
        f"the checksum file {name} cannot be used: {reason}",
        field=name,
        remedy="write it anew with md5sum, sha256sum or sha512sum, or take it away",
    )
