"""`headrace ingest --dry-run`, `plan` and `apply`: what would be done, and just that."""

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


def test_a_plan_is_shown_written_down_and_applied_once(tmp_path: Path, prefect: dict[str, str]) -> None:
    """A dry run, a plan and its application tell the same of the same; a second application writes nothing and says so;
    a damaged plan is wrong usage, with the reason."""
    source, path = tmp_path / "tides", tmp_path / "plan.parquet"
    write_record(source / "harbour", {"a.csv": b"harbour"})
    bad = write_record(source / "lighthouse", {"a.csv": b"lighthouse"})
    (bad / "SHA256SUMS").write_text(f"{'0' * 64}  a.csv\n")
    instance = Instance(tmp_path / "home", prefect)
    shown = instance.run("ingest", str(source), "--dry-run", "--json")
    planned = instance.run("plan", str(source), "-o", str(path), "--json")
    assert (planned.code, planned.report) == (0, shown.report)
    assert (planned.report["requests"], planned.report["estimated_seconds"]) == (0, None)
    first = instance.run("apply", str(path), "--json")
    assert (first.code, first.report["records_total"], first.report["held"]) == (3, 1, 1)
    assert first.report["bytes_read"] == planned.report["bytes_to_ingest"]
    second = instance.run("apply", str(path))
    assert second.code == 3, second.err  # one is held as before
    assert "nothing was written" in second.err
    damaged = path.read_bytes()
    path.write_bytes(damaged[:100] + bytes([damaged[100] ^ 1]) + damaged[101:])
    refused = instance.run("apply", str(path), "--json")
    assert refused.code == 2
    assert "damaged" in refused.report["error"]["message"]
    assert "damaged" in refused.err
