"""ClamAV's daemon from the system's package, with two signatures of our own: neither freshclam nor its database."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from infra.local.service import Service, ServiceError
from pipeline.running.loopback import LOOPBACK, free_port

CANARY = b"HEADRACE-CANARY-SIGNATURE"
"""Bytes that it finds in any file, beside EICAR's: what host scanners do not eat."""

_SIGNATURES = {"Test.Eicar": b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE", "Test.Canary": CANARY}

_LARGEST = "2147483647"
"""Bytes: libclamav refuses a file of 2 GiB whatever is configured."""


def clamd(folder: Path, *, port: int = 0, **options: str) -> Service:
    """A clamd at `port` of the loopback interface or a free one, all of its files below `folder`. It calls a file
    that is beyond its limits infected with `Heuristics.Limits.Exceeded…` instead of silently clean. `options` of
    clamd.conf take the place of ours.

    Raises `ServiceError` where it is not installed.
    """
    port = port or free_port()
    configuration = folder / "clamd.conf"
    configuration.write_text(_configuration(folder, port, options))
    return Service(
        name="clamd",
        command=(_binary(), f"--config-file={configuration}"),
        url=f"clamd://{LOOPBACK}:{port}",
        healthy=lambda: _answers(port),
    )


def _binary() -> str:
    # Debian has it where only root's PATH looks.
    found = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin")
    if found is None:
        raise ServiceError("clamd is not installed: `apt-get install clamav-daemon`")
    return found


def _configuration(folder: Path, port: int, others: Mapping[str, str]) -> str:
    database, scratch = folder / "database", folder / "scratch"
    database.mkdir(exist_ok=True)
    scratch.mkdir(exist_ok=True)
    # Name, any kind of file, anywhere in it, the bytes in hex.
    signatures = (f"{name}:0:*:{content.hex()}\n" for name, content in _SIGNATURES.items())
    (database / "test.ndb").write_text("".join(signatures))
    options = {
        "Foreground": "yes",
        "TCPAddr": LOOPBACK,
        "TCPSocket": str(port),
        "DatabaseDirectory": str(database),
        "TemporaryDirectory": str(scratch),
        "StreamMaxLength": "0",
        "MaxFileSize": _LARGEST,
        "MaxScanSize": _LARGEST,
        "AlertExceedsMax": "yes",
        "LogTime": "yes",
        **others,
    }
    return "".join(f"{name} {value}\n" for name, value in options.items())


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
            connection.sendall(b"zPING\0")
            return connection.recv(16) == b"PONG\0"
    except OSError:
        return False
