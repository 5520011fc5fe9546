"""What each client's script is given: an instance, a token, a published record.

A script runs in its client's environment; its working directory and its home are a folder of its own. Nothing here
comes from Headrace's code.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sample import FILES as FILES
from sample import METADATA as METADATA
from sample import RDM_METADATA as RDM_METADATA
from sample import TITLE as TITLE

URL = os.environ["CLIENTS_URL"]
"""Of the instance, without a slash at its end."""

API = f"{URL}/api"
TOKEN = os.environ["CLIENTS_TOKEN"]
OTHER_TOKEN = os.environ["CLIENTS_OTHER_TOKEN"]
"""Of somebody else's account."""

RECORD = os.environ["CLIENTS_RECORD"]
"""Id of a published record, titled `TITLE`, that has `FILES`; several clients read it, none changes it."""


def file(name: str, content: bytes = b"mooring,degrees\n1,4.2\n") -> Path:
    """A file in the working directory, to be deposited."""
    path = Path.cwd() / name
    path.write_bytes(content)
    return path


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def same(seen: object, expected: object) -> None:
    """Fails, with both in the message, where they differ."""
    if seen != expected:
        raise AssertionError(f"{seen!r}, expected {expected!r}")


def soon(ask: Callable[[], object], expected: object) -> None:
    """Fails where `ask` does not answer so within ten seconds: search follows a publication by a moment."""
    deadline = time.monotonic() + 10
    while ask() != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    same(ask(), expected)


def done(flow: str) -> None:
    """Tell that `flow` was carried out and what came of it is right."""
    sys.stdout.write(f"flow: {flow}\n")
