"""Who may do what with a work, which files may be served at all, and what a token allows: the one place that decides,
for every door (docs/access.md).

Descriptions are public as long as their record is (Zenodo's REST API, records); of a withdrawn record only the
tombstone is, so nobody reads its files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Literal, TypeAlias

from pipeline.communities.roles import Power, Role, allows
from pipeline.dissemination import Dissemination
from pipeline.errors import PurgedBytes
from pipeline.model import (
    LET_THROUGH,
    Access,
    Decision,
    Description,
    FalseAlarms,
    FilesAccess,
    Record,
    RecordState,
    Right,
    ScanStatus,
    ScanVerdict,
)

ScanGate: TypeAlias = Literal["none", "serve", "publish"]


class TokenScope(StrEnum):
    """What a token may be made for (Zenodo's REST API, scopes)."""

    DEPOSIT_WRITE = "deposit:write"
    DEPOSIT_ACTIONS = "deposit:actions"
    USER_EMAIL = "user:email"
    TOKENS_GENERATE = "tokens:generate"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: `email` and `account_id` are None for a stranger. `scopes` are what the credential was made for;
    reading needs none (Zenodo's REST API, authentication). `link` is the token of the share link that they present,
    be it one or not."""

    email: str | None = None
    admin: bool = False
    scopes: frozenset[str] = frozenset()
    account_id: int | None = None
    link: str = ""

    @property
    def is_stranger(self) -> bool:
        """Whether they have nothing to show for themselves: to such nothing is anything but what it is to all."""
        return self.account_id is None and not self.link

    @property
    def known_id(self) -> int:
        """The account of somebody who is known; 0, which is nobody's, of others."""
        return self.account_id or 0


STRANGER = Viewer()


@dataclass(frozen=True, slots=True)
class Ties:
    """What ties a viewer to a work besides owning something of it. `work_owner` is whose the work is. `shared` is what
    the viewer's account was given of it and what the link that they present gives, by who shared it: whose the work was
    then. `roles` are
    what they are in the communities that the work is in; they `review` its draft where such a community was asked to,
    and they curate it."""

    work_owner: str = ""
    shared: Mapping[str, Right] = field(default_factory=dict)
    roles: frozenset[Role] = frozenset()
    review: bool = False


NO_TIES = Ties()


class AccessStatus(StrEnum):
    OPEN = "open"
    EMBARGOED = "embargoed"
    RESTRICTED = "restricted"


class Withheld(StrEnum):
    """Why a file is not served to anybody."""

    BEING_SCANNED = "being scanned"
    INFECTED = "infected"


def access_status(access: Access, *, today: date) -> AccessStatus:
    """How open the files are today (UTC). An embargo ends with the beginning of its day, by itself."""
    if access.files is FilesAccess.PUBLIC:
        return AccessStatus.OPEN
    if access.embargo_until is None:
        return AccessStatus.RESTRICTED
    return AccessStatus.OPEN if access.embargo_until <= today else AccessStatus.EMBARGOED


def right_to(owner: str, viewer: Viewer, ties: Ties) -> Right:
    """What the viewer may do with a version or a draft that is `owner`'s, of a work to which these are their ties.
    Versions may have other owners than their work, and works get other owners: whoever shares a work shares what is
    theirs of it, and nothing that others add to it."""
    if viewer.admin or (viewer.email is not None and viewer.email == owner):
        return Right.MANAGE
    shared = ties.shared.get(owner, Right.NONE)
    as_member = Right.VIEW if any(allows(role, Power.READ) for role in ties.roles) else Right.NONE
    return max(shared, as_member, Right.PREVIEW if ties.review else Right.NONE)


def are_files_open(record: Record, *, today: date) -> bool:
    """Whether everybody may list and read the files."""
    is_open = access_status(record.description.access, today=today) is AccessStatus.OPEN
    return is_open and record.state is RecordState.PUBLISHED


def may_read_files(record: Record, right: Right, *, today: date) -> bool:
    """Whether somebody with that right to the record may list and read the files."""
    if record.state is not RecordState.PUBLISHED:
        return False
    return right >= Right.VIEW or are_files_open(record, today=today)


def permits(viewer: Viewer, scope: TokenScope) -> bool:
    """Whether the viewer is known, and came with a credential that was made for `scope`. That holds for administrators
    as well: a token never does more than it was made for."""
    return viewer.account_id is not None and scope in viewer.scopes


def owns(owner: str, viewer: Viewer) -> bool:
    """Whether it is the viewer's own, whatever is shared with whom: administrators own all."""
    return right_to(owner, viewer, NO_TIES) is Right.MANAGE


def may_delete(record: Record, viewer: Viewer) -> bool:
    """Whether the viewer may take the record out of service, while it is young: its owner does, whom managing a work
    does not make anybody (Zenodo's REST API, life-cycle requests)."""
    return owns(record.owner, viewer)


def may_change_files(record: Record, viewer: Viewer) -> bool:
    """Whether the viewer may have the files of a published record be changed, while it is young: its owner, as with its
    deletion; whoever may edit does the rest."""
    return owns(record.owner, viewer)


def may_enlarge(owner: str, viewer: Viewer) -> bool:
    """Whether the viewer may have a work hold more, whose draft is `owner`'s: it comes out of the owner's allowance."""
    return owns(owner, viewer)


def may_name_communities(right: Right) -> bool:
    """Whether somebody with that right to a draft says which communities it is to be in. They are asked, or joined, in
    the name of its owner; so it takes what putting a record into them takes."""
    return right >= Right.MANAGE


def role_of(viewer: Viewer, role: Role | None) -> Role | None:
    """As what the viewer, who is this in a community, acts there: administrators as its owners."""
    return Role.OWNER if viewer.admin else role


def may_in_community(role: Role | None, power: Power, viewer: Viewer) -> bool:
    """Whether the viewer, who is this in a community, has a power there."""
    return allows(role_of(viewer, role), power)


def lifted(description: Description, *, today: date) -> Description:
    """The description as it is today: an embargo that has ended is lifted, though it may not be noted yet."""
    access = description.access
    if access.files is FilesAccess.PUBLIC or access_status(access, today=today) is not AccessStatus.OPEN:
        return description
    return replace(description, access=replace(access, files=FilesAccess.PUBLIC))


def as_of(described: Dissemination, *, today: date) -> Dissemination:
    """The record as it is today (`lifted`)."""
    description = lifted(described.record.description, today=today)
    if description is described.record.description:
        return described
    return replace(described, record=replace(described.record, description=description))


def withheld(verdict: ScanVerdict, gate: ScanGate) -> Withheld | None:
    """Why a file with this verdict is kept back, if it is. Infected files always are; with the gate `serve`
    all that were neither scanned wholly nor released by a person (docs/architecture.md)."""
    if verdict.status is ScanStatus.INFECTED:
        return Withheld.INFECTED
    if gate == "serve" and verdict.status not in LET_THROUGH:
        return Withheld.BEING_SCANNED
    return None


def heeded(verdict: ScanVerdict, digest: str, false_alarms: FalseAlarms) -> ScanVerdict:
    """A verdict on bytes with this digest: a person's word counts for more than a scanner's."""
    if verdict.status is ScanStatus.INFECTED and (digest, verdict.signature) in false_alarms:
        return replace(verdict, status=ScanStatus.RELEASED)
    return verdict


def purged_again(decision: Decision) -> PurgedBytes:
    """What is said of a file with bytes that were purged from the work that it came for."""
    return PurgedBytes(
        f"the same bytes were purged from this work on {decision.at:%Y-%m-%d}: {decision.reason}",
        remedy="Take the file out of the source: what was purged is not taken in again. The rest of its record can be "
        "published with --allow-partial.",
    )
