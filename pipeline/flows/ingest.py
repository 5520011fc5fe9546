"""The flows `ingest-collection`, `apply-plan` and `retry-accession`: what an operator sees of a bulk ingest. Prefect
records the stages; Dask moves the units; every rule is elsewhere."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from pipeline import codec, dispatch, publication, wiring
from pipeline.catalogue import accessions, leases, outbox
from pipeline.catalogue.outbox import Waiting
from pipeline.display import shown
from pipeline.errors import Interrupted, Misconfigured, Unavailable
from pipeline.flows.page import RunPage
from pipeline.flows.progress import Progress, human_size
from pipeline.flows.runs import attendant, concluded, stage
from pipeline.ingest import accession, plan, planfile, report, survey, units
from pipeline.ingest.accession import IngestOptions, Run
from pipeline.ingest.assignments import Assignments
from pipeline.ingest.custody import FileReport, Unit
from pipeline.ingest.decisions import Plan
from pipeline.ingest.patience import Patience
from pipeline.ingest.planfile import PlanFile
from pipeline.ingest.sources import Source, is_url
from pipeline.ingest.survey import Surveyed
from pipeline.model import Accession, EffectKind, FileState, JsonObject
from pipeline.ports import Compute, UnitResult
from pipeline.running.beside import beside
from pipeline.running.scratch import scratch_folder
from pipeline.services import Services
from pipeline.settings import Settings, SourceLocation, load_settings
from pipeline.worker import run_unit

_LOOK_EVERY = 2.0  # seconds between two looks for what is whole and can be published
_SLICE = 0.2  # seconds between looks at whether to stop, while waiting
_MOST_OUT = 1000  # units; workers may join later, so how many are kept busy is left to `Compute`
_AFTER_TROUBLE = 60.0  # seconds until effects are tried again beside the intake
_WAIT_FOR_EFFECTS = (
    30.0  # seconds that a stage waits for effects that were put off or are brought about slowly
)


def _named_as_source() -> str:
    """What a run is called by its source, which may be a signed URL."""
    return shown(str(flow_run.parameters["source"]))


@flow(
    name="ingest-collection",
    description="Take a collection into custody and publish its records, as `headrace ingest` does. Safe to cancel, to "
    "suspend and to run again: it goes on where it was, and does nothing where nothing is new.",
    flow_run_name=_named_as_source,
    validate_parameters=False,
    persist_result=False,
)
def ingest_collection(
    source: str,
    collection: str = "",
    owner: str = "",
    community: str = "",
    metadata: JsonObject | None = None,
    checksum: bool = False,  # noqa: FBT001, FBT002 - a field of the form in the UI
    allow_partial: bool = False,  # noqa: FBT001, FBT002
    trust_dois: bool = False,  # noqa: FBT001, FBT002
) -> JsonObject:
    """Survey `source`, read every new file once, publish the records that are whole, bring their effects about.
    The report of the run, as `headrace ingest --json` prints it.

    Args:
        source: Folder or bag, an archive of one (.tar, .tar.gz, .tgz, .zip), manifest (.csv, .jsonl, .ndjson, .parquet)
            or list of URLs (.txt), by its whole path on the machine of Headrace or as s3://bucket/prefix; a manifest
            or list also by its URL.
        collection: Name of the collection, within which records are known again. Empty: the source's own name.
        owner: E-mail address of whom the records belong to. Empty: as before.
        community: Community that the records join, in letters a-z, digits and hyphens; made if new.
        metadata: Description (Zenodo's deposit metadata or DataCite JSON) of records that bring none.
        checksum: Tell unchanged files by reading them, not by size and time.
        allow_partial: Publish records without their rejected files.
        trust_dois: Let records keep DOIs under this repository's own prefix, which they had before they came here.
    """

    def order(_: Services) -> _Order:
        options = IngestOptions(collection, owner, community, metadata, checksum, allow_partial, trust_dois)
        return _Order(source.strip() if is_url(source.strip()) else _located(source), options)

    return _taken_in(order)


@flow(
    name="apply-plan",
    description="Take into custody and publish just what a plan says, as `headrace apply` does. Safe to cancel, to "
    "suspend and to run again.",
    flow_run_name="{plan}",
    validate_parameters=False,
    persist_result=False,
)
def apply_plan(plan: str) -> JsonObject:
    """Carry out the plan in the file `plan`. What has changed since is left out. The report of the run, as `headrace
    apply --json` prints it.

    Args:
        plan: File that `headrace plan` has written, by its whole path on the machine of Headrace.
    """

    def order(_: Services) -> _Order:
        opened = planfile.open_plan(Path(_located(plan)))
        return _Order(opened.header.source, IngestOptions(**opened.header.options), plan=opened)

    return _taken_in(order)


@flow(
    name="retry-accession",
    description="Go on with an accession that was stopped, and try its held records again, as `headrace retry` does. "
    "Only what is not in custody yet is read. Mend the source first.",
    flow_run_name="retry {accession}",
    validate_parameters=False,
    persist_result=False,
)
def retry_accession(accession: str) -> JsonObject:
    """The report of the run, as `headrace retry --json` prints it.

    Args:
        accession: Which one, such as 20261121-782cba76; the page of its run says it, and `headrace status`.
    """

    def order(services: Services) -> _Order:
        with services.catalogue.read() as tx:
            found = accessions.get(tx, accession.strip())
        return _Order(found.source, IngestOptions(**found.options), retry=found.id)

    return _taken_in(order)


def _located(path: str) -> str:
    """A path as it was given in a form. Raises `Misconfigured` where it does not say where."""
    if not Path(path).is_absolute():
        raise Misconfigured(
            f"{path!r} is not a whole path", remedy="begin with /: the run has no working folder of yours"
        )
    return str(Path(path))


@dataclass(frozen=True, slots=True)
class _Order:
    """What a run is to do: all of the source, or the held records of the accession `retry` as well, or a plan."""

    source: str
    options: IngestOptions
    retry: str = ""
    plan: PlanFile | None = None


def _taken_in(order: Callable[[Services], _Order]) -> JsonObject:
    settings, progress = load_settings(), Progress()

    def take_in(page: RunPage) -> JsonObject:
        # What ends the run goes through here: leases that could not be given up are freed by the next command.
        with ExitStack() as stack:
            services = stack.enter_context(wiring.open_services(settings))
            scratch = stack.enter_context(scratch_folder(settings.home))
            return _Ingest(settings, services, order(services), scratch, progress, page).run()

    return concluded(take_in, progress)


@dataclass(slots=True)
class _Ingest:
    """One run of the flow: its stages in order, each a Prefect task."""

    settings: Settings
    services: Services
    order: _Order
    scratch: Path
    progress: Progress
    page: RunPage
    seconds: dict[str, float] = field(default_factory=dict)
    starting: float = 0.0  # seconds that starting workers took, which no figure counts
    found: str = ""  # what the survey found, and what is to be done with it, in words
    to_do: str = ""
    published: int = 0
    brought_about: Counter[EffectKind] = field(default_factory=Counter)
    patience: Patience = field(init=False)
    _looked: float = 0.0

    def __post_init__(self) -> None:
        self.patience = Patience(self.settings.patience, self._wait)

    def run(self) -> JsonObject:
        started = time.monotonic()
        order, plan_ = self.order, self.order.plan
        opened = survey.open_(order.source, order.options, wiring.trees(self.settings))
        run = Run(
            id=uuid.uuid4().hex,
            collection=plan_.header.collection if plan_ else opened.collection,
            source=order.source,
            options=order.options,
            flow_run=str(flow_run.get_id() or ""),
            retry=order.retry,
            plan=plan_.id if plan_ else "",
        )
        before = self.patience.insist(partial(self._unfinished, run.collection))
        with self._timed("survey"):
            surveyed = self._survey(opened)
            found = surveyed.summary
            self.found = f"{found.records:,} records, {found.files:,} files, {human_size(found.bytes)}"
            planned = stage(
                "plan records",
                "Compare the survey with the catalogue: what is new, changed or unchanged.",
                lambda: plan.make(
                    self.services, self.scratch, run, patience=self.patience, checkpoint=self._look
                ),
                lambda: self.to_do,
            )
            self.to_do = (
                f"{planned.new:,} new, {planned.versions:,} new versions, {planned.revisions:,} revisions,"
                f" {planned.unchanged:,} unchanged"
            )
        if before is not None and before.id == planned.accession_id:
            self.page.bury(before.flow_run)
        get_run_logger().info("found %s: %s", self.found, self.to_do)
        if planned.accession_id is not None:
            with self._ending(run, planned.accession_id):
                if order.retry:
                    self.patience.insist(partial(self._release_parked, planned.accession_id))
                with accession.keeping(self.services, run, planned.accession_id):
                    self._take_in_and_publish(run, planned, planned.accession_id, surveyed.location)
                self.page.look()
                self.page.heed_stop()  # in the moments since the last look
                self.patience.insist(partial(accession.finish, self.services, run, planned.accession_id))
        self.seconds["total"] = round(time.monotonic() - started - self.starting, 3)
        document = stage("report", "What became of everything.", lambda: self._report(planned))
        self.page.report(document, self.services.repository.base_url)
        return document

    def _survey(self, opened: Source) -> Surveyed:
        plan_ = self.order.plan
        if plan_ is not None:
            return stage(
                "read plan",
                "What was surveyed and decided when the plan was made. The source is not surveyed anew.",
                lambda: survey.from_plan(self.services, opened, plan_, self.scratch),
                lambda: self.found,
            )
        return stage(
            "survey source",
            "List every record and file, and judge every description. No file is read.",
            lambda: survey.survey(
                self.services,
                opened,
                self.scratch,
                trust_dois=self.order.options.trust_dois,
                checkpoint=self._look,
            ),
            lambda: self.found,
        )

    def _report(self, planned: Plan) -> JsonObject:
        return self.patience.insist(lambda: report.of_run(self.services, planned, self.scratch, self.seconds))

    def _unfinished(self, collection: str) -> Accession | None:
        with self.services.catalogue.read() as tx:
            return accessions.unfinished(tx, collection)

    def _release_parked(self, accession_id: str) -> None:
        with self.services.catalogue.write() as tx:
            outbox.release(tx, now=self.services.now(), accession_id=accession_id)

    def _take_in_and_publish(
        self, run: Run, planned: Plan, accession_id: str, location: SourceLocation
    ) -> None:
        with self._timed("intake"), self._delivering(run, accession_id):
            stage(
                "take into custody",
                "Workers read every byte once: checksums, format, virus scan, store. Whole records are published.",
                lambda: self._take_in(run, planned, accession_id, location),
                self.progress.line,
            )
        with self._timed("publish"):
            stage(
                "publish",
                "Publish the last records, and commit every new version into the OCFL storage root.",
                lambda: self._publish(run, accession_id),
                lambda: (
                    f"{self.published:,} records, {self.brought_about[EffectKind.PRESERVE]:,} of them preserved"
                ),
            )
            for name, kind, description in _EFFECTS:
                stage(
                    name,
                    description,
                    partial(self._drain, run, accession_id, kind),
                    partial(self._told_of, kind),
                )

    # ------------------------------------------------------------ stages

    def _take_in(self, run: Run, planned: Plan, accession_id: str, location: SourceLocation) -> None:
        self.progress.begin(planned.files_to_ingest, planned.bytes_to_ingest)
        terms = self.patience.insist(partial(units.terms, self.services, accession_id, location))
        assignments = Assignments(self.services, run, terms, self.patience)
        is_done = not planned.files_to_ingest
        while not is_done:
            self._look()
            try:
                with closing(self._open_compute()) as compute:
                    all_out = self._hand_out(assignments, compute, run, accession_id)
                is_done = all_out and assignments.is_done
            except Unavailable as away:
                # Workers or scheduler were lost: what is not settled goes out again, to new ones.
                self.patience.endure(away)
        self.progress.under_way = 0
        self._show()
        get_run_logger().info("in custody: %s", self.progress.line())

    def _open_compute(self) -> Compute:
        began = time.monotonic()
        compute = wiring.open_compute(self.settings)
        self.starting += time.monotonic() - began
        self.progress.start_clock()
        return compute

    def _hand_out(self, assignments: Assignments, compute: Compute, run: Run, accession_id: str) -> bool:
        """Have every unit that is left taken in, and publish meanwhile what is whole. Whether none was kept back: of a
        run that is paused no further unit goes out, while those that are out are seen to their end."""
        kept_back = False

        def to_go() -> Iterator[Unit]:
            nonlocal kept_back
            left = assignments.hand_out(compute.slots())
            while not (kept_back := self.page.is_paused) and (unit := next(left, None)) is not None:
                yield units.paced(self.settings, unit, compute.slots)

        def tick() -> None:
            assignments.tick()
            self.progress.under_way = assignments.durable
            self._watch()

        results = compute.map_unordered(
            run_unit,
            to_go(),
            in_flight=self.settings.bulk_workers or _MOST_OUT,
            tick=tick,
            on_note=assignments.hear,
            renew=assignments.renew,
        )
        for result in results:
            self._settle(assignments, result)
            self._watch(lambda: self._publish_whole(run, accession_id))
        return not kept_back

    def _settle(self, assignments: Assignments, result: UnitResult[Unit, list[FileReport]]) -> None:
        if isinstance(result.error, Unavailable):
            reports = assignments.put_back(result.unit, result.error)
        elif result.error is not None or result.result is None:
            raise result.error or RuntimeError("a unit came back with neither a result nor an error")
        else:
            reports = result.result
            assignments.settle(result.unit, reports)
        if reports:
            self.progress.add(
                files=len(reports),
                size=result.unit.size,
                rejected=[
                    codec.problem_to_json(one.problem)
                    for one in reports
                    if one.problem is not None and one.outcome.state is not FileState.IN_CUSTODY
                ],
            )
        self.progress.under_way = assignments.durable

    def _publish_whole(self, run: Run, accession_id: str) -> None:
        """Seal and publish whatever is whole by now: nothing waits for the last file of a collection."""
        seal = partial(accession.seal, self.services, run, accession_id)
        publish = partial(
            publication.publish_sealed,
            self.services,
            accession_id,
            run_id=run.id,
            owner=self.order.options.owner,
            community=self.order.options.community,
        )
        for step in (seal, publish):
            while number := self.patience.insist(step):
                self.published += number if step is publish else 0
                self.patience.moved()
                self._watch()

    def _told_of(self, kind: EffectKind) -> str:
        return f"{self.brought_about[kind]:,} records"

    def _note_effects(self, kind: EffectKind, number: int) -> None:
        self.brought_about[kind] += number

    def _publish(self, run: Run, accession_id: str) -> None:
        self._publish_whole(run, accession_id)
        self._drain(run, accession_id, EffectKind.PRESERVE)

    def _drain(self, run: Run, accession_id: str, kind: EffectKind) -> None:
        """Bring about this accession's effects of a kind. Those that fail again and again are left to the dispatcher,
        which goes on trying; so are those that are drained apart, once there is no room for more or some time has
        passed: no run waits for a slow registry."""
        logger = get_run_logger()
        deadline = time.monotonic() + _WAIT_FOR_EFFECTS
        is_apart = kind in dispatch.drained_apart(self.services)

        def should_stop() -> bool:
            return is_apart and time.monotonic() > deadline

        while True:
            left = self.patience.insist(partial(self._drain_due, run, accession_id, kind, should_stop))
            if is_apart or not any(one.due for one in left) or time.monotonic() > deadline:
                break
            self._wait(0.5)
        for one in left:
            logger.warning("%s: %d wait for the dispatcher, %d are parked", kind, one.due, one.parked)

    def _drain_due(
        self, run: Run, accession_id: str, kind: EffectKind, should_stop: Callable[[], bool]
    ) -> list[Waiting]:
        """Bring about what is due; what is left then."""

        def look(kind: EffectKind, number: int) -> None:
            self._note_effects(kind, number)
            self._look()

        try:
            dispatch.drain(
                self.services, [kind], accession_id=accession_id, on_batch=look, should_stop=should_stop
            )
        except Unavailable as away:
            if not isinstance(away, Interrupted):
                self._let_go(run, accession_id)
            raise
        with self.services.catalogue.write() as tx:
            accession.hold_on(tx, self.services, run, accession_id)
            return [one for one in outbox.waiting(tx, accession_id) if one.kind is kind]

    def _let_go(self, run: Run, accession_id: str) -> None:
        """Free the effects that were claimed when the catalogue went away: the next try need not wait for the end of
        these leases."""

        def release() -> None:
            with self.services.catalogue.write() as tx:
                leases.release(tx, self.services.leaseholder)
                accession.hold_on(tx, self.services, run, accession_id)

        self.patience.insist(release)

    @contextmanager
    def _delivering(self, run: Run, accession_id: str) -> Iterator[None]:
        """Bring about beside the intake, in threads, the effects of what is published: the first records of a long run
        are preserved and found hours before its last file is read, and wait for no slow registry. What fails there is
        tried again by the stages that follow."""
        left_claimed = threading.Event()

        def deliver(kinds: list[EffectKind], is_over: threading.Event) -> None:
            pause = _LOOK_EVERY
            while not is_over.wait(pause):
                if self.page.is_paused:
                    continue
                try:
                    drained = dispatch.drain(
                        self.services,
                        kinds,
                        accession_id=accession_id,
                        on_batch=self._note_effects,
                        should_stop=is_over.is_set,
                    )
                    pause = _AFTER_TROUBLE if drained.put_off else _LOOK_EVERY
                except Unavailable:
                    left_claimed.set()
                    pause = _AFTER_TROUBLE

        services = self.services
        with ExitStack() as stack:
            for kinds in (dispatch.drained_in_turn(services), dispatch.drained_apart(services)):
                if kinds:
                    stack.enter_context(beside("deliver", partial(deliver, kinds)))
            yield
        if left_claimed.is_set():
            self._let_go(run, accession_id)

    # ------------------------------------------------------------ watching

    def _look(self) -> None:
        """`_watch`, and rest here while the run is paused."""
        self._watch()
        self.page.heed()

    def _watch(self, then: Callable[[], None] | None = None) -> None:
        """Stop where that was asked for, show the progress, and every two seconds do `then`."""
        self.page.heed_stop()
        self._show()
        if then is not None and time.monotonic() - self._looked >= _LOOK_EVERY:
            self._looked = time.monotonic()
            then()

    def _show(self) -> None:
        attendant().show(self.progress)

    def _wait(self, seconds: float) -> None:
        """Wait, while looking whether to stop."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._look()
            time.sleep(min(left, _SLICE))

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started, starting = time.monotonic(), self.starting
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started - (self.starting - starting), 3)

    @contextmanager
    def _ending(self, run: Run, accession_id: str) -> Iterator[None]:
        """However the work ends, the accession is left in a state that the next run goes on from."""
        try:
            yield
        except BaseException as error:
            accession.stop(self.services, run, accession_id, error)
            raise


_EFFECTS = (
    ("register DOIs", EffectKind.REGISTER, "Bring every DOI to its wanted state at the registry."),
    ("index", EffectKind.INDEX, "Make the records findable."),
    ("announce", EffectKind.ANNOUNCE, "Give the records to harvesters (OAI-PMH)."),
)
