"""The text of PDF files. Whoever deposits one says what it makes its reader do: it is read in a process of its own
(`pdf_process`), which has none of our secrets and ends when it has had its time, memory or characters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from tempfile import TemporaryFile
from typing import Final

from pipeline.index.plain_text import BYTES_PER_CHARACTER, tidied
from pipeline.running import processes

SECONDS: Final = 300
"""Until the process is ended; of a core it has less (`pdf_process.CPU_SECONDS`), and others come first."""


def read(blocks: Iterable[bytes], most: int) -> str:
    """The text of a PDF file, `most` characters at most: of one that is damaged, encrypted or hostile what was read
    until then, which may be nothing. Raises what reading `blocks` does."""
    with TemporaryFile() as source, TemporaryFile() as told:
        for block in blocks:
            source.write(block)
        source.seek(0)
        process = processes.start(
            processes.python("pipeline.index.pdf_process", str(most)),
            log=None,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MALLOC_ARENA_MAX": "1"},
            stdin=source,
            stdout=told,
        )
        processes.put_behind(process)
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            processes.signal_group(process, signal.SIGKILL)
            process.wait()
        told.seek(0)
        return tidied(told.read(most * BYTES_PER_CHARACTER).decode(errors="ignore"))[:most]
