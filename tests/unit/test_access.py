from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.access import (
    STRANGER,
    AccessStatus,
    TokenScope,
    Viewer,
    Withheld,
    access_status,
    as_of,
    may_read_files,
    permits,
    withheld,
)
from pipeline.model import (
    Access,
    Description,
    Dissemination,
    FilesAccess,
    Record,
    RecordState,
    Repository,
    ScanStatus,
    ScanVerdict,
)

TODAY = date(2026, 3, 9)
OWNER = Viewer("ida@pier.example")
ADMIN = Viewer("admin@archive.example", admin=True)
OTHER = Viewer("bo@pier.example", scopes=frozenset({"deposit:write"}))
RESTRICTED = Access(FilesAccess.RESTRICTED)


def record(
    access: Access, state: RecordState = RecordState.PUBLISHED, owner: str = "ida@pier.example"
) -> Record:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    description = Description(metadata={}, access=access)
    return Record(2, 1, 1, 1, True, state, description, owner, at, at, file_count=1, total_bytes=1)


@given(st.dates(), st.dates())
def test_an_embargo_holds_until_its_day_begins(until: date, today: date) -> None:
    """Restricted files with an embargo are open from that very day on, and embargoed on every day before."""
    status = access_status(Access(FilesAccess.RESTRICTED, until), today=today)
    assert status is (AccessStatus.OPEN if today >= until else AccessStatus.EMBARGOED)


@pytest.mark.parametrize("access", [RESTRICTED, Access(FilesAccess.RESTRICTED, TODAY + timedelta(days=1))])
def test_closed_files_are_for_owner_and_admins(access: Access) -> None:
    """Restricted and embargoed files are read by their owner and by administrators, by nobody else."""
    readers = [
        viewer
        for viewer in (STRANGER, OTHER, OWNER, ADMIN)
        if may_read_files(record(access), viewer, today=TODAY)
    ]
    assert readers == [OWNER, ADMIN]


def test_open_files_are_for_everybody() -> None:
    """A stranger reads open files."""
    assert may_read_files(record(Access()), STRANGER, today=TODAY)


@pytest.mark.parametrize("viewer", [STRANGER, OWNER, ADMIN])
def test_withdrawn_files_are_for_nobody(viewer: Viewer) -> None:
    """Of a withdrawn record not even an administrator reads files."""
    assert not may_read_files(record(Access(), RecordState.WITHDRAWN), viewer, today=TODAY)


def test_a_record_without_owner_is_not_a_strangers() -> None:
    """An empty owner is nobody: a stranger does not become the owner of a record that has none."""
    assert not may_read_files(record(RESTRICTED, owner=""), STRANGER, today=TODAY)


def test_an_ended_embargo_shows_as_open() -> None:
    """A record whose embargo has ended is shown as open before anybody has written that down."""
    repository = Repository("A", "a.example", "https://a.example", "a@a.example", "10.5072", "a")
    ended = record(Access(FilesAccess.RESTRICTED, TODAY))
    described = Dissemination(repository, ended, "10.5072/a.2", None, files=(), versions=())
    assert as_of(described, today=TODAY).record.description.access.files is FilesAccess.PUBLIC
    yesterday = TODAY - timedelta(days=1)
    assert as_of(described, today=yesterday) == described
    restricted = replace(described, record=record(RESTRICTED))
    assert as_of(restricted, today=date.max) == restricted


@pytest.mark.parametrize("status", list(ScanStatus))
def test_only_files_that_were_scanned_wholly_or_released_pass_the_gate_serve(status: ScanStatus) -> None:
    """With the gate `serve` a file is served once nothing was found in any byte of it, or a person released it; without
    it all but infected ones are."""
    verdict = ScanVerdict(status, engine="test")
    infected = status is ScanStatus.INFECTED
    assert withheld(verdict, "none") is (Withheld.INFECTED if infected else None)
    passes = status in (ScanStatus.CLEAN, ScanStatus.STALE, ScanStatus.RELEASED)
    waiting = None if passes else Withheld.BEING_SCANNED
    assert withheld(verdict, "serve") is (Withheld.INFECTED if infected else waiting)


@pytest.mark.parametrize("admin", [False, True])
def test_a_token_does_what_it_was_made_for(admin: bool) -> None:
    """Each scope stands for itself alone, for administrators as well, and whoever has no account has none of them."""
    writer = Viewer("ida@pier.example", admin=admin, scopes=frozenset({"deposit:write"}), account_id=1)
    assert [scope for scope in TokenScope if permits(writer, scope)] == [TokenScope.DEPOSIT_WRITE]
    assert not permits(replace(writer, account_id=None), TokenScope.DEPOSIT_WRITE)
