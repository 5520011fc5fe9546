"""Records to index: `dissemination` makes one, `CORPUS` is a small archive with something for each rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pipeline.dissemination import Dissemination, Repository
from pipeline.index.document import document
from pipeline.model import Access, Community, Description, FileEntry, FilesAccess, Record, RecordState

if TYPE_CHECKING:
    from pipeline.ports import IndexDocument

NOW: Final = datetime(2026, 3, 9, 14, 5, 11, tzinfo=UTC)
REPOSITORY: Final = Repository(
    name="Archive",
    id="data.example.org",
    base_url="http://archive",
    admin_email="",
    doi_prefix="10.5072",
    doi_name="arc",
)
OPEN: Final = Access()
CLOSED: Final = Access(FilesAccess.RESTRICTED)


def embargoed_until(day: date) -> Access:
    return Access(FilesAccess.RESTRICTED, day)


def person(name: str, *, orcid: str = "", affiliation: str = "") -> dict[str, Any]:
    identifiers = [{"scheme": "orcid", "identifier": orcid}] if orcid else []
    return {
        "person_or_org": {"name": name, "identifiers": identifiers},
        "affiliations": [{"name": affiliation}] if affiliation else [],
    }


def dissemination(
    number: int,
    *,
    files: tuple[str, ...] = ("data.csv",),
    access: Access = OPEN,
    communities: tuple[str, ...] = (),
    custom_fields: dict[str, Any] | None = None,
    version: int = 1,
    concept: int | None = None,
    is_latest: bool = True,
    state: RecordState = RecordState.PUBLISHED,
    **metadata: Any,
) -> Dissemination:
    """A record of which `metadata` says more than the least. It was created `number` minutes after noon."""
    created = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(minutes=number)
    least = {
        "title": f"Record {number}",
        "publication_date": "2025-06-01",
        "resource_type": {"id": "dataset"},
    }
    entries = tuple(
        FileEntry(name, size=100, digests={"md5": f"{number:032x}"}, content=str(PurePosixPath("v1", name)))
        for name in files
    )
    record = Record(
        id=number,
        concept_id=concept or 1_000 + number,
        version=version,
        revision=1,
        is_latest=is_latest,
        state=state,
        description=Description({**least, **metadata}, custom_fields or {}, access),
        owner="ida@pier.example",
        created=created,
        modified=created + timedelta(days=1),
        file_count=len(files),
        total_bytes=100 * len(files),
    )
    return Dissemination(
        repository=REPOSITORY,
        record=record,
        doi=f"10.5072/arc.{number}",
        concept_doi=f"10.5072/arc.{record.concept_id}",
        files=entries,
        versions=(),
        communities=tuple(Community(slug, slug.title(), id=f"id of {slug}") for slug in communities),
        owner_id=5150,
    )


def indexed(number: int, *, stamp: int = 1, texts: tuple[str, ...] = (), **more: Any) -> IndexDocument:
    return document(dissemination(number, **more), version=stamp, texts=texts)


def withdrawn(found: Dissemination) -> Dissemination:
    return replace(found, record=replace(found.record, state=RecordState.WITHDRAWN))


_JOURNAL = {"journal:journal": {"title": "Annals of Tides", "volume": "12", "issue": "3", "pages": "1-9"}}

CORPUS: Final = (
    indexed(
        1,
        title="Tide gauge readings, harbour pier",
        description="<p>Ten-minute means of <b>sea level</b> &amp; wind.</p>",
        creators=[person("Marlow, Ida", orcid="0000-0001-2345-6789", affiliation="Pier Institute")],
        subjects=[{"subject": "sea level"}, {"subject": "Oceanography"}],
        rights=[{"id": "cc-by-4.0"}],
        languages=[{"id": "eng"}],
        communities=("tide-tables",),
        files=("gauge_01.csv", "README.txt"),
        texts=("How the barometers were read.",),
        publication_date="2024-03-05",
    ),
    indexed(
        2,
        title="Level of the sea: a review",
        creators=[person("Müller, Jörg")],
        resource_type={"id": "publication-article"},
        subjects=[{"subject": "sea level rise"}],
        communities=("tide-tables", "reviews"),
        custom_fields=_JOURNAL,
        files=("review.pdf",),
        publication_date="2023",
    ),
    indexed(
        3,
        title="東京湾の潮位",
        creators=[person("山田 太郎")],
        publication_date="2020/2022",
        access=embargoed_until(date(2026, 3, 10)),
        files=("embargoed.nc",),
        texts=("Unheard soundings",),
    ),
    indexed(
        4,
        title="Closed interviews",
        access=CLOSED,
        files=("secret.wav",),
        texts=("Whispers",),
        resource_type={"id": "video"},
    ),
    indexed(5, title="Plan without data", files=(), resource_type={"id": "publication-dissertation"}),
    indexed(
        6,
        title="Model code",
        resource_type={"id": "software"},
        funding=[
            {"funder": {"id": "00k4n6c32"}, "award": {"number": "871234", "title": {"en": "Deep Water"}}}
        ],
        related_identifiers=[
            {"identifier": "10.1000/Xyz(1)", "scheme": "doi", "relation_type": {"id": "isSupplementTo"}}
        ],
        files=("src/model.f90",),
        version=2,
        concept=2_000,
    ),
    indexed(7, title="Model code, first version", version=1, concept=2_000, is_latest=False),
)
