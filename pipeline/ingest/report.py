"""What an accession did, as JSON for scripts and as lines for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import codec
from pipeline.catalogue import accessions, deposits, events, outbox, records
from pipeline.display import without_secrets
from pipeline.dissemination import Dissemination
from pipeline.errors import Misconfigured
from pipeline.ingest import manifest, planfile
from pipeline.ingest.decisions import LISTED, Plan
from pipeline.ingest.estimate import Estimate
from pipeline.ingest.survey import Surveyed
from pipeline.model import Accession, AccessionState, DepositState, JsonObject, Outcome, Problem
from pipeline.services import Services


def of_accession(services: Services, accession_id: str) -> JsonObject:
    """The report of an accession over all its runs. Raises `Missing`."""
    with services.catalogue.read() as tx:
        accession = accessions.get(tx, accession_id)
        leased_until = accessions.leased_until(tx, accession_id)
        tally = deposits.tally(tx, accession_id)
        files, size = deposits.extent(tx, accession_id)
        unchanged, bytes_read = accessions.counters(tx, accession_id)
        published = records.of_accession(tx, accession_id, limit=LISTED)
        shown = records.disseminate(tx, services.repository, [one.id for one in published], file_limit=0)
        listed = list(islice(accessions.problems(tx, accession_id), LISTED))
        counts = accessions.problem_counts(tx, accession_id)
        effects = outbox.waiting(tx, accession_id)
        happened = events.of_accession(tx, accession_id, limit=LISTED)
    return {
        "accession": accession.id,
        "collection": accession.collection,
        "source": without_secrets(accession.source),
        "state": state_of(accession, leased_until, services.now()),
        "reason": accession.reason,
        "started": codec.time_to_json(accession.started),
        "records": [_record(shown[one.id]) for one in published],
        "unchanged": unchanged + tally.get(DepositState.UNCHANGED, 0),
        "held": tally.get(DepositState.HELD, 0),
        "records_total": tally.get(DepositState.PUBLISHED, 0),
        "planned": tally.get(DepositState.PLANNED, 0) + tally.get(DepositState.SEALED, 0),
        "problems": [codec.problem_to_json(one) for one in listed],
        "problems_total": sum(counts.values()),
        "problems_by_outcome": counts,
        "effects_waiting": sum(one.due for one in effects),
        "effects_parked": sum(one.parked for one in effects),
        "files": files,
        "bytes": size,
        "bytes_read": bytes_read,
        "events": [codec.event_to_json(one) for one in happened],
        "flow_run": accession.flow_run,
    }


def state_of(accession: Accession, leased_until: datetime | None, now: datetime) -> str:
    """What people should read: an accession under way that nobody works on was interrupted."""
    is_under_way = accession.state in (AccessionState.SURVEYING, AccessionState.INGESTING)
    is_worked_on = leased_until is not None and leased_until > now
    return "interrupted" if is_under_way and not is_worked_on else accession.state.value


def of_run(services: Services, plan: Plan, survey: Path, seconds: dict[str, float]) -> JsonObject:
    """The report of one run: that of its accession, with what the run found held before and unchanged. Where nothing
    was to be done there is no new accession; the collection's last one is named."""
    with services.catalogue.read() as tx:
        before = accessions.problems_of(tx, plan.held_before)
    if plan.accession_id is not None:
        document = of_accession(services, plan.accession_id)
        extra = before
    else:
        document = {
            "accession": None,
            "state": "completed",
            "records": [],
            "held": 0,
            "records_total": 0,
            "problems": [],
            "problems_total": 0,
            "effects_waiting": 0,
            "effects_parked": 0,
            "files": 0,
            "bytes": 0,
            "bytes_read": 0,
            "unchanged": plan.unchanged,
        }
        found = islice(manifest.read_problems(survey), LISTED)
        extra = [*found, *before, *plan.gone, *plan.outdated]
        document["problems_total"] += plan.gone_total - len(plan.gone)
        document["problems_total"] += plan.outdated_total - len(plan.outdated)
    document["held"] += len(plan.held_before)
    document["problems"] = (document["problems"] + [codec.problem_to_json(one) for one in extra])[:LISTED]
    document["problems_total"] += len(extra)
    document["seconds"] = seconds
    return document


def problems_of_document(services: Services, document: JsonObject) -> Iterator[Problem]:
    """Every problem that a report is about, however many."""
    if document["problems_total"] <= LISTED or document["accession"] is None:
        yield from map(codec.problem_from_json, document["problems"])
        return
    with services.catalogue.read() as tx:
        yield from accessions.problems(tx, document["accession"])


def of_plan(services: Services, surveyed: Surveyed, plan: Plan, estimate: Estimate) -> JsonObject:
    """What a plan says that was not carried out. `accession` is the unfinished one that an ingest would go on with."""
    with services.catalogue.read() as tx:
        before = accessions.problems_of(tx, plan.held_before)
    found = list(islice(manifest.read_problems(surveyed.folder), LISTED))
    summary = surveyed.summary
    return {
        "collection": surveyed.collection,
        "accession": plan.accession_id,
        "records": summary.records,
        "files": summary.files,
        "bytes": summary.bytes,
        "new": plan.new,
        "versions": plan.versions,
        "revisions": plan.revisions,
        "unchanged": plan.unchanged,
        "held": plan.held_still + len(plan.held_before) + plan.invalid,
        "files_to_ingest": plan.files_to_ingest,
        "bytes_to_ingest": plan.bytes_to_ingest,
        "duplicates": {
            "declared": asdict(estimate.declared),
            "likely": asdict(estimate.likely),
            "in_custody": asdict(estimate.in_custody),
            "compared_with_custody": asdict(estimate.compared),
        },
        "requests": estimate.requests,
        "estimated_seconds": None if estimate.seconds is None else round(estimate.seconds, 1),
        "problems": [
            codec.problem_to_json(one) for one in (found + before + plan.refused + plan.gone)[:LISTED]
        ],
        "problems_total": sum(summary.problems.values()) + len(before) + len(plan.refused) + plan.gone_total,
    }


def problems_of_plan(services: Services, plan: Plan, path: Path) -> Iterator[Problem]:
    """Every problem that `of_plan` is about, however many, from the plan that was written at `path`."""
    yield from planfile.read_problems(planfile.open_plan(path))
    with services.catalogue.read() as tx:
        yield from accessions.problems_of(tx, plan.held_before)


def require_writable(path: Path) -> None:
    """Raises `Misconfigured` where `write_problems` could not write, before any work is done."""
    if path.suffix not in (".jsonl", ".parquet"):
        raise Misconfigured(
            f"{path} is neither .jsonl nor .parquet",
            field="--report",
            remedy="name the report *.jsonl or *.parquet",
        )
    if not path.absolute().parent.is_dir():
        raise Misconfigured(
            f"there is no folder {path.absolute().parent}", field="--report", remedy="make it first"
        )


def write_problems(problems: Iterable[Problem], path: Path) -> int:
    """Write all problems into a JSON Lines or Parquet file, by its suffix; how many. Raises `Misconfigured`."""
    require_writable(path)
    rows = (codec.problem_to_json(one) for one in problems)
    number = 0
    if path.suffix == ".jsonl":
        with path.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                number += 1
        return number
    schema = pa.schema(
        [(name, pa.string()) for name in ("path", "record", "outcome", "code", "field", "reason", "remedy")]
    )
    with pq.ParquetWriter(path, schema) as writer:
        while some := list(islice(rows, LISTED)):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))
            number += len(some)
    return number


def is_clean(document: JsonObject) -> bool:
    """Whether nothing was rejected, quarantined or held, and no effect is parked."""
    bad = (Outcome.REJECTED, Outcome.QUARANTINED)
    counted = document.get("problems_by_outcome", {})
    listed = (one["outcome"] for one in document["problems"])
    problems = any(counted.get(one) for one in bad) or any(one in bad for one in listed)
    return not (document["held"] or document["effects_parked"] or problems)


def _record(shown: Dissemination) -> JsonObject:
    record = shown.record
    return {
        "id": record.id,
        "concept_id": record.concept_id,
        "doi": shown.doi,
        "concept_doi": shown.concept_doi,
        "url": shown.url,
        "version": record.version,
        "files": record.file_count,
        "bytes": record.total_bytes,
    }
