"""The pins: complete, hashed, and free of where they came from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.unit.infra.pins import entries, pinned

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
WANTED = {
    "installer": GROUPS["installer"],
    "runtime": PROJECT["project"]["dependencies"] + GROUPS["build"],
    "test": PROJECT["project"]["dependencies"] + GROUPS["build"] + GROUPS["test"],
    "go": GROUPS["go"],
    "peers": GROUPS["peers"],
    "load": PROJECT["project"]["dependencies"] + GROUPS["build"] + GROUPS["load"],
}


@pytest.mark.parametrize("purpose", WANTED)
def test_the_pins_satisfy_the_project_file(purpose: str) -> None:
    """Every dependency of pyproject.toml has a pin that it allows; `make pins` mends it."""
    pins = pinned(purpose)
    wanted = [Requirement(text) for text in WANTED[purpose]]
    unmet = [
        str(requirement)
        for requirement in wanted
        if (name := re.sub("[._-]+", "-", requirement.name).lower()) not in pins
        or pins[name] not in requirement.specifier
    ]
    assert unmet == []


@pytest.mark.parametrize("purpose", WANTED)
def test_every_pin_is_hashed_and_names_no_place(purpose: str) -> None:
    """A line is a version with its hashes: no index, host, path or option stands in the file."""
    version = re.compile(r"[a-z0-9.-]+==[A-Za-z0-9.]+( ; [^:/]+)?")
    for entry in entries(purpose):
        requirement, *hashes = re.split(r"\s+--hash=", entry)
        assert version.fullmatch(requirement)
        assert hashes
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in hashes)


@pytest.mark.parametrize("purpose", ["test", "load"])
def test_tests_run_on_the_versions_that_are_shipped(purpose: str) -> None:
    """What the product runs on has the same version in every file of pins."""
    assert pinned("runtime").items() <= pinned(purpose).items()
