"""Archives as trees: what a survey finds in one, and what its files are read as, is what the folder gives that it was
made of; and nothing that an archive may hold is more than a problem, or a reason to refuse it."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Misconfigured, Rejected, SourceChanged
from pipeline.ingest.sources.trees.inflating import GZIP, RAW, Inflated
from tests.reference import reference
from tests.unit.ingest.surveying import DEFAULT, Survey, local_tree, open_local, survey, write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.ingest.sources import Tree

KINDS = [".tar", ".tar.gz", ".zip"]


def pack(folder: Path, archive: Path, *, tar_format: int = tarfile.PAX_FORMAT) -> Path:
    """Everything in `folder`, below its name, into an archive of the kind that its suffix says."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
            for path in sorted(folder.rglob("*"), key=os.fsencode):
                target.write(path, path.relative_to(folder.parent))
    else:
        mode = "w:gz" if archive.suffix == ".gz" else "w"
        with tarfile.open(archive, mode, format=tar_format, errors="surrogateescape") as target:  # type: ignore[call-overload]
            target.add(folder, folder.name)
    return archive


def told(seen: Survey) -> list[Any]:
    """What a survey says, but for what may be another in an archive: times and stamps."""
    files = [(*place, file.path, file.size, dict(file.declared)) for place, file in seen.files.items()]
    return [seen.collection, files, seen.rejections, seen.warnings]


def content(tree: Tree, seen: Survey) -> dict[tuple[str, str], bytes]:
    """The bytes of every file that can be read."""
    contents = {}
    for place in sorted(seen.keys):
        file = seen.files[place]
        with tree.open(file.path, file.size, file.stamp) as reader:
            contents[place] = reader.read()
            reader.still_same()
    return contents


def bags() -> list[Any]:
    folder = reference("testdata", "bagit", "suite")
    found = sorted(bag for bag in folder.glob("v*/*/*") if bag.is_dir())
    return [pytest.param(bag, id=str(bag.relative_to(folder))) for bag in found]


@pytest.mark.parametrize("bag", bags())
def test_a_bag_of_the_suite_is_judged_in_an_archive_as_in_its_folder(bag: Path, tmp_path: Path) -> None:
    """The same files with the same declared digests, the same problems, the same bytes; or refused like it."""
    (tmp_path / "scratch").mkdir()
    try:
        plain = survey(bag, tmp_path / "scratch", default=DEFAULT)
    except Misconfigured:
        plain = None
    for kind in KINDS:
        archive = pack(bag, tmp_path / f"any{kind}")
        if plain is None:
            with pytest.raises(Misconfigured):
                survey(archive, tmp_path / "scratch", default=DEFAULT)
            continue
        seen = survey(archive, tmp_path / "scratch", default=DEFAULT)
        assert told(seen) == told(plain)
        assert content(seen.tree, seen) == content(plain.tree, plain)


# ---------------------------------------------------------------- any tree

NAMES = st.one_of(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.sampled_from(["a", "b", "A", "record.json", "%FF", "x" * 150, "é", "e\u0301"]),
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 256)
TREES = st.recursive(
    st.binary(max_size=3000), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
).filter(lambda tree: isinstance(tree, dict) and tree)


def build(folder: Path, tree: Any) -> None:
    folder.mkdir()
    for name, inner in tree.items():
        if isinstance(inner, dict):
            build(folder / name, inner)
        else:
            (folder / name).write_bytes(inner)


@settings(max_examples=40, deadline=None)
@given(TREES, st.sampled_from(KINDS), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_any_tree_is_the_same_in_an_archive(tree: Any, kind: str, tar_format: int) -> None:
    """Whatever names, depths and bytes: surveyed and read as the folder is."""
    with TemporaryDirectory() as place:
        folder, scratch = Path(place) / "tree", Path(place) / "scratch"
        scratch.mkdir()
        build(folder, tree)
        archive = pack(folder, Path(place) / f"tree{kind}", tar_format=tar_format)
        plain, packed = (survey(source, scratch, default=DEFAULT) for source in (folder, archive))
        assert told(packed) == told(plain)
        assert content(packed.tree, packed) == content(plain.tree, plain)


def test_names_that_are_not_utf8_are_kept_as_those_of_a_folder(tmp_path: Path) -> None:
    """In tar as bytes; a ZIP without the UTF-8 flag has code page 437, one with a wrong flag keeps odd bytes."""
    folder = tmp_path / "tree"
    write(folder / os.fsdecode(b"a/\xff.bin"), "1")
    archive = pack(folder, tmp_path / "tree.tar")
    plain, packed = survey(folder, tmp_path, default=DEFAULT), survey(archive, tmp_path, default=DEFAULT)
    assert told(packed) == told(plain)
    assert packed.keys == {("a", "%FF.bin")}

    flagged, old = tmp_path / "flagged.zip", tmp_path / "old.zip"
    for path in (flagged, old):
        with zipfile.ZipFile(path, "w") as target:
            target.writestr("t/a/é.bin", "1")
    flagged.write_bytes(flagged.read_bytes().replace("é".encode(), b"\xff\xfe"))
    data = old.read_bytes().replace("é".encode(), b"\x82\x82")
    # The flags of both headers, without the one that says UTF-8.
    old.write_bytes(data.replace(b"\x14\x00\x00\x08", b"\x14\x00\x00\x00"))
    assert survey(flagged, tmp_path, default=DEFAULT).keys == {("a", "%FF%FE.bin")}
    assert survey(old, tmp_path, default=DEFAULT).keys == {("a", "éé.bin")}


# ---------------------------------------------------------------- what else archives are


def tar_of(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w") as target:
        for info, data in members:
            info.size = len(data)
            target.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_an_archive_of_several_entries_is_called_like_its_file(tmp_path: Path) -> None:
    """One folder at the top is the tree's top, whether the archive names it or not; else the archive is it."""
    one = tar_of(tmp_path / "one.tgz", [(member("./set/a/x"), b"1"), (member("set//a/y"), b"2")])
    two = tar_of(tmp_path / "two.tar", [(member("set/x"), b"1"), (member("y"), b"2")])
    shutil.move(one, tmp_path / "one.tar")
    seen = survey(tmp_path / "one.tar", tmp_path, default=DEFAULT)
    assert (seen.collection, seen.keys) == ("set", {("a", "x"), ("a", "y")})
    seen = survey(two, tmp_path, default=DEFAULT)
    assert (seen.collection, seen.keys) == ("two", {("set", "x"), ("y", "y")})


def test_a_hard_link_is_its_targets_bytes_and_all_other_links_stay_closed(tmp_path: Path) -> None:
    """A tar of a folder with hard links gives all its files, as the folder does; what is no file is never opened."""
    archive = tar_of(
        tmp_path / "links.tar",
        [
            (member("r/first"), b"bytes"),
            (member("r/second", tarfile.LNKTYPE, "r/first"), b""),
            (member("r/nowhere", tarfile.LNKTYPE, "../etc/passwd"), b""),
            (member("r/soft", tarfile.SYMTYPE, "/etc/passwd"), b""),
            (member("r/tape", tarfile.CHRTYPE), b""),
            (member("r/pipe", tarfile.FIFOTYPE), b""),
            (member("s/x"), b""),
        ],
    )
    seen = survey(archive, tmp_path, default=DEFAULT)
    assert content(seen.tree, seen)["r", "second"] == b"bytes"
    assert seen.rejections == [("r", "r/nowhere", "dangling-link")]
    assert [(path, code) for _, path, code in seen.warnings] == [
        ("r/pipe", "not-regular"),
        ("r/soft", "not-regular"),
        ("r/tape", "not-regular"),
    ]


def test_of_a_name_that_stands_twice_the_last_one_counts_and_a_person_is_told(tmp_path: Path) -> None:
    """As where archives are unpacked; a file and a folder of one name hold the record."""
    archive = tar_of(
        tmp_path / "twice.tar",
        [
            (member("r/x"), b"old"),
            (member("r/x"), b"newer"),
            (member("r/y"), b"file"),
            (member("r/y/z"), b"below"),
            (member("s/x"), b""),
        ],
    )
    seen = survey(archive, tmp_path, default=DEFAULT)
    assert content(seen.tree, seen)["r", "x"] == b"newer"
    assert seen.warnings == [("r", "r/x", "listed-twice")]
    assert seen.rejections == [("r", "r/y", "key-collision")]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("r/../../x", "r/../../x"),
        ("/etc/passwd", "/etc/passwd"),
        ("r/\0x", "r/\\x00x"),
        ("r/" + "d/" * 2500 + "x", "r/" + "d/" * 2500 + "x"),
    ],
)
def test_a_path_that_must_not_be_holds_the_record_where_it_would_lie(
    name: str, path: str, tmp_path: Path
) -> None:
    """It is told under its own name, and nothing outside of the archive is looked at."""
    info = member("odd")
    info.pax_headers = {"path": name}
    archive = tar_of(tmp_path / "bad.tar", [(member("r/x"), b""), (member("s/x"), b""), (info, b"evil")])
    seen = survey(archive, tmp_path, default=DEFAULT)
    record = "r" if name.startswith("r") else ""
    assert seen.rejections == [(record, path, "bad-name")]
    assert seen.keys == {("r", "x"), ("s", "x")}


def test_a_path_that_leads_out_of_a_bag_holds_the_bag(tmp_path: Path) -> None:
    """Also where it lies beside the payload, or beside the bag."""
    bag = reference("testdata", "bagit", "suite") / "v1.0" / "valid" / "basicBag"
    for name in ("../x", "basicBag/../../x", "basicBag/data/../../../x"):
        archive = pack(bag, tmp_path / "bag.tar")
        with tarfile.open(archive, "a") as target:
            target.addfile(member(name))
        seen = survey(archive, tmp_path, default=DEFAULT)
        assert [code for _, _, code in seen.rejections] == ["bad-name"], name


def test_a_sparse_member_holds_its_record(tmp_path: Path) -> None:
    """Its bytes do not lie in the archive as they are."""
    info = member("r/sparse")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": "1000",
    }
    archive = tar_of(tmp_path / "sparse.tar", [(info, b"1"), (member("s/x"), b"")])
    seen = survey(archive, tmp_path, default=DEFAULT)
    assert seen.rejections == [("r", "r/sparse", "sparse-member")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_archive_is_refused_whole(kind: str, tmp_path: Path) -> None:
    """Which members are missing cannot be told: nothing of it is taken, wherever it ends."""
    for name in "abc":
        write(tmp_path / "tree" / name, random.Random(name).randbytes(3000))
    whole = pack(tmp_path / "tree", tmp_path / f"whole{kind}").read_bytes()
    # The last end blocks of a tar may be missing: one is enough.
    end = len(whole.rstrip(b"\0")) if kind == ".tar" else len(whole) - 1
    for cut in [*range(1, end, 397), end]:
        archive = tmp_path / f"cut{cut}{kind}"
        archive.write_bytes(whole[:cut])
        with pytest.raises(Misconfigured, match=r"damaged|end too early|truncated|empty"):
            open_local(archive, default=DEFAULT)


DAMAGE = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=3)), min_size=1, max_size=4)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(DAMAGE)
def test_a_damaged_archive_never_ends_in_anything_but_words(
    kind: str, damage: list[tuple[float, bytes]]
) -> None:
    """Any bytes changed anywhere: it is refused, or its members are held, or read."""
    with TemporaryDirectory() as place:
        for name in "ab":
            write(Path(place) / "tree" / name, name * 700)
        archive = pack(Path(place) / "tree", Path(place) / f"tree{kind}")
        damaged = bytearray(archive.read_bytes())
        for where, value in damage:
            at = int(where * len(damaged))
            damaged[at : at + 1] = value
        archive.write_bytes(damaged)
        with suppress(Rejected, Misconfigured):
            seen = survey(archive, Path(place), default=DEFAULT)
            content(seen.tree, seen)


# ---------------------------------------------------------------- ZIP


def zip_of(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return path


def patched(path: Path, signature: bytes, offset: int, value: bytes) -> Path:
    """With other bytes in the first header that begins with the signature."""
    data = bytearray(path.read_bytes())
    at = data.index(signature) + offset
    data[at : at + len(value)] = value
    path.write_bytes(data)
    return path


CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"


@pytest.mark.parametrize(
    ("offset", "value", "code"),
    [
        (8, b"\x01\x00", "encrypted"),
        (10, b"\x0e\x00", "unknown-compression"),
        (24, b"\xff\xff\xff\x7f", "damaged-member"),
        (24, b"\x00\x00\x00\x00", "damaged-member"),
    ],
)
def test_a_zip_member_that_cannot_be_read_holds_its_record(
    offset: int, value: bytes, code: str, tmp_path: Path
) -> None:
    """Known at the survey, from what the directory says; the others are taken."""
    archive = zip_of(tmp_path / "a.zip", {"r/x": b"x" * 5000, "s/x": b"fine"})
    seen = survey(patched(archive, CENTRAL, offset, value), tmp_path, default=DEFAULT)
    assert seen.rejections == [("r", "r/x", code)]
    assert content(seen.tree, seen) == {("s", "x"): b"fine"}


@pytest.mark.parametrize(
    ("signature", "offset", "value"),
    [
        (CENTRAL, 24, b"\x87\x13\x00\x00"),  # one byte fewer than there are: what a bomb would say
        (CENTRAL, 24, b"\x89\x13\x00\x00"),  # one more
        (CENTRAL, 16, b"\0\0\0\0"),  # another CRC-32
        (LOCAL, 0, b"PK\x07\x08"),  # no member there
        (LOCAL, 33, b"\xff\xff"),  # no deflated bytes
    ],
)
def test_a_zip_member_that_is_not_as_it_says_is_rejected_when_it_is_read(
    signature: bytes, offset: int, value: bytes, tmp_path: Path
) -> None:
    """No byte beyond its declared size is given, however many it has."""
    archive = patched(zip_of(tmp_path / "a.zip", {"r/x": b"x" * 5000}), signature, offset, value)
    seen = survey(archive, tmp_path, default=DEFAULT)
    [file] = seen.files.values()

    def read() -> int:
        with seen.tree.open(file.path, file.size, file.stamp) as reader:
            while reader.read(1000):
                assert reader.given <= file.size
            return reader.given

    with pytest.raises(Rejected, match=r"CRC-32|more bytes|too early|damaged|no member"):
        read()


def test_a_stored_member_is_held_to_its_crc_also_where_it_is_gone_on_with(tmp_path: Path) -> None:
    """A reading that begins in the middle reads what came before it once more, for the sum."""
    archive = zip_of(tmp_path / "a.zip", {"r/x": bytes(range(256)) * 40}, zipfile.ZIP_STORED)
    patched(archive, LOCAL, 40, b"other")
    tree = local_tree(str(archive))
    reader = tree.open_now("x")
    with reader, pytest.raises(Rejected, match="CRC-32"):
        reader.read_at(9000, 2000)


def test_overlapping_zip_members_are_refused_whole(tmp_path: Path) -> None:
    """They claim more bytes than the archive has: it would give far more than anybody was told."""
    archive = zip_of(tmp_path / "a.zip", {f"r/{name}": random.Random(0).randbytes(5000) for name in "abc"})
    data = bytearray(archive.read_bytes())
    at = 0
    for _ in range(3):
        at = data.index(CENTRAL, at + 1)
        data[at + 42 : at + 46] = bytes(4)
    end = data.index(CENTRAL)
    short = data[:5100] + data[end:]
    short[-6:-2] = struct.pack("<L", 5100)
    archive.write_bytes(short)
    with pytest.raises(Misconfigured, match="overlap"):
        open_local(archive, default=DEFAULT)


def test_zip64_and_something_before_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes, offsets and counts in 64 bits, and a self-extractor's program before it, make no difference."""
    with monkeypatch.context() as small:
        small.setattr(zipfile, "ZIP64_LIMIT", 100)
        small.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
        archive = zip_of(tmp_path / "a.zip", {"r/x": b"x" * 5000, "r/y": bytes(300)}, zipfile.ZIP_STORED)
    assert b"PK\x06\x06" in archive.read_bytes()
    for before in (b"", b"#!/bin/sh\n"):
        archive.write_bytes(before + archive.read_bytes())
        seen = survey(archive, tmp_path, default=DEFAULT)
        assert content(seen.tree, seen) == {("x", "x"): b"x" * 5000, ("y", "y"): bytes(300)}


def test_times_of_members_are_those_that_are_known(tmp_path: Path) -> None:
    """To the nanosecond in pax; of a ZIP only where it has Unix times, since nobody knows MS-DOS's time zone."""
    info = member("r/x")
    info.pax_headers = {"mtime": "1700000000.123456789"}
    tar = survey(tar_of(tmp_path / "a.tar", [(info, b"")]), tmp_path, default=DEFAULT)
    assert [file.mtime_ns for file in tar.files.values()] == [1_700_000_000_123_456_789]
    plain = zipfile.ZipInfo("r/x")
    timed = zipfile.ZipInfo("r/y")
    timed.extra = struct.pack("<HHBl", 0x5455, 5, 1, 1_700_000_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.writestr(plain, b"")
        target.writestr(timed, b"")
    files = survey(tmp_path / "a.zip", tmp_path, default=DEFAULT).files
    assert [file.mtime_ns for file in files.values()] == [None, 1_700_000_000 * 10**9]


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_changes_is_noticed(kind: str, tmp_path: Path) -> None:
    """Between survey and reading, and while it is read; its files are then rejected, none is mixed of two states."""
    write(tmp_path / "tree/a", "first")
    archive = pack(tmp_path / "tree", tmp_path / f"tree{kind}")
    tree = local_tree(str(archive))
    entry = tree.look("a")
    with tree.open("a", entry.size, entry.stamp) as reader:
        os.utime(archive, ns=(0, 0))
        with pytest.raises(SourceChanged):
            reader.still_same()
    with pytest.raises(SourceChanged):
        tree.open("a", entry.size, entry.stamp)


@pytest.mark.parametrize("kind", KINDS)
def test_many_threads_read_side_by_side_in_any_order(kind: str, tmp_path: Path) -> None:
    """As the threads of a pack of small files do; each gets the bytes of its own."""
    made = random.Random(5)
    contents = {f"{number:03}": made.randbytes(made.randrange(40_000)) for number in range(120)}
    for name, data in contents.items():
        write(tmp_path / "tree" / name, data)
    archive = pack(tmp_path / "tree", tmp_path / f"tree{kind}")
    tree = local_tree(str(archive))
    with tree.folder("") as folder:
        entries = list(folder.entries())
    made.shuffle(entries)

    def read(entry: Any) -> bytes:
        with tree.open(entry.name, entry.size, entry.stamp) as reader:
            return reader.read()

    with ThreadPoolExecutor(16) as pool:
        assert dict(zip((e.name for e in entries), pool.map(read, entries), strict=True)) == contents


class _Memory(io.BytesIO):
    """An archive in memory that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.given = 0

    def read_at(self, start: int, length: int) -> bytes:
        self.seek(start)
        block = self.read(length)
        self.given += len(block)
        return block


def test_going_back_in_a_stream_costs_the_way_from_the_last_point_only() -> None:
    """A long stream is not decompressed from its beginning again."""
    data = random.Random(9).randbytes(12 << 20)
    file = _Memory(gzip.compress(data, 1))
    stream = Inflated(0, len(file.getvalue()), GZIP)
    buffer = memoryview(bytearray(1000))
    assert stream.read_into(file, len(data) - 1000, buffer) == 1000  # type: ignore[arg-type]
    whole = file.given
    for offset in (10 << 20, 6 << 20, 6_300_000, 9 << 20):
        before = file.given
        assert stream.read_into(file, offset, buffer) == 1000  # type: ignore[arg-type]
        assert bytes(buffer) == data[offset : offset + 1000]
        assert file.given - before < whole / 4


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.binary(max_size=400), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 1700), st.integers(0, 300)), max_size=8),
    st.integers(0, 30),
)
def test_a_stream_is_the_same_from_any_offset(
    parts: list[bytes], reads: list[tuple[int, int]], zeros: int
) -> None:
    """gzip's of several members, with a last block filled up with zeros, and a deflated one between other bytes."""
    data = b"".join(parts)
    deflater = zlib.compressobj(wbits=RAW)
    raw = deflater.compress(data) + deflater.flush()
    zipped = b"".join(map(gzip.compress, parts)) + bytes(zeros)
    for file, start, length, kind in (
        (_Memory(zipped), 0, len(zipped), GZIP),
        (_Memory(b"before" + raw + b"after"), 6, len(raw), RAW),
    ):
        stream = Inflated(start, length, kind)
        for offset, size in reads:
            buffer = memoryview(bytearray(size))
            number = stream.read_into(file, offset, buffer)  # type: ignore[arg-type]
            assert bytes(buffer[:number]) == data[offset : offset + size]


def test_headers_without_end_do_not_fill_the_memory(tmp_path: Path) -> None:
    """A header that says that it has gigabytes is damage, not a reason to read them."""
    info = member("x", b"x")
    info.size = 3 << 30
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))
    with pytest.raises(Misconfigured, match="headers"):
        open_local(tmp_path / "a.tar", default=DEFAULT)


def test_a_folder_that_is_called_like_an_archive_is_a_folder(tmp_path: Path) -> None:
    """What a place is decides, not only its name."""
    write(tmp_path / "set.zip/r/x", "1")
    assert survey(tmp_path / "set.zip", tmp_path, default=DEFAULT).keys == {("r", "x")}
    assert stat.S_ISREG(local_tree(str(tmp_path / "set.zip")).look("r/x").mode)
