"""Uploads by `multipart/form-data` (RFC 7578): fields, and among them one file, which is read as it comes."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from email.message import Message

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from pipeline.errors import Rejected

_LONGEST_VALUE = 1 << 16
_MOST_FIELDS = 100


@dataclass(slots=True)
class _Part:
    headers: Message = field(default_factory=Message)
    header: str = ""
    value: str = ""

    @property
    def name(self) -> str:
        return str(self.headers.get_param("name", "", "content-disposition"))

    @property
    def filename(self) -> str | None:
        return self.headers.get_filename()


class UploadForm:
    """A form that is being received. `fields` are those that came before the file called `file`; `filename` is what the
    client calls it. Raises `Rejected` for what is no such form."""

    def __init__(self, content_type: str, blocks: Iterator[bytes]) -> None:
        self.fields: dict[str, str] = {}
        self.filename = ""
        self._blocks = blocks
        self._pieces: list[bytes] = []
        self._part = _Part()
        self._is_file = False
        self._is_over = False
        boundary = _boundary(content_type)
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
        )
        while not self._is_file and (block := next(blocks, b"")):
            self._write(block)
        if not self._is_file:
            raise Rejected("The form has no part called 'file'.", field="file")

    def content(self) -> Generator[bytes, None, None]:
        """The file's bytes. Fields that come behind it are `fields` by the end."""
        while True:
            yield from self._taken()
            block = next(self._blocks, b"")
            if not block:
                break
            self._write(block)
        if not self._is_over:
            raise Rejected("The file upload transfer failed, please try again.")

    def _taken(self) -> list[bytes]:
        taken, self._pieces = self._pieces, []
        return taken

    def _write(self, block: bytes) -> None:
        try:
            self._parser.write(block)
        except FormParserError:
            raise Rejected("The form cannot be read.") from None

    # What the parser tells.

    def _begin(self) -> None:
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.header += data[start:end].decode("latin-1")

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        # Browsers and libraries send names as they are, in UTF-8 (RFC 7578 §5.1).
        self._part.value += data[start:end].decode(errors="replace")

    def _header_end(self) -> None:
        self._part.headers[self._part.header] = self._part.value
        self._part.header = self._part.value = ""

    def _headers_finished(self) -> None:
        if self._part.name == "file" and not self._is_over:
            self._is_file = True
            self.filename = self._part.filename or ""
        elif len(self.fields) >= _MOST_FIELDS:
            raise Rejected("The form has too many fields.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        name = self._part.name
        if self._is_file and name == "file":
            self._pieces.append(data[start:end])
            return
        value = self.fields.get(name, "") + data[start:end].decode(errors="replace")
        if len(value) > _LONGEST_VALUE:
            raise Rejected("The form's field is too long.", field=name)
        self.fields[name] = value

    def _end(self) -> None:
        self._is_over = self._is_over or self._is_file


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/form-data" or not boundary:
        raise Rejected("Send the file as multipart/form-data.", field="file")
    return boundary.encode("latin-1", errors="replace")
