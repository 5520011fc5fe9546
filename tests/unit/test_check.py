"""What `headrace check` tells of an instance."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.cli.check import examine
from pipeline.ingest.digests import engine
from pipeline.settings import load_settings


def test_whether_large_files_can_be_gone_on_with_is_told(tmp_path: Path) -> None:
    """By the library whose digests have states here: without one, nothing else would tell before a worker dies."""
    findings = {one.part: one for one in examine(load_settings(home=tmp_path))}
    assert (findings["digests"].ok, findings["digests"].what) == (True, engine())


def test_the_engine_of_search_is_told(tmp_path: Path) -> None:
    """With its version, and how much it holds."""
    finding = next(one for one in examine(load_settings(home=tmp_path)) if one.part == "index")
    assert finding.ok
    assert re.fullmatch(rf"tantivy v[\d.]+ in {tmp_path}/index, 0 documents", finding.what)


def test_a_scanner_that_is_away_is_told(tmp_path: Path) -> None:
    """With where it should be, and how to repair it."""
    settings = load_settings(home=tmp_path, scanner=f"clamd://{tmp_path}/clamd.ctl")
    finding = next(one for one in examine(settings) if one.part == "scanner")
    assert not finding.ok
    assert f"{tmp_path}/clamd.ctl" in finding.what
    assert "start clamd" in finding.remedy


def test_a_prefect_server_that_asks_nobody_who_he_is_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond this machine it needs authentication, whether it answers or not; the line says how to give it."""
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example.org:4200/api")
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    monkeypatch.delenv("PREFECT_API_KEY", raising=False)
    finding = next(one for one in examine(load_settings(home=tmp_path)) if one.part == "Prefect")
    assert not finding.ok
    assert "PREFECT_API_AUTH_STRING" in finding.remedy


def test_workers_that_strangers_reach_are_told(tmp_path: Path) -> None:
    """A Dask scheduler elsewhere without TLS is not connected to; the line says what to set."""
    settings = load_settings(home=tmp_path, compute="tcp://compute.example.org:8786")
    finding = next(one for one in examine(settings) if one.part == "workers")
    assert not finding.ok
    assert "tls://" in finding.remedy


def test_where_slurm_is_away_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM is asked without submitting a job."""
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = load_settings(home=tmp_path, compute="slurm:?one_machine=yes")
    finding = next(one for one in examine(settings) if one.part == "workers")
    assert (finding.ok, "sinfo" in finding.remedy) == (False, True)
