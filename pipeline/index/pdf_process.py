"""A process that reads the text of one PDF file: `python -m pipeline.index.pdf_process <characters>`, the file as
stdin, its text as stdout in UTF-8. What it may use is bounded by the system; what it cannot read it leaves out."""

from __future__ import annotations

import logging
import os
import resource
import sys
from itertools import islice
from typing import Final

from pypdf import PdfReader

CPU_SECONDS: Final = 20
MEMORY: Final = 1 << 29
"""Bytes of addresses, Python's own among them."""
PAGES: Final = 2_000


def main() -> None:
    most = int(sys.argv[1])
    # A bound on what is written would cut off the bytecode of modules that are loaded later.
    sys.dont_write_bytecode = True
    # What is wrong with it is nobody's to read.
    logging.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for bound, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 4 * most),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(bound, (value, value))
    reader = PdfReader(sys.stdin.buffer)
    told = 0
    for page in islice(reader.pages, PAGES):
        try:
            text = page.extract_text()[: most - told]
        except (MemoryError, RecursionError):
            raise
        except Exception:  # noqa: S112 - whatever a file has the library stumble on: other pages may be whole
            continue
        sys.stdout.buffer.write(f"{text}\n".encode(errors="ignore"))
        sys.stdout.buffer.flush()
        told += len(text) + 1
        if told >= most:
            break


if __name__ == "__main__":
    main()
