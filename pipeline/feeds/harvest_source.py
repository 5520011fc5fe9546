"""What OAI-PMH harvests from: the catalogue's announced records, seen through one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.access import as_of
from pipeline.catalogue import Transaction, communities, harvest, records
from pipeline.catalogue.harvest import Stamped
from pipeline.dissemination import Dissemination, Repository
from pipeline.feeds.oaipmh import HarvestItem, OaiSet, community_set, community_slug
from pipeline.model import RecordState

# A harvester wants the description; formats that tell sizes or types of files tell them of the first ones.
_FILES_SHOWN = 100


class CatalogueSource:
    """A `HarvestSource` over one snapshot: every question of an answer sees the same state."""

    def __init__(self, tx: Transaction, repository: Repository, *, now: datetime) -> None:
        self._tx = tx
        self._repository = repository
        self._now = now

    def horizon(self) -> datetime:
        return harvest.horizon(self._tx, now=self._now)

    def earliest(self) -> datetime:
        # Datestamps only ever grow, so the lowest of today bounds all that will be given. Where there is none
        # yet, the first cannot be before now.
        return harvest.earliest(self._tx) or self.horizon()

    def sets(self) -> Sequence[OaiSet]:
        return [
            OaiSet(community_set(one.slug), one.title, one.description)
            for one in communities.with_works(self._tx)
        ]

    def get(self, record_id: int) -> HarvestItem | None:
        shown = self._disseminate([record_id]).get(record_id)
        if shown is None or shown.record.datestamp is None:
            return None
        return _item(Stamped(record_id, shown.record.datestamp), shown, headers_only=False)

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
        if _is_unknown(set_spec):
            return []
        community = None if set_spec is None else community_slug(set_spec)
        stamped = harvest.page(
            self._tx, start=start, until=until, community=community, after=after, limit=limit
        )
        shown = self._disseminate([one.record_id for one in stamped], headers_only=headers_only)
        return [_item(one, shown[one.record_id], headers_only=headers_only) for one in stamped]

    def count(self, *, start: datetime | None, until: datetime, set_spec: str | None) -> int:
        if _is_unknown(set_spec):
            return 0
        community = None if set_spec is None else community_slug(set_spec)
        return harvest.count(self._tx, start=start, until=until, community=community)

    def _disseminate(self, ids: Sequence[int], *, headers_only: bool = False) -> Mapping[int, Dissemination]:
        file_limit = 0 if headers_only else _FILES_SHOWN
        shown = records.disseminate(self._tx, self._repository, ids, file_limit=file_limit)
        return {id_: as_of(one, today=self._now.date()) for id_, one in shown.items()}


def _is_unknown(set_spec: str | None) -> bool:
    """Whether a set was asked for that no community can have."""
    return set_spec is not None and community_slug(set_spec) is None


def _item(stamped: Stamped, shown: Dissemination, *, headers_only: bool) -> HarvestItem:
    is_deleted = shown.record.state is RecordState.WITHDRAWN
    return HarvestItem(
        record_id=stamped.record_id,
        datestamp=stamped.datestamp,
        deleted=is_deleted,
        sets=tuple(community_set(one.slug) for one in shown.communities),
        dissemination=None if is_deleted or headers_only else shown,
    )
