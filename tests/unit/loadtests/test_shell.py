"""The commands that an ingest is compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests import shell

DIGEST = "d41d8cd98f00b204e9800998ecf8427e"
"""MD5 of nothing (RFC 1321, appendix A.5)."""


def test_every_command_reads_every_file(tmp_path: Path) -> None:
    """Of a nested collection; `rclone`, which only the benchmarks have, is left out here."""
    source, log = tmp_path / "source", tmp_path / "log"
    (source / "deep").mkdir(parents=True)
    for path in (source / "one.csv", source / "deep" / "two.csv"):
        path.touch()
    wanted = shell.commands(source, tmp_path / "copy")
    local = {name: command for name, command in wanted.items() if name != "rclone copy"}
    assert shell.one_after_the_other(source, local, log).keys() == local.keys()
    said = log.read_text()
    assert said.count("one.csv") == said.count("two.csv") == len(local)
    assert said.count(DIGEST) == 2


def test_a_command_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    """With a word on where to look."""
    with pytest.raises(SystemExit, match="the end of"):
        shell.one_after_the_other(tmp_path, {"nothing": ["false"]}, tmp_path / "log")
