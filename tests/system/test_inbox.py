"""`headrace watch` through the command line, on entries of each kind."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

import click

from pipeline.cli.ingest import OF_RECORDS
from tests.command import Instance, wait_until
from tests.instance import write_record


def bag_in_tar_gz(place: Path) -> Path:
    """A bag of a small file and a large one that goes in parts, as `bag.tar.gz`."""
    payload = {"a.csv": b"1,2", "large.bin": bytes(range(256)) * 40_000}
    write_record(place / "bag" / "metadata", {})
    for name, data in payload.items():
        (place / "bag" / "data" / name).parent.mkdir(exist_ok=True)
        (place / "bag" / "data" / name).write_bytes(data)
    (place / "bag" / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    lines = (f"{hashlib.sha256(data).hexdigest()}  data/{name}\n" for name, data in payload.items())
    (place / "bag" / "manifest-sha256.txt").write_text("".join(lines))
    with tarfile.open(place / "bag.tar.gz", "w:gz") as archive:
        archive.add(place / "bag", "bag")
    return place / "bag.tar.gz"


def test_an_inbox_is_taken_in_once_with_a_report_beside_each_entry(
    tmp_path: Path, home_with_prefect: Path
) -> None:
    """A bag in an archive, a folder, a ZIP of one and a manifest with its file beside it are published, all with their
    own bytes; an archive that is damaged is told of and keeps nobody waiting; who watches ends when that is asked for,
    and another look takes nothing."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    bag_in_tar_gz(tmp_path).rename(inbox / "bag.tar.gz")
    (inbox / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    tides = "tides [red] 2026"  # what a terminal would take for markup
    contents = {f"of {name}".encode() for name in ("a folder", "a ZIP", "a manifest")}
    write_record(inbox / tides / "pier", {"b.csv": b"of a folder"})
    write_record(tmp_path / "packed" / "quay", {"c.dat": b"of a ZIP"})
    shutil.make_archive(str(inbox / "packed"), "zip", tmp_path, "packed")
    (inbox / "listed.dat").write_bytes(b"of a manifest")
    described = json.loads((inbox / tides / "pier" / "record.json").read_bytes())
    row = {"path": "listed.dat", "record": "one", "metadata": described}
    (inbox / "list.jsonl").write_text(json.dumps(row) + "\n")
    codes = {"bag.tar.gz": 0, "cut.zip": 2, tides: 0, "packed.zip": 0, "list.jsonl": 0}
    for name in codes:
        (inbox / f"{name}.done").touch()
    instance = Instance(home_with_prefect)
    reports = {name: inbox / f"{name}.report.json" for name in codes}

    with instance.start("watch", str(inbox), "--every", "0.1", "--owner", "ida@example.org") as watching:
        for report in reports.values():
            wait_until(report.exists, f"{report.name}")
        watching.signal(signal.SIGTERM)
        ended = watching.end()
    assert ended.code == 0, ended.err
    said = {name: json.loads(report.read_text()) for name, report in reports.items()}
    assert {name: one["exit_code"] for name, one in said.items()} == codes
    bag = said["bag.tar.gz"]
    assert (bag["state"], bag["records_total"], bag["files"], bag["held"]) == ("completed", 1, 2, 0)
    assert {said[name]["files"] for name in ("packed.zip", "list.jsonl", tides)} == {1}
    payloads = [path for path in (tmp_path / "home" / "store").rglob("*") if "content" in path.parts]
    stored = {hashlib.sha256(path.read_bytes()).digest() for path in payloads if path.is_file()}
    assert stored >= {hashlib.sha256(content).digest() for content in contents}
    assert "truncated" in said["cut.zip"]["reason"]
    assert said["cut.zip"]["error"]["code"] == "unusable-source"

    again = instance.run("watch", str(inbox), "--once", "--json")
    assert (again.code, again.report["taken"]) == (0, []), again.err
    assert len(again.report["waiting"]) == len(codes)


def test_an_entry_is_not_to_blame_for_the_settings(tmp_path: Path, prefect: dict[str, str]) -> None:
    """What a wrong setting kept from being taken in is tried again, and taken in as it is once that is mended."""
    inbox = tmp_path / "inbox"
    write_record(inbox / "tides" / "pier", {"b.csv": b"3,4"})
    (inbox / "tides.done").touch()
    instance = Instance(tmp_path / "home", prefect)
    watch = ("watch", str(inbox), "--once", "--json")

    wrong = instance.run(*watch, env={"HEADRACE_SCANNER": "clamd:"})
    assert wrong.code == 4, wrong.err
    [taken] = wrong.report["taken"]
    assert (taken["exit_code"], taken["error"]["field"]) == (2, "HEADRACE_SCANNER")
    assert not (inbox / "tides.report.json").exists()

    mended = instance.run(*watch)
    assert mended.code == 0, mended.err
    assert [one["records_total"] for one in mended.report["taken"]] == [1]


def test_an_inbox_takes_every_option_of_an_ingest_that_is_of_its_records(tmp_path: Path) -> None:
    """They are handed on to the ingest of each entry, and what is wrong with one is told before that."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "default.json").write_text('{"title": "By default"}')
    instance = Instance(tmp_path / "home")
    watch = ("watch", str(tmp_path / "inbox"), "--once", "--json")
    flags = [option for one in OF_RECORDS for option in _flags(one)]
    ended = instance.run(
        *watch, *flags, "--metadata", str(tmp_path / "default.json"), "--owner", "ida@example.org"
    )
    assert (ended.code, ended.report["taken"]) == (0, []), ended.err
    assert instance.run(*watch, "--metadata", str(tmp_path / "gone.json")).code == 2


def _flags(option: Callable[[object], object]) -> list[str]:
    command = click.command()(option(lambda: None))  # type: ignore[type-var]
    return [one.opts[0] for one in command.params if isinstance(one, click.Option) and one.is_flag]
