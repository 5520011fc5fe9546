"""A `Scanner` that asks ClamAV's daemon, in its own protocol (clamd(8): zINSTREAM, zVERSION).

clamd looks into a stream once it has ended, as far as its limits allow. What is larger than they are goes in *windows*,
each a stream of its own: one is sent while those before it are looked into, and they overlap, so that no signature
falls between two. What only a whole file shows (a hash of it, an archive's directory, conditions on pieces far apart)
is found in files of one window only.

By default clamd calls OK what its limits kept it from looking into. Nothing could be called clean then: a clamd is
believed only once it was seen to tell what it skips, and into how long a stream it looks.
"""

from __future__ import annotations

import io
import re
import socket
import struct
import threading
import time
import zipfile
from collections import deque
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pipeline.errors import Misconfigured, SourceChanged, Unavailable
from pipeline.model import JsonObject, ScanStatus, ScanVerdict
from pipeline.settings import LEAST_SCAN_WINDOW

if TYPE_CHECKING:
    from pipeline.ports import Clock, ScanResumption
    from pipeline.settings import ScannerLocation

PORT = 3310
OVERLAP = 1 << 20
"""Bytes. A line of a signature file holds some 32 KiB of hex digits at most, so no pattern without gaps is longer than
16 KiB; the rest is for patterns with gaps."""

_AT_ONCE = 4
"""Windows of a file that clamd may be looking into at once, each in a thread of its own. They and the one that is being
sent are sent anew, at most, when somebody goes on with the file."""

_CHUNK = 1 << 20
_CONNECT_SECONDS = 10.0
_SEND_SECONDS = 300.0
"""One that has more to do than MaxQueue takes lets senders wait."""
_ANSWER_SECONDS = 600.0
_SILENCE_SECONDS = 30.0
"""For so long nobody else finds out that a machine does not answer at all."""
_VERSION_SECONDS = 60.0
"""A version is as old as that at most. Signatures may be newer than we say, never older."""
_PROVEN_SECONDS = 300.0
"""That it tells what it skips was seen so long ago at most, when a file is begun and when its verdict is given. One
started again with lower limits shows it by itself, one that does not tell of them never does; and a proof costs no more
than a small file."""
_OLD_DAYS = 7

_LENGTH = struct.Struct("!I")
_ANSWER = re.compile(r"stream: (?:OK|(?P<found>.+) FOUND)")
_TOO_LONG = "INSTREAM size limit exceeded. ERROR"
_LIMITS = "Heuristics.Limits.Exceeded"
_LONGEST_ANSWER = 4096
# libclamav opens no more than 100 archives in each other, whatever MaxRecursion says.
_TOO_DEEP = 101


class _HungUp(Unavailable):
    """clamd gave no answer: it ended, or did not want what it was sent."""


class _TooLong(Unavailable):
    """The stream is longer than StreamMaxLength."""


@dataclass(frozen=True, slots=True)
class _Version:
    """What clamd says of itself; `database` is empty where it has signatures of its operator's own only."""

    engine: str
    database: str


@dataclass(slots=True, eq=False)
class _Known:
    """What was seen of a running clamd: that it tells what it skips, and that it looks through `window` bytes at one
    go; `is_longest` where as many as the location allows were tried."""

    window: int
    is_longest: bool = False


class ClamdScanner:
    gives_clean = True

    def __init__(self, location: ScannerLocation, now: Clock) -> None:
        """Raises `Misconfigured` where the URL names no clamd."""
        self.location = location
        self.now = now
        parts = urlsplit(location.url)
        self._host, self._path = parts.hostname or "", unquote(parts.path)
        try:
            self._port = parts.port or PORT
        except ValueError:
            self._port = 0
        if bool(self._host) == (self._path not in ("", "/")) or not self._port:
            raise Misconfigured(
                f"HEADRACE_SCANNER: {parts.scheme}: needs a host or the path of a socket",
                field="HEADRACE_SCANNER",
                remedy="use clamd://host:3310 or clamd:///path/to/its/socket",
            )
        self._lock = threading.RLock()
        self._known: _Known | None = None
        self._proven_at = 0.0
        self._version: _Version | None = None
        self._version_at = 0.0
        self._silent_until = 0.0

    def begin(self, size: int, resume: ScanResumption | None = None) -> ClamdSession:
        session = ClamdSession(self, size)
        session.start(resume)
        return session

    def signatures(self) -> str:
        self.known()
        return self.version().database

    def describe(self) -> str:
        known, version = self.known(self.location.window), self.version()
        signatures = f"signatures {version.database}" if version.database else "signatures of its own only"
        return f"{version.engine} at {self._where}, {signatures}{self._age(version)}; {known.window:,} bytes at one go"

    def _age(self, version: _Version) -> str:
        # The date as ctime(3) writes it, without a zone.
        with suppress(ValueError):
            date = version.database.partition("/")[2]
            made = datetime.strptime(f"{date} +0000", "%a %b %d %H:%M:%S %Y %z")
            days = (self.now() - made).days
            warning = ": see that freshclam runs" if days > _OLD_DAYS else ""
            return f", {days} days old{warning}"
        return ""

    # ------------------------------------------------------------ what is known of it

    def known(self, size: int = 0) -> _Known:
        """With the longest window, where a file of `size` bytes has use for it. Raises `Unavailable`, and
        `Misconfigured` where it cannot be believed."""
        with self._lock:
            # Whatever breaks off meanwhile, nothing is known any more.
            known, self._known = self._known, None
            if known is None or time.monotonic() - self._proven_at > _PROVEN_SECONDS:
                asked_at = time.monotonic()
                self._require_honesty()
                known = known or _Known(self._longest(LEAST_SCAN_WINDOW))
                self._proven_at = asked_at
            # Looking through a long window takes clamd a second, of which a worker with small files has no use.
            if known.window < min(size, self.location.window) and not known.is_longest:
                known.window, known.is_longest = self._longest(self.location.window), True
            self._known = known
            return known

    def forget(self, known: _Known | None) -> None:
        """What was known is not so any more: it may have been started again with other limits."""
        with self._lock:
            if self._known is known:
                self._known = self._version = None

    def version(self) -> _Version:
        """Of a minute ago at most."""
        with self._lock:
            if self._version is None or time.monotonic() - self._version_at > _VERSION_SECONDS:
                asked_at = time.monotonic()
                with closing(self.connect()) as connection:
                    _send(connection, b"zVERSION\0")
                    said = _receive(connection)
                engine, _, database = said.partition("/")
                if not engine.startswith("ClamAV "):
                    raise self.away(f"says {said!r}, which no clamd says")
                self._version, self._version_at = _Version(engine, database), asked_at
            return self._version

    def _require_honesty(self) -> None:
        with closing(_Stream(self, 0, 0)) as stream:
            stream.send(memoryview(_nest()))
            stream.end_sending()
            if not stream.answer().limit:
                raise Misconfigured(
                    f"clamd at {self._where} does not tell what its limits keep it from looking into, "
                    "so nothing that it calls OK is known to be clean",
                    field="HEADRACE_SCANNER",
                    remedy="set `AlertExceedsMax yes` in its clamd.conf (and `ScanArchive yes`, the default), and "
                    "start it again",
                )

    def _longest(self, size: int) -> int:
        """How many bytes it looks through at one go, of `size` at most."""
        while not self._looks_through(size):
            if size == LEAST_SCAN_WINDOW:
                raise Misconfigured(
                    f"clamd at {self._where} does not look through {LEAST_SCAN_WINDOW:,} bytes at one go",
                    field="HEADRACE_SCANNER",
                    remedy="raise StreamMaxLength, MaxFileSize and MaxScanSize in its clamd.conf, and start it again",
                )
            size = max(size // 2, LEAST_SCAN_WINDOW)
        return size

    def _looks_through(self, size: int) -> bool:
        # Not zeros, which take it twice as long.
        content = memoryview(b"\x01" * _CHUNK)
        with closing(_Stream(self, 0, size)) as stream:
            try:
                for start in range(0, size, _CHUNK):
                    stream.send(content[: size - start])
                stream.end_sending()
                return not stream.answer().limit
            except _TooLong:
                return False
            except _HungUp:
                # Perhaps on a stream that was too long, and what it said was lost.
                if size == LEAST_SCAN_WINDOW:
                    raise
                return False

    # ------------------------------------------------------------ connections

    def connect(self) -> socket.socket:
        """Raises `Unavailable`."""
        if time.monotonic() < self._silent_until:
            raise self.away("did not answer a moment ago")
        try:
            return self._connect_to_path() if self._path.strip("/") else self._connect_to_host()
        except OSError as error:
            if isinstance(error, TimeoutError):
                self._silent_until = time.monotonic() + _SILENCE_SECONDS
            raise self.away(f"does not answer: {error}") from error

    def _connect_to_host(self) -> socket.socket:
        connection = socket.create_connection((self._host, self._port), timeout=_CONNECT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _connect_to_path(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            # Blocking, with the kernel's own time limit: else a full queue is an error at once.
            seconds = struct.pack("ll", int(_CONNECT_SECONDS), 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
            connection.connect(self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    def away(self, reason: str, kind: type[Unavailable] = Unavailable) -> Unavailable:
        return kind(
            f"clamd at {self._where} {reason}",
            remedy="start clamd, or correct HEADRACE_SCANNER; its log tells what it lacks",
        )

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}" if self._host else self._path


@cache
def _nest() -> bytes:
    """An archive in an archive, and so on, deeper than any limit; it does no harm."""
    content = b"Headrace asks whether clamd tells of what it does not look into."
    for _ in range(_TOO_DEEP):
        outer = io.BytesIO()
        with zipfile.ZipFile(outer, "w") as archive:
            archive.writestr("inner.zip", content)
        content = outer.getvalue()
    return content


# ---------------------------------------------------------------- one stream


def _send(connection: socket.socket, *content: bytes | memoryview) -> None:
    connection.settimeout(_SEND_SECONDS)
    for piece in content:
        connection.sendall(piece)


def _receive(connection: socket.socket) -> str:
    """The answer, which ends with a NUL; empty where the connection ended before."""
    answer = b""
    while not answer.endswith(b"\0") and len(answer) < _LONGEST_ANSWER:
        some = connection.recv(_LONGEST_ANSWER)
        if not some:
            return ""
        answer += some
    return answer.removesuffix(b"\0").decode(errors="replace")


@dataclass(frozen=True, slots=True)
class _Answer:
    """`signature` is what was found, `limit` what kept clamd from looking into everything."""

    signature: str = ""
    limit: str = ""


class _Stream:
    """One INSTREAM of the bytes from `start` on, up to `end` if they come, and its answer. Its methods raise
    `_TooLong`, `_HungUp`, `Unavailable`."""

    def __init__(self, scanner: ClamdScanner, start: int, end: int) -> None:
        self.start, self.end = start, end
        self._scanner = scanner
        self._connection = scanner.connect()
        self._is_begun = False

    def send(self, block: memoryview) -> None:
        self._send(_LENGTH.pack(len(block)), block)

    def end_sending(self) -> None:
        self._send(_LENGTH.pack(0))

    def _send(self, *content: bytes | memoryview) -> None:
        try:
            if not self._is_begun:
                _send(self._connection, b"zINSTREAM\0")
                self._is_begun = True
            _send(self._connection, *content)
        except OSError as error:
            # It says why before it hangs up; that may be lost.
            with suppress(OSError):
                self._connection.settimeout(1.0)
                if said := _receive(self._connection):
                    self._judge(said)
            raise self._scanner.away(f"broke off: {error}", _HungUp) from error

    @property
    def is_answered(self) -> bool:
        self._connection.settimeout(0)
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass  # which `answer` tells
        return True

    def answer(self) -> _Answer:
        try:
            self._connection.settimeout(_ANSWER_SECONDS)
            return self._judge(_receive(self._connection))
        except OSError as error:
            raise self._scanner.away(f"gave no verdict: {error}", _HungUp) from error

    def _judge(self, said: str) -> _Answer:
        if said == _TOO_LONG:
            raise self._scanner.away("takes fewer bytes at one go than it did", _TooLong)
        match = _ANSWER.fullmatch(said)
        if match is None:
            raise self._scanner.away(f"gave no verdict, but {said!r}", _HungUp)
        found = match["found"] or ""
        return _Answer(limit=found) if found.startswith(_LIMITS) else _Answer(signature=found)

    def close(self) -> None:
        self._connection.close()


# ---------------------------------------------------------------- one file


class ClamdSession:
    """The scan of one file, in one window or in several. While clamd is away its methods raise `Unavailable`, or the
    rest of the file stays unscanned, as the location says."""

    def __init__(self, scanner: ClamdScanner, size: int) -> None:
        self._scanner = scanner
        self._size = size
        self._known: _Known | None = None
        self._window = 0
        self._version = _Version("clamd", "")
        self._at = 0  # of the next byte
        self._first = 0  # where the first window begins
        self._sending: _Stream | None = None
        self._overlap = bytearray()  # the end of one window, with which the next begins
        self._asked: deque[_Stream] = deque()
        self._settled = 0  # every window that begins before was answered
        self._scanned: list[tuple[int, int]] = []
        self._database: str | None = None  # the oldest that anything was scanned with
        self._signatures: list[str] = []
        self._reason = ""
        self._gave_up = False

    def start(self, resume: ScanResumption | None) -> None:
        """Raises what `read_back` raises, too."""
        if resume is not None:
            self._restore(resume.checkpoint)
        try:
            self._known, self._version = self._scanner.known(self._size), self._scanner.version()
            self._window = self._known.window
            self._database = self._version.database if self._database is None else self._database
        except Unavailable as away:
            self._bear(away)
        if resume is not None and not self._gave_up:
            try:
                # Outside of the above: where the source is away, clamd is not.
                self._read_again(resume)
            except BaseException:
                self.close()
                raise

    def _restore(self, checkpoint: JsonObject) -> None:
        self._at = checkpoint["at"]
        self._settled = checkpoint["settled"]
        self._scanned = [(start, end) for start, end in checkpoint["scanned"]]
        self._database = checkpoint["database"] if self._scanned else None
        self._signatures = list(checkpoint["signatures"])
        self._reason = checkpoint["reason"]
        self._gave_up = checkpoint["gave_up"]

    def _read_again(self, resume: ScanResumption) -> None:
        """What the windows held that had no answer yet, from where the last with an answer overlapped the next."""
        border = self._at
        self._at = self._first = max(0, self._settled - OVERLAP)
        while self._at < border:
            block = resume.read_back(self._at, min(_CHUNK, border - self._at))
            if not block:
                raise SourceChanged("a file under way has become shorter")
            self.feed(block)

    def feed(self, block: bytes | memoryview) -> None:
        left = memoryview(block)
        try:
            while left and self._at < self._size and not self._gave_up:
                window = self._sending or self._open_window()
                piece = left[: window.end - self._at]
                window.send(piece)
                self._at += len(piece)
                left = left[len(piece) :]
                if window.end < self._size and self._at > window.end - OVERLAP:
                    self._overlap += piece[-(self._at - window.end + OVERLAP) :]
                if self._at == window.end:
                    self._end_window(window)
        except Unavailable as away:
            self._bear(away)
        self._at += len(left)

    def checkpoint(self) -> JsonObject:
        try:
            while self._asked and self._asked[0].is_answered:
                self._settle()
        except Unavailable as away:
            self._bear(away)
        return {
            "at": self._at,
            "settled": self._settled,
            "scanned": [list(each) for each in self._scanned],
            "database": self._database,
            "signatures": self._signatures,
            "reason": self._reason,
            "gave_up": self._gave_up,
        }

    def finish(self) -> ScanVerdict:
        try:
            if self._size == 0 and not self._gave_up:
                self._open_window()
            if self._sending is not None:
                self._end_window(self._sending)
            while self._asked:
                self._settle()
            if not self._gave_up:
                self._scanner.known()
                self._version = self._scanner.version()
        except Unavailable as away:
            self._bear(away)
        return self._verdict()

    def close(self) -> None:
        for stream in (self._sending, *self._asked):
            if stream is not None:
                stream.close()
        self._sending = None
        self._asked.clear()

    # ------------------------------------------------------------ windows

    def _open_window(self) -> _Stream:
        start = self._at - len(self._overlap)
        window = self._sending = _Stream(self._scanner, start, min(start + self._window, self._size))
        if self._overlap:
            window.send(memoryview(self._overlap))
            self._overlap = bytearray()
        return window

    def _end_window(self, window: _Stream) -> None:
        self._sending = None
        self._asked.append(window)
        window.end = self._at  # the file may be shorter than it was
        window.end_sending()
        if len(self._asked) > _AT_ONCE:
            # Here, where no stream is under way: clamd breaks off one that brings nothing for a while.
            self._settle()

    def _settle(self) -> None:
        with closing(self._asked.popleft()) as stream:
            answer = stream.answer()
        self._settled = stream.end
        if answer.signature:
            # The rest is scanned all the same: who releases the file as a false alarm has to know of all that is in it.
            if answer.signature not in self._signatures:
                self._signatures.append(answer.signature)
        elif answer.limit:
            self._reason = self._reason or f"clamd did not look into all of it: {answer.limit}"
        elif self._scanned and stream.start <= self._scanned[-1][1]:
            self._scanned[-1] = (self._scanned[-1][0], stream.end)
        else:
            self._scanned.append((stream.start, stream.end))

    def _bear(self, away: Unavailable) -> None:
        self.close()
        self._scanner.forget(self._known)
        if self._scanner.location.away == "wait":
            raise away
        self._reason, self._gave_up = away.message, True

    # ------------------------------------------------------------ verdict

    def _verdict(self) -> ScanVerdict:
        status = self._status()
        reason = "" if status in (ScanStatus.CLEAN, ScanStatus.INFECTED) else self._reason
        if status is ScanStatus.STALE:
            reason = f"while it was scanned its signatures were replaced by {self._version.database}"
        return ScanVerdict(
            status,
            self._version.engine,
            method="none" if status is ScanStatus.UNSCANNED else self._method,
            signature=", ".join(self._signatures),
            database=self._database or "",
            at=self._scanner.now(),
            scanned=tuple(self._scanned) if status is ScanStatus.PARTIAL else (),
            reason=reason,
        )

    def _status(self) -> ScanStatus:
        if self._signatures:
            return ScanStatus.INFECTED
        # More may have been fed than the file was to have.
        if self._scanned == [(0, max(self._size, self._at))]:
            is_current = self._database == self._version.database
            return ScanStatus.CLEAN if is_current else ScanStatus.STALE
        return ScanStatus.PARTIAL if self._scanned else ScanStatus.UNSCANNED

    @property
    def _method(self) -> str:
        return "stream" if self._first == 0 and self._size <= self._window else "windows"
