"""A whole instance in a folder: real parts, driven through the use cases with neither Prefect nor Dask.

`Instance.ingest` runs an accession from the survey to its last effect; `Instance.attempt` stops after planning,
so that a test can do the rest step by step, or leave it undone as a crash would.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import sqlalchemy as sa

from pipeline import dispatch, publication, wiring, worker
from pipeline.catalogue import record_files, records, tables
from pipeline.feeds.harvest_source import CatalogueSource
from pipeline.feeds.oaipmh import HarvestItem
from pipeline.ingest import accession, assessment, plan, planfile, report, survey, units
from pipeline.ingest.accession import IngestOptions, Run
from pipeline.ingest.custody import Unit
from pipeline.ingest.decisions import Plan
from pipeline.ingest.survey import Surveyed
from pipeline.model import JsonObject, Problem, Record
from pipeline.ports import SearchRequest
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stewardship import retrieval
from tests.migrated import add_catalogue


class Clock:
    """The time, which stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 9, 14, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass(frozen=True)
class Attempt:
    """One run on a source that has been surveyed and planned, and what is left of it to do."""

    instance: Instance
    run: Run
    surveyed: Surveyed
    plan: Plan

    @property
    def accession_id(self) -> str:
        assert self.plan.accession_id is not None, "there was nothing to do"
        return self.plan.accession_id

    def units(self) -> list[Unit]:
        """What is to be read."""
        services = self.instance.services
        return list(units.left(services, units.terms(services, self.accession_id, self.surveyed.location)))

    def take_in(self, units: list[Unit] | None = None) -> None:
        """Have a worker take units into custody (all that are left), and settle them."""
        services = self.instance.services
        with closing(wiring.open_compute(services.settings)) as compute:
            chosen = self.units() if units is None else units
            for result in compute.map_unordered(worker.run_unit, chosen, in_flight=1):
                if result.error is not None:
                    raise result.error
                accession.settle(services, self.run, result.unit, result.result or [])

    def publish(self) -> None:
        """Judge and publish whatever is whole."""
        services, options = self.instance.services, self.run.options
        while accession.seal(services, self.run, self.accession_id):
            pass
        while publication.publish_sealed(
            services,
            self.accession_id,
            run_id=self.run.id,
            owner=options.owner,
            community=options.community,
        ):
            pass

    def finish(self) -> None:
        """Bring the accession's effects about and complete it."""
        self.instance.drain(self.accession_id)
        accession.finish(self.instance.services, self.run, self.accession_id)

    def report(self) -> JsonObject:
        return report.of_run(self.instance.services, self.plan, self.surveyed.folder, {})


@dataclass(frozen=True)
class Planned:
    """A plan in the file `path`, what planning counted, and what `headrace plan --json` says."""

    path: Path
    plan: Plan
    document: JsonObject

    def rows(self, kind: str) -> list[JsonObject]:
        """Its rows of a kind."""
        table: list[JsonObject] = pq.read_table(self.path).to_pylist()
        return [row for row in table if row["kind"] == kind]

    def files(self, fate: str) -> set[tuple[str, str]]:
        """(record, key) of the files of which it says so."""
        return {(row["record"], row["file"]) for row in self.rows("file") if row["decision"] == fate}


class Instance:
    def __init__(self, services: Services, clock: Clock) -> None:
        self.services = services
        self.clock = clock

    def ingest(self, source: Path, *, retry: str = "", **options: object) -> JsonObject:
        """Ingest a source with `IngestOptions`; the report of the run. A second passes with every run."""
        return self._complete(self.attempt(source, retry=retry, **options))

    def attempt(self, source: Path, *, retry: str = "", **options: object) -> Attempt:
        """Survey and plan a source."""
        self.clock.move(seconds=1)
        surveyed, run = self._survey(source, retry, IngestOptions(**options))  # type: ignore[arg-type]
        return Attempt(self, run, surveyed, plan.make(self.services, surveyed.folder, run))

    def plan(self, source: Path, **options: object) -> Planned:
        """Plan an ingest of a source with `IngestOptions`."""
        surveyed, run = self._survey(source, "", IngestOptions(**options))  # type: ignore[arg-type]
        path = surveyed.folder / "plan.parquet"
        planned, estimate = assessment.assess(self.services, surveyed, run, path)
        return Planned(path, planned, report.of_plan(self.services, surveyed, planned, estimate))

    def apply(self, path: Path) -> JsonObject:
        """Carry a plan out; the report of the run. A second passes with every run."""
        return self._complete(self.begin_to_apply(path))

    def begin_to_apply(self, path: Path) -> Attempt:
        """What `attempt` is to `ingest`."""
        self.clock.move(seconds=1)
        opened = planfile.open_plan(path)
        header = opened.header
        options = IngestOptions(**header.options)
        source = survey.open_(header.source, options, wiring.trees(self.services.settings))
        surveyed = survey.from_plan(self.services, source, opened, self._folder())
        run = Run(uuid.uuid4().hex, header.collection, header.source, options, plan=opened.id)
        return Attempt(self, run, surveyed, plan.make(self.services, surveyed.folder, run))

    def _survey(self, source: Path, retry: str, options: IngestOptions) -> tuple[Surveyed, Run]:
        surveyed = self.survey(source, options, self._folder())
        return surveyed, Run(uuid.uuid4().hex, surveyed.collection, str(source), options, retry=retry)

    def _folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.services.settings.home, prefix="survey-"))

    def _complete(self, attempt: Attempt) -> JsonObject:
        if attempt.plan.accession_id is not None:
            attempt.take_in()
            attempt.publish()
            attempt.finish()
        return attempt.report()

    def survey(self, source: Path, options: IngestOptions, folder: Path) -> Surveyed:
        """Survey a source into a folder."""
        opened = survey.open_(str(source), options, wiring.trees(self.services.settings))
        return survey.survey(self.services, opened, folder, trust_dois=options.trust_dois)

    def drain(self, accession_id: str | None = None) -> dispatch.Drained:
        """Bring about every effect that is due (of an accession). A second passes, so that what is announced can
        be harvested."""
        drained = dispatch.drain(self.services, accession_id=accession_id)
        self.clock.move(seconds=1)
        return drained

    def record(self, record_id: int) -> Record:
        with self.services.catalogue.read() as tx:
            return records.get(tx, record_id)

    def read(self, record_id: int, key: str) -> bytes:
        """The bytes of a published file."""
        return b"".join(retrieval.read_file(self.services, record_id, key))

    def files(self, record_id: int) -> dict[str, bytes]:
        """Key → bytes of every file of a record."""
        with self.services.catalogue.read() as tx:
            keys = [entry.key for entry in record_files.files(tx, record_id)]
        return {key: self.read(record_id, key) for key in keys}

    def found(self) -> set[int]:
        """Ids of all that search finds, which is the newest version of each work."""
        return set(self.services.index.search(SearchRequest()).ids)

    def harvested(self) -> dict[int, HarvestItem]:
        """What OAI-PMH gives two minutes later, by record id."""
        self.clock.move(minutes=2)
        with self.services.catalogue.read() as tx:
            feed = CatalogueSource(tx, self.services.repository, now=self.clock())
            page = feed.page(
                start=None, until=feed.horizon(), set_spec=None, after=None, limit=100, headers_only=False
            )
        return {one.record_id: one for one in page}

    def row_counts(self) -> dict[str, int]:
        """Rows of every table of the catalogue."""
        with self.services.catalogue.read() as tx:
            return {
                name: tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for name, table in tables.metadata.tables.items()
            }

    def state(self) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
        """All that a run may have written."""
        return self.stored(), self.row_counts()

    def stored(self) -> dict[str, tuple[int, int]]:
        """(size, modification time) of every file in the store, by path."""
        return {
            path.relative_to(self.store).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in self.store.rglob("*")
            if path.is_file()
        }

    @property
    def store(self) -> Path:
        return self.services.settings.home / "store"

    @property
    def root(self) -> Path:
        """The OCFL storage root."""
        return self.store / "root"


@contextmanager
def open_instance(home: Path, **settings: object) -> Iterator[Instance]:
    """An instance in a folder. Raises what `open_services` raises."""
    clock = Clock()
    chosen = Settings(home=home, compute="inline:", base_url="https://archive.example.org", **settings)  # type: ignore[arg-type]
    chosen.home.mkdir(parents=True, exist_ok=True)
    if "database" not in settings:
        add_catalogue(chosen.home)
    with wiring.open_services(chosen, now=clock) as services:
        try:
            yield Instance(services, clock)
        finally:
            # A worker keeps its store, and the store its threads, for as long as its process lives; its scanner, too.
            worker._store.cache_clear()
            worker._scanner.cache_clear()


def write_record(folder: Path, files: Mapping[str, bytes], **metadata: object) -> Path:
    """A record as a folder tree holds it: its description, and files by their paths below the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    described = {
        "title": folder.name,
        "upload_type": "dataset",
        "creators": [{"name": "Marlow, Ida"}],
        "publication_date": "2026-03-09",
        "description": "<p>Ten-minute means.</p>",
        "license": "cc-by-4.0",
        **metadata,
    }
    (folder / "record.json").write_text(json.dumps(described), encoding="utf-8")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def codes(document: JsonObject) -> list[tuple[str, str, str]]:
    """(record, path, code) of each problem of a report."""
    return [(one["record"], one["path"], one["code"]) for one in document["problems"]]


def problem_of(document: JsonObject, code: str) -> Problem:
    """The one problem with a code."""
    [found] = [one for one in document["problems"] if one["code"] == code]
    return Problem(**found)
