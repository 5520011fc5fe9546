"""Drafts, their files and the transfers into them, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.catalogue import (
    Catalogue,
    Transaction,
    accounts,
    adoption,
    deposit_files,
    deposits,
    draft_files,
    drafts,
    examinations,
    leases,
    record_files,
    records,
    transfers,
)
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.draft_files import DraftFile, NewFile
from pipeline.catalogue.drafts import Draft, NewDraft, Owned
from pipeline.catalogue.engine import open_catalogue
from pipeline.errors import Conflict, Denied, Missing
from pipeline.lifecycle import DepositEvent
from pipeline.model import (
    Concept,
    DepositAction,
    DepositState,
    Description,
)
from pipeline.store import layout
from tests.contracts import rows
from tests.contracts.rows import NOW

LATER = NOW + timedelta(minutes=10)
WORK, RECORD = 1, 2


@pytest.fixture
def ida(catalogue: Catalogue) -> Account:
    with catalogue.write() as tx:
        return accounts.create_account(tx, "ida@pier.example", admin=False, now=NOW)


def new_draft(record_id: int = RECORD, *, action: DepositAction = DepositAction.NEW) -> NewDraft:
    return NewDraft(
        concept_id=WORK,
        record_id=record_id,
        base_record_id=None if action is DepositAction.NEW else RECORD,
        action=action,
        home="" if action is DepositAction.REVISION else layout.staged(record_id),
        description=Description({"title": "Tides"}),
        has_metadata=True,
        dropped=[],
    )


def add(
    tx: Transaction, ida: Account, record_id: int = RECORD, *, action: DepositAction = DepositAction.NEW
) -> Draft:
    return drafts.add(tx, new_draft(record_id, action=action), account_id=ida.id, now=NOW)


def new_file(key: str, size: int = 1, *, sent: int = 1) -> NewFile:
    return NewFile(
        key=key,
        size=size,
        content=layout.deposited_path(key, sent),
        root_digest=f"digest of {key}, {sent}",
        digests={"md5": "d", "sha512": f"digest of {key}, {sent}"},
        declared={},
    )


def put(tx: Transaction, one: Deposit, *args: object, **named: object) -> tuple[DraftFile, DraftFile | None]:
    return draft_files.put(tx, drafts.locked(tx, one.id), new_file(*args, **named), now=NOW)  # type: ignore[arg-type]


def extent(tx: Transaction, record_id: int = RECORD) -> tuple[int, int, int]:
    """(files, bytes, revision) of a draft, as it counts them."""
    found = drafts.get(tx, record_id)
    return found.deposit.files_total, found.deposit.bytes_total, found.revision


# ---------------------------------------------------------------- one of each


@pytest.mark.parametrize(
    ("action", "ids"), [(DepositAction.NEW, (RECORD, RECORD)), (DepositAction.VERSION, (3, 4))]
)
def test_of_two_drafts_at_once_there_is_one(
    catalogue: Catalogue, ida: Account, action: DepositAction, ids: tuple[int, int]
) -> None:
    """Of a record two connections add one draft, of a work one new version; the other is told, and what else it did in
    its transaction stays."""
    start = threading.Barrier(2)

    def one(number: int) -> bool:
        with catalogue.write() as tx:
            records.add_concepts(tx, [Concept(100 + number)], now=NOW)
            if catalogue.describe().startswith("postgresql"):
                # On SQLite the second waits for the first already.
                start.wait(10)
            try:
                add(tx, ida, ids[number], action=action)
            except Conflict:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, range(2))) == [False, True]
    with catalogue.read() as tx:
        assert records.owners(tx, [100, 101]).keys() == {100, 101}
        found = drafts.owned(tx, Owned(ida.id, ida.email), page=1, size=10)
    assert len(found) == 1


def test_of_a_record_there_may_be_a_draft_after_the_last_ended(catalogue: Catalogue, ida: Account) -> None:
    """What was discarded, or published, stands in the way of nothing; the sealed one does."""
    for last in (DepositEvent.CANCEL, DepositEvent.PUBLISH):
        with catalogue.write() as tx:
            one = add(tx, ida).deposit
            if last is DepositEvent.PUBLISH:
                deposits.move(tx, [one], DepositEvent.SEAL)
                with pytest.raises(Conflict):
                    add(tx, ida)
                [one] = deposits.by_id(tx, one.id)
            deposits.move(tx, [one], last)
            with pytest.raises(Missing):
                drafts.get(tx, RECORD)
    with catalogue.write() as tx:
        assert add(tx, ida).revision == 1


def test_an_edit_and_a_new_version_stand_side_by_side(catalogue: Catalogue, ida: Account) -> None:
    """The edit of a record is no new version of its work."""
    with catalogue.write() as tx:
        edit = add(tx, ida, RECORD, action=DepositAction.REVISION)
        assert drafts.next_version(tx, WORK) is None
        version = add(tx, ida, 3, action=DepositAction.VERSION)
        assert drafts.next_version(tx, WORK) == version
        assert (edit.is_edit, version.is_edit) == (True, False)


def test_a_draft_is_never_held(catalogue: Catalogue, ida: Account) -> None:
    """Whoever makes it is told what is wrong with it, and it stays as it is."""
    with catalogue.write() as tx:
        planned = add(tx, ida).deposit
        with pytest.raises(Conflict):
            deposits.move(tx, [planned], DepositEvent.HOLD)
        assert drafts.get(tx, RECORD).deposit == planned
        deposits.move(tx, [planned], DepositEvent.SEAL)
        [sealed] = deposits.by_id(tx, planned.id)
        with pytest.raises(Conflict):
            deposits.move(tx, [sealed], DepositEvent.HOLD)
        assert drafts.get(tx, RECORD).deposit == sealed


def test_open_drafts_are_found_by_their_indexes(tmp_path: Path) -> None:
    """One of a record, one of a work, and records without one: none takes longer for all the others that are open."""
    with closing(open_catalogue(f"sqlite:///{tmp_path}/catalogue.sqlite")) as catalogue:
        with catalogue.write() as tx:
            ida = accounts.create_account(tx, "ida@pier.example", admin=False, now=NOW)
            add(tx, ida)
        statements: list[tuple[str, Any]] = []
        sa.event.listen(
            catalogue._engine,
            "before_cursor_execute",
            lambda _1, _2, statement, parameters, _3, _4: statements.append((statement, parameters)),
        )
        with catalogue.read() as tx:
            drafts.get(tx, RECORD)
            drafts.next_version(tx, WORK)
            drafts.owned(tx, Owned(ida.id, ida.email), page=1, size=10)
            examinations.left(tx, [RECORD], after=None, limit=10)
            plans = [
                step[-1]
                for statement, parameters in list(statements)
                if "deposit" in statement
                for step in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]
    looked_up = [step for step in plans if "SEARCH deposit USING INDEX" in step]
    assert len(looked_up) >= 4
    assert all("INDEX uq_deposit_draft" in step for step in looked_up), looked_up


# ---------------------------------------------------------------- locked


def test_only_an_open_draft_is_locked(catalogue: Catalogue, ida: Account) -> None:
    """One that waits to be published is denied, one that ended is missing, and an accession's deposit is no draft."""
    with catalogue.write() as tx:
        rows.add_accession(tx)
        line = rows.add_deposit(tx, 7)
        with pytest.raises(Missing):
            drafts.locked(tx, line)
        one = drafts.locked(tx, add(tx, ida).deposit.id)
        deposits.move(tx, [one], DepositEvent.SEAL)
        with pytest.raises(Denied):
            drafts.locked(tx, one.id)
        deposits.move(tx, deposits.by_id(tx, one.id), DepositEvent.CANCEL)
        with pytest.raises(Missing):
            drafts.locked(tx, one.id)


def test_whoever_locks_a_draft_second_sees_what_the_first_did(catalogue: Catalogue, ida: Account) -> None:
    """Each waits for the other: of two files put at once both are counted, and after a discard nothing is put."""
    with catalogue.write() as tx:
        draft = add(tx, ida)
    start = threading.Barrier(2)

    def in_turn(act: Callable[[Transaction, Deposit], object]) -> bool:
        start.wait(10)
        with catalogue.write() as tx:
            try:
                act(tx, drafts.locked(tx, draft.deposit.id))
            except Missing:
                return False
            return True

    def putting(key: str) -> Callable[[Transaction, Deposit], object]:
        return lambda tx, one: put(tx, one, key, 5)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(in_turn, [putting("a"), putting("b")])) == [True, True]
    with catalogue.read() as tx:
        assert extent(tx) == (2, 10, 3)

    def discard(tx: Transaction, one: Deposit) -> None:
        deposits.move(tx, [one], DepositEvent.CANCEL)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(in_turn, [discard, discard])) == [False, True]


# ---------------------------------------------------------------- files


def test_files_are_counted_as_they_come_and_go(catalogue: Catalogue, ida: Account) -> None:
    """Put, put again, taken out: number, bytes and revision follow; whose place a file took is told."""
    with catalogue.write() as tx:
        one = add(tx, ida).deposit
        assert extent(tx) == (0, 0, 1)
        first, before = put(tx, one, "a.csv", 10, sent=1)
        assert before is None
        assert extent(tx) == (1, 10, 2)
        second, before = put(tx, one, "a.csv", 3, sent=2)
        assert before == first
        assert (second.id, second.size) == (first.id, 3)
        assert second.place != first.place
        assert extent(tx) == (1, 3, 3)
        put(tx, one, "b.csv", 4)
        draft_files.remove(tx, one, second, now=NOW)
        assert extent(tx) == (1, 4, 5)
        assert [file.key for file in draft_files.page(tx, one.id, limit=10)] == ["b.csv"]
        assert draft_files.find(tx, one.id, "a.csv") is None


def test_files_are_listed_by_key_page_by_page(catalogue: Catalogue, ida: Account) -> None:
    """A page goes on behind the last key of the one before: none is left out, none comes twice."""
    keys = ["B", "a", "a/b", "aa", "é", "ß"]
    with catalogue.write() as tx:
        one = add(tx, ida).deposit
        for key in keys:
            put(tx, one, key)
        listed: list[str] = []
        while page := draft_files.page(tx, one.id, after=listed[-1] if listed else "", limit=2):
            listed += [file.key for file in page]
    assert sorted(listed) == sorted(keys)
    assert len(listed) == len(keys)


def test_a_draft_holds_the_bytes_of_its_files(catalogue: Catalogue, ida: Account) -> None:
    """As they were sent last, and no other; once it is published, as its record."""
    with catalogue.write() as tx:
        one = add(tx, ida).deposit
        put(tx, one, "a.csv", sent=1)
        put(tx, one, "a.csv", sent=2)
        first, second = (layout.deposited_path("a.csv", sent) for sent in (1, 2))
        assert (draft_files.holds(tx, one, first), draft_files.holds(tx, one, second)) == (False, True)
        records.add_concepts(tx, [Concept(WORK)], now=NOW)
        rows.add_record(tx, RECORD, concept_id=WORK)
        adoption.adopt_files(tx, [one.id])
        deposit_files.forget(tx, [one.id])
        assert (draft_files.holds(tx, one, first), draft_files.holds(tx, one, second)) == (False, True)


def published(tx: Transaction) -> None:
    """Version 1 of the work, with two files."""
    rows.add_accession(tx)
    line = rows.add_deposit(tx, RECORD)
    rows.take_in(tx, line, {"a.csv": "d1", "b.csv": "d2"}, size=5)
    rows.publish(tx, [line])


def test_a_new_version_begins_with_the_files_of_the_last(catalogue: Catalogue, ida: Account) -> None:
    """They are counted, their bytes stay with the version that holds them; one that is sent anew is the draft's own."""
    with catalogue.write() as tx:
        published(tx)
        one = add(tx, ida, 3, action=DepositAction.VERSION).deposit
        draft_files.import_files(tx, one, now=NOW)
        assert extent(tx, 3) == (2, 10, 2)
        imported = draft_files.page(tx, one.id, limit=10)
        assert [(file.key, file.place, file.holder_id) for file in imported] == [
            ("a.csv", None, RECORD),
            ("b.csv", None, RECORD),
        ]
        again, before = put(tx, one, "a.csv", 7)
        assert (again.holder_id, again.place) == (None, layout.content(one.home, again.content))
        assert before == imported[0]
        draft_files.remove(tx, one, imported[1], now=NOW)
        assert extent(tx, 3) == (1, 7, 4)
        assert {file.key for file in record_files.files(tx, RECORD)} == {"a.csv", "b.csv"}


def test_what_people_draft_is_no_accessions(catalogue: Catalogue, ida: Account) -> None:
    """A work's drafts, of whatever kind, are not among what an accession knows as under way; its own line is."""
    with catalogue.write() as tx:
        published(tx)
        add(tx, ida, RECORD, action=DepositAction.REVISION)
        version = add(tx, ida, 3, action=DepositAction.VERSION)
        known = deposits.known(tx, "tides", [f"record {RECORD}"])[f"record {RECORD}"]
        assert known.latest is not None
        assert (known.latest.record_id, known.pending) == (RECORD, None)
        line = rows.add_deposit(
            tx, 4, key=f"record {RECORD}", base_record_id=RECORD, action=DepositAction.VERSION
        )
        known = deposits.known(tx, "tides", [f"record {RECORD}"])[f"record {RECORD}"]
        assert known.pending is not None
        assert known.pending.id == line
        assert drafts.next_version(tx, WORK) == version


def test_lists_have_what_is_open_and_what_is_published_without_a_draft(
    catalogue: Catalogue, ida: Account
) -> None:
    """The newest first, of a page no more than it holds, and nothing of somebody else's."""
    with catalogue.write() as tx:
        jo = accounts.create_account(tx, "jo@pier.example", admin=False, now=NOW)
        mine = [add(tx, ida, number) for number in (10, 11)]
        add(tx, jo, 12)
        own = Owned(ida.id, ida.email)
        assert drafts.owned(tx, own, page=1, size=10) == mine[::-1]
        assert drafts.owned(tx, own, page=2, size=1) == [mine[0]]
        assert drafts.count_owned(tx, own) == 2
        assert drafts.count_owned(tx, replace(own, is_published=True)) == 0
        assert drafts.count_owned(tx, replace(own, is_published=False)) == 2
        deposits.move(tx, [mine[1].deposit], DepositEvent.CANCEL)
        assert drafts.owned(tx, own, page=1, size=10) == [mine[0]]
        assert drafts.count_owned(tx, own) == 1


# ---------------------------------------------------------------- transfers


def begin(tx: Transaction, deposit_id: int, *, owner: str = "one/1", key: str = "a.csv") -> int:
    return transfers.begin(tx, deposit_id, key, owner=owner, now=NOW, until=LATER)


def test_a_transfer_lasts_as_long_as_its_lease(catalogue: Catalogue, ida: Account) -> None:
    """Until then something is under way; then nothing is, and it can be neither renewed nor ended in order any more."""
    with catalogue.write() as tx:
        id_ = add(tx, ida).deposit.id
        number = begin(tx, id_)
        assert transfers.are_under_way(tx, id_, now=LATER - timedelta(seconds=1))
        transfers.renew(tx, number, now=NOW, until=LATER + timedelta(minutes=1))
        assert transfers.are_under_way(tx, id_, now=LATER)
        over = LATER + timedelta(minutes=1)
        with pytest.raises(Conflict):
            transfers.renew(tx, number, now=over, until=over + timedelta(minutes=1))
        with pytest.raises(Conflict):
            transfers.end(tx, number, now=over)
        assert not transfers.are_under_way(tx, id_, now=over)


def test_a_transfer_ends_once_and_its_number_is_not_given_again(catalogue: Catalogue, ida: Account) -> None:
    """Of two transfers of one name each is its own; a draft that ends ends all of its, and no other draft's."""
    with catalogue.write() as tx:
        mine, other = add(tx, ida, 2).deposit.id, add(tx, ida, 3).deposit.id
        first, second = begin(tx, mine), begin(tx, mine)
        transfers.end(tx, second, now=NOW)
        with pytest.raises(Conflict):
            transfers.end(tx, second, now=NOW)
        third, elsewhere = begin(tx, mine), begin(tx, other)
        assert len({first, second, third, elsewhere}) == 4
        transfers.end_all(tx, mine)
        assert not transfers.are_under_way(tx, mine, now=NOW)
        assert transfers.are_under_way(tx, other, now=NOW)


def test_what_a_dead_process_was_being_sent_is_over(catalogue: Catalogue, ida: Account) -> None:
    """Its transfers end with its leases; those of a process whose name begins alike do not."""
    with catalogue.write() as tx:
        id_ = add(tx, ida).deposit.id
        dead, alive = begin(tx, id_, owner="proc%/7"), begin(tx, id_, owner="process/7")
        leases.release(tx, "proc%")
        with pytest.raises(Conflict):
            transfers.end(tx, dead, now=NOW)
        transfers.end(tx, alive, now=NOW)


def test_a_discarded_draft_forgets_its_files(catalogue: Catalogue, ida: Account) -> None:
    """Its rows go, and those of no other."""
    with catalogue.write() as tx:
        mine, other = add(tx, ida, 2).deposit, add(tx, ida, 3).deposit
        for one in (mine, other):
            put(tx, one, "a.csv")
        deposit_files.forget(tx, [mine.id])
        deposits.move(tx, [mine], DepositEvent.CANCEL)
        assert draft_files.page(tx, mine.id, limit=10) == []
        assert len(draft_files.page(tx, other.id, limit=10)) == 1
        [ended] = deposits.by_id(tx, mine.id)
        assert ended.state is DepositState.CANCELLED
