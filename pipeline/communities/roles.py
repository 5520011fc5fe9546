"""What the members of a community may do there, and what its policies let others do (pure; Zenodo's REST API,
communities)."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a member is, from the least to the most: each may do all that those before it may."""

    READER = "reader"
    CURATOR = "curator"
    MANAGER = "manager"
    OWNER = "owner"


class Power(StrEnum):
    READ = "see restricted content"
    CURATE = "handle submissions and remove records"
    MANAGE = "edit settings and members"
    DELETE = "delete the community"


class Audience(StrEnum):
    """Whom something of a community is shown to: everybody, or its members."""

    PUBLIC = "public"
    RESTRICTED = "restricted"


class Policy(StrEnum):
    """Whether those who are no members may do it."""

    OPEN = "open"
    CLOSED = "closed"


class ReviewPolicy(StrEnum):
    """Whose records join without a review: nobody's, those of curators and above, those of any member."""

    CLOSED = "closed"
    OPEN = "open"
    MEMBERS = "members"


_RANKS = {role: rank for rank, role in enumerate(Role)}
_LEAST = {
    Power.READ: Role.READER,
    Power.CURATE: Role.CURATOR,
    Power.MANAGE: Role.MANAGER,
    Power.DELETE: Role.OWNER,
}
_LEAST_UNREVIEWED = {ReviewPolicy.OPEN: Role.CURATOR, ReviewPolicy.MEMBERS: Role.READER}


def allows(role: Role | None, power: Power) -> bool:
    """Whether a member with this role has the power; None is the role of those who are no members."""
    return _is_at_least(role, _LEAST[power])


def gives(role: Role | None, given: Role) -> bool:
    """Whether a member with this role may make others what is `given`."""
    return allows(role, Power.MANAGE) and _is_at_least(role, given)


@dataclass(frozen=True, slots=True)
class Sway:
    """What a member may do to another, or to themselves: `show` and `hide` say to others that they are one."""

    leave: bool
    dismiss: bool
    change_role: bool
    show: bool
    hide: bool


def over(role: Role | None, other: Role, *, is_self: bool) -> Sway:
    """What a member with this role may do to one who is `other`, or to themselves: nobody changes their own role, and
    only oneself lets oneself be seen (Zenodo's REST API, members)."""
    manages = gives(role, other) and not is_self
    return Sway(leave=is_self, dismiss=manages, change_role=manages, show=is_self, hide=is_self or manages)


def includes_directly(role: Role | None, policy: ReviewPolicy) -> bool:
    """Whether records of a member with this role join without a review."""
    least = _LEAST_UNREVIEWED.get(policy)
    return least is not None and _is_at_least(role, least)


def submits(role: Role | None, policy: Policy) -> bool:
    """Whether somebody with this role may ask for records to join."""
    return policy is Policy.OPEN or role is not None


def _is_at_least(role: Role | None, least: Role) -> bool:
    return role is not None and _RANKS[role] >= _RANKS[least]
