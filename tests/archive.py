"""A small archive of real parts (SQLite, local store, embedded index) with records made to order and a clock that
tests move. Records are published by the project's own use cases; only the reading of a source is left out."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from pipeline import codec, dispatch, publication, wiring
from pipeline.catalogue import (
    accessions,
    accounts,
    communities,
    deposit_files,
    deposits,
    identifiers,
    record_files,
    records,
    scans,
    tables,
)
from pipeline.catalogue.deposit_files import FoundFile
from pipeline.lifecycle import DepositEvent
from pipeline.model import (
    UNIDENTIFIED,
    Access,
    Accession,
    AccessionState,
    Concept,
    DepositAction,
    DepositState,
    Description,
    Digests,
    FileOutcome,
    FileState,
    Identification,
    JsonObject,
    Record,
    ScanStatus,
    ScanVerdict,
)
from pipeline.services import Services
from pipeline.settings import Settings, StoreLocation
from pipeline.store import layout
from tests.migrated import add_catalogue

BASE_URL = "https://archive.example.org"
UNSCANNED = ScanVerdict(ScanStatus.UNSCANNED, engine="none")


@dataclass(frozen=True)
class GivenFile:
    """A file to be published, with what shall be known of it besides its bytes."""

    content: bytes
    declared: Digests = field(default_factory=dict)
    identification: Identification = UNIDENTIFIED
    scan: ScanVerdict = UNSCANNED


class Clock:
    """The time, which stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 9, 14, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class Archive:
    def __init__(self, services: Services, clock: Clock) -> None:
        self.services = services
        self.clock = clock

    def publish(
        self,
        *,
        files: Mapping[str, bytes | GivenFile] | None = None,
        access: Access = Access(),  # noqa: B008 - frozen
        owner: str = "ida@pier.example",
        community: str = "",
        doi: str | None = None,
        named: tuple[str, ...] = (),
        version_of: Record | None = None,
        was_held: bool = False,
        **metadata: object,
    ) -> Record:
        """Publish a record, or with `version_of` a new version of its work, and carry out all that follows. The bytes
        of one that `was_held` waited outside of the root. `named` are communities in its description."""
        described = Description({**minimal_metadata(), **metadata}, access=access, doi=doi, communities=named)
        given = {
            key: one if isinstance(one, GivenFile) else GivenFile(one) for key, one in (files or {}).items()
        }
        accession_id, record_id = self._deposit(described, given, version_of, was_held=was_held)
        publication.publish_sealed(self.services, accession_id, owner=owner, community=community)
        self._settle()
        return self.record(record_id)

    def _settle(self) -> None:
        """Preserve, register, index and announce what waits for it."""
        self.clock.move(seconds=1)
        dispatch.drain(self.services)

    def withdraw(self, record: Record, *, reason: str = "test-record", note: str = "") -> None:
        publication.withdraw(self.services, record.id, reason=reason, note=note, by="admin@archive.example")
        self._settle()

    def give(self, record: Record, key: str, verdict: ScanVerdict) -> None:
        """A scanner says this of a published file's bytes."""
        with self.services.catalogue.write() as tx:
            digest = record_files.holding(tx, record.id, key).entry.digests[self.services.root_digest]
            scans.give(tx, [(digest, verdict)], now=self.clock())

    def record(self, record_id: int) -> Record:
        with self.services.catalogue.read() as tx:
            return records.get(tx, record_id)

    def token(self, email: str, *, admin: bool = False, scopes: Sequence[str] = ()) -> str:
        """A token of a user, who is made if there is none of that address."""
        with self.services.catalogue.write() as tx:
            account = accounts.find_account(tx, email) or accounts.create_account(
                tx, email, admin=admin, now=self.clock()
            )
            return accounts.create_token(tx, account, scopes, now=self.clock())

    def add_community(self, slug: str, title: str) -> None:
        with self.services.catalogue.write() as tx:
            communities.ensure(tx, slug, title=title, now=self.clock())

    def _deposit(
        self,
        described: Description,
        given: Mapping[str, GivenFile],
        version_of: Record | None,
        *,
        was_held: bool,
    ) -> tuple[str, int]:
        """A sealed deposit with its bytes at its home: (its accession, the record-to-be)."""
        services, now = self.services, self.clock()
        with services.catalogue.write() as tx:
            ids = identifiers.allot(tx, 2)
            record_id = ids[1]
            concept_id = version_of.concept_id if version_of else ids[0]
            home = layout.home(
                services.repository.id,
                concept_id,
                record_id,
                is_first=version_of is None and not was_held,
                renames_trees=services.store.traits.renames_trees,
            )
            if version_of is None:
                records.add_concepts(tx, [Concept(concept_id)], now=now)
            accession_id = f"a{record_id}"
            accessions.create(
                tx,
                Accession(
                    accession_id,
                    collection=accession_id,
                    source="tests",
                    state=AccessionState.INGESTING,
                    started=now,
                ),
            )
            line = {
                "accession_id": accession_id,
                "position": 0,
                "key": f"record {record_id}",
                "concept_id": concept_id,
                "record_id": record_id,
                "home": home,
                "base_record_id": version_of.id if version_of else None,
                "action": DepositAction.VERSION if version_of else DepositAction.NEW,
                "state": DepositState.PLANNED,
                "description": codec.description_to_json(described),
                "files_total": len(given),
                "files_open": len(given),
            }
            [deposit_id] = deposits.add(tx, [line])
            found = [
                FoundFile(deposit_id, key, key, len(one.content), None, "", one.declared)
                for key, one in given.items()
            ]
            deposit_files.note_found(tx, found, run=accession_id)
            planned = deposit_files.planned(tx, accession_id, below=1 << 40, after=0, limit=100_000)
            deposit_files.settle(
                tx,
                [_outcome(each.id, each.key, given[each.key], services.root_digest) for each in planned],
            )
        services.store.put_many({layout.place(home, key): one.content for key, one in given.items()})
        with services.catalogue.write() as tx:
            whole = deposits.in_state(tx, accession_id, DepositState.PLANNED, limit=1)
            deposits.move(tx, whole, DepositEvent.SEAL)
        return accession_id, record_id


class Unsettled(Archive):
    """Publishes, and leaves all that follows to a dispatcher."""

    def _settle(self) -> None:
        self.clock.move(seconds=1)


def minimal_metadata() -> JsonObject:
    """A valid description."""
    return {
        "title": "Tide gauge readings, harbour pier, 2025",
        "resource_type": {"id": "dataset"},
        "creators": [person("Marlow", "Ida", orcid="0000-0002-1825-0097", affiliation="Pier Institute")],
        "publication_date": "2026-03-09",
        "description": "<p>Ten-minute means.</p>",
        "rights": [{"id": "cc-by-4.0"}],
    }


def person(family: str, given: str, *, orcid: str = "", affiliation: str = "") -> JsonObject:
    who: JsonObject = {
        "type": "personal",
        "name": f"{family}, {given}",
        "family_name": family,
        "given_name": given,
    }
    if orcid:
        who["identifiers"] = [{"scheme": "orcid", "identifier": orcid}]
    affiliations = {"affiliations": [{"name": affiliation}]} if affiliation else {}
    return {"person_or_org": who, **affiliations}


def rewrite(archive: Archive, record_id: int, **values: object) -> None:
    """Have columns of a record be otherwise in the catalogue, of which nobody is told."""
    with archive.services.catalogue.write() as tx:
        tx.execute(sa.update(tables.record).where(tables.record.c.id == record_id).values(**values))


@contextmanager
def open_archive(home: Path, location: StoreLocation | None = None, **settings: object) -> Iterator[Archive]:
    """An archive in a new folder, its store at `location` or in the folder as well."""
    clock = Clock()
    if location is not None:
        settings |= {"store" if name == "url" else name: value for name, value in asdict(location).items()}
    if "database" not in settings:
        add_catalogue(home)
    chosen = {"base_url": BASE_URL, **settings}
    with wiring.open_services(Settings(home=home, **chosen), now=clock) as services:
        yield Archive(services, clock)


def _outcome(file_id: int, key: str, given: GivenFile, root_digest: str) -> FileOutcome:
    algorithms = {"md5", root_digest, *given.declared} & {"md5", "sha1", "sha256", "sha512"}
    digests = {name: hashlib.new(name, given.content).hexdigest() for name in sorted(algorithms)}
    return FileOutcome(
        id=file_id,
        state=FileState.IN_CUSTODY,
        content=layout.content_path(key),
        root_digest=digests[root_digest],
        digests=digests,
        identification=codec.identification_to_json(given.identification),
        scan=codec.verdict_to_json(given.scan),
    )
