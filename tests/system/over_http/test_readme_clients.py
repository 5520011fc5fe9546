"""The README's examples for clients of Zenodo, as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from infra.local.gateway import gateway
from infra.local.service import running
from tests.archive import open_archive

_README = Path(__file__).parents[3] / "README.md"
_SECTION = re.compile(r"^## Use your Zenodo client$(.*?)^## ", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMES = ("set-up", "curl", "requests", "pooch")
_FILES = {"gauge.csv": b"time,height\n", "station notes.txt": b"Datum moved.\n"}


def _examples() -> dict[str, tuple[str, str]]:
    """The language and the text of each block of the section, by name."""
    section = _SECTION.search(_README.read_text(encoding="utf-8"))
    assert section, "the README has no section for clients"
    return dict(zip(_NAMES, _BLOCK.findall(section[1]), strict=True))


def _run(name: str, folder: Path, environment: dict[str, str]) -> str:
    language, text = _examples()[name]
    program = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
    outside = {**os.environ, "HOME": str(folder), **environment}
    ended = subprocess.run(
        [*program, text], cwd=folder, env=outside, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(("name", "file"), [("curl", "gauge.csv"), ("requests", "mole.csv")])
def test_the_examples_that_deposit_publish_a_record(tmp_path: Path, name: str, file: str) -> None:
    """The record is there for everyone, with the bytes that the example had on disk."""
    with open_archive(tmp_path / "home") as archive:
        token = archive.token("ida@example.org", scopes=("deposit:write", "deposit:actions"))
    with running(gateway(tmp_path / "home"), tmp_path / "log") as address:
        said = _run(name, tmp_path, {"ARCHIVE": address, "TOKEN": token})
        record = re.search(rf"{address}/records?/(\d+)", said)
        assert record, said
        served = httpx.get(f"{address}/api/records/{record[1]}/files/{file}/content")
    assert served.content == (tmp_path / file).read_bytes()


def test_the_example_that_downloads_fetches_every_file(tmp_path: Path) -> None:
    """With their names, below the folder that the example says; pooch has compared the checksums."""
    with open_archive(tmp_path / "home") as archive:
        record = archive.publish(files=_FILES)
    with running(gateway(tmp_path / "home"), tmp_path / "log") as address:
        _run("pooch", tmp_path, {"ARCHIVE": address, "RECORD": str(record.id)})
    assert {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()} == _FILES
