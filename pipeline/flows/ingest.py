"""The flow `ingest-collection`: what an operator sees of a bulk ingest. Prefect records the stages; Dask moves the
units; every rule is elsewhere."""

from __future__ import annotations

import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from prefect import flow, get_run_logger, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.logging.handlers import APILogHandler
from prefect.runtime import flow_run
from prefect.states import Cancelled, Crashed, Failed

from pipeline import dispatch, publication, wiring
from pipeline.catalogue import accessions, outbox
from pipeline.errors import HeadraceError, Interrupted, Unavailable
from pipeline.flows.progress import Progress, human_size
from pipeline.ingest import accession, report, survey
from pipeline.ingest.accession import IngestOptions, Plan, Run
from pipeline.ingest.custody import Unit
from pipeline.model import EffectKind, FileState, JsonObject, Outcome
from pipeline.ports import Compute
from pipeline.services import Services
from pipeline.settings import Settings, load_settings
from pipeline.worker import run_unit

T = TypeVar("T")

_LOOK_EVERY = 2.0  # seconds between looks at the run's own state, and between two updates of the progress
_WAIT_FOR_EFFECTS = (
    30.0  # seconds that a stage waits for effects that were put off, before the dispatcher gets them
)


class Attendant:
    """Whoever runs the flow in its own process, a command line say: is told when it begins and how far it is, and
    may ask it to stop."""

    def begin(self) -> None:
        """The flow is about to work. Prefect has set its own signal handlers by now."""

    def show(self, progress: Progress) -> None: ...

    def wants_stop(self) -> str:
        """Why the run should stop, `""` while it should not."""
        return ""


attendant: ContextVar[Attendant] = ContextVar("attendant", default=Attendant())  # noqa: B039 - it has no state


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
    options = IngestOptions(collection, owner, community, metadata, checksum, allow_partial)
    settings = load_settings()
    with ExitStack() as stack:
        services = stack.enter_context(wiring.open_services(settings))
        scratch = Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir=_scratch(settings), prefix="survey-"))
        )
        try:
            return _Ingest(settings, services, source, options, retry, scratch).run()
        except Interrupted as stopped:
            # Not a failure: what was done stays, and the next run goes on from there.
            return Cancelled(message=f"{stopped.message}; run the same ingest again to go on")  # type: ignore[return-value]
        except HeadraceError as error:
            # Raised through Prefect it would be logged with its trace, as a bug is.
            return Failed(data=error, message=error.message)  # type: ignore[return-value]


def _scratch(settings: Settings) -> Path:
    folder = settings.home / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(slots=True)
class _Ingest:
    """One run of the flow: its stages in order, each a Prefect task."""

    settings: Settings
    services: Services
    source: str
    options: IngestOptions
    retry: str
    scratch: Path
    progress: Progress = field(default_factory=Progress)
    seconds: dict[str, float] = field(default_factory=dict)
    starting: float = 0.0  # seconds that starting workers took, which no figure counts
    _looked: float = 0.0
    _handed_out: int = 0  # bytes of units that workers have: room that is as good as taken
    _artifact: UUID | None = None

    def run(self) -> JsonObject:
        attendant.get().begin()
        started = time.monotonic()
        opened = survey.open_(self.source, self.options)
        run = Run(
            id=uuid.uuid4().hex,
            collection=opened.collection,
            source=self.source,
            options=self.options,
            flow_run=str(flow_run.get_id() or ""),
            retry=self.retry,
        )
        with self.services.catalogue.read() as tx:
            before = accessions.unfinished(tx, run.collection)
        with self._timed("survey"):
            surveyed = _stage(
                "survey source",
                "List every record and file, and judge every description. No file is read.",
                lambda: survey.survey(self.services, opened, self.scratch, checkpoint=self._look),
            )
            plan = _stage(
                "plan records",
                "Compare the survey with the catalogue: what is new, changed or unchanged.",
                lambda: accession.plan(self.services, self.scratch, run, checkpoint=self._look),
            )
        if before is not None and before.id == plan.accession_id:
            _bury(before.flow_run)
        found = surveyed.summary
        get_run_logger().info(
            "%d records with %d files found; %d new, %d new versions, %d revisions, %d unchanged",
            found.records,
            found.files,
            plan.new,
            plan.versions,
            plan.revisions,
            plan.unchanged,
        )
        if plan.accession_id is not None and self.retry:
            with self.services.catalogue.write() as tx:
                outbox.release(tx, now=self.services.now(), accession_id=plan.accession_id)
        if plan.accession_id is not None:
            with self._ending(run, plan.accession_id):
                with self._keeping_lease(run, plan.accession_id):
                    self._take_in_and_publish(run, plan, plan.accession_id, surveyed.root)
                _raise_if_cancelled()  # in the moments since the last look
                accession.finish(self.services, run, plan.accession_id)
        self.seconds["total"] = round(time.monotonic() - started - self.starting, 3)
        document = report.of_run(self.services, plan, self.scratch, self.seconds)
        _stage("report", "What became of everything.", lambda: self._report(document))
        return document

    def _take_in_and_publish(self, run: Run, plan: Plan, accession_id: str, root: str) -> None:
        with self._timed("intake"):
            _stage(
                "take into custody",
                "Workers read every byte once: checksums, format, virus scan, store. Whole records are published.",
                lambda: self._take_in(run, plan, accession_id, root),
            )
        with self._timed("publish"):
            _stage(
                "publish",
                "Publish the last records, and commit every new version into the OCFL storage root.",
                lambda: self._publish(run, accession_id),
            )
            for name, kind, description in _EFFECTS:
                _stage(name, description, partial(self._drain, run, accession_id, kind))

    # ------------------------------------------------------------ stages

    def _take_in(self, run: Run, plan: Plan, accession_id: str, root: str) -> None:
        self.progress.begin(plan.files_to_ingest, plan.bytes_to_ingest)
        self._artifact = create_progress_artifact(0.0, key="progress", description=self.progress.line())  # type: ignore[assignment]
        terms = accession.terms(self.services, accession_id, root)
        if plan.files_to_ingest:
            with closing(self._open_compute()) as compute:
                units = self._with_room(accession.units(self.services, terms))
                in_flight = 2 * compute.slots() + 1
                for result in compute.map_unordered(run_unit, units, in_flight=in_flight, tick=self._look):
                    if result.error is not None or result.result is None:
                        raise result.error or Interrupted("a worker answered nothing")
                    accession.settle(self.services, run, result.unit, result.result)
                    self._handed_out -= result.unit.size
                    self.progress.add(
                        files=len(result.unit.files),
                        size=result.unit.size,
                        rejected=sum(one.outcome.state is not FileState.IN_CUSTODY for one in result.result),
                    )
                    self._look(lambda: self._publish_whole(run, accession_id))
        self._show()
        get_run_logger().info("in custody: %s", self.progress.line())

    def _open_compute(self) -> Compute:
        began = time.monotonic()
        compute = wiring.open_compute(self.settings)
        self.starting += time.monotonic() - began
        self.progress.begin(self.progress.files_total, self.progress.bytes_total)
        return compute

    def _with_room(self, units: Iterator[Unit]) -> Iterator[Unit]:
        for unit in units:
            accession.require_room(self.services, reserved=self._handed_out + unit.size)
            self._handed_out += unit.size
            yield unit

    def _publish_whole(self, run: Run, accession_id: str) -> None:
        """Seal and publish whatever is whole by now: nothing waits for the last file of a collection."""
        while accession.seal(self.services, run, accession_id):
            self._look()
        while publication.publish_sealed(
            self.services,
            accession_id,
            run_id=run.id,
            owner=self.options.owner,
            community=self.options.community,
        ):
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
            dispatch.drain(
                self.services, [kind], accession_id=accession_id, on_batch=lambda _kind, _number: self._look()
            )
            with self.services.catalogue.write() as tx:
                accession.hold_on(tx, self.services, run, accession_id)
                left = [one for one in outbox.waiting(tx, accession_id) if one.kind is kind]
            if not any(one.due for one in left) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
            self._look()
        for one in left:
            logger.warning("%s: %d wait for the dispatcher, %d are parked", kind, one.due, one.parked)

    def _report(self, document: JsonObject) -> None:
        create_markdown_artifact(
            _summary(document, self.services.repository.base_url),
            key="summary",
            description="What this run did",
        )
        rows = [
            {name: one[name] for name in ("record", "path", "outcome", "reason", "remedy", "field")}
            for one in document["problems"][:500]
        ]
        if rows:
            create_table_artifact(
                rows, key="problems", description="What was rejected, and what to do about it"
            )
        for one in document["records"][:3]:
            create_link_artifact(one["url"], link_text=one["doi"], key=f"record-{one['id']}")

    # ------------------------------------------------------------ watching

    def _look(self, then: Callable[[], None] | None = None) -> None:
        """Every two seconds: stop where that was asked for, show the progress, and do `then`."""
        if reason := attendant.get().wants_stop():
            raise Interrupted(reason)
        attendant.get().show(self.progress)
        if time.monotonic() - self._looked < _LOOK_EVERY:
            return
        self._looked = time.monotonic()
        _raise_if_cancelled()
        self._show()
        if then is not None:
            then()

    def _show(self) -> None:
        attendant.get().show(self.progress)
        if self._artifact is not None:
            update_progress_artifact(self._artifact, self.progress.percent(), self.progress.line())

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started, starting = time.monotonic(), self.starting
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started - (self.starting - starting), 3)

    @contextmanager
    def _keeping_lease(self, run: Run, accession_id: str) -> Iterator[None]:
        """A unit of a large file takes longer than the lease lasts, which is prolonged beside it."""
        is_over = threading.Event()

        def keep() -> None:
            while not is_over.wait(accession.LEASE.total_seconds() / 3):
                # Where the lease was lost the run finds out at its next transaction.
                with suppress(Unavailable):
                    accession.keep(self.services, run, accession_id)

        thread = threading.Thread(target=keep, name="lease")
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    @contextmanager
    def _ending(self, run: Run, accession_id: str) -> Iterator[None]:
        """However the work ends, the accession is left in a state that the next run goes on from."""
        try:
            yield
        except BaseException as error:
            reason = error.message if isinstance(error, HeadraceError) else f"{type(error).__name__}: {error}"
            accession.stop(self.services, run, accession_id, reason)
            raise


_EFFECTS = (
    ("register DOIs", EffectKind.REGISTER, "Bring every DOI to its wanted state at the registry."),
    ("index", EffectKind.INDEX, "Make the records findable."),
    ("announce", EffectKind.ANNOUNCE, "Give the records to harvesters (OAI-PMH)."),
)


def flush_logs() -> None:
    """Send what was logged: to be called before the server may go away."""
    APILogHandler().flush()


def _stage(name: str, description: str, action: Callable[[], T]) -> T:
    """Run one stage as a Prefect task. An error of ours becomes the task's state, and is raised again outside of it:
    Prefect would log it with its trace, as a bug is."""
    errors: list[HeadraceError] = []

    def stage() -> Any:
        try:
            return action()
        except HeadraceError as error:
            errors.append(error)
            return (Cancelled if isinstance(error, Interrupted) else Failed)(message=error.message)

    run: Any = task(
        name=name, description=description, cache_policy=NO_CACHE, persist_result=False, task_run_name=name
    )(stage)
    state = run(return_state=True)
    if errors:
        raise errors[0]
    result: T = state.result()
    return result


def _bury(run_id: str) -> None:
    """A run that was killed cannot say so: say it for it, now that its accession was taken over."""
    if not run_id:
        return
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(run_id)).state
            if state is not None and not state.is_final():
                client.set_flow_run_state(UUID(run_id), Crashed(message="its process was killed"), force=True)
        except Exception:
            get_run_logger().info("the run before this one is not known to this Prefect server")


def _raise_if_cancelled() -> None:
    run_id = flow_run.get_id()
    if not run_id:
        return
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(run_id)).state
        except Exception:
            return
    if state is not None and state.type in (StateType.CANCELLING, StateType.CANCELLED):
        raise Interrupted("the run was cancelled")


def _summary(document: JsonObject, url: str) -> str:
    seconds = document["seconds"]
    lines = [
        f"## {document.get('collection') or 'Nothing new'}",
        "",
        f"| | |\n|---|---|\n| Accession | `{document['accession'] or 'none: everything is unchanged'}` |",
        f"| Records published | {document['records_total']:,} |",
        f"| Unchanged | {document['unchanged']:,} |",
        f"| Held | {document['held']:,} |",
        f"| Files | {document['files']:,} ({human_size(document['bytes'])}) |",
        f"| Read from the source | {human_size(document['bytes_read'])} |",
        f"| Seconds | {', '.join(f'{name} {value:.1f}' for name, value in seconds.items())} |",
        "",
    ]
    bad = [one for one in document["problems"] if one["outcome"] != Outcome.WARNED]
    if bad:
        # The accession remembers its collection and options; `ingest` with other ones would be another collection.
        again = f"`headrace retry {document['accession']}`" if document["accession"] else "ingest it again"
        lines += [
            f"{len(bad)} problems keep records back: see the table *problems*. Mend the source, then {again}.",
            "",
        ]
    lines += [f"- [{one['doi']}]({one['url']})" for one in document["records"][:20]]
    if document["records_total"] > 20:
        lines += [f"- … and {document['records_total'] - 20:,} more: [{url}/search]({url}/search)"]
    return "\n".join(lines)
