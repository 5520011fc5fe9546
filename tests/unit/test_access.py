from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.access import (
    NO_TIES,
    STRANGER,
    AccessStatus,
    Ties,
    TokenScope,
    Viewer,
    Withheld,
    access_status,
    are_files_open,
    as_of,
    may_read_files,
    permits,
    right_to,
    withheld,
)
from pipeline.communities.roles import Role
from pipeline.dissemination import Dissemination, Repository
from pipeline.model import (
    Access,
    Description,
    FilesAccess,
    Record,
    RecordState,
    Right,
    ScanStatus,
    ScanVerdict,
)

TODAY = date(2026, 3, 9)
OWNER = Viewer("ida@pier.example")
ADMIN = Viewer("admin@archive.example", admin=True)
OTHER = Viewer("bo@pier.example", scopes=frozenset({"deposit:write"}), account_id=7)
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


def test_what_is_ones_own_is_ones_to_manage() -> None:
    """The owner's and administrators' right is the whole one, without any tie; others have none."""
    rights = [right_to("ida@pier.example", viewer, NO_TIES) for viewer in (STRANGER, OTHER, OWNER, ADMIN)]
    assert rights == [Right.NONE, Right.NONE, Right.MANAGE, Right.MANAGE]


@pytest.mark.parametrize("viewer", [STRANGER, OTHER])
def test_nobody_owns_what_has_no_owner(viewer: Viewer) -> None:
    """An empty owner is nobody: a stranger does not become the owner of a record that has none."""
    assert right_to("", viewer, NO_TIES) is Right.NONE


@given(shared=st.sampled_from(Right), other=st.sampled_from(Right))
def test_who_shares_a_work_shares_what_is_theirs_of_it(shared: Right, other: Right) -> None:
    """What somebody else owns is not opened by that, not even where it is they whose the work is now."""
    ties = Ties("jo@quay.example", {"ida@pier.example": shared, "jo@quay.example": other})
    for viewer in (STRANGER, OTHER):
        assert right_to("ida@pier.example", viewer, ties) is shared
        assert right_to("jo@quay.example", viewer, ties) is other
        assert right_to("bo@mole.example", viewer, ties) is Right.NONE
    for viewer in (OWNER, ADMIN):
        assert right_to("ida@pier.example", viewer, ties) is Right.MANAGE


@given(right=st.sampled_from(Right))
def test_each_right_includes_those_before_it(right: Right) -> None:
    """Closed files are read with any right there is, open ones with none."""
    embargoed = Access(FilesAccess.RESTRICTED, TODAY + timedelta(days=1))
    for access in (RESTRICTED, embargoed):
        assert may_read_files(record(access), right, today=TODAY) == (right is not Right.NONE)
        assert not are_files_open(record(access), today=TODAY)
    assert may_read_files(record(Access()), right, today=TODAY)
    assert are_files_open(record(Access()), today=TODAY)


@pytest.mark.parametrize("right", list(Right))
def test_withdrawn_files_are_for_nobody(right: Right) -> None:
    """Of a withdrawn record not even an administrator reads files."""
    withdrawn = record(Access(), RecordState.WITHDRAWN)
    assert not may_read_files(withdrawn, right, today=TODAY)
    assert not are_files_open(withdrawn, today=TODAY)


def test_who_presents_nothing_is_a_stranger() -> None:
    """A link makes somebody of whom the catalogue is asked, and nobody who is known."""
    assert [one.is_stranger for one in (STRANGER, Viewer(link="x"), OTHER)] == [True, False, False]


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


@given(roles=st.frozensets(st.sampled_from(Role)), review=st.booleans())
def test_members_of_communities_look(roles: frozenset[Role], *, review: bool) -> None:
    """At closed files in works of their communities, and reviewers at the draft; they change nothing, whoever owns
    it."""
    ties = Ties("somebody.else@pier.example", roles=roles, review=review)
    least = Right.PREVIEW if review else Right.VIEW if roles else Right.NONE
    assert right_to("ida@pier.example", OTHER, ties) is least
