"""The flow `fixity-audit`: what an operator sees of an audit. Every rule is in `pipeline/auditing.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from functools import partial

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from pipeline import auditing, wiring
from pipeline.auditing import Audited, AuditPolicy
from pipeline.errors import HeadraceError, Interrupted
from pipeline.flows.page import RunPage
from pipeline.flows.progress import Progress, human_size
from pipeline.flows.runs import attendant, note_end
from pipeline.ingest.patience import Patience
from pipeline.model import JsonObject
from pipeline.settings import Settings, load_settings

_LISTED = 500
_SLICE = 0.2  # seconds between looks at whether to stop, while waiting
_FAREWELL = 60.0  # seconds that an ended run waits for Prefect, to tell it so


@flow(
    name="fixity-audit",
    description="Read files in custody again, what was not checked for longest first, and tell of any that are not "
    "what they were. Safe to cancel and to run again.",
    validate_parameters=False,
    persist_result=False,
)
def fixity_audit(
    share: str = "", older_than_days: int | None = None, max_bytes: int | None = None
) -> JsonObject:
    """Audit what is due; the report, as `headrace audit --json` prints it.

    Args:
        share: Share of all bytes to be read a day at most, as 1/90; 1: no bound. Empty: as HEADRACE_AUDIT_SHARE says.
        older_than_days: Days since its last check after which a file is due. Empty: as HEADRACE_AUDIT_AFTER_DAYS says.
        max_bytes: Bytes to be read at most, 0: no bound. Empty: as HEADRACE_AUDIT_BYTES says.
    """
    given = {"audit_share": share or None, "audit_after_days": older_than_days, "audit_bytes": max_bytes}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    progress = Progress(fault="wrong")
    with RunPage(progress, attendant().miss_prefect) as page:
        attendant().begin()
        ended = _ended(lambda: _Run(settings, progress, page).run())
        note_end(ended)
        page.wait(min(_FAREWELL, settings.patience), lambda: bool(attendant().wants_stop()))
    return ended  # type: ignore[return-value]  # Prefect takes a state for what it says


def _ended(action: Callable[[], JsonObject]) -> State[JsonObject]:
    try:
        return Completed(data=action())
    except Interrupted as stopped:
        return Cancelled(message=f"{stopped.message}; audit again to go on")
    except HeadraceError as error:
        # Raised through Prefect it would be logged with its trace, as a bug is.
        return Failed(data=error, message=error.message)


class _Run:
    def __init__(self, settings: Settings, progress: Progress, page: RunPage) -> None:
        self._settings = settings
        self._progress = progress
        self._page = page

    def run(self) -> JsonObject:
        settings = self._settings
        policy = AuditPolicy(
            Fraction(settings.audit_share), timedelta(days=settings.audit_after_days), settings.audit_bytes
        )
        began = time.monotonic()
        with wiring.open_services(settings) as services:
            patience = Patience(settings.patience, self._wait)
            audited = auditing.audit(
                services, policy, patience=patience, wait=self._wait, checkpoint=self._look
            )
            document = auditing.report(services, audited, time.monotonic() - began)
        self._look(audited)
        get_run_logger().info("%s", self._progress.line())
        self._page.show(partial(_show, document))
        return document

    def _look(self, audited: Audited) -> None:
        progress = self._progress
        if not progress.files_total:
            progress.begin(audited.due_files, audited.due_bytes)
        progress.files, progress.bytes, progress.rejected = audited.files, audited.size, audited.differing
        self._raise_if_stopped()
        attendant().show(progress)

    def _raise_if_stopped(self) -> None:
        if reason := attendant().wants_stop():
            raise Interrupted(reason)
        if self._page.is_cancelled:
            raise Interrupted("the run was cancelled")

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._raise_if_stopped()
            time.sleep(min(left, _SLICE))


def _show(document: JsonObject) -> None:
    create_markdown_artifact(_summary(document), key="summary", description="What this audit found")
    rows = [
        {name: one[name] for name in ("record", "path", "code", "reason", "remedy", "since")}
        for one in document["differences"][:_LISTED]
    ]
    if rows:
        create_table_artifact(rows, key="differences", description="Files that are not what they were")
    if document["put_off"]:
        create_table_artifact(
            document["put_off"][:_LISTED], key="put-off", description="Files that could not be read"
        )


def _summary(document: JsonObject) -> str:
    kept = document["holdings"]
    verdict = (
        f"{document['failing']:,} files are not what they were"
        if document["failing"]
        else "No file is known to be wrong"
    )
    lines = [
        f"## {verdict}",
        "",
        "| | |\n|---|---|",
        f"| Read in this run | {document['files']:,} files ({human_size(document['bytes'])}) |",
        f"| Were due | {document['due_files']:,} files ({human_size(document['due_bytes'])}) |",
        f"| Found wrong | {document['differences_total']:,} |",
        f"| Wrong before, right again | {document['mended']:,} |",
        f"| Could not be read, put off | {document['put_off_total']:,} |",
        f"| In custody | {kept['files']:,} files ({human_size(kept['bytes'])}) |",
        f"| All of them last found right since | {kept['oldest_check'] or 'never yet'} |",
    ]
    return "\n".join(lines)
