"""`headrace ingest --dry-run`: what would be done, and nothing of it."""

from __future__ import annotations

from pathlib import Path

from tests.command import Instance
from tests.instance import write_record


def test_a_dry_run_takes_nothing_in_and_surveys_inside_of_home(tmp_path: Path) -> None:
    """Where a sweep finds what a kill leaves: a survey may be larger than what the system has for temporary files."""
    for name in ("harbour", "lighthouse"):
        write_record(tmp_path / "tides" / name, {"a.csv": name.encode()})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    untouched = temporary.stat().st_mtime_ns
    instance = Instance(tmp_path / "home", {"TMPDIR": str(temporary)})
    ended = instance.run("ingest", str(tmp_path / "tides"), "--dry-run", "--json")
    assert (ended.code, ended.report["new"], ended.report["files_to_ingest"]) == (0, 2, 2)
    assert temporary.stat().st_mtime_ns == untouched
    assert list((instance.home / "scratch").iterdir()) == []
    again = instance.run("ingest", str(tmp_path / "tides"), "--dry-run", "--json")
    assert again.report == ended.report
