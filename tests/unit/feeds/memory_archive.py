"""A `HarvestSource` over a dictionary, and the small formats that it is disseminated in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lxml import etree

from pipeline.dissemination import Dissemination, Repository
from pipeline.feeds.oaipmh import HarvestItem, MetadataFormat, OaiSet
from pipeline.model import Description, Record, RecordState

REPOSITORY = Repository(
    name="Archive & Sons",
    id="archive.example.org",
    base_url="https://archive.example.org",
    admin_email="oai@archive.example.org",
    doi_prefix="10.5072",
    doi_name="archive",
)
FOUNDED = datetime(2024, 2, 29, tzinfo=UTC)

OAI_DC = "http://www.openarchives.org/OAI/2.0/oai_dc/"
DC = "http://purl.org/dc/elements/1.1/"
MARC = "http://www.loc.gov/MARC21/slim"
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def dissemination(record_id: int) -> Dissemination:
    """A published record without files."""
    metadata = {
        "title": "A record",
        "resource_type": {"id": "dataset"},
        "creators": [{"person_or_org": {"type": "personal", "name": "Doe, Jane", "family_name": "Doe"}}],
        "publication_date": "2024-02-29",
        "publisher": REPOSITORY.name,
    }
    record = Record(
        id=record_id,
        concept_id=record_id,
        version=1,
        revision=1,
        is_latest=True,
        state=RecordState.PUBLISHED,
        description=Description(metadata),
        owner="1",
        created=FOUNDED,
        modified=FOUNDED,
        file_count=0,
        total_bytes=0,
    )
    doi = f"{REPOSITORY.doi_prefix}/{REPOSITORY.doi_name}.{record_id}"
    return Dissemination(REPOSITORY, record, doi, None, files=(), versions=())


def _title_and_doi(shown: Dissemination) -> etree._Element:
    root = etree.Element(f"{{{OAI_DC}}}dc", nsmap={"oai_dc": OAI_DC, "dc": DC, "xsi": XSI})
    root.set(f"{{{XSI}}}schemaLocation", f"{OAI_DC} http://www.openarchives.org/OAI/2.0/oai_dc.xsd")
    etree.SubElement(root, f"{{{DC}}}title").text = shown.record.description.metadata["title"]
    etree.SubElement(root, f"{{{DC}}}identifier").text = shown.doi
    return root


def _control_number(shown: Dissemination) -> etree._Element:
    root = etree.Element(f"{{{MARC}}}record", nsmap={None: MARC, "xsi": XSI})
    root.set(f"{{{XSI}}}schemaLocation", f"{MARC} http://www.loc.gov/standards/marcxml/schema/MARC21slim.xsd")
    etree.SubElement(root, f"{{{MARC}}}leader").text = "00000nam a2200000uu 4500"
    etree.SubElement(root, f"{{{MARC}}}controlfield", tag="001").text = str(shown.record.id)
    return root


FORMATS: Mapping[str, MetadataFormat] = {
    "oai_dc": MetadataFormat(
        "oai_dc", "http://www.openarchives.org/OAI/2.0/oai_dc.xsd", OAI_DC, _title_and_doi
    ),
    "marcxml": MetadataFormat(
        "marcxml", "http://www.loc.gov/standards/marcxml/schema/MARC21slim.xsd", MARC, _control_number
    ),
}


class MemoryArchive:
    """Stamps are given in order; the last one is the horizon."""

    def __init__(self, *sets: OaiSet) -> None:
        self._sets = sets
        self._items: dict[int, HarvestItem] = {}
        self._horizon = FOUNDED

    def stamp(
        self, *record_ids: int, at: datetime, sets: tuple[str, ...] = (), deleted: bool = False
    ) -> None:
        """Put the records into this state, all at once."""
        for record_id in record_ids:
            shown = None if deleted else dissemination(record_id)
            self.put(HarvestItem(record_id, at, deleted, sets, shown))

    def put(self, item: HarvestItem) -> None:
        assert item.datestamp >= self._horizon, "stamps are given in order"
        self._items[item.record_id] = item
        self._horizon = item.datestamp

    def stamps(self) -> dict[int, datetime]:
        return {record_id: item.datestamp for record_id, item in self._items.items()}

    def horizon(self) -> datetime:
        return self._horizon

    def earliest(self) -> datetime:
        return FOUNDED

    def sets(self) -> Sequence[OaiSet]:
        return self._sets

    def get(self, record_id: int) -> HarvestItem | None:
        return self._items.get(record_id)

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
        selected = self._selected(start, until, set_spec)
        left = [item for item in selected if after is None or (item.datestamp, item.record_id) > after]
        return [replace(item, dissemination=None) if headers_only else item for item in left[:limit]]

    def count(self, *, start: datetime | None, until: datetime, set_spec: str | None) -> int:
        return len(self._selected(start, until, set_spec))

    def _selected(self, start: datetime | None, until: datetime, set_spec: str | None) -> list[HarvestItem]:
        items = sorted(self._items.values(), key=lambda item: (item.datestamp, item.record_id))
        return [
            item
            for item in items
            if (start is None or start <= item.datestamp)
            and item.datestamp <= until
            and (set_spec is None or any(f"{spec}:".startswith(f"{set_spec}:") for spec in item.sets))
        ]


def archive_of(count: int, *sets: OaiSet, step: timedelta = timedelta(hours=1)) -> MemoryArchive:
    """Records 1 to `count`, one stamped each `step`; the odd ones belong to the first set."""
    archive = MemoryArchive(*sets)
    for record_id in range(1, count + 1):
        odd = (sets[0].spec,) if sets and record_id % 2 else ()
        archive.stamp(record_id, at=FOUNDED + record_id * step, sets=odd)
    return archive
