"""What whoever keeps files on a disk has to know of it: how a name outlives the power, and when there is no room."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk: that of a new file is not there with the file's bytes. Raises
    `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_out_of_room(error: OSError) -> bool:
    """Whether the disk is full, or what its user may have of it."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}
