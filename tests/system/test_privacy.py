"""Other people on the machine cannot read what an instance holds."""

from __future__ import annotations

from pathlib import Path

from tests.command import Instance
from tests.instance import write_record


def test_nobody_else_can_read_what_is_in_home(tmp_path: Path, prefect: dict[str, str]) -> None:
    """Neither files that commands write nor those that their workers do."""
    instance = Instance(tmp_path / "home", {**prefect, "HEADRACE_COMPUTE": "local:1"})
    write_record(tmp_path / "tides" / "harbour", {"a.csv": b"1\n"})
    ended = instance.run("ingest", str(tmp_path / "tides"))
    assert ended.code == 0, ended.err
    open_to_others = [
        path for path in [instance.home, *instance.home.rglob("*")] if path.lstat().st_mode & 0o077
    ]
    assert [path for path in open_to_others if not path.is_symlink()] == []
