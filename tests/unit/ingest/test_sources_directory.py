"""Folder trees as sources."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from pipeline.errors import Misconfigured
from tests.unit.ingest.surveying import DEFAULT, describe, open_local, survey, write

TITLED = json.dumps({"title": "Rain"})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


def test_a_folder_with_a_description_is_a_record_of_what_lies_below_it(tree: Path, tmp_path: Path) -> None:
    """The folder's path is the record's key, `record.json` is no file, sizes and times come from the disk."""
    write(tree / "a/one/record.json", TITLED)
    data = write(tree / "a/one/deep/er/data.csv", "1,2")
    write(tree / "a/one/empty")

    seen = survey(tree, tmp_path)

    assert seen.collection == "tree"
    assert seen.title("a/one") == "Rain"
    assert seen.keys == {("a/one", "deep/er/data.csv"), ("a/one", "empty")}
    file = seen.files["a/one", "deep/er/data.csv"]
    assert (file.path, file.size, file.mtime_ns) == ("a/one/deep/er/data.csv", 3, data.stat().st_mtime_ns)
    assert seen.problems == []


def test_the_source_itself_may_be_the_record(tree: Path, tmp_path: Path) -> None:
    """A `record.json` at the top makes the record `.`."""
    write(tree / "record.json", TITLED)
    write(tree / "x/y")

    assert survey(tree, tmp_path).keys == {(".", "x/y")}


def test_a_record_inside_a_record_is_a_record_of_its_own(tree: Path, tmp_path: Path) -> None:
    """What lies below an inner `record.json` does not belong to the outer record."""
    write(tree / "record.json", TITLED)
    write(tree / "a/outer")
    write(tree / "a/inner/record.json", TITLED)
    write(tree / "a/inner/x")
    write(tree / "a/inner/innermost/record.json", TITLED)
    write(tree / "a/inner/innermost/y")
    write(tree / "z")

    seen = survey(tree, tmp_path)

    assert seen.keys == {
        (".", "a/outer"),
        (".", "z"),
        ("a/inner", "x"),
        ("a/inner/innermost", "y"),
    }


def test_without_descriptions_each_entry_at_the_top_is_a_record(tree: Path, tmp_path: Path) -> None:
    """Files and folders at the top become records with the default metadata."""
    write(tree / "alone.csv", "x")
    write(tree / "set/a/b")

    seen = survey(tree, tmp_path, default=DEFAULT)

    assert seen.keys == {("alone.csv", "alone.csv"), ("set", "a/b")}
    assert {seen.title(key) for key in seen.records} == {"By default"}


def test_a_file_that_no_record_claims_is_warned_of(tree: Path, tmp_path: Path) -> None:
    """With default metadata or without: beside described folders, nothing is lost in silence."""
    write(tree / "one/record.json", TITLED)
    write(tree / "stray.txt")
    write(tree / "b/stray")

    for default in (None, DEFAULT):
        seen = survey(tree, tmp_path, default=default)
        assert seen.warnings == [("", "b/stray", "no-record"), ("", "stray.txt", "no-record")]
        assert seen.keys == set()


def test_a_tree_without_any_metadata_is_refused_whole(tree: Path) -> None:
    """Neither a `record.json` nor a default: that is a mistake on the command line, not a held record."""
    write(tree / "a/b")
    with pytest.raises(Misconfigured, match=r"holds no record\.json") as refusal:
        open_local(tree)
    assert "--metadata" in refusal.value.remedy


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"{", "metadata-not-json"),
        (b'{"title": NaN}', "metadata-not-json"),
        (b"\xff", "metadata-not-json"),
        (b"[" * 100_000, "metadata-not-json"),
        (b"[]", "missing"),
        (b'{"colour": "red"}', "missing"),
    ],
)
def test_a_bad_description_rejects_its_record_alone(
    tree: Path, tmp_path: Path, text: bytes, code: str
) -> None:
    """The record is told what is wrong with it; its neighbour goes on."""
    write(tree / "bad/record.json", text)
    write(tree / "bad/x")
    write(tree / "good/record.json", TITLED)

    seen = survey(tree, tmp_path)

    assert seen.rejections == [("bad", "", code)]
    assert seen.records["bad"].description is None
    assert seen.title("good") == "Rain"


def test_what_the_reader_of_metadata_only_warns_of_does_not_reject(tree: Path, tmp_path: Path) -> None:
    """A warning about a field stays with the described record."""
    write(tree / "record.json", '{"title": "T", "colour": "red"}')

    seen = survey(tree, tmp_path)

    assert seen.warnings == [(".", "", "unknown-field")]
    assert seen.title(".") == "T"


def test_links_fifos_and_sockets_are_warned_of_and_never_opened(tree: Path, tmp_path: Path) -> None:
    """Were the FIFO opened, the survey would hang; were the links followed, foreign bytes would be taken."""
    write(tree / "r/record.json", TITLED)
    write(tree / "r/real")
    outside = write(tmp_path / "outside/secret").parent
    (tree / "r/link").symlink_to(outside / "secret")
    (tree / "r/folder").symlink_to(outside)
    (tree / "r/loop").symlink_to("loop")
    os.mkfifo(tree / "r/fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "r/socket"))

        seen = survey(tree, tmp_path)

    assert seen.keys == {("r", "real")}
    assert seen.warnings == [
        ("r", f"r/{name}", "not-regular") for name in ("fifo", "folder", "link", "loop", "socket")
    ]
    assert seen.rejections == []


def test_a_description_behind_a_link_rejects_the_record(tree: Path, tmp_path: Path) -> None:
    """The folder is meant as a record, but a link is not followed for its description either."""
    real = write(tmp_path / "elsewhere.json", TITLED)
    (tree / "r").mkdir()
    (tree / "r/record.json").symlink_to(real)

    assert survey(tree, tmp_path).rejections == [("r", "", "not-regular")]


def test_a_folder_called_record_json_is_a_folder(tree: Path, tmp_path: Path) -> None:
    """Only a file of that name describes a record."""
    write(tree / "r/record.json", TITLED)
    write(tree / "r/sub/record.json/x")

    assert survey(tree, tmp_path).keys == {("r", "sub/record.json/x")}


def test_a_name_that_is_not_utf8_is_kept_and_warned_of(tree: Path, tmp_path: Path) -> None:
    """The key has `%XX`, the path keeps the bytes, the report shows `\\xNN`; a sibling that is called like
    the key stays apart."""
    write(tree / "r/record.json", TITLED)
    for name in (b"caf\xe9.txt", b"caf%E9.txt"):
        write(tree / "r/d" / os.fsdecode(name))

    seen = survey(tree, tmp_path)

    assert seen.keys == {("r", "d/caf%E9.txt"), ("r", "d/%caf%E9.txt")}
    assert seen.files["r", "d/caf%E9.txt"].path == "r/d/caf%E9.txt"
    assert os.fsencode(seen.files["r", "d/%caf%E9.txt"].path) == b"r/d/caf\xe9.txt"
    assert seen.warnings == [("r", r"r/d/caf\xe9.txt", "name-not-utf8")]


def test_names_that_differ_in_case_or_normal_form_are_both_kept(tree: Path, tmp_path: Path) -> None:
    """Keys are the names as given."""
    write(tree / "record.json", TITLED)
    names = ["Data", "data", "\u00e9", "e\u0301"]
    for name in names:
        write(tree / name)

    seen = survey(tree, tmp_path)

    assert seen.keys == {(".", name) for name in names}
    assert seen.problems == []


def test_control_characters_and_overlong_paths_are_rejected(tree: Path, tmp_path: Path) -> None:
    """Such a file holds its record; a long name by itself does not."""
    write(tree / "r/record.json", TITLED)
    write(tree / "r/a\nb")
    write(tree / "r" / ("x" * 255))

    seen = survey(tree, tmp_path)

    assert seen.rejections == [("r", r"r/a\x0ab", "bad-name")]
    assert seen.keys == {("r", "x" * 255)}


def test_a_path_over_4096_bytes_is_rejected(tree: Path, tmp_path: Path) -> None:
    """Folders may be nested deeper than any path that the system would open at once."""
    write(tree / "record.json", TITLED)
    top = os.open(tree, os.O_RDONLY)
    descriptor = top
    for _ in range(17):
        os.mkdir("d" * 250, dir_fd=descriptor)
        step = os.open("d" * 250, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = step
    os.close(os.open("deep", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)

    seen = survey(tree, tmp_path)

    assert [(record, code) for record, _, code in seen.rejections] == [(".", "bad-name")]


def test_a_folder_that_cannot_be_read_holds_its_record(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may lie in it is unknown, so the record is not whole."""
    write(tree / "r/record.json", TITLED)
    write(tree / "r/closed/x")
    write(tree / "r/open/y")
    real = os.listdir

    def listdir(descriptor: int) -> list[str]:
        # Permissions do not stop the superuser that tests may run as.
        names = real(descriptor)
        if names == ["x"]:
            raise PermissionError(13, "Permission denied")
        return names

    monkeypatch.setattr(os, "listdir", listdir)
    seen = survey(tree, tmp_path)

    assert seen.rejections == [("r", "r/closed", "unreadable")]
    assert seen.keys == {("r", "open/y")}


def test_the_order_does_not_depend_on_the_disk(tree: Path, tmp_path: Path) -> None:
    """Files come in the order of their bytes, those of a folder before those of its folders."""
    write(tree / "record.json", TITLED)
    for name in ("z", "a/2", "a/1", "B", "é", "a/c/x"):
        write(tree / name)

    seen = survey(tree, tmp_path)

    assert [key for _, key in seen.files] == ["B", "z", "é", "a/1", "a/2", "a/c/x"]


def test_the_collection_can_be_named(tree: Path, tmp_path: Path) -> None:
    """`--collection` wins over the folder's name."""
    write(tree / "record.json", TITLED)
    assert survey(tree, tmp_path, collection="mine").collection == "mine"


@pytest.mark.parametrize("name", ["nowhere", "notes.txt", "loop", "fifo.csv", "x\0y", "n" * 300])
def test_what_is_no_source_is_refused(tmp_path: Path, name: str) -> None:
    """A path without anything, a file that is no manifest, and what only looks like a path or a file."""
    write(tmp_path / "notes.txt", "hello")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo.csv")
    with pytest.raises(Misconfigured) as refusal:
        open_local(tmp_path / name, default=DEFAULT)
    assert "manifest" in refusal.value.remedy


def test_a_survey_can_be_given_up(tree: Path, tmp_path: Path) -> None:
    """Closing the generator half way leaves no folder open."""
    write(tree / "record.json", TITLED)
    for name in "abc":
        write(tree / name)
    before = _open_descriptors()
    source = open_local(tree)
    found = source.survey(describe, tmp_path)
    next(found)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert _open_descriptors() == before


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
