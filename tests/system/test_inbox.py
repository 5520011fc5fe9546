"""`headrace watch` through the command line, on entries of each kind."""

from __future__ import annotations

import hashlib
import json
import signal
import tarfile
from pathlib import Path

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


def test_an_inbox_is_taken_in_once_with_a_report_beside_each_entry(tmp_path: Path) -> None:
    """A bag in an archive and a folder are published, an archive that is damaged is told of and keeps nobody waiting;
    who watches ends when that is asked for, and another look takes nothing."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    bag_in_tar_gz(tmp_path).rename(inbox / "bag.tar.gz")
    (inbox / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    for name in ("bag.tar.gz", "cut.zip", "tides"):
        (inbox / f"{name}.done").touch()
    write_record(inbox / "tides" / "pier", {"b.csv": b"3,4"})
    instance = Instance(tmp_path / "home")
    reports = {name: inbox / f"{name}.report.json" for name in ("bag.tar.gz", "cut.zip", "tides")}

    with instance.start("watch", str(inbox), "--every", "0.1", "--owner", "ida@example.org") as watching:
        wait_until(lambda: all(one.exists() for one in reports.values()), "the reports")
        watching.signal(signal.SIGTERM)
        ended = watching.end()
    assert ended.code == 0, ended.err
    said = {name: json.loads(report.read_text()) for name, report in reports.items()}
    assert {name: one["exit_code"] for name, one in said.items()} == {
        "bag.tar.gz": 0,
        "cut.zip": 2,
        "tides": 0,
    }
    bag = said["bag.tar.gz"]
    assert (bag["state"], bag["records_total"], bag["files"], bag["held"]) == ("completed", 1, 2, 0)
    assert "truncated" in said["cut.zip"]["reason"]

    again = instance.run("watch", str(inbox), "--once", "--json")
    assert (again.code, again.report["taken"]) == (0, []), again.err
    assert len(again.report["waiting"]) == 3
