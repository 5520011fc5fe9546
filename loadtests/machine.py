"""What the figures were measured on: without it they mean nothing."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from pathlib import Path


def describe() -> dict[str, str | int | bool]:
    """CPU, its number and SHA extensions, memory, system, OpenSSL, commit."""
    cpu = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) // 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    flags = next((line for line in _lines("/proc/cpuinfo") if line.startswith("flags")), "")
    return {
        "cpu": cpu[0] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "sha_extensions": "sha_ni" in flags,
        "memory_mib": memory[0] if memory else 0,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
    }


def commit() -> str:
    """The commit that is measured, with a `+` where the checkout has changes, besides figures that were just kept."""
    changes = _git("status", "--porcelain", "--", ":/", ":!/docs/performance.*")
    return _git("rev-parse", "--short", "HEAD") + ("+" if changes else "")


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    return subprocess.run(
        ["git", *arguments], cwd=here, capture_output=True, text=True, check=False
    ).stdout.strip()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
