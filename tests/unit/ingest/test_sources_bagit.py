"""BagIt bags as sources, against the conformance suite and against bags made here."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import metadata
from pipeline.errors import Misconfigured
from pipeline.ingest.sources import tagfiles
from tests.reference import reference
from tests.unit.ingest.surveying import DEFAULT, Survey, open_local, survey, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def suite(*classes: str) -> list[Any]:
    folder = reference("testdata", "bagit", "suite")
    bags = sorted(bag for each in classes for bag in folder.glob(f"v*/{each}/*") if bag.is_dir())
    return [pytest.param(bag, id=str(bag.relative_to(folder))) for bag in bags]


def mismatches(seen: Survey) -> list[str]:
    """Keys of files whose bytes are not those that were declared: what intake would find."""
    found = []
    for file in seen.files.values():
        if file.problem:
            continue
        with seen.tree.open(file.path, file.size, file.stamp) as reader:
            content = reader.read()
        if any(hashlib.new(name, content).hexdigest() != digest for name, digest in file.declared.items()):
            found.append(file.key)
    return found


@pytest.mark.parametrize("bag", suite("valid"))
def test_a_valid_bag_of_the_suite_is_taken(bag: Path, tmp_path: Path) -> None:
    """Nothing holds it, every file has a declared digest, and the digests are those of the files."""
    seen = survey(bag, tmp_path, default=DEFAULT)
    assert seen.rejections == []
    assert seen.files
    assert all(file.declared for file in seen.files.values())
    assert mismatches(seen) == []


@pytest.mark.parametrize("bag", suite("invalid", "linux-only", "windows-only"))
def test_an_invalid_bag_of_the_suite_is_refused_or_held(bag: Path, tmp_path: Path) -> None:
    """At the opening, at the survey, or by a digest when its files are read."""
    try:
        seen = survey(bag, tmp_path, default=DEFAULT)
    except Misconfigured:
        return
    assert seen.rejections or mismatches(seen)


@pytest.mark.parametrize("bag", suite("warning"))
def test_a_doubtful_bag_of_the_suite_is_taken_with_a_warning(bag: Path, tmp_path: Path) -> None:
    """It is valid, and a person is told of what is odd."""
    seen = survey(bag, tmp_path, default=DEFAULT)
    assert seen.rejections == []
    assert seen.warnings
    assert mismatches(seen) == []


# ---------------------------------------------------------------- bags made here


def make_bag(
    folder: Path,
    files: Mapping[str, str],
    *,
    version: str = "1.0",
    info: str | None = None,
    algorithms: tuple[str, ...] = ("sha256", "sha512"),
    tags: Mapping[str, str] = {},
) -> Path:
    """A valid bag: `files` by path below `data/`, `tags` by path below the bag."""
    write(folder / "bagit.txt", f"BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n")
    (folder / "data").mkdir()
    for name, content in files.items():
        write(folder / "data" / name, content)
    for name, content in tags.items():
        write(folder / name, content)
    if info is not None:
        write(folder / "bag-info.txt", info)
    for algorithm in algorithms:
        lines = (
            f"{hashlib.new(algorithm, content.encode()).hexdigest()}  data/{name.replace('%', '%25')}\n"
            for name, content in files.items()
        )
        write(folder / f"manifest-{algorithm}.txt", "".join(lines))
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "bag"


def test_a_bag_is_one_record_keyed_by_its_identifier(place: Path, tmp_path: Path) -> None:
    """Keys are relative to `data/`, paths to the bag; every manifest's digest is declared."""
    make_bag(place, {"a/b.csv": "1"}, info="External-Identifier: set 7\n")

    seen = survey(place, tmp_path, default=DEFAULT)

    assert seen.collection == "set 7"
    assert seen.title("set 7") == "By default"
    file = seen.files["set 7", "a/b.csv"]
    assert file.path == "data/a/b.csv"
    assert file.declared == {
        "sha256": hashlib.sha256(b"1").hexdigest(),
        "sha512": hashlib.sha512(b"1").hexdigest(),
    }
    assert seen.problems == []


def test_a_bag_without_identifier_is_called_like_its_folder(place: Path, tmp_path: Path) -> None:
    """Its collection as well, unless that is named."""
    make_bag(place, {"a": "1"})
    seen = survey(place, tmp_path, default=DEFAULT, collection="mine")
    assert seen.keys == {("bag", "a")}
    assert seen.collection == "mine"


def test_metadata_of_the_bag_wins_over_the_default_and_that_over_its_info(
    place: Path, tmp_path: Path
) -> None:
    """The default is for bags that bring none; `bag-info.txt` is no more than a makeshift."""
    info = "External-Identifier: x\nExternal-Description: From the info\n"
    make_bag(place, {"a": "1"}, info=info)
    assert survey(place, tmp_path).title("x") == "From the info"
    assert survey(place, tmp_path, default=DEFAULT).title("x") == "By default"
    write(place / "metadata/datacite.json", json.dumps({"title": "From DataCite"}))
    assert survey(place, tmp_path, default=DEFAULT).title("x") == "From DataCite"
    write(place / "metadata/record.json", json.dumps({"title": "Its own"}))
    assert survey(place, tmp_path, default=DEFAULT).title("x") == "Its own"


def test_info_makes_a_description_that_the_archive_accepts(place: Path, tmp_path: Path) -> None:
    """Organisation, description and date of a well-filled `bag-info.txt` are all a dataset needs."""
    info = (
        "Source-Organization: Spengler University\nContact-Name: Janssen, Edna\nBagging-Date: 2008-01-15\n"
        "External-Description: Uncompressed greyscale TIFF images from the\n   Yoshimuri papers collection.\n"
    )
    make_bag(place, {"a": "1"}, info=info)
    document = tagfiles.metadata_from(tagfiles.bag_info(info.splitlines(keepends=True))[0])

    reading = metadata.read(document, today=date(2026, 1, 2))

    assert [problem for problem in reading.problems if not problem.warning] == []
    assert reading.description is not None
    assert (
        reading.description.metadata["title"]
        == "Uncompressed greyscale TIFF images from the Yoshimuri papers collection."
    )
    assert reading.description.metadata["publication_date"] == "2008-01-15"
    assert "Spengler" in str(reading.description.metadata["creators"])


def test_a_listed_file_that_is_not_there_holds_the_bag(place: Path, tmp_path: Path) -> None:
    """It is a file of the record that cannot be read."""
    make_bag(place, {"a": "1", "b": "2"})
    (place / "data/b").unlink()
    seen = survey(place, tmp_path, default=DEFAULT)
    assert seen.rejections == [("bag", "data/b", "missing")]
    assert seen.keys == {("bag", "a")}


def test_a_file_that_is_not_listed_holds_the_bag(place: Path, tmp_path: Path) -> None:
    """Nobody vouches for it."""
    write(make_bag(place, {"a": "1"}) / "data/stray")
    assert survey(place, tmp_path, default=DEFAULT).rejections == [("bag", "data/stray", "unlisted")]


@pytest.mark.parametrize(
    ("version", "rejections"), [("1.0", [("bag", "data/b", "not-in-every-manifest")]), ("0.97", [])]
)
def test_since_1_0_every_manifest_lists_every_file(
    place: Path, tmp_path: Path, version: str, rejections: list[tuple[str, str, str]]
) -> None:
    """Before, one manifest was enough."""
    make_bag(place, {"a": "1", "b": "2"}, version=version)
    lines = (place / "manifest-sha512.txt").read_text().splitlines()
    (place / "manifest-sha512.txt").write_text(lines[0] + "\n")
    assert survey(place, tmp_path, default=DEFAULT).rejections == rejections


@pytest.mark.parametrize("oxum", ["3.1", "2.2", "x", "2.1\nPayload-Oxum: 2.1"])
def test_a_wrong_payload_oxum_holds_the_bag(place: Path, tmp_path: Path, oxum: str) -> None:
    """Wrong bytes, wrong count, no number, given twice."""
    make_bag(place, {"a": "12"}, info=f"Payload-Oxum: {oxum}\n")
    assert len(survey(place, tmp_path, default=DEFAULT).rejections) == 1


def test_a_right_payload_oxum_is_no_problem(place: Path, tmp_path: Path) -> None:
    """Bytes and files of the payload alone."""
    make_bag(place, {"a": "12", "b": ""}, info="Payload-Oxum: 2.2\n")
    assert survey(place, tmp_path, default=DEFAULT).problems == []


def test_a_changed_tag_file_holds_the_bag(place: Path, tmp_path: Path) -> None:
    """Tag manifests are checked at the survey, for tag files are read there."""
    make_bag(place, {"a": "1"}, tags={"notes/readme.txt": "hello"})
    digest = hashlib.sha256(b"hello").hexdigest()
    write(place / "tagmanifest-sha256.txt", f"{digest} notes/readme.txt\n")
    assert survey(place, tmp_path, default=DEFAULT).rejections == []
    write(place / "notes/readme.txt", "hellO")
    assert survey(place, tmp_path, default=DEFAULT).rejections == [
        ("bag", "notes/readme.txt", "digest-mismatch")
    ]


def test_what_is_still_to_be_fetched_holds_the_bag(place: Path, tmp_path: Path) -> None:
    """Nothing is fetched here; what has been fetched already is a file like any other."""
    make_bag(place, {"a": "1", "b": "2"}, tags={"fetch.txt": "http://x/a - data/a\nhttp://x/b 1 data/b\n"})
    assert survey(place, tmp_path, default=DEFAULT).problems == []
    (place / "data/b").unlink()
    assert survey(place, tmp_path, default=DEFAULT).rejections == [("bag", "data/b", "not-fetched")]


def test_fetch_names_nothing_that_no_manifest_lists(place: Path, tmp_path: Path) -> None:
    """RFC 8493, section 2.2.3."""
    make_bag(place, {"a": "1"}, tags={"fetch.txt": "http://x/b - data/b\n"})
    assert survey(place, tmp_path, default=DEFAULT).rejections == [("bag", "data/b", "unlisted")]


def test_a_link_in_the_payload_is_never_followed(place: Path, tmp_path: Path) -> None:
    """Listed, it counts as missing; a link for the whole payload leaves nothing."""
    secret = write(tmp_path / "secret/a", "1")
    make_bag(place, {"a": "1"})
    (place / "data/a").unlink()
    (place / "data/a").symlink_to(secret)
    seen = survey(place, tmp_path, default=DEFAULT)
    assert seen.warnings == [("bag", "data/a", "not-regular")]
    assert seen.rejections == [("bag", "data/a", "missing")]

    (place / "data/a").unlink()
    (place / "data").rmdir()
    (place / "data").symlink_to(secret.parent)
    assert ("bag", "data", "not-regular") in survey(place, tmp_path, default=DEFAULT).rejections


def test_percent_signs_are_encoded_since_1_0(place: Path, tmp_path: Path) -> None:
    """`%25` is `%` there, and means itself in older bags."""
    make_bag(place, {"50%": "1", "%41": "2"})
    assert survey(place, tmp_path, default=DEFAULT).keys == {("bag", "50%"), ("bag", "%41")}
    old = make_bag(tmp_path / "old", {"x%25": "1"}, version="0.97", algorithms=())
    write(old / "manifest-md5.txt", f"{hashlib.md5(b'1').hexdigest()}  data/x%25\n")
    assert survey(old, tmp_path, default=DEFAULT).keys == {("old", "x%25")}


def test_a_manifest_of_an_unknown_algorithm_is_warned_of(place: Path, tmp_path: Path) -> None:
    """Its digests cannot be checked; the other manifest's can."""
    make_bag(place, {"a": "1"}, algorithms=("sha256",), tags={"manifest-crc7.txt": "12 data/a\n"})
    seen = survey(place, tmp_path, default=DEFAULT)
    assert seen.warnings == [("bag", "manifest-crc7.txt", "unknown-algorithm")]
    assert seen.keys == {("bag", "a")}


def test_names_of_the_same_fold_with_different_digests_are_not_one_file(place: Path, tmp_path: Path) -> None:
    """Only where the digests agree is `A` taken to be there as `a`."""
    make_bag(place, {"a": "1", "A": "2"}, version="0.97")
    (place / "data/A").unlink()
    assert survey(place, tmp_path, default=DEFAULT).rejections == [("bag", "data/A", "missing")]


def test_a_bag_without_manifests_is_held(place: Path, tmp_path: Path) -> None:
    """One is the least (RFC 8493, section 2.1.3)."""
    make_bag(place, {"a": "1"}, algorithms=())
    assert survey(place, tmp_path, default=DEFAULT).rejections == [
        ("bag", "", "no-manifest"),
        ("bag", "data/a", "unlisted"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BagIt-Version: 1.0\n",
        "BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n",
        "BagIt-Version: 1.0\nTag-File-Character-Encoding: KLINGON\n",
        "BagIt-Version: 0.97\nTag-File-Character-Encoding: rot13\n",
        "BagIt-Version:1.0\nTag-File-Character-Encoding: UTF-8\n",
        "Tag-File-Character-Encoding: UTF-8\nBagIt-Version: 1.0\n",
        "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\nMore: x\n",
    ],
)
def test_a_malformed_declaration_is_refused_whole(place: Path, text: str) -> None:
    """It is no bag, and nothing is begun."""
    make_bag(place, {"a": "1"})
    write(place / "bagit.txt", text)
    with pytest.raises(Misconfigured, match=r"bagit\.txt"):
        open_local(place, default=DEFAULT)


def test_a_bag_that_lost_its_declaration_is_not_taken_for_a_tree(place: Path, tmp_path: Path) -> None:
    """Its manifests would be published as data. With a `record.json` it is a record that brings a list."""
    make_bag(place, {"a": "1"})
    (place / "bagit.txt").unlink()
    with pytest.raises(Misconfigured, match="no bag"):
        open_local(place, default=DEFAULT)
    write(place / "record.json", '{"title": "T"}')
    assert (".", "data/a") in survey(place, tmp_path).keys


def test_tag_files_in_another_encoding_than_declared_hold_the_bag(place: Path, tmp_path: Path) -> None:
    """UTF-16 was said, and the manifest is something else."""
    make_bag(place, {"a": "1"}, version="0.97", algorithms=("md5",))
    write(place / "bagit.txt", "BagIt-Version: 0.97\nTag-File-Character-Encoding: ASCII\n")
    write(place / "manifest-md5.txt", f"{hashlib.md5(b'1').hexdigest()}  data/a\n# ü\n")
    assert ("bag", "manifest-md5.txt", "rejected") in survey(place, tmp_path, default=DEFAULT).rejections


@given(st.text(max_size=80))
def test_no_text_breaks_the_readers_of_tag_files(text: str) -> None:
    """Every line gives something listed or something wrong, in every version."""
    for version in tagfiles.VERSIONS:
        declared = tagfiles.Declaration(version, "UTF-8")
        lines = text.splitlines(keepends=True)
        given_lines = sum(bool(line.strip()) for line in lines)
        assert len(list(tagfiles.manifest_lines(lines, "md5", declared, payload=True))) == given_lines
        assert len(list(tagfiles.fetch_lines(lines, declared))) == given_lines
        info, bad = tagfiles.bag_info(lines)
        assert len(info.fields) + len(bad) <= given_lines


@given(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\x85\u2028\u2029"), min_size=1)
)
def test_a_path_survives_a_manifest(name: str) -> None:
    """Written as RFC 8493 says and read back, any name that a line can hold is the same."""
    path = f"data/x{name}"
    if ".." in path.split("/") or "\0" in path:
        return
    line = f"{'0' * 32}  {path.replace('%', '%25')}\n"
    (found,) = tagfiles.manifest_lines([line], "md5", tagfiles.Declaration("1.0", "UTF-8"), payload=True)
    assert found == tagfiles.Listed(path, "0" * 32)
