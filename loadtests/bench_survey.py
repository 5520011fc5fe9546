"""How fast a folder tree is surveyed and planned, and in how much memory.

    python -m loadtests.bench_survey [--files 1000000] [--folder DIR]

Makes a tree of tiny files below a temporary folder in DIR: half of them in one very wide folder, the rest spread over
records of 500. Survey and plan run in a process of their own that has loaded what the flow has (Prefect, catalogue);
its peak of resident memory is what the kernel says of that process. Goal: below 500 MB, however many files there are.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import subprocess
import sys
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline import wiring
from pipeline.ingest import plan
from pipeline.ingest import survey as survey_
from pipeline.ingest.accession import IngestOptions, Run
from pipeline.settings import load_settings

GOAL_MB = 500
PER_RECORD = 500
_RECORD = {
    "upload_type": "dataset",
    "description": "<p>Made by loadtests.bench_survey.</p>",
    "creators": [{"name": "Bench, Mark"}],
    "publication_date": "2026-01-01",
    "access_right": "open",
    "license": "cc-by-4.0",
}


def make_tree(folder: Path, files: int) -> None:
    """One record with half of all files in one folder, and records of `PER_RECORD` with the others."""
    wide = files // 2
    _make_record(folder / "wide", wide)
    for number, first in enumerate(range(wide, files, PER_RECORD)):
        _make_record(folder / f"{number % 100:02}" / f"record-{number}", min(PER_RECORD, files - first))


def _make_record(folder: Path, files: int) -> None:
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps({**_RECORD, "title": f"Record {folder.name}"}))
    for number in range(files):
        with (data / f"measurement-{number:07}.csv").open("w") as file:
            file.write(str(number))


def survey(tree: Path, home: Path) -> bool:
    """Survey and plan `tree` as the flow does, and print the figures as JSON; whether the goal was met."""
    # What a flow process has loaded when it begins to survey.
    importlib.import_module("pipeline.flows.ingest")
    options = IngestOptions()
    settings = load_settings(home=home)
    with wiring.open_services(settings) as services:
        source = survey_.open_(str(tree), options, wiring.trees(settings))
        start = time.perf_counter()
        found = survey_.survey(services, source, home / "survey").summary
        surveyed, surveyed_peak = time.perf_counter() - start, _peak_mb()
        run = Run(uuid.uuid4().hex, source.collection, str(tree), options)
        made = plan.make(services, home / "survey", run)
        planned = time.perf_counter() - start - surveyed
    peak = _peak_mb()
    figures = {
        "files": found.files,
        "records": found.records,
        "files_to_ingest": made.files_to_ingest,
        "survey_seconds": round(surveyed, 1),
        "plan_seconds": round(planned, 1),
        "survey_files_per_second": round(found.files / surveyed),
        "peak_rss_mb_after_survey": round(surveyed_peak),
        "peak_rss_mb_after_plan": round(peak),
        "goal_mb": GOAL_MB,
        "met": peak < GOAL_MB,
    }
    print(json.dumps(figures))
    return peak < GOAL_MB


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000  # kilobytes on Linux


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to make the tree; default: the temporary folder")
    parser.add_argument("--survey", nargs=2, type=Path, metavar=("TREE", "HOME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.survey:
        return 0 if survey(*options.survey) else 1
    with TemporaryDirectory(dir=options.folder, prefix="bench-survey-") as place:
        tree, home = Path(place) / "tree", Path(place) / "home"
        print(f"making {options.files:,} files", file=sys.stderr)
        make_tree(tree, options.files)
        command = [sys.executable, "-m", "loadtests.bench_survey", "--survey", str(tree), str(home)]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
