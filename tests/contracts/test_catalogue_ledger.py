"""The part ledger on both databases: what was noted comes back, for the very file that it was noted of and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipeline.catalogue import Catalogue, Transaction, deposit_files, deposits, ledger
from pipeline.catalogue.ledger import Noted
from pipeline.catalogue.tables import deposit, upload, upload_part
from pipeline.lifecycle import DepositEvent
from pipeline.model import DepositState, FileState, Part, PartLedger, PlannedFile
from tests.contracts import rows
from tests.contracts.rows import found, outcome

MIB = 1 << 20
SIZE = 100 * MIB


@pytest.fixture(autouse=True)
def _accession(catalogue: Catalogue) -> None:
    with catalogue.write() as tx:
        rows.add_accession(tx)


def plan(tx: Transaction, key: str = "large", record_id: int = 2, mtime_ns: int | None = 5) -> PlannedFile:
    """A large file that is to be read."""
    deposit_id = rows.add_deposit(tx, record_id)
    deposit_files.note_found(tx, [found(deposit_id, key, size=SIZE, mtime_ns=mtime_ns)], run="one")
    deposit_files.count(tx, [deposit_id])
    return next(one for one in planned(tx) if one.deposit_id == deposit_id)


def planned(tx: Transaction) -> list[PlannedFile]:
    return deposit_files.planned(tx, "a1", below=1 << 40, after=0, limit=100)


def part(number: int, xxh3: str = "x") -> Part:
    return Part(number, 16 * MIB, f"etag {number}", f"{xxh3}{number}", "crc")


def told(*parts: Part, upload_id: str = "u1", offset: int = 0) -> PartLedger:
    checkpoint = {"states": {"md5": "abc"}} if offset else {}
    return PartLedger(upload_id, 16 * MIB, offset, checkpoint, parts)


def note(tx: Transaction, file: PlannedFile, *news: PartLedger, attempt: str = "first") -> None:
    ledger.note(tx, [Noted(file, attempt, one) for one in news], now=rows.NOW)


def counts(tx: Transaction) -> tuple[int, int]:
    """(uploads, parts) in the ledger."""
    uploads, parts = (
        tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in (upload, upload_part)
    )
    return uploads, parts


# ---------------------------------------------------------------- noting and reading


def test_what_was_noted_comes_back(catalogue: Catalogue) -> None:
    """Parts in the order of their numbers, and the newest checkpoint."""
    with catalogue.write() as tx:
        file = plan(tx)
        note(tx, file, told(part(2)), told(part(1), offset=32 * MIB))
    with catalogue.write() as tx:
        note(tx, file, told(part(4), offset=32 * MIB), told(part(3), offset=64 * MIB))
    with catalogue.read() as tx:
        kept = ledger.ledgers(tx, [file])[file.id]
    assert kept == told(part(1), part(2), part(3), part(4), offset=64 * MIB)


def test_a_file_that_nothing_was_noted_of_has_no_ledger(catalogue: Catalogue) -> None:
    """Nor has one without a time: whether it is still the same could not be told."""
    with catalogue.write() as tx:
        bare, timeless = plan(tx), plan(tx, "timeless", 3, mtime_ns=None)
        note(tx, timeless, told(part(1)))
        assert ledger.ledgers(tx, [bare, timeless]) == {}
        assert counts(tx) == (0, 0)


def test_another_upload_takes_the_place_of_the_one_before(catalogue: Catalogue) -> None:
    """With all its parts, be it told of in the same breath or later."""
    with catalogue.write() as tx:
        file = plan(tx)
        note(tx, file, told(part(1), part(2), offset=32 * MIB), told(part(1, "y"), upload_id="u2"))
        assert ledger.ledgers(tx, [file])[file.id] == told(part(1, "y"), upload_id="u2")
        note(tx, file, told(part(3), upload_id="u3"), attempt="second")
        assert ledger.ledgers(tx, [file])[file.id] == told(part(3), upload_id="u3")


def test_a_part_that_is_written_again_is_noted_again(catalogue: Catalogue) -> None:
    """The store may call it something else."""
    with catalogue.write() as tx:
        file = plan(tx)
        note(tx, file, told(part(1), part(2)))
        again = replace(part(2), etag="another")
        note(tx, file, told(again), attempt="second")
        assert ledger.ledgers(tx, [file])[file.id].parts == (part(1), again)


def test_the_time_an_upload_was_begun_stays(catalogue: Catalogue) -> None:
    """However often something is noted of it: a sweep goes by it."""
    with catalogue.write() as tx:
        file = plan(tx)
        note(tx, file, told(part(1)))
        later = rows.NOW + timedelta(days=1)
        ledger.note(tx, [Noted(file, "second", told(part(2)))], now=later)
        assert rows.upload_of(tx, file.id).begun == rows.NOW
        ledger.note(tx, [Noted(file, "third", told(part(1), upload_id="u2"))], now=later)
        assert rows.upload_of(tx, file.id).begun == later


# ---------------------------------------------------------------- the file is another


CHANGES: dict[str, Callable[[PlannedFile], PlannedFile]] = {
    "path": lambda file: replace(file, path="source/elsewhere"),
    "size": lambda file: replace(file, size=SIZE + 1),
    "time": lambda file: replace(file, stamp="6"),
    "no time": lambda file: replace(file, stamp=""),
    "place": lambda file: replace(file, place="staging/9/content/data/large"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_ledger_of_another_file_is_never_read(
    catalogue: Catalogue, change: Callable[[PlannedFile], PlannedFile]
) -> None:
    """Where path, size, time or place are others by now, nothing is known of the file."""
    with catalogue.write() as tx:
        file = plan(tx)
        note(tx, file, told(part(1), offset=16 * MIB))
        assert ledger.ledgers(tx, [change(file)]) == {}


def test_an_upload_under_way_is_no_leftover(catalogue: Catalogue) -> None:
    """Also after the plan was made again and found the file as it was."""
    with catalogue.write() as tx:
        file = plan(tx)
        note(tx, file, told(part(1)))
        same = found(file.deposit_id, file.key, size=SIZE)
        deposit_files.note_found(tx, [same], run="two")
        assert ledger.leftovers(tx) == {}


def settle(tx: Transaction, file: PlannedFile) -> None:
    deposit_files.settle(tx, [outcome(file.id)])


def reject(tx: Transaction, file: PlannedFile) -> None:
    deposit_files.settle(tx, [outcome(file.id, state=FileState.REJECTED)])


def find_changed(tx: Transaction, file: PlannedFile) -> None:
    deposit_files.note_found(tx, [found(file.deposit_id, file.key, size=SIZE, mtime_ns=6)], run="two")


def prune(tx: Transaction, file: PlannedFile) -> None:
    deposit_files.prune(tx, [file.deposit_id], run="two")


def cancel(tx: Transaction, file: PlannedFile) -> None:
    deposits.move(tx, [rows.deposit_of(tx, file.deposit_id)], DepositEvent.CANCEL)
    deposit_files.forget(tx, [file.deposit_id])


def hold(tx: Transaction, file: PlannedFile) -> None:
    deposits.move(tx, [rows.deposit_of(tx, file.deposit_id)], DepositEvent.HOLD)


def move_house(tx: Transaction, file: PlannedFile) -> None:
    deposits.rehome(tx, {file.deposit_id: "staging/other"})


ENDS = [settle, reject, find_changed, prune, cancel, hold, move_house]


@pytest.mark.parametrize("end", ENDS)
def test_an_upload_whose_file_is_not_to_be_read_as_it_was_is_a_leftover(
    catalogue: Catalogue, end: Callable[[Transaction, PlannedFile], None]
) -> None:
    """Whatever became of the file; it is one until the store has ended it and it is forgotten."""
    with catalogue.write() as tx:
        file, other = plan(tx), plan(tx, "other", 3)
        note(tx, file, told(part(1)))
        note(tx, other, told(part(1), upload_id="u2"))
        end(tx, file)
        left = ledger.leftovers(tx)
        assert {id_: (one.key, one.upload_id) for id_, one in left.items()} == {file.id: (file.place, "u1")}
        ledger.forget_uploads(tx, left)
        assert ledger.leftovers(tx) == {}
        assert counts(tx) == (1, 1)


def test_a_deposit_that_takes_over_goes_on_with_the_uploads(catalogue: Catalogue) -> None:
    """As it does with the files."""
    with catalogue.write() as tx:
        file = plan(tx)
        note(tx, file, told(part(1), offset=16 * MIB))
        old = rows.deposit_of(tx, file.deposit_id)
        new_id = rows.add_deposit(tx, 2, key="the same by another accession", home=old.home)
        deposits.supersede(tx, old, new_id)
        [taken_over] = planned(tx)
        assert ledger.leftovers(tx) == {}
        assert ledger.ledgers(tx, [taken_over])[file.id].offset == 16 * MIB


def test_an_upload_that_took_the_place_of_a_leftover_is_not_forgotten_with_it(catalogue: Catalogue) -> None:
    """Between looking for leftovers and forgetting them the file may have been begun anew."""
    with catalogue.write() as tx:
        file = plan(tx)
        note(tx, file, told(part(1)))
        left = {file.id: rows.upload_of(tx, file.id)}
        note(tx, file, told(part(1), upload_id="u2"))
        ledger.forget_uploads(tx, left)
        assert rows.upload_of(tx, file.id).upload_id == "u2"


def test_ids_of_files_are_never_given_twice(catalogue: Catalogue) -> None:
    """Else a leftover could be taken for the upload of a later file."""
    with catalogue.write() as tx:
        first = plan(tx)
        deposit_files.forget(tx, [first.deposit_id])
        deposit_files.note_found(tx, [found(first.deposit_id, "large", size=SIZE)], run="two")
        [second] = planned(tx)
    assert second.id > first.id


# ---------------------------------------------------------------- homes


def test_held_deposits_at_home_in_the_root_are_found_until_they_moved(catalogue: Catalogue) -> None:
    """No others are: not those that are under way, and not those in staging."""
    with catalogue.write() as tx:
        held = rows.add_deposit(tx, 2, home="root/abc/v1", state=DepositState.HELD)
        rows.add_deposit(tx, 3, home="root/def/v1")
        rows.add_deposit(tx, 4, home="staging/4", state=DepositState.HELD)
        assert [one.id for one in deposits.held_in_root(tx, "a1", limit=10)] == [held]
        deposits.rehome(tx, {held: "staging/2"})
        assert deposits.held_in_root(tx, "a1", limit=10) == []
        assert rows.deposit_of(tx, held).home == "staging/2"


def test_a_version_without_a_home_is_refused(catalogue: Catalogue) -> None:
    """Only a revision has no bytes."""
    with pytest.raises(sa.exc.IntegrityError), catalogue.write() as tx:
        tx.execute(sa.update(deposit).where(deposit.c.id == rows.add_deposit(tx)).values(home=""))
