"""Checksum files beside a record's data."""

import hashlib
from pathlib import Path

from pipeline.model import Description, Problem, SourceFile
from tests.unit.ingest.surveying import open_local

DATA = b"depth,temperature\n1,4.0\n"


def _survey(folder: Path) -> list[object]:
    source = open_local(folder)
    return list(source.survey(lambda _document: (Description({"title": "A"}), ()), folder))


def _record(tmp_path: Path, **files: bytes) -> Path:
    folder = tmp_path / "collection" / "one"
    (folder / "sub").mkdir(parents=True)
    (folder / "record.json").write_text("{}")
    for name, content in files.items():
        folder.joinpath(*name.split("__")).write_bytes(content)
    return tmp_path / "collection"


def test_a_listed_file_carries_its_declared_digest(tmp_path: Path) -> None:
    """What checksums.md5 lists is declared for the file, in folders below too; the list is a file of the record."""
    digest = hashlib.md5(DATA).hexdigest()
    root = _record(tmp_path, **{"sub__a.csv": DATA, "checksums.md5": f"{digest}  sub/a.csv\n".encode()})
    files = {one.key: one for one in _survey(root) if isinstance(one, SourceFile)}
    assert {"md5": digest} == files["sub/a.csv"].declared
    assert files["checksums.md5"].declared == {}


def test_two_lists_declare_two_algorithms(tmp_path: Path) -> None:
    """An md5 list and a sha256 list are both declared."""
    md5, sha256 = hashlib.md5(DATA).hexdigest(), hashlib.sha256(DATA).hexdigest()
    root = _record(
        tmp_path,
        **{
            "a.csv": DATA,
            "checksums.md5": f"{md5}  a.csv\n".encode(),
            "SHA256SUMS": f"{sha256} *a.csv\n".encode(),
        },
    )
    files = {one.key: one for one in _survey(root) if isinstance(one, SourceFile)}
    assert {"md5": md5, "sha256": sha256} == files["a.csv"].declared


def test_what_is_listed_and_missing_is_rejected(tmp_path: Path) -> None:
    """A file that the list names and that is not there holds the record, and is named."""
    root = _record(tmp_path, **{"a.csv": DATA, "checksums.md5": b"0" * 32 + b"  gone.csv\n"})
    [problem] = [one for one in _survey(root) if isinstance(one, Problem)]
    assert (
        problem.path,
        problem.record,
        problem.outcome,
        problem.code,
    ) == ("one/gone.csv", "one", "rejected", "missing")


def test_a_list_that_cannot_be_understood_is_rejected(tmp_path: Path) -> None:
    """A garbled list is no reason to publish without its digests."""
    root = _record(tmp_path, **{"a.csv": DATA, "checksums.md5": b"not a list\n"})
    [problem] = [one for one in _survey(root) if isinstance(one, Problem)]
    assert (problem.path, problem.outcome) == ("one/checksums.md5", "rejected")
