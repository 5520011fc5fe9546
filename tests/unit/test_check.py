"""What `headrace check` tells of an instance."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli.check import examine
from pipeline.ingest.digests import engine
from pipeline.settings import load_settings


def test_whether_large_files_can_be_gone_on_with_is_told(tmp_path: Path) -> None:
    """By the library whose digests have states here: without one, nothing else would tell before a worker dies."""
    findings = {one.part: one for one in examine(load_settings(home=tmp_path))}
    assert (findings["digests"].ok, findings["digests"].what) == (True, engine())
