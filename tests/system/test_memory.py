"""Memory of the flow process, whatever the size of the collection."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def figures(files: int, folder: Path) -> dict[str, int]:
    command = [sys.executable, "-m", "loadtests.bench_survey", "--files", str(files), "--folder", str(folder)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(answer.stdout)
    return found


def test_memory_does_not_grow_with_the_collection(tmp_path: Path) -> None:
    """Ten times the files in survey and plan cost less than 64 MB more, of which the survey's buffers are most."""
    few, many = figures(3_000, tmp_path), figures(30_000, tmp_path)
    assert (few["files"], many["files_to_ingest"]) == (3_000, 30_000)
    assert many["peak_rss_mb_after_plan"] - few["peak_rss_mb_after_plan"] < 64
    assert many["met"]
