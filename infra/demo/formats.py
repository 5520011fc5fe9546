"""File formats written by hand, so that the sample collection is the same to the byte on every machine:
nothing here asks a clock, a compressor or a codec that could differ from one version to the next.

Sources: PNG 1.2 (W3C) and RFC 1950/1951, TIFF 6.0 baseline, FITS 4.0, NetCDF classic format (Unidata, CDF-1),
PDF 1.4 (ISO 32000-1), ECMA-376 part 2 (OPC) for DOCX.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from itertools import accumulate
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ZIP_TIME = (2021, 3, 4, 5, 6, 8)


def csv_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table as RFC 4180 has it; floats are written with three decimals."""
    lines = [",".join(header)]
    lines += [
        ",".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row) for row in rows
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def parquet_table(columns: Mapping[str, Sequence[object]]) -> bytes:
    """A table as an uncompressed Parquet file; its footer names the version of pyarrow, the rest is fixed."""
    file = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), file, compression="none")
    return file.getvalue()


def png(width: int, height: int, grey: bytes) -> bytes:
    """An 8-bit greyscale image of `width * height` samples, rows from the top."""
    rows = b"".join(b"\0" + grey[start : start + width] for start in range(0, width * height, width))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", _stored_zlib(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _stored_zlib(data: bytes) -> bytes:
    # Stored blocks: what a compressor makes of the same bytes depends on its version.
    starts = range(0, len(data), 0xFFFF)
    blocks = (
        struct.pack("<BHH", start == starts[-1], size, size ^ 0xFFFF) + data[start : start + size]
        for start in starts
        for size in (min(0xFFFF, len(data) - start),)
    )
    return b"\x78\x01" + b"".join(blocks) + struct.pack(">I", zlib.adler32(data))


def tiff(width: int, height: int, grey: bytes) -> bytes:
    """An 8-bit greyscale image in one uncompressed strip, 300 dpi."""
    short, long, rational = 3, 4, 5
    entries = 12
    resolution_at = 8 + 2 + entries * 12 + 4
    fields = (
        (256, short, width),
        (257, short, height),
        (258, short, 8),  # bits per sample
        (259, short, 1),  # no compression
        (262, short, 1),  # black is zero
        (273, long, resolution_at + 8),  # the strip's offset
        (277, short, 1),  # samples per pixel
        (278, short, height),  # rows per strip
        (279, long, len(grey)),
        (282, rational, resolution_at),
        (283, rational, resolution_at),
        (296, short, 2),  # inch
    )
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in fields)
    return b"II*\0" + struct.pack("<IH", 8, entries) + directory + struct.pack("<III", 0, 300, 1) + grey


def fits(width: int, height: int, counts: Sequence[int], cards: Mapping[str, str | float]) -> bytes:
    """A FITS image of 16-bit counts, with the given header cards after the mandatory ones."""
    header = [
        _card("SIMPLE", "T"),
        _card("BITPIX", "16"),
        _card("NAXIS", "2"),
        _card("NAXIS1", str(width)),
        _card("NAXIS2", str(height)),
        *(
            _card(key, f"'{value:<8}'" if isinstance(value, str) else f"{value:.6f}")
            for key, value in cards.items()
        ),
        "END".ljust(80),
    ]
    data = struct.pack(f">{len(counts)}h", *counts)
    return _padded("".join(header).encode(), 2880, b" ") + _padded(data, 2880, b"\0")


def _card(key: str, value: str) -> str:
    text = value.ljust(20) if value.startswith("'") else value.rjust(20)
    return f"{key:<8}= {text}".ljust(80)


def _padded(data: bytes, multiple: int, filler: bytes) -> bytes:
    return data + filler * (-len(data) % multiple)


def netcdf(attributes: Mapping[str, str], variables: Mapping[str, tuple[str, Sequence[float]]]) -> bytes:
    """A NetCDF classic file (CDF-1): variables of doubles over one dimension `time`, each with its units."""
    length = len(next(iter(variables.values()))[1])
    dimension = struct.pack(">II", 0x0A, 1) + _nc_name("time") + struct.pack(">I", length)
    before = (
        b"CDF\x01"
        + struct.pack(">I", 0)
        + dimension
        + _nc_attributes(attributes)
        + struct.pack(">II", 0x0B, len(variables))
    )
    declarations = [
        _nc_name(name)
        + struct.pack(">II", 1, 0)
        + _nc_attributes({"units": units})
        + struct.pack(">II", 6, 8 * length)
        for name, (units, _) in variables.items()
    ]
    header_size = len(before) + sum(len(declaration) + 4 for declaration in declarations)
    begins = [header_size + index * 8 * length for index in range(len(variables))]
    header = before + b"".join(
        declaration + struct.pack(">I", begin)
        for declaration, begin in zip(declarations, begins, strict=True)
    )
    return header + b"".join(struct.pack(f">{length}d", *values) for _, values in variables.values())


def _nc_name(name: str) -> bytes:
    return struct.pack(">I", len(name)) + _padded(name.encode(), 4, b"\0")


def _nc_attributes(attributes: Mapping[str, str]) -> bytes:
    texts = ((_nc_name(name), value.encode()) for name, value in attributes.items())
    return struct.pack(">II", 0x0C, len(attributes)) + b"".join(
        name + struct.pack(">II", 2, len(text)) + _padded(text, 4, b"\0") for name, text in texts
    )


def pdf(title: str, lines: Sequence[str]) -> bytes:
    """One A4 page of text in Helvetica; `lines` beyond Latin-1 cannot be shown."""
    text = "".join(f"({_pdf_escape(line)}) Tj T* " for line in (title, "", *lines))
    page = f"BT /F1 11 Tf 14 TL 60 780 Td {text}ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Font << /F1 5 0 R >> >>",
        b"<< /Title (%s) >>" % _pdf_escape(title).encode("latin-1"),
    ]
    parts = [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"]
    parts += [b"%d 0 obj\n%s\nendobj\n" % (number, body) for number, body in enumerate(objects, start=1)]
    *offsets, table_at = accumulate(map(len, parts))
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\n" % (size, len(objects))
    return b"".join(parts) + b"xref\n0 %d\n%s%sstartxref\n%d\n%%%%EOF\n" % (size, table, trailer, table_at)


def _pdf_escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def zip_archive(members: Mapping[str, bytes]) -> bytes:
    """A ZIP of stored members, in the order given, all of one fixed time."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name, _ZIP_TIME)
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, data)
    return file.getvalue()


def docx(paragraphs: Sequence[str]) -> bytes:
    """A Word document of plain paragraphs: the least that ECMA-376 asks of a package."""
    kinds = "application/vnd.openxmlformats"
    body = "".join(f"<w:p><w:r><w:t>{escape(paragraph)}</w:t></w:r></w:p>" for paragraph in paragraphs)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Default Extension="rels" ContentType="{kinds}-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml"'
        f' ContentType="{kinds}-officedocument.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Target="word/document.xml"'
        ' Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>',
        "word/document.xml": '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f"<w:body>{body}</w:body></w:document>",
    }
    declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    return zip_archive({name: (declaration + text).encode() for name, text in parts.items()})
