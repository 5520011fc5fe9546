"""The members of a tar archive (POSIX.1-2017, pax; GNU's long names): read from its headers, one after the other,
without the bytes between them."""

from __future__ import annotations

import io
import stat
import tarfile
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from pipeline.ingest.sources.protocol import FileUnreadable, Remark
from pipeline.ingest.sources.trees.members import Member
from pipeline.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADERS = 256 << 10
"""Bytes that the headers of one member may have: extended attributes are some 64 KiB each. What says that it has more
is damaged, or means to fill the memory."""
_VOLUME_LABEL = b"V"
_PLAIN = "Make the archive anew, without --sparse."
_COPY_AGAIN = "Copy the archive again from where it was made, or make it anew."
_MODES = {
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
}


def tar_members(archive: io.BufferedIOBase) -> Iterator[Member]:
    """Each member as its headers tell; `place` is the offset of its bytes. Raises `FileUnreadable` where the archive is
    damaged or does not reach its end mark."""
    headers = _Headers(archive)
    try:
        with tarfile.TarFile(fileobj=headers, encoding="utf-8", errors="surrogateescape") as tar:  # type: ignore[arg-type]
            end = 0
            while (info := _next(tar, headers)) is not None:
                if tar.offset <= end or info.size < 0:
                    raise tarfile.ReadError("a size is negative")
                end = tar.offset
                if info.type != _VOLUME_LABEL:
                    yield _member(info)
            _require_end(archive, tar.offset)
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError) as error:
        raise FileUnreadable(f"the tar archive is damaged ({error})", remedy=_COPY_AGAIN) from error


def _next(tar: tarfile.TarFile, headers: _Headers) -> tarfile.TarInfo | None:
    headers.left = _HEADERS
    info = tar.next()
    tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
    return info


class _Headers:
    """What `tarfile` may read: no more than headers can be."""

    def __init__(self, archive: io.BufferedIOBase) -> None:
        self._archive = archive
        self.left = _HEADERS

    def read(self, size: int) -> bytes:
        self.left -= size
        if size < 0 or self.left < 0:
            raise tarfile.ReadError("its headers are too long")
        return self._archive.read(size)

    def seek(self, offset: int) -> int:
        return self._archive.seek(offset)

    def tell(self) -> int:
        return self._archive.tell()


def _member(info: tarfile.TarInfo) -> Member:
    if info.islnk():
        return Member(info.name, stat.S_IFREG, mtime_ns=_mtime_ns(info), link=info.linkname)
    remark = None
    if info.issparse():
        reason = "it is stored as a sparse file, which is not read here"
        remark = Remark(Outcome.REJECTED, "sparse-member", reason, _PLAIN)
    elif info.type not in tarfile.SUPPORTED_TYPES:
        reason = f"it is of a type that is not known here ({info.type!r})"
        remark = Remark(
            Outcome.REJECTED, "unknown-member", reason, "Make the archive anew in POSIX's format (pax)."
        )
    mode = _MODES.get(info.type, stat.S_IFREG)
    return Member(info.name, mode, info.size, _mtime_ns(info), str(info.offset_data), remark)


def _mtime_ns(info: tarfile.TarInfo) -> int | None:
    try:
        # As the number that it was read as, a pax time would have lost its last digits.
        mtime = int(Decimal(info.pax_headers.get("mtime", str(info.mtime))) * 10**9)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return mtime if -(1 << 63) <= mtime < 1 << 63 else None


def _require_end(archive: io.BufferedIOBase, offset: int) -> None:
    """`tarfile` takes whatever is no header for the end."""
    archive.seek(offset)
    if len(mark := archive.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it ends too early")
    while mark:
        if mark.count(0) != len(mark):
            raise tarfile.ReadError("what follows its last member is neither a member nor the end")
        mark = archive.read(1 << 20)
