"""Roles in communities, and what policies let whom do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.access import STRANGER, Viewer, may_in_community
from pipeline.communities.roles import (
    Policy,
    Power,
    ReviewPolicy,
    Role,
    Sway,
    allows,
    gives,
    includes_directly,
    over,
    submits,
)

MAY = {
    Role.READER: {Power.READ},
    Role.CURATOR: {Power.READ, Power.CURATE},
    Role.MANAGER: {Power.READ, Power.CURATE, Power.MANAGE},
    Role.OWNER: set(Power),
}


@pytest.mark.parametrize("role", Role)
def test_5_2_roles_have_their_powers(role: Role) -> None:
    """And nobody has any who is no member, administrators aside."""
    assert {power for power in Power if allows(role, power)} == MAY[role]
    for power in Power:
        assert not may_in_community(None, power, STRANGER)
        assert may_in_community(None, power, Viewer("root@pier.example", admin=True))


@given(st.none() | st.sampled_from(Role), st.sampled_from(Role))
def test_nobody_gives_more_than_they_have(role: Role | None, given_role: Role) -> None:
    """Managers and owners make members, but none that may do more than they may."""
    if gives(role, given_role):
        assert role in (Role.MANAGER, Role.OWNER)
        assert MAY[given_role] <= MAY[role]
    assert gives(Role.OWNER, given_role)


@given(st.none() | st.sampled_from(Role), st.sampled_from(Role))
def test_whom_one_may_make_what_they_are_one_may_change_hide_and_dismiss(
    role: Role | None, other: Role
) -> None:
    """But let nobody else be seen; of oneself one decides that, and leaves, and stays what one is."""
    may = over(role, other, is_self=False)
    assert may.change_role == may.dismiss == may.hide == gives(role, other)
    assert not may.show
    assert not may.leave
    assert over(role, other, is_self=True) == Sway(
        leave=True, dismiss=False, change_role=False, show=True, hide=True
    )


def test_2_11_policies_decide_who_is_reviewed() -> None:
    """Closed: everybody; open: all below curators; members: all who are none."""
    unreviewed = {
        policy: [role for role in (None, *Role) if includes_directly(role, policy)] for policy in ReviewPolicy
    }
    assert unreviewed == {
        ReviewPolicy.CLOSED: [],
        ReviewPolicy.OPEN: [Role.CURATOR, Role.MANAGER, Role.OWNER],
        ReviewPolicy.MEMBERS: list(Role),
    }
    assert [submits(None, one) for one in Policy] == [True, False]
    assert submits(Role.READER, Policy.CLOSED)
