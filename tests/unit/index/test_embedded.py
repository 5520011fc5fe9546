"""What only the embedded index promises: overlapping rebuilds, indexes of other versions, disk faults."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

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
    first, second = index.begin_rebuild(), index.begin_rebuild()
    with pytest.raises(Conflict):
        first.write([indexed(1)])
    with pytest.raises(Conflict):
        first.finish_rebuild()
    second.write([indexed(2)])
    second.finish_rebuild()
    assert index.search(SearchRequest()).ids == (2,)


def test_a_finished_rebuild_leaves_one_generation(tmp_path: Path) -> None:
    """Nothing of earlier generations stays on the disk, those of rebuilds that died included."""
    index = EmbeddedIndex(tmp_path, clock)
    index.begin_rebuild()
    index.begin_rebuild().finish_rebuild()
    assert len(list((tmp_path / "generations").iterdir())) == 1


def test_a_rebuild_that_was_killed_at_its_very_end_is_the_index_in_use(tmp_path: Path) -> None:
    """It had taken its place and could not say any more that it was done: the next one leaves it there."""
    index = EmbeddedIndex(tmp_path, clock)
    index.write([indexed(1)])
    (tmp_path / "building").write_text((tmp_path / "current").read_text())
    rebuilt = index.begin_rebuild()
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
    rebuilt = index.begin_rebuild()
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
