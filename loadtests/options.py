"""What all commands that take figures are told alike: where to work, and whether to keep what was measured."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.figures import Figure, keep, show


def options(module: str, description: str | None = None) -> argparse.ArgumentParser:
    """Of the command `python -m module`, which may have more of them."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, help="where to work; default: the temporary folder")
    parser.add_argument("--keep", action="store_true", help="write the figures into docs/")
    return parser


@contextmanager
def work_folder(chosen: argparse.Namespace) -> Iterator[Path]:
    """A new folder where the options say, which goes with the block."""
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="bench-") as folder:
        yield Path(folder)


def tell(figures: Iterable[Figure], chosen: argparse.Namespace) -> None:
    """Show figures as they are taken, and keep them where the options say so."""
    for one in figures:
        show(one)
        if chosen.keep:
            keep([one])
