"""Uploads by `multipart/form-data` (RFC 7578): fields, and among them files, which are read as they come."""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from pipeline import refusals
from pipeline.errors import Rejected

_LONGEST_VALUE = 1 << 16
_MOST_HEADERS, _LONGEST_HEADER = 8, 1 << 13
"""Of one part; a header has its name with it, and the name of a file may be encoded (RFC 5987)."""
_MOST_FIELDS = 100


@dataclass(slots=True)
class _Part:
    """A part's headers; of what is told piece by piece the bytes, for a letter may be cut in two."""

    headers: Message = field(default_factory=Message)
    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    content: bytearray = field(default_factory=bytearray)

    @property
    def name(self) -> str:
        return str(self.headers.get_param("name", "", "content-disposition"))

    @property
    def filename(self) -> str | None:
        return self.headers.get_filename()


@dataclass(slots=True)
class _File:
    """A file that has begun to come, and what of it came and was not taken."""

    name: str
    pieces: list[bytes] = field(default_factory=list)
    is_over: bool = False


class UploadForm:
    """A form that is being received. `fields` are those that came before the file called `file`, of which there may be
    several, one behind the other. Raises `Rejected` for what is no such form."""

    def __init__(self, content_type: str, blocks: Iterator[bytes], *, most_files: int = 1) -> None:
        self.fields: dict[str, str] = {}
        self._blocks = blocks
        self._part = _Part()
        self._most_files = most_files
        self._files = 0
        # The one that is being taken, and those that begin in the same block as its end.
        self._coming: deque[_File] = deque()
        boundary = _boundary(content_type)
        with _refusing():
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                },
                max_header_count=_MOST_HEADERS,
                max_header_size=_LONGEST_HEADER,
            )
        while not self._files and (block := next(blocks, b"")):
            self._write(block)
        if not self._files:
            raise Rejected("The form has no part called 'file'.", field="file")

    @property
    def filename(self) -> str:
        """What the client calls the file."""
        return self._coming[0].name

    def content(self) -> Generator[bytes, None, None]:
        """The file's bytes. Fields that come between it and the next are `fields` by the end."""
        file = self._coming[0]
        while True:
            taken, file.pieces = file.pieces, []
            yield from taken
            del taken
            if len(self._coming) > 1:
                return
            block = next(self._blocks, b"")
            if not block:
                break
            self._write(block)
        if not file.is_over:
            raise refusals.transfer_failed()

    def next_file(self) -> bool:
        """Go on to the file behind the one whose `content` was taken; whether there is one."""
        if len(self._coming) == 1:
            return False
        self._coming.popleft()
        return True

    def _write(self, block: bytes) -> None:
        with _refusing():
            self._parser.write(block)

    # What the parser tells.

    def _begin(self) -> None:
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]

    def _header_end(self) -> None:
        # Browsers and libraries send names as they are, in UTF-8 (RFC 7578 §5.1).
        value = self._part.value.decode(errors="replace")
        self._part.headers[self._part.header.decode("latin-1")] = value
        self._part.header, self._part.value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        if self._part.name == "file":
            self._files += 1
            if self._files > self._most_files:
                allowed = "one file" if self._most_files == 1 else f"{self._most_files} files"
                raise Rejected(f"The form has more than {allowed}.", field="file")
            self._coming.append(_File(self._part.filename or ""))
        elif len(self.fields) >= _MOST_FIELDS:
            raise Rejected("The form has too many fields.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.name == "file":
            self._coming[-1].pieces.append(data[start:end])
            return
        self._part.content += data[start:end]
        if len(self._part.content) > _LONGEST_VALUE:
            raise Rejected("The form's field is too long.", field=self._part.name)

    def _end(self) -> None:
        if self._part.name == "file":
            self._coming[-1].is_over = True
        else:
            self.fields[self._part.name] = self._part.content.decode(errors="replace")


@contextmanager
def _refusing() -> Iterator[None]:
    """Raises `Rejected` for what the parser does not take."""
    try:
        yield
    except FormParserError:
        raise Rejected("The form cannot be read.") from None


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/form-data" or not boundary:
        raise Rejected("Send the file as multipart/form-data.", field="file")
    return boundary.encode("latin-1", errors="replace")
