"""The flows `ingest-collection` and `apply-plan`: what an operator sees of a bulk ingest. Prefect records the stages;
Dask moves the units; every rule is elsewhere."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from pipeline import dispatch, publication, wiring
from pipeline.beside import beside
from pipeline.catalogue import accessions, leases, outbox
from pipeline.catalogue.outbox import Waiting
from pipeline.errors import HeadraceError, Interrupted, Unavailable
from pipeline.flows.page import RunPage
from pipeline.flows.progress import Progress
from pipeline.flows.runs import attendant, note_end, stage
from pipeline.ingest import accession, plan, planfile, report, survey, units
from pipeline.ingest.accession import IngestOptions, Run
from pipeline.ingest.assignments import Assignments
from pipeline.ingest.custody import FileReport, Unit
from pipeline.ingest.decisions import Plan
from pipeline.ingest.patience import Patience
from pipeline.ingest.planfile import PlanFile
from pipeline.ingest.sources import Source
from pipeline.ingest.survey import Surveyed
from pipeline.model import Accession, EffectKind, FileState, JsonObject
from pipeline.ports import Compute, UnitResult
from pipeline.scratch import scratch_folder
from pipeline.services import Services
from pipeline.settings import Settings, SourceLocation, load_settings
from pipeline.worker import run_unit

_LOOK_EVERY = 2.0  # seconds between two looks for what is whole and can be published
_SLICE = 0.2  # seconds between looks at whether to stop, while waiting
_MOST_OUT = 1000  # units; workers may join later, so how many are kept busy is left to `Compute`
_AFTER_TROUBLE = 60.0  # seconds until effects are tried again beside the intake
_FAREWELL = 60.0  # seconds that an ended run waits for Prefect, to tell it so
_WAIT_FOR_EFFECTS = (
    30.0  # seconds that a stage waits for effects that were put off, before the dispatcher gets them
)


@flow(
    name="ingest-collection",
    description="Take a collection into custody and publish its records. Safe to cancel and to run again.",
    flow_run_name="{source}",
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
    retry: str = "",
) -> JsonObject:
    """Survey `source`, read every new file once, publish the records that are whole, bring their effects about.
    The report of the run, as `headrace ingest --json` prints it."""
    return _as_flow(
        lambda: _Order(
            source, IngestOptions(collection, owner, community, metadata, checksum, allow_partial), retry
        )
    )


@flow(
    name="apply-plan",
    description="Take into custody and publish just what a plan says. Safe to cancel and to run again.",
    flow_run_name="{plan}",
    validate_parameters=False,
    persist_result=False,
)
def apply_plan(plan: str) -> JsonObject:
    """Carry out the plan in the file `plan`, which `headrace plan` has written. What has changed since is left out. The
    report of the run, as `headrace apply --json` prints it."""

    def order() -> _Order:
        opened = planfile.open_plan(Path(plan))
        return _Order(opened.header.source, IngestOptions(**opened.header.options), plan=opened)

    return _as_flow(order)


@dataclass(frozen=True, slots=True)
class _Order:
    """What a run is to do: all of the source, or the held records of the accession `retry` as well, or a plan."""

    source: str
    options: IngestOptions
    retry: str = ""
    plan: PlanFile | None = None


def _as_flow(order: Callable[[], _Order]) -> JsonObject:
    settings, progress = load_settings(), Progress()
    with RunPage(progress, attendant().miss_prefect) as page:
        ended = _ingest(settings, order, progress, page)
        note_end(ended)
        page.wait(min(_FAREWELL, settings.patience), lambda: bool(attendant().wants_stop()))
    return ended  # type: ignore[return-value]  # Prefect takes a state for what it says


def _ingest(
    settings: Settings, order: Callable[[], _Order], progress: Progress, page: RunPage
) -> State[JsonObject]:
    try:
        # What ends the run goes through here: leases that could not be given up are freed by the next command.
        with ExitStack() as stack:
            services = stack.enter_context(wiring.open_services(settings))
            scratch = stack.enter_context(scratch_folder(settings.home))
            run = _Ingest(settings, services, order(), scratch, progress, page)
            return Completed(data=run.run())
    except Interrupted as stopped:
        # Not a failure: what was done stays, and the next run goes on from there.
        return Cancelled(message=f"{stopped.message}; run the same command again to go on")
    except HeadraceError as error:
        # Raised through Prefect it would be logged with its trace, as a bug is.
        return Failed(data=error, message=error.message)


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
    patience: Patience = field(init=False)
    _looked: float = 0.0

    def __post_init__(self) -> None:
        self.patience = Patience(self.settings.patience, self._wait)

    def run(self) -> JsonObject:
        attendant().begin()
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
            planned = stage(
                "plan records",
                "Compare the survey with the catalogue: what is new, changed or unchanged.",
                lambda: plan.make(
                    self.services, self.scratch, run, patience=self.patience, checkpoint=self._look
                ),
            )
        if before is not None and before.id == planned.accession_id:
            self.page.bury(before.flow_run)
        found = surveyed.summary
        get_run_logger().info(
            "%d records with %d files found; %d new, %d new versions, %d revisions, %d unchanged",
            found.records,
            found.files,
            planned.new,
            planned.versions,
            planned.revisions,
            planned.unchanged,
        )
        if planned.accession_id is not None:
            with self._ending(run, planned.accession_id):
                if order.retry:
                    self.patience.insist(partial(self._release_parked, planned.accession_id))
                with self._keeping_lease(run, planned.accession_id):
                    self._take_in_and_publish(run, planned, planned.accession_id, surveyed.location)
                self.page.look()
                self._raise_if_cancelled()  # in the moments since the last look
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
            )
        return stage(
            "survey source",
            "List every record and file, and judge every description. No file is read.",
            lambda: survey.survey(self.services, opened, self.scratch, checkpoint=self._look),
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
            )
        with self._timed("publish"):
            stage(
                "publish",
                "Publish the last records, and commit every new version into the OCFL storage root.",
                lambda: self._publish(run, accession_id),
            )
            for name, kind, description in _EFFECTS:
                stage(name, description, partial(self._drain, run, accession_id, kind))

    # ------------------------------------------------------------ stages

    def _take_in(self, run: Run, planned: Plan, accession_id: str, location: SourceLocation) -> None:
        self.progress.begin(planned.files_to_ingest, planned.bytes_to_ingest)
        terms = self.patience.insist(partial(units.terms, self.services, accession_id, location))
        assignments = Assignments(self.services, run, terms, self.patience)
        is_done = not planned.files_to_ingest
        while not is_done:
            try:
                with closing(self._open_compute()) as compute:
                    self._hand_out(assignments, compute, run, accession_id)
                is_done = assignments.is_done
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

    def _hand_out(self, assignments: Assignments, compute: Compute, run: Run, accession_id: str) -> None:
        """Have every unit that is left taken in, and publish meanwhile what is whole."""

        def tick() -> None:
            assignments.tick()
            self.progress.under_way = assignments.durable
            self._look()

        results = compute.map_unordered(
            run_unit,
            assignments.hand_out(compute.slots()),
            in_flight=_MOST_OUT,
            tick=tick,
            on_note=assignments.hear,
            renew=assignments.renew,
        )
        for result in results:
            self._settle(assignments, result)
            self._look(lambda: self._publish_whole(run, accession_id))

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
                rejected=sum(one.outcome.state is not FileState.IN_CUSTODY for one in reports),
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
            while self.patience.insist(step):
                self.patience.moved()
                self._look()

    def _publish(self, run: Run, accession_id: str) -> None:
        self._publish_whole(run, accession_id)
        self._drain(run, accession_id, EffectKind.PRESERVE)

    def _drain(self, run: Run, accession_id: str, kind: EffectKind) -> None:
        """Bring about this accession's effects of a kind. Those that fail again and again are left to the
        dispatcher, which goes on trying."""
        logger = get_run_logger()
        deadline = time.monotonic() + _WAIT_FOR_EFFECTS
        while True:
            left = self.patience.insist(partial(self._drain_due, run, accession_id, kind))
            if not any(one.due for one in left) or time.monotonic() > deadline:
                break
            self._wait(0.5)
        for one in left:
            logger.warning("%s: %d wait for the dispatcher, %d are parked", kind, one.due, one.parked)

    def _drain_due(self, run: Run, accession_id: str, kind: EffectKind) -> list[Waiting]:
        """Bring about what is due; what is left then."""
        try:
            dispatch.drain(
                self.services, [kind], accession_id=accession_id, on_batch=lambda _kind, _number: self._look()
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
        """Bring about beside the intake, in a thread, the effects of what is published: the first records of a long run
        are preserved and found hours before its last file is read. What fails there is tried again by the stages that
        follow."""
        left_claimed = threading.Event()

        def deliver(is_over: threading.Event) -> None:
            pause = _LOOK_EVERY
            while not is_over.wait(pause):
                try:
                    drained = dispatch.drain(
                        self.services, accession_id=accession_id, should_stop=is_over.is_set
                    )
                    pause = _AFTER_TROUBLE if drained.put_off else _LOOK_EVERY
                except Unavailable:
                    left_claimed.set()
                    pause = _AFTER_TROUBLE

        with beside("deliver", deliver):
            yield
        if left_claimed.is_set():
            self._let_go(run, accession_id)

    # ------------------------------------------------------------ watching

    def _look(self, then: Callable[[], None] | None = None) -> None:
        """Stop where that was asked for, show the progress, and every two seconds do `then`."""
        if reason := attendant().wants_stop():
            raise Interrupted(reason)
        self._raise_if_cancelled()
        self._show()
        if then is not None and time.monotonic() - self._looked >= _LOOK_EVERY:
            self._looked = time.monotonic()
            then()

    def _raise_if_cancelled(self) -> None:
        if self.page.is_cancelled:
            raise Interrupted("the run was cancelled")

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

    def _keeping_lease(self, run: Run, accession_id: str) -> AbstractContextManager[None]:
        """A unit of a large file takes longer than the lease lasts, which is prolonged beside it."""

        def keep(is_over: threading.Event) -> None:
            while not is_over.wait(accession.LEASE.total_seconds() / 3):
                # Where the lease was lost the run finds out at its next transaction.
                with suppress(Unavailable):
                    accession.keep(self.services, run, accession_id)

        return beside("lease", keep)

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
