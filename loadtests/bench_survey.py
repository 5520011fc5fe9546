"""How fast a folder tree is surveyed, and in how much memory.

    python -m loadtests.bench_survey [--files 1000000] [--folder DIR]

Makes a tree of tiny files below a temporary folder in DIR: half of them in one very wide folder, the rest
spread over records of 500. The survey runs in a process of its own; its peak of resident memory is what the
kernel says of that process. Goal: below 500 MB, however many files there are.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.ingest.manifest import write_survey
from pipeline.ingest.sources import open_source
from pipeline.model import Description

GOAL_MB = 500
PER_RECORD = 500


def make_tree(folder: Path, files: int) -> None:
    """One record with half of all files in one folder, and records of `PER_RECORD` with the others."""
    wide = files // 2
    _make_record(folder / "wide", wide)
    for number, first in enumerate(range(wide, files, PER_RECORD)):
        _make_record(folder / f"{number % 100:02}" / f"record-{number}", min(PER_RECORD, files - first))


def _make_record(folder: Path, files: int) -> None:
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps({"title": folder.name}))
    for number in range(files):
        with (data / f"measurement-{number:07}.csv").open("w") as file:
            file.write(str(number))


def survey(tree: Path, scratch: Path) -> None:
    """Survey `tree` and print the figures as JSON."""
    start = time.perf_counter()
    source = open_source(str(tree), default_metadata=None, collection=None)
    summary = write_survey(source.survey(_describe, scratch), scratch)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes on Linux
    print(
        json.dumps(
            {
                "files": summary.files,
                "records": summary.records,
                "seconds": round(seconds, 2),
                "files_per_second": round(summary.files / seconds),
                "peak_rss_mb": round(peak),
                "goal_mb": GOAL_MB,
                "met": peak < GOAL_MB,
            }
        )
    )


def _describe(document: object) -> tuple[Description | None, tuple[()]]:
    return Description(metadata=document if isinstance(document, dict) else {}), ()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to make the tree; default: the temporary folder")
    parser.add_argument("--survey", nargs=2, type=Path, metavar=("TREE", "SCRATCH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.survey:
        survey(*options.survey)
        return 0
    with TemporaryDirectory(dir=options.folder, prefix="bench-survey-") as place:
        tree, scratch = Path(place) / "tree", Path(place) / "scratch"
        scratch.mkdir()
        print(f"making {options.files:,} files", file=sys.stderr)
        make_tree(tree, options.files)
        command = [sys.executable, "-m", "loadtests.bench_survey", "--survey", str(tree), str(scratch)]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
