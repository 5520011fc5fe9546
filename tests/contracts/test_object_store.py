"""One suite for every `ObjectStore` (`stores.STORES`). Objects in parts have one of their own."""

from __future__ import annotations

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import Conflict, Missing, Rejected
from pipeline.ports import ObjectStore, OpenUpload
from pipeline.store.local import LocalStore

# Hypothesis' examples share one store: each uses keys of its own, or overwrites.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)


def put(store: ObjectStore, key: str, content: bytes) -> None:
    upload = store.begin(key, len(content))
    upload.write(content)
    upload.commit()
    store.settle([key])


def content(store: ObjectStore, key: str) -> bytes:
    return b"".join(store.read(key))


def keys(store: ObjectStore, prefix: str) -> list[str]:
    return sorted(one.key for one in store.list(prefix))


# ---------------------------------------------------------------- writing


def test_an_object_is_visible_only_once_committed(store: ObjectStore) -> None:
    """Neither a reader nor a listing sees what is still being written."""
    upload = store.begin("a/b", 6)
    upload.write(b"abc")
    upload.write(memoryview(b"def"))
    assert keys(store, "a") == []
    with pytest.raises(Missing):
        store.size("a/b")
    upload.commit()
    assert (content(store, "a/b"), store.size("a/b"), keys(store, "a")) == (b"abcdef", 6, ["a/b"])


def test_an_aborted_upload_leaves_nothing(store: ObjectStore) -> None:
    """However often it is aborted."""
    upload = store.begin("a/b", 3)
    upload.write(b"abc")
    upload.abort()
    upload.abort()
    assert keys(store, "a") == []
    with pytest.raises(Missing):
        store.read("a/b")


def test_aborting_after_the_commit_does_no_harm(store: ObjectStore) -> None:
    """So that callers may abort in `finally`."""
    upload = store.begin("a", 3)
    upload.write(b"abc")
    upload.commit()
    upload.abort()
    assert content(store, "a") == b"abc"


def test_a_commit_replaces_the_object_whole(store: ObjectStore) -> None:
    """Until then the old one is read, also to its end by those who had begun."""
    put(store, "a", b"old" * 1_000_000)
    reading = store.read("a")
    begun = next(reading)
    upload = store.begin("a", 3)
    upload.write(b"new")
    assert store.size("a") == 3_000_000
    upload.commit()
    assert content(store, "a") == b"new"
    assert begun + b"".join(reading) == b"old" * 1_000_000


def test_an_aborted_overwrite_keeps_what_was_there(store: ObjectStore) -> None:
    """A rejected file does not cost the one before it."""
    put(store, "a", b"old")
    upload = store.begin("a", 3)
    upload.write(b"new")
    upload.abort()
    assert content(store, "a") == b"old"


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    """It has a key and no bytes."""
    put(store, "empty", b"")
    assert (store.size("empty"), list(store.read("empty"))) == (0, [])


def test_many_small_objects_are_written_as_a_group(store: ObjectStore) -> None:
    """All of them are there when `put_many` returns, old ones replaced."""
    put(store, "many/7", b"old")
    group = {f"many/{number}": b"%d" % number for number in range(100)}
    store.put_many(group)
    assert {one.key: one.size for one in store.list("many")} == {
        key: len(body) for key, body in group.items()
    }
    assert content(store, "many/7") == b"7"


def test_writers_of_one_key_do_not_mix(store: ObjectStore) -> None:
    """Of many uploads to a key at the same time one wins, with all its bytes and no other's."""
    bodies = [bytes([number]) * 300_000 for number in range(16)]
    together = threading.Barrier(len(bodies))

    def write(body: bytes) -> None:
        upload = store.begin("contended/key", len(body))
        for at in range(0, len(body), 30_000):
            upload.write(body[at : at + 30_000])
        together.wait()
        upload.commit()

    with ThreadPoolExecutor(len(bodies)) as pool:
        list(pool.map(write, bodies))
    assert content(store, "contended/key") in bodies
    assert keys(store, "contended") == ["contended/key"]


def test_writing_and_deleting_side_by_side_loses_nothing(store: ObjectStore) -> None:
    """An object committed into a place that others empty at that moment is there."""

    def work(number: int) -> None:
        for turn in range(15):
            put(store, f"busy/place/{number}", b"%d" % turn)
            if turn < 14:
                store.delete(f"busy/place/{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert keys(store, "busy") == [f"busy/place/{number}" for number in range(8)]


# ---------------------------------------------------------------- comparing and swapping


def test_swapping_makes_and_replaces_what_is_as_it_was(store: ObjectStore) -> None:
    """New objects where there were none, others where they are still what the caller knows."""
    store.swap_many({"swapped/a": (None, b"1"), "swapped/b": (None, b"x" * 100_000)})
    store.swap_many({"swapped/a": (b"1", b"2"), "swapped/b": (b"x" * 100_000, b"")})
    assert (content(store, "swapped/a"), content(store, "swapped/b")) == (b"2", b"")


@pytest.mark.parametrize(("there", "before"), [(b"1", None), (b"1", b"0"), (b"", None), (None, b"0")])
def test_what_changed_meanwhile_is_not_swapped(
    store: ObjectStore, there: bytes | None, before: bytes | None
) -> None:
    """It stays as it is, and whoever asked is told."""
    found = {} if there is None else {"swapped/a": there}
    store.put_many(found)
    with pytest.raises(Conflict):
        store.swap_many({"swapped/a": (before, b"2")})
    assert {one.key: content(store, one.key) for one in store.list("swapped")} == found


@pytest.mark.parametrize("before", [None, b"0"])
def test_a_swap_that_was_done_is_done(store: ObjectStore, before: bytes | None) -> None:
    """Repeating it changes nothing: its answer may have been lost."""
    store.put_many({} if before is None else {"swapped": before})
    store.swap_many({"swapped": (before, b"1")})
    store.swap_many({"swapped": (before, b"1")})
    assert content(store, "swapped") == b"1"


def test_of_many_who_swap_one_wins(store: ObjectStore) -> None:
    """All others are told that they were too late."""
    together = threading.Barrier(8)

    def swap(number: int) -> bool:
        together.wait()
        try:
            store.swap_many({"contended": (b"before", b"%d" % number)})
        except Conflict:
            return False
        return True

    store.put_many({"contended": b"before"})
    with ThreadPoolExecutor(8) as pool:
        won = [number for number, is_mine in enumerate(pool.map(swap, range(8))) if is_mine]
    assert [content(store, "contended")] == [b"%d" % number for number in won]


# ---------------------------------------------------------------- reading


@shared
@given(body=st.binary(max_size=300), offset=st.integers(0, 400), length=st.none() | st.integers(0, 400))
def test_a_range_is_what_python_slices(
    store: ObjectStore, body: bytes, offset: int, length: int | None
) -> None:
    """Whatever the offset and length, past the end too."""
    put(store, "ranged", body)
    end = None if length is None else offset + length
    assert b"".join(store.read("ranged", offset, length)) == body[offset:end]


def test_large_objects_are_read_in_blocks(store: ObjectStore) -> None:
    """No reader is given an object of any size in one piece."""
    body = os.urandom(1 << 20) * 9 + b"end"
    put(store, "large", body)
    blocks = list(store.read("large"))
    assert max(map(len, blocks)) <= 8 << 20
    assert b"".join(blocks) == body
    assert b"".join(store.read("large", 5 << 20, (2 << 20) + 1)) == body[5 << 20 : (7 << 20) + 1]
    assert b"".join(store.read("large", fresh=True)) == body


@pytest.mark.parametrize("key", ["none", "none/below", "there/below", "folder"])
def test_what_is_not_there_is_missing_at_the_call(store: ObjectStore, key: str) -> None:
    """Not at the first block; and what only other keys begin with is no object."""
    put(store, "there", b"x")
    put(store, "folder/below", b"x")
    with pytest.raises(Missing):
        store.read(key)
    with pytest.raises(Missing):
        store.size(key)


def test_a_reader_that_is_never_read_holds_nothing(store: ObjectStore) -> None:
    """Whoever asked only whether the object is there need not read it."""
    put(store, "a", b"x")
    gc.collect()
    before = open_descriptors()
    for _ in range(20):
        store.read("a")
    gc.collect()
    assert open_descriptors() <= before


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


# ---------------------------------------------------------------- moving, deleting, listing


def test_an_object_moves(store: ObjectStore) -> None:
    """It is at its new key and no more at the old."""
    put(store, "from/a", b"x")
    store.move_many({"from/a": "to/b/c"})
    assert (keys(store, "from"), keys(store, "to")) == ([], ["to/b/c"])


def test_a_tree_moves(store: ObjectStore) -> None:
    """With everything below it, and nothing beside it that only begins alike."""
    store.put_many({"tree/a": b"1", "tree/b/c": b"2", "tree2": b"3"})
    store.move_many({"tree": "new/tree"})
    assert keys(store, "new") == ["new/tree/a", "new/tree/b/c"]
    assert content(store, "tree2") == b"3"
    assert keys(store, "tree") == []


def test_a_move_that_was_done_is_done(store: ObjectStore) -> None:
    """Repeating it changes nothing: a crash may come between doing and noting."""
    put(store, "from/a", b"x")
    store.move_many({"from": "to"})
    store.move_many({"from": "to"})
    assert content(store, "to/a") == b"x"


def test_copies_are_objects_of_their_own(store: ObjectStore) -> None:
    """With the same bytes, in place of what was there; the originals stay."""
    large = os.urandom(1 << 20) * 3
    store.put_many({"from/a": b"x", "from/empty": b"", "from/large": large, "to/a": b"old"})
    store.copy_many({f"from/{name}": f"to/{name}" for name in ("a", "empty", "large")})
    store.delete("from/a")
    assert {one.key: content(store, one.key) for one in store.list("to")} == {
        "to/a": b"x",
        "to/empty": b"",
        "to/large": large,
    }
    assert keys(store, "from") == ["from/empty", "from/large"]


def test_a_copy_of_nothing_is_missing(store: ObjectStore) -> None:
    """And makes nothing."""
    with pytest.raises(Missing):
        store.copy_many({"from": "to"})
    assert keys(store, "to") == []


def test_a_move_from_nowhere_is_missing(store: ObjectStore) -> None:
    """When neither place has anything."""
    with pytest.raises(Missing):
        store.move_many({"from": "to"})


def test_of_a_tree_in_both_places_nothing_is_lost(store: ObjectStore) -> None:
    """Where a tree moves in one step, both keep what they have. Elsewhere it is a move cut off, which is completed:
    what is at the source still is as good as what was moved or better."""
    store.put_many({"from/a": b"1", "from/b": b"2", "to/a": b"?", "to/moved": b"3"})
    if store.traits.renames_trees:
        with pytest.raises(Conflict):
            store.move_many({"from": "to"})
        expected = {"from/a": b"1", "from/b": b"2", "to/a": b"?", "to/moved": b"3"}
    else:
        store.move_many({"from": "to"})
        expected = {"to/a": b"1", "to/b": b"2", "to/moved": b"3"}
    assert {key: content(store, key) for key in keys(store, "from") + keys(store, "to")} == expected


def test_a_move_that_cannot_be_moves_nothing(store: ObjectStore) -> None:
    """Not even what could be moved beside it."""
    put(store, "from/a", b"1")
    with pytest.raises(Missing):
        store.move_many({"from/a": "to/a", "nowhere": "to/b"})
    assert (keys(store, "from"), keys(store, "to")) == (["from/a"], [])


def test_deleting_takes_everything_below(store: ObjectStore) -> None:
    """Of a prefix or of one object, and nothing beside it that only begins alike."""
    store.put_many({"gone/a": b"", "gone/b/c": b"", "gone2": b"", "one": b""})
    store.delete("gone")
    store.delete("one")
    assert keys(store, "gone") == []
    assert store.size("gone2") == 0
    with pytest.raises(Missing):
        store.size("one")


@pytest.mark.parametrize("prefix", ["never", "never/there", "object/below"])
def test_deleting_what_is_not_there_is_done_already(store: ObjectStore, prefix: str) -> None:
    """And harms nothing."""
    put(store, "object", b"x")
    store.delete(prefix)
    store.delete(prefix)
    assert content(store, "object") == b"x"


def test_listing_tells_keys_and_sizes(store: ObjectStore) -> None:
    """Of everything below a prefix; of one with nothing below it, nothing."""
    store.put_many({"list/a": b"1", "list/b/c": b"22", "list2": b"333"})
    assert {(one.key, one.size) for one in store.list("list")} == {("list/a", 1), ("list/b/c", 2)}
    assert keys(store, "nothing") == []


def test_room_is_told_in_bytes(store: ObjectStore) -> None:
    """Where a store can tell it."""
    room = store.room()
    assert room is None or 0 <= room[0] <= room[1]


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "../a", "a/../b", "a/..", "/a", "/", "a//b", "a/", "./a", "a/./b", "a\0b", "\ud800"],
)
def test_what_is_no_key_is_refused(store: ObjectStore, key: str) -> None:
    """Nothing outside the store can be named, and no object by two names."""
    for call in (
        lambda: store.begin(key, 1),
        lambda: store.put_many({key: b"x"}),
        lambda: store.read(key),
        lambda: store.size(key),
        lambda: store.move_many({key: "b"}),
        lambda: store.move_many({"b": key}),
        lambda: store.delete(key),
        lambda: list(store.list(key)),
        lambda: store.begin(key, 10 << 20),
        lambda: store.end_upload(OpenUpload(key, "0" * 32, datetime(2026, 3, 9, tzinfo=UTC))),
    ):
        with pytest.raises(Rejected):
            call()


_SEGMENTS = (
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40)
    | st.sampled_from(
        ["a b", "%2e", "~", "...", "-rf", "e\u0301", "\u202eabc", "中文.txt", "\n", "'\"\\", "*"]
    )
    | st.just("𝒳" * 50)
).filter(lambda name: name not in (".", ".."))


@shared
@given(first=st.lists(_SEGMENTS, min_size=1, max_size=4), second=st.lists(_SEGMENTS, min_size=1, max_size=4))
def test_any_unicode_is_a_name(store: ObjectStore, first: list[str], second: list[str]) -> None:
    """Different keys are different objects, and each is listed under the very key it was given."""
    one, other = "/".join(["odd", *first, "$1"]), "/".join(["odd", *second, "$2"])
    store.delete("odd")
    store.put_many({one: one.encode(), other: other.encode()})
    assert keys(store, "odd") == sorted([one, other])
    assert (content(store, one), content(store, other)) == (one.encode(), other.encode())


# ---------------------------------------------------------------- on disk


def test_no_empty_folder_is_left_on_disk(tmp_path: Path) -> None:
    """By deleting or by moving: OCFL allows none in an object (E024)."""
    with closing(LocalStore(tmp_path)) as store:
        store.put_many({"staging/1/data/a/x": b"", "staging/1/data/b/x": b"", "staging/1/data/y": b""})
        store.delete("staging/1/data/a/x")
        store.move_many({"staging/1/data/b/x": "quarantine/x"})
        assert sorted(path.name for path in (tmp_path / "staging/1/data").iterdir()) == ["y"]


def test_nothing_of_a_failed_write_stays_on_disk(tmp_path: Path) -> None:
    """A name too long for the disk is the key's fault, and told as such."""
    with closing(LocalStore(tmp_path)) as store:
        with pytest.raises(Rejected):
            store.put_many({"a/" + "x" * 300: b"content"})
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
