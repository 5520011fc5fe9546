"""What giving an accession up leaves where it is cut off, and who may work on its collection until it is completed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.catalogue import Catalogue, Transaction, accessions, deposits
from pipeline.errors import Conflict, Unavailable
from pipeline.ingest import accession
from pipeline.model import AccessionState
from pipeline.stewardship.stocktaking import compare
from tests.instance import Instance, write_record


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree with two sound records."""
    for name in ("harbour", "lighthouse"):
        write_record(tmp_path / "tides" / name, {"notes.txt": b"calm\n"})
    return tmp_path / "tides"


class CutOff(Catalogue):
    """Another's transactions, of which only so many are carried out that write."""

    def __init__(self, catalogue: Catalogue, writes: int) -> None:
        super().__init__(catalogue._engine)
        self._left = writes

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        if not self._left:
            raise Unavailable("the database does not answer")
        self._left -= 1
        with super().write() as tx:
            yield tx


@pytest.mark.parametrize(("writes", "given_up"), [(1, 0), (2, 0), (3, 1), (4, 1)])
def test_a_cancellation_that_was_cut_off_is_completed_by_the_next(
    instance: Instance, source: Path, writes: int, given_up: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it was cut off: the accession is cancelled, nothing is missed in the store, and no other run begins
    before all is given up."""
    monkeypatch.setattr(accession, "_BATCH", 1)
    attempt = instance.attempt(source)
    attempt.take_in()
    id_ = attempt.accession_id
    services = replace(instance.services, catalogue=CutOff(instance.services.catalogue, writes))
    with pytest.raises(Unavailable):
        accession.cancel(services, id_)
    with instance.services.catalogue.read() as tx:
        assert accessions.get(tx, id_).state is AccessionState.CANCELLED
        assert deposits.tally(tx, id_).get("cancelled", 0) == given_up
    assert list(compare(instance.services)) == []
    with pytest.raises(Conflict, match="not all of it is given up"):
        instance.attempt(source)

    assert accession.cancel(instance.services, id_) == 2 - given_up
    assert [path for path in (instance.store / "staging").rglob("*") if path.is_file()] == []
    with pytest.raises(Conflict, match="cancelled before"):
        accession.cancel(instance.services, id_)
    assert instance.ingest(source)["records_total"] == 2


def test_nobody_takes_a_completed_accession_up_while_a_later_one_is_being_cancelled(
    instance: Instance, source: Path
) -> None:
    """What the later one gives up would be taken over by it."""
    completed = instance.ingest(source)["accession"]
    write_record(source / "pier", {"notes.txt": b"wet\n"})
    attempt = instance.attempt(source)
    services = replace(instance.services, catalogue=CutOff(instance.services.catalogue, 1))
    with pytest.raises(Unavailable):
        accession.cancel(services, attempt.accession_id)
    with pytest.raises(Conflict, match=attempt.accession_id):
        instance.attempt(source, retry=completed)
