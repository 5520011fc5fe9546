"""A tree of files in an archive (tar, tar.gz, ZIP), which is itself a file of another tree. Nothing is unpacked: a
member's bytes are read where they lie in the archive, by whoever wants them.

The table of members is made once a process, by whoever asks for names. A file's stamp says which archive it was seen in
and where in it, so a worker opens it without the table. Plain members are read by seeking, deflated ones as streams.
A tar.gz has one stream for all, which each process goes through by itself, with points to go back to.
"""

from __future__ import annotations

import io
import os
import stat
import threading
import zlib
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from pipeline.display import shown
from pipeline.errors import Rejected, SourceChanged, Unavailable
from pipeline.ingest.sources.fates import kind_of
from pipeline.ingest.sources.names import archive_kind, escaped, join, path_fault
from pipeline.ingest.sources.protocol import (
    FileMissing,
    FileUnreadable,
    NearTree,
    NotRegular,
    SourceReader,
)
from pipeline.ingest.sources.trees.inflating import GZIP, RAW, Inflated
from pipeline.ingest.sources.trees.members import Members
from pipeline.ingest.sources.trees.tar import tar_members
from pipeline.ingest.sources.trees.zip import STORED, Place, bytes_start, zip_members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import WriteableBuffer

    from pipeline.ingest.sources.protocol import Entry, Tree
    from pipeline.settings import SourceLocation

# Headers of tar are half a kilobyte, with a member's bytes between them.
_HEADER_BUFFER = 4 << 10
_BUFFER = 1 << 20
_SMALL = 8 << 20
"""Members of a tar.gz up to this size are read at one go: threads that take turns in small steps would send the one
stream to and fro between them."""
_COPY_AGAIN = "Copy the archive again from where it was made, or make it anew."
_SETTLE = "Ingest again when nothing writes to the source."


@dataclass(frozen=True, slots=True)
class ArchiveTree(NearTree):
    """The members of the archive `file` of the tree `holder`. Where all of them lie in one folder, that is the top
    (RFC 8493, section 4.2). An archive whose members cannot all be told is `FileUnreadable` in every folder."""

    location: SourceLocation
    holder: Tree
    file: str

    @property
    def name(self) -> str:
        return escaped(self._known().members.name or self.file[: -len(archive_kind(self.file))])

    @contextmanager
    def folder(self, path: str) -> Iterator[ArchiveFolder]:
        known = self._known()
        if not known.members.is_folder(path):
            raise FileMissing(f"{shown(path)} is no folder of the archive")
        yield ArchiveFolder(known, path)

    def look(self, path: str) -> Entry:
        if fault := path_fault(path):
            raise NotRegular(f"{shown(path)}: {fault}")
        known = self._known()
        found = known.members.find(path)
        if found is None:
            raise FileMissing(
                f"{shown(path)} is missing", remedy="Put the file back, or take it off the list."
            )
        if not stat.S_ISREG(found.mode):
            raise NotRegular(
                f"{shown(path)} is a {kind_of(found.mode)}, not a file",
                remedy="Put the file itself in its place.",
            )
        if found.remark and found.is_refused:
            raise FileUnreadable(f"{shown(path)}: {found.remark.reason}", remedy=found.remark.remedy)
        return known.stamped(found)

    def open(self, path: str, size: int, stamp: str) -> SourceReader:
        if not stamp:
            found = self.look(path)
            if found.size != size:
                raise SourceChanged(f"{shown(path)} changed since the survey", remedy=_SETTLE)
            stamp = found.stamp
        file = self._open()
        try:
            identity, _, place = stamp.rpartition("/")
            if identity != _identity(file):
                raise SourceChanged(f"{shown(self.file)} changed since the survey", remedy=_SETTLE)
            content = _content(_archive(self.location, self.file, identity), file, place, size)
        except BaseException:
            file.close()
            raise
        return MemberReader(file, content, path, size, stamp)

    def open_now(self, path: str) -> SourceReader:
        found = self.look(path)
        return self.open(path, found.size, found.stamp)

    def _known(self) -> _Known:
        """The archive as it is now."""
        with closing(self._open()) as file:
            identity = _identity(file)
            return _Known(identity, _archive(self.location, self.file, identity).members(file))

    def _open(self) -> SourceReader:
        """As with a folder that is not mounted, that the archive is away says nothing of the files in it."""
        try:
            return self.holder.open_now(self.file)
        except Rejected as error:
            remedy = "See that it is there and readable here."
            raise Unavailable(f"The source {error.message}", remedy=remedy) from error


def _identity(file: SourceReader) -> str:
    return f"{file.stamp}-{file.size}"


@dataclass(frozen=True, slots=True)
class _Known:
    """What lies in an archive, as long as it is the same."""

    identity: str
    members: Members

    def stamped(self, entry: Entry) -> Entry:
        """With the stamp that its file is opened by."""
        return entry._replace(stamp=f"{self.identity}/{entry.stamp}")


@dataclass(frozen=True, slots=True)
class ArchiveFolder:
    """A folder of an archive."""

    known: _Known
    path: str

    @property
    def names(self) -> list[str]:
        return self.known.members.names(self.path)

    def has_document(self, name: str) -> bool:
        found = self.known.members.find(join(self.path, name))
        return found is not None and not stat.S_ISDIR(found.mode)

    def folders(self) -> list[str]:
        return self.known.members.folders(self.path)

    def entries(self) -> Iterator[Entry]:
        return map(self.known.stamped, self.known.members.entries(self.path))


# ---------------------------------------------------------------- the archive as it is in this process


@lru_cache(maxsize=2)
def _archive(location: SourceLocation, file: str, identity: str) -> _Archive:  # noqa: ARG001 - what it is cached by
    return _Archive(file)


class _Archive:
    """One state of an archive: what this process has found out about it. Holds nothing open; whoever asks brings the
    open file."""

    def __init__(self, file: str) -> None:
        self.kind = archive_kind(file)
        self.lock = threading.Lock()
        self._name = file
        self._members: Members | None = None
        self._stream: Inflated | None = None

    def members(self, file: SourceReader) -> Members:
        with self.lock:
            if self._members is None:
                try:
                    self._members = self._read_members(file)
                except FileUnreadable as error:
                    raise FileUnreadable(
                        f"{shown(self._name)}: {error.message}", remedy=error.remedy
                    ) from error
                file.still_same()
            return self._members

    def stream(self, file: SourceReader) -> Inflated:
        """What the whole archive is, decompressed. To be used under the lock."""
        if self._stream is None:
            self._stream = Inflated(0, file.size, GZIP)
        return self._stream

    def _read_members(self, file: SourceReader) -> Members:
        if self.kind == ".zip":
            with _buffered(file, _BUFFER) as archive:
                return Members(zip_members(file, archive))
        if self.kind == ".tar":
            with _buffered(file, _HEADER_BUFFER) as archive:
                return Members(tar_members(archive))
        with _buffered(_Decompressed(self.stream(file), file), _BUFFER) as archive:
            return Members(tar_members(archive))


@contextmanager
def _buffered(file: io.RawIOBase, size: int) -> Iterator[io.BufferedIOBase]:
    """Leaves the file open."""
    buffered: io.BufferedIOBase = io.BufferedReader(file, size)
    try:
        yield buffered
    finally:
        buffered.detach()


class _Decompressed(io.RawIOBase):
    """A compressed archive as the file that was compressed."""

    def __init__(self, stream: Inflated, file: SourceReader) -> None:
        self._stream, self._file = stream, file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            raise io.UnsupportedOperation("where it ends is not known")
        self._at = offset + (self._at if whence == os.SEEK_CUR else 0)
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        number = self._stream.read_into(self._file, self._at, memoryview(buffer).cast("B"))
        self._at += number
        return number


# ---------------------------------------------------------------- the bytes of a member


class _Content(Protocol):
    """The bytes of one member."""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Put what stands at `offset` into the buffer; how many bytes, 0 at the end. Raises as trees do."""


def _content(archive: _Archive, file: SourceReader, place: str, size: int) -> _Content:
    if archive.kind == ".tar":
        return _Plain(file, int(place))
    if archive.kind != ".zip":
        return _Shared(archive, file, int(place), size)
    member = Place.parse(place)
    start = bytes_start(file, member)
    if member.method == STORED:
        return _Checked(_Plain(file, start), size, member.crc)
    return _Checked(_Deflated(Inflated(start, member.compressed, RAW), file), size, member.crc)


@dataclass(frozen=True, slots=True)
class _Plain:
    """They lie in the archive as they are."""

    file: SourceReader
    start: int

    def read_into(self, offset: int, buffer: memoryview) -> int:
        self.file.seek(self.start + offset)
        return self.file.readinto(buffer) or 0


@dataclass(frozen=True, slots=True)
class _Deflated:
    """They are a stream of their own."""

    stream: Inflated
    file: SourceReader

    def read_into(self, offset: int, buffer: memoryview) -> int:
        return self.stream.read_into(self.file, offset, buffer)


@dataclass(slots=True)
class _Shared:
    """They lie in a stream that all members share."""

    archive: _Archive
    file: SourceReader
    start: int
    size: int
    _whole: memoryview | None = None

    def read_into(self, offset: int, buffer: memoryview) -> int:
        if self.size > _SMALL:
            return self._read(offset, buffer)
        if self._whole is None:
            whole = memoryview(bytearray(self.size))
            self._whole = whole[: self._read(0, whole)]
        block = self._whole[offset : offset + len(buffer)]
        buffer[: len(block)] = block
        return len(block)

    def _read(self, offset: int, buffer: memoryview) -> int:
        with self.archive.lock:
            return self.archive.stream(self.file).read_into(self.file, self.start + offset, buffer)


@dataclass(slots=True)
class _Checked:
    """They have a CRC-32, and end where the archive says. What is read out of order is read once more for that."""

    content: _Content
    size: int
    crc: int
    _seen: int = 0
    _sum: int = 0

    def read_into(self, offset: int, buffer: memoryview) -> int:
        while self._seen < offset:
            skipped = memoryview(bytearray(min(_BUFFER, offset - self._seen)))
            if not self._read(skipped):
                return 0
        return self._read(buffer) if offset == self._seen else self.content.read_into(offset, buffer)

    def _read(self, buffer: memoryview) -> int:
        number = self.content.read_into(self._seen, buffer)
        self._sum = zlib.crc32(buffer[:number], self._sum)
        self._seen += number
        if self._seen == self.size:
            self._require_end()
        return number

    def _require_end(self) -> None:
        # What is stored ends with its size; a stream may go on.
        if isinstance(self.content, _Deflated) and self.content.read_into(
            self.size, memoryview(bytearray(1))
        ):
            raise FileUnreadable("it has more bytes than the archive says", remedy=_COPY_AGAIN)
        if self._sum != self.crc:
            raise FileUnreadable("its CRC-32 is not the one that the archive has of it", remedy=_COPY_AGAIN)


class MemberReader(SourceReader):
    """The bytes of one member of the open archive `file`, which is closed with it. Never gives more of them than
    `size`."""

    def __init__(self, file: SourceReader, content: _Content, path: str, size: int, stamp: str) -> None:
        self._file, self._content, self._path = file, content, path
        self.size, self.stamp, self.given = size, stamp, 0
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        room = memoryview(buffer).cast("B")[: max(0, self.size - self._at)]
        if not room:
            return 0
        try:
            number = self._content.read_into(self._at, room)
        except FileUnreadable as error:
            raise FileUnreadable(f"{shown(self._path)}: {error.message}", remedy=error.remedy) from error
        if not number:
            raise FileUnreadable(f"{shown(self._path)} ends too early in the archive", remedy=_COPY_AGAIN)
        self._at += number
        self.given += number
        return number

    def still_same(self) -> None:
        self._file.still_same()

    def close(self) -> None:
        self._file.close()
        super().close()
