"""The members of a ZIP archive (APPNOTE.TXT 6.3.10), read from its central directory, and the bytes of one."""

from __future__ import annotations

import stat
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from pipeline.ingest.sources.protocol import FileUnreadable, Remark
from pipeline.ingest.sources.trees.members import Member
from pipeline.model import Outcome

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from pipeline.ingest.sources.protocol import SourceReader

STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s2B5H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY_SIGNATURE, _LOCAL_SIGNATURE = b"PK\x01\x02", b"PK\x03\x04"
_ENCRYPTED, _STRONGLY, _UTF8, _MASKED = 1, 1 << 6, 1 << 11, 1 << 13
_UNIX, _MACOS = 3, 19
_ZIP64, _UNIX_TIMES, _UNICODE_PATH = 0x0001, 0x5455, 0x7075
_UNKNOWN32 = 0xFFFFFFFF
_MOST_DEFLATED = 1032
"""Bytes that a deflated one can stand for, at most."""
_COPY_AGAIN = "Copy the archive again from where it was made, or make it anew."


class _Directory(NamedTuple):
    """The central directory: where it begins in the file, its size, how many entries it says to have (many writers
    count modulo 65,536), and by how much all offsets in it are short, where something stands before the archive."""

    start: int
    size: int
    entries: int
    shift: int


class Place(NamedTuple):
    """Where a member's bytes are: its local header's offset, and what the central directory says of them."""

    header: int
    compressed: int
    method: int
    crc: int

    @classmethod
    def parse(cls, text: str) -> Place:
        return cls(*map(int, text.split("-")))

    def __str__(self) -> str:
        return "-".join(map(str, self))


def bytes_start(archive: SourceReader, place: Place) -> int:
    """Where the bytes of a member begin. Raises `FileUnreadable` where there is none."""
    header = archive.read_at(place.header, _LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(_LOCAL_SIGNATURE):
        raise FileUnreadable("there is no member where the archive's directory says", remedy=_COPY_AGAIN)
    *_, name, extra = _LOCAL.unpack(header)
    return int(place.header + _LOCAL.size + name + extra)


def zip_members(archive: SourceReader, buffered: io.BufferedIOBase) -> Iterator[Member]:
    """Each member as the central directory tells; `place` is a `Place`. Raises `FileUnreadable` where the archive is
    damaged, truncated, one volume of several, or its members overlap (they claim more bytes than there are)."""
    directory = _directory(archive)
    buffered.seek(directory.start)
    left, entries, claimed = directory.size, 0, 0
    while left >= _ENTRY.size:
        entry = _Entry(buffered.read(_ENTRY.size), buffered)
        left -= _ENTRY.size + entry.rest
        entries += 1
        claimed += _LOCAL.size + entry.place.compressed
        yield entry.member(directory)
    if left or (entries - directory.entries) % 0x10000:
        raise _damaged("its directory has another number of entries than it says")
    if claimed > directory.start:
        raise _damaged("its members claim more bytes than it has: they overlap")


def _damaged(what: str) -> FileUnreadable:
    return FileUnreadable(f"the ZIP archive is damaged ({what})", remedy=_COPY_AGAIN)


def _directory(archive: SourceReader) -> _Directory:
    length = min(archive.size, _END.size + 0xFFFF)
    tail = archive.read_at(archive.size - length, length)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0 and (at + _END.size > len(tail) or at + _END.size + _comment(tail, at) > len(tail)):
        at = tail.rfind(b"PK\x05\x06", 0, at)
    if at < 0:
        raise _damaged("it has no directory: it is truncated")
    _, disk, first, here, entries, size, offset, _ = _END.unpack_from(tail, at)
    end = archive.size - length + at
    found = _directory64(archive, end)
    if found is not None:
        end, disk, first, here, entries, size, offset = found
    if disk or first or here != entries:
        raise _damaged("it is one volume of several")
    start = end - size
    if start < 0 or start < offset:
        raise _damaged("its directory does not fit into it")
    return _Directory(start, size, entries, start - offset)


def _comment(tail: bytes, at: int) -> int:
    return int(_END.unpack_from(tail, at)[-1])


def _directory64(archive: SourceReader, end: int) -> tuple[int, int, int, int, int, int, int] | None:
    """What the ZIP64 end record says, if there is one: its offset; disks, entries, size and offset of the directory."""
    if end < _LOCATOR.size:
        return None
    signature, _, offset, _ = _LOCATOR.unpack(archive.read_at(end - _LOCATOR.size, _LOCATOR.size))
    if signature != b"PK\x06\x07":
        return None
    # Where something stands before the archive its offset is short: the record lies directly before the locator then.
    for at in (offset, end - _LOCATOR.size - _END64.size):
        record = archive.read_at(at, _END64.size) if 0 <= at <= archive.size else b""
        if len(record) == _END64.size and record.startswith(b"PK\x06\x06"):
            _, _, _, _, disk, first, here, entries, size, start = _END64.unpack(record)
            return at, disk, first, here, entries, size, start
    raise _damaged("its ZIP64 end record is missing")


class _Entry:
    """One entry of the central directory."""

    def __init__(self, head: bytes, directory: io.BufferedIOBase) -> None:
        if len(head) < _ENTRY.size or not head.startswith(_ENTRY_SIGNATURE):
            raise _damaged("its directory is cut off, or no directory")
        (
            _,
            _,
            self.system,
            _,
            self.flags,
            method,
            _,
            _,
            crc,
            compressed,
            self.size,
            name,
            extra,
            comment,
            _,
            _,
            self.attributes,
            header,
        ) = _ENTRY.unpack(head)
        self.rest = name + extra + comment
        rest = directory.read(self.rest)
        if len(rest) < self.rest:
            raise _damaged("its directory is cut off")
        self.name = rest[:name]
        self.extras = dict(_extras(rest[name : name + extra]))
        self.place = Place(header, compressed, method, crc)
        self._widen()

    def _widen(self) -> None:
        """The ZIP64 extra has, in this order, those values that 32 bits cannot hold (section 4.5.3)."""
        wide = self.extras.get(_ZIP64, b"")
        values = iter(struct.unpack(f"<{len(wide) // 8}Q", wide[: len(wide) // 8 * 8]))
        try:
            if self.size == _UNKNOWN32:
                self.size = next(values)
            if self.place.compressed == _UNKNOWN32:
                self.place = self.place._replace(compressed=next(values))
            if self.place.header == _UNKNOWN32:
                self.place = self.place._replace(header=next(values))
        except StopIteration:
            return  # they mean what they say

    def member(self, directory: _Directory) -> Member:
        place = self.place._replace(header=self.place.header + directory.shift)
        path = self.path()
        mode = self.mode(path)
        remark = None if stat.S_ISDIR(mode) else self.remark(place, directory)
        size = self.size if remark is None else 0
        return Member(path, mode, size, self.mtime_ns(), str(place), remark)

    def path(self) -> str:
        """Section 4.4.17 and appendix D: UTF-8 where the flag says so, else code page 437, unless an extra field has
        the name in UTF-8."""
        if self.flags & _UTF8 or self.name.isascii():
            return self.name.decode("utf-8", "surrogateescape")
        unicode = self.extras.get(_UNICODE_PATH, b"")
        if len(unicode) > 5 and struct.unpack_from("<BL", unicode) == (1, zlib.crc32(self.name)):
            return unicode[5:].decode("utf-8", "surrogateescape")
        return self.name.decode("cp437")

    def mode(self, path: str) -> int:
        if path.endswith("/"):
            return stat.S_IFDIR
        kind = stat.S_IFMT(self.attributes >> 16) if self.system in (_UNIX, _MACOS) else 0
        return kind or stat.S_IFREG

    def mtime_ns(self) -> int | None:
        """Only from the extra field of Unix times: MS-DOS's are of a time zone that nobody knows."""
        times = self.extras.get(_UNIX_TIMES, b"")
        if len(times) < 5 or not times[0] & 1:
            return None
        return int(struct.unpack_from("<l", times, 1)[0]) * 10**9

    def remark(self, place: Place, directory: _Directory) -> Remark | None:
        """Why its bytes cannot be read."""
        if self.flags & (_ENCRYPTED | _STRONGLY | _MASKED):
            return _refused("encrypted", "it is encrypted", "Make the archive anew, without a password.")
        if place.method not in (STORED, DEFLATED):
            reason = f"it is compressed by a method that is not known here ({place.method})"
            return _refused("unknown-compression", reason, "Make the archive anew, stored or deflated.")
        if place.header + _LOCAL.size + place.compressed > directory.start:
            return _refused("damaged-member", "its bytes are not all in the archive", _COPY_AGAIN)
        most = place.compressed if place.method == STORED else place.compressed * _MOST_DEFLATED
        least = place.compressed if place.method == STORED else 0
        if not least <= self.size <= most or (self.size == 0 and place.compressed > 2):
            reason = (
                f"it cannot be of {self.size:,} bytes, as its entry says: {place.compressed:,} are stored"
            )
            return _refused("damaged-member", reason, _COPY_AGAIN)
        return None


def _refused(code: str, reason: str, remedy: str) -> Remark:
    return Remark(Outcome.REJECTED, code, reason, remedy)


def _extras(field: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(field):
        kind, size = struct.unpack_from("<2H", field, at)
        yield kind, field[at + 4 : at + 4 + size]
        at += 4 + size
