"""What only the embedded index promises: overlapping rebuilds, indexes of other versions, disk faults."""

import multiprocessing
import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from pipeline.durability import flush_folder
from pipeline.errors import Conflict, Unavailable
from pipeline.index.embedded import EmbeddedIndex
from pipeline.ports import SearchRequest
from tests.index_corpus import NOW, embargoed_until, indexed


def clock() -> datetime:
    return NOW


def test_counts_that_are_kept_are_those_of_today(tmp_path: Path) -> None:
    """Who asks again what was asked before is told of what others wrote since, and of embargoes that ended."""
    now = NOW
    reader, writer = EmbeddedIndex(tmp_path, lambda: now), EmbeddedIndex(tmp_path, clock)
    asked = SearchRequest("sea", facets=("access_status",))
    until = NOW.date() + timedelta(days=1)
    for number in range(1, 4):
        writer.write([indexed(number, title="sea", access=embargoed_until(until))])
        assert dict(reader.search(asked).facets) == {"access_status": (("embargoed", number),)}
    assert dict(reader.search(replace(asked, page=2, size=2)).facets) == {
        "access_status": (("embargoed", 3),)
    }
    now = datetime.combine(until, datetime.min.time(), NOW.tzinfo)
    assert dict(reader.search(asked).facets) == {"access_status": (("open", 3),)}


def test_counts_of_more_questions_than_are_kept(tmp_path: Path) -> None:
    """Each question has its own counts, however many are asked before it is asked again."""
    index = EmbeddedIndex(tmp_path, clock)
    index.write([indexed(number, title=f"sea sea{number}") for number in range(1, 131)])
    for _ in range(2):
        for number in range(1, 131):
            page = index.search(SearchRequest(f"sea{number} OR sea1", facets=("access_status",)))
            assert sum(count for _, count in page.facets["access_status"]) == page.total == 2 - (number == 1)


def test_a_second_rebuild_abandons_the_first(tmp_path: Path) -> None:
    """Of two rebuilds the later one counts; the earlier is told so at its next call, and changes nothing."""
    index = EmbeddedIndex(tmp_path, clock)
    with closing(index.begin_rebuild()) as first, closing(index.begin_rebuild()) as second:
        with pytest.raises(Conflict):
            first.write([indexed(1)])
        with pytest.raises(Conflict):
            first.finish_rebuild()
        first.close()
        second.write([indexed(2)])
        second.finish_rebuild()
    assert index.search(SearchRequest()).ids == (2,)


def test_a_finished_rebuild_leaves_one_generation(tmp_path: Path) -> None:
    """Nothing of earlier generations stays on the disk."""
    index = EmbeddedIndex(tmp_path, clock)
    with closing(index.begin_rebuild()), closing(index.begin_rebuild()) as second:
        second.finish_rebuild()
    assert len(list((tmp_path / "generations").iterdir())) == 1


def _begin_and_wait(folder: Path, ready: Event) -> None:
    index = EmbeddedIndex(folder, clock).begin_rebuild()
    index.write([indexed(7)])
    ready.set()
    time.sleep(600)


def test_a_rebuild_that_was_killed_goes_with_the_next_batch(tmp_path: Path) -> None:
    """While its process lives batches go into its generation as well; once it does not nothing is left of it. Who asks
    is told both."""
    index, spawn = EmbeddedIndex(tmp_path, clock), multiprocessing.get_context("spawn")
    ready, plain = spawn.Event(), index.describe()
    builder = spawn.Process(target=_begin_and_wait, args=(tmp_path, ready))
    builder.start()
    try:
        assert ready.wait(60)
        index.write([indexed(1)])
        assert ", being rebuilt" in index.describe()
        assert len(list((tmp_path / "generations").iterdir())) == 2
    finally:
        builder.kill()
        builder.join()
    assert ", with a rebuild that died" in index.describe()
    index.write([indexed(2)])
    assert len(list((tmp_path / "generations").iterdir())) == 1
    assert index.describe() == plain
    assert sorted(index.search(SearchRequest()).ids) == [1, 2]


def test_a_rebuild_by_other_code_is_written_to_by_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words are others: who writes is told to wait, or to begin a rebuild of his own, which ends it."""
    index = EmbeddedIndex(tmp_path, clock)
    index.write([indexed(1)])
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.index.embedded.SCHEMA_DIGEST", "0123abcd")
        other = index.begin_rebuild()
    with pytest.raises(Unavailable, match="Another version") as caught:
        index.write([indexed(2)])
    assert "index rebuild" in caught.value.remedy
    assert index.search(SearchRequest()).ids == (1,)
    with closing(other), closing(index.begin_rebuild()) as rebuilt:
        rebuilt.write([indexed(2)])
        rebuilt.finish_rebuild()
    index.write([indexed(3)])
    assert sorted(index.search(SearchRequest()).ids) == [2, 3]


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def test_what_a_rebuild_does_to_names_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither at its end nor where it is given up may the power bring back what it took away."""
    index, on_disk = EmbeddedIndex(tmp_path, clock), set[str]()

    def flush(folder: Path) -> None:
        flush_folder(folder)
        on_disk.clear()
        on_disk.update(names(folder))

    monkeypatch.setattr("pipeline.index.embedded.flush_folder", flush)
    for end in (EmbeddedIndex.finish_rebuild, EmbeddedIndex.close):
        with closing(index.begin_rebuild()) as rebuilt:
            assert "building" in on_disk
            end(rebuilt)
        assert on_disk == names(tmp_path) == {"current", "generations", "lock"}


def test_a_rebuild_that_was_killed_at_its_very_end_is_the_index_in_use(tmp_path: Path) -> None:
    """It had taken its place and could not say any more that it was done: the next one leaves it there."""
    index = EmbeddedIndex(tmp_path, clock)
    index.write([indexed(1)])
    (tmp_path / "building").write_text((tmp_path / "current").read_text())
    with closing(index.begin_rebuild()) as rebuilt:
        assert index.search(SearchRequest()).ids == (1,)
        rebuilt.write([indexed(2)])
        rebuilt.finish_rebuild()
    assert index.search(SearchRequest()).ids == (2,)


def test_only_a_rebuild_can_be_finished(tmp_path: Path) -> None:
    """The index in use is not swapped for itself."""
    with pytest.raises(Conflict):
        EmbeddedIndex(tmp_path, clock).finish_rebuild()


def test_an_index_of_other_code_asks_for_a_rebuild(tmp_path: Path) -> None:
    """An index whose fields or words differ is not misread: the remedy is named, and the rebuild works."""
    index = EmbeddedIndex(tmp_path, clock)
    folder = next((tmp_path / "generations").iterdir())
    folder.rename(folder.with_name("00000000-of-another-version"))
    (tmp_path / "current").write_text("00000000-of-another-version")
    for use in (lambda: index.search(SearchRequest()), lambda: index.write([indexed(1)])):
        with pytest.raises(Unavailable) as caught:
            use()
        assert "index rebuild" in caught.value.remedy
    with closing(index.begin_rebuild()) as rebuilt:
        rebuilt.write([indexed(1)])
        rebuilt.finish_rebuild()
    assert index.search(SearchRequest()).ids == (1,)


def test_faults_of_the_disk_are_retryable(tmp_path: Path) -> None:
    """A folder that cannot be used is `Unavailable`, not a traceback."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(Unavailable):
        EmbeddedIndex(tmp_path / "taken", clock)


def test_a_damaged_index_is_told(tmp_path: Path) -> None:
    """A generation whose files are gone is `Unavailable`."""
    index = EmbeddedIndex(tmp_path, clock)
    next((tmp_path / "generations").glob("*/meta.json")).unlink()
    with pytest.raises(Unavailable):
        index.search(SearchRequest("tide"))


def test_many_writes_do_not_pile_up_files(tmp_path: Path) -> None:
    """Small commits are merged as they come."""
    index = EmbeddedIndex(tmp_path, clock)
    for number in range(1, 41):
        index.write([indexed(number)])
    assert index.count() == 40
    assert len(list((tmp_path / "generations").glob("*/*.term"))) < 20
