"""The flows `fixity-audit` and `rescan`: what an operator sees when files in custody are read again. Every rule is
elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from pipeline import dispatch, wiring
from pipeline.flows.page import RunPage
from pipeline.flows.progress import Progress, human_size
from pipeline.flows.runs import attendant, concluded
from pipeline.ingest.patience import Patience
from pipeline.model import JsonObject
from pipeline.services import Services
from pipeline.settings import Settings, load_settings
from pipeline.stewardship import auditing, rescanning
from pipeline.stewardship.auditing import Audited, AuditPolicy
from pipeline.stewardship.rescanning import Rescanned, RescanPolicy

_LISTED = 500
_SLICE = 0.2  # seconds between looks at whether to stop, while waiting


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
    settings = partial(
        _settings, audit_share=share or None, audit_after_days=older_than_days, audit_bytes=max_bytes
    )
    return _carried_out(settings, "wrong", _audit)


@flow(
    name="rescan",
    description="Scan files in custody for viruses again: first those that no scanner went through as a whole, then "
    "those that were scanned with older signatures. Infected ones go out of service at once. Safe to cancel and to "
    "run again.",
    validate_parameters=False,
    persist_result=False,
)
def rescan_files(older_than_days: int | None = None, max_bytes: int | None = None) -> JsonObject:
    """Scan what is due; the report, as `headrace rescan --json` prints it.

    Args:
        older_than_days: Days after which a clean file is due, if signatures changed since. Empty: as
            HEADRACE_RESCAN_AFTER_DAYS says.
        max_bytes: Bytes to be read at most, 0: no bound. Empty: as HEADRACE_RESCAN_BYTES says.
    """
    settings = partial(_settings, rescan_after_days=older_than_days, rescan_bytes=max_bytes)
    return _carried_out(settings, "infected", _rescan)


def _settings(**given: Any) -> Settings:
    """The settings, with those that were given for this run."""
    return load_settings(**{name: value for name, value in given.items() if value is not None})


def _carried_out(
    settings: Callable[[], Settings], fault: str, work: Callable[[Services, _Watch], JsonObject]
) -> JsonObject:
    progress = Progress(fault=fault)

    def carry_out(page: RunPage) -> JsonObject:
        with wiring.open_services(settings()) as services:
            document = work(services, _Watch(progress, page))
        get_run_logger().info("%s", progress.line())
        return document

    return concluded(carry_out, progress)


class _Watch:
    """Shows how far a run is, rests where it is paused, and ends it where that was asked for."""

    def __init__(self, progress: Progress, page: RunPage) -> None:
        self.progress = progress
        self.page = page
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self.began

    def look(self, done: Audited | Rescanned, bad: int) -> None:
        """Raises `Interrupted`."""
        progress = self.progress
        if not progress.files_total:
            progress.begin(done.due_files, done.due_bytes)
        progress.files, progress.bytes, progress.rejected = done.files, done.size, bad
        attendant().show(progress)
        self.page.heed()

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.page.heed()
            time.sleep(min(left, _SLICE))


# ---------------------------------------------------------------- audit


def _audit(services: Services, watch: _Watch) -> JsonObject:
    settings = services.settings
    policy = AuditPolicy(
        settings.audit_share, timedelta(days=settings.audit_after_days), settings.audit_bytes
    )

    def look(audited: Audited) -> None:
        watch.look(audited, audited.differing)

    patience = Patience(settings.patience, watch.wait)
    audited = auditing.audit(services, policy, patience=patience, wait=watch.wait, checkpoint=look)
    look(audited)
    document = auditing.report(services, audited, watch.seconds)
    watch.page.show(partial(_show_audit, document))
    return document


def _show_audit(document: JsonObject) -> None:
    create_markdown_artifact(_audit_summary(document), key="summary", description="What this audit found")
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


def _audit_summary(document: JsonObject) -> str:
    kept = document["holdings"]
    verdict = (
        f"{document['failing']:,} files are not what they were, or cannot be read any more"
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


# ---------------------------------------------------------------- rescan


def _rescan(services: Services, watch: _Watch) -> JsonObject:
    settings = services.settings
    policy = RescanPolicy(timedelta(days=settings.rescan_after_days), settings.rescan_bytes)

    def look(rescanned: Rescanned) -> None:
        watch.look(rescanned, len(rescanned.infected) + len(rescanned.quarantined))

    patience = Patience(settings.patience, watch.wait)
    rescanned = rescanning.rescan(services, policy, patience=patience, checkpoint=look)
    if rescanned.withdrawn or rescanned.published:
        # At once, where no dispatcher runs: search is to find what is in service, and nothing else.
        dispatch.drain(services)
    look(rescanned)
    document = rescanning.report(services, rescanned, watch.seconds)
    watch.page.show(partial(_show_rescan, document))
    return document


def _show_rescan(document: JsonObject) -> None:
    create_markdown_artifact(_rescan_summary(document), key="summary", description="What this rescan found")
    for key, description in (
        ("infected", "Infected files; their records are withdrawn"),
        ("quarantined", "Infected files of records that waited; these are held"),
        ("lifted", "Files that had been called infected, and are clean; their records stay withdrawn"),
        ("put_off", "Files that could not be scanned"),
    ):
        if document[key]:
            create_table_artifact(document[key][:_LISTED], key=key.replace("_", "-"), description=description)


def _rescan_summary(document: JsonObject) -> str:
    found = len(document["infected"]) + len(document["quarantined"])
    lines = [
        f"## {f'{found:,} infected files' if found else 'Nothing was found'}",
        "",
        "| | |\n|---|---|",
        f"| Scanner | {document['scanner']} |",
        f"| Scanned in this run | {document['files']:,} files ({human_size(document['bytes'])}) |",
        f"| Were due at most | {document['due_files']:,} files ({human_size(document['due_bytes'])}) |",
        *(f"| Now called {status} | {number:,} |" for status, number in document["verdicts"].items()),
        f"| Records withdrawn | {len(document['withdrawn']):,} |",
        f"| Records published that had waited | {document['published']:,} |",
        f"| Could not be scanned, put off | {document['put_off_total']:,} |",
    ]
    return "\n".join(lines)
