"""What a harvest reads: items in the order of their datestamps, and the sets that group them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipeline.dissemination import Dissemination

COMMUNITY_SET = "user-"


@dataclass(frozen=True, slots=True)
class OaiSet:
    """A set as ListSets shows it. `description` is plain text, `""` for none."""

    spec: str
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class HarvestItem:
    """One item in the state that a harvester shall see. `dissemination` is None for a deleted item, and
    where only headers were asked for. `sets` are all the sets that the item belongs to."""

    record_id: int
    datestamp: datetime
    deleted: bool
    sets: tuple[str, ...]
    dissemination: Dissemination | None


class HarvestSource(Protocol):
    """Stamped records, deleted ones included. A datestamp changes whenever what is disseminated of the
    record changes, its sets included; it may be finer than the second that harvesters are shown."""

    def horizon(self) -> datetime:
        """No record is shown with a datestamp later than this, and none will ever be given an earlier one:
        a harvester that comes back with `from` set to it misses nothing."""

    def earliest(self) -> datetime:
        """A lower bound of all datestamps for ever, those of deleted items included."""

    def sets(self) -> Sequence[OaiSet]:
        """All sets; empty where the archive has none."""

    def get(self, record_id: int) -> HarvestItem | None:
        """The item with its dissemination; None where there never was such a stamped record."""

    def page(
        self,
        *,
        start: datetime | None,
        until: datetime,
        set_spec: str | None,
        after: tuple[datetime, int] | None,
        limit: int,
        headers_only: bool,
    ) -> Sequence[HarvestItem]:
        """The first `limit` items with `start <= datestamp <= until`, in the set and its subsets, whose
        `(datestamp, record_id)` is greater than `after`, in that order."""

    def count(self, *, start: datetime | None, until: datetime, set_spec: str | None) -> int:
        """How many items `page` would give without `after` and `limit`."""


def community_set(slug: str) -> str:
    """The setSpec of a community: `user-<slug>`, as on Zenodo. Characters that a setSpec cannot hold
    (OAI-PMH.xsd, setSpecType) become `~` and two hex digits for each byte of their UTF-8 form."""
    return COMMUNITY_SET + re.sub(r"[^A-Za-z0-9_.\-]", _escape, slug)


def community_slug(set_spec: str) -> str | None:
    """The community whose set this is; None for any other set."""
    if not set_spec.startswith(COMMUNITY_SET):
        return None
    try:
        slug = re.sub(r"(?:~[0-9A-F]{2})+", _unescape, set_spec.removeprefix(COMMUNITY_SET))
    except UnicodeDecodeError:
        return None
    # Two spellings of one slug would be two sets: only the one that we give is known.
    return slug if community_set(slug) == set_spec else None


def _escape(match: re.Match[str]) -> str:
    return "".join(f"~{byte:02X}" for byte in match[0].encode())


def _unescape(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("~", "")).decode()
