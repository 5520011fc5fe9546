"""`headrace status` and `headrace search`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime

import click
from rich.markup import escape

from pipeline import codec, wiring
from pipeline.catalogue import accessions, outbox, records
from pipeline.catalogue.outbox import Parked, Standing
from pipeline.cli.console import json_option, out, print_json, say, show_problems, table
from pipeline.display import without_secrets
from pipeline.dissemination import Dissemination
from pipeline.flows.progress import human_time
from pipeline.ingest import report
from pipeline.model import EffectKind, JsonObject
from pipeline.ports import SearchRequest
from pipeline.services import Services
from pipeline.settings import load_settings

_LISTED = 10_000
_SHOWN = 100


@click.command()
@click.argument("accession_id", metavar="[ACCESSION]", required=False)
@click.option(
    "--effects", is_flag=True, help="Show what is still to be done after commits, and what keeps it."
)
@json_option
@click.option("--json-lines", is_flag=True, help="Stream every problem of ACCESSION, one JSON object a line.")
def status(accession_id: str | None, effects: bool, as_json: bool, json_lines: bool) -> None:  # noqa: FBT001
    """Show all accessions, or one with its records and problems.

    Effects are what follows a commit: files are examined and preserved, DOIs registered, records indexed and
    announced, mails sent. --effects counts them by kind, and lists those that are parked until somebody helps.

    \b
    Examples:
      headrace status
      headrace status 20261121-3f2a9c1d --json
      headrace status --effects
    """
    if effects and (accession_id is not None or json_lines):
        raise click.UsageError("--effects are those of all accessions and of none")
    with wiring.open_services(load_settings()) as services:
        if effects:
            _show_effects(services, as_json=as_json)
        elif accession_id is None:
            _show_all(services, as_json=as_json)
        elif json_lines:
            _stream_problems(services, accession_id)
        else:
            _show_one(services, accession_id, as_json=as_json)


def _stream_problems(services: Services, accession_id: str) -> None:
    with services.catalogue.read() as tx:
        accessions.get(tx, accession_id)
        for one in accessions.problems(tx, accession_id):
            sys.stdout.write(json.dumps(codec.problem_to_json(one), ensure_ascii=False) + "\n")


def _show_all(services: Services, *, as_json: bool) -> None:
    with services.catalogue.read() as tx:
        listed = accessions.everything(tx)
    standing, parked = _effects(services)
    now = services.now()
    rows: list[JsonObject] = [
        {
            "accession": one.id,
            "collection": one.collection,
            "source": without_secrets(one.source),
            "state": report.state_of(one, leased_until, now),
            "reason": one.reason,
            "started": codec.time_to_json(one.started),
            "deposits": counts,
        }
        for one, leased_until, counts in listed
    ]
    if as_json:
        print_json({"accessions": rows, **_effects_json(standing, parked, now)})
        return
    if not rows:
        say("no accession yet: `headrace ingest SOURCE` begins one")
        return
    shown = table("accession", "collection", "state", "published", "held", "to do", "started")
    for row in rows:
        counts = row["deposits"]
        to_do = counts.get("planned", 0) + counts.get("sealed", 0)
        shown.add_row(
            row["accession"],
            row["collection"],
            row["state"],
            f"{counts.get('published', 0):,}",
            f"{counts.get('held', 0):,}",
            f"{to_do:,}",
            row["started"][:19],
        )
    out.print(shown)
    _show_standing(standing, now)
    _show_parked(parked, standing)


def _effects(services: Services) -> tuple[list[Standing], list[Parked]]:
    with services.catalogue.read() as tx:
        return outbox.standing(tx, now=services.now()), outbox.parked(tx, _LISTED)


def _show_effects(services: Services, *, as_json: bool) -> None:
    standing, parked = _effects(services)
    now = services.now()
    if as_json:
        print_json(_effects_json(standing, parked, now))
        return
    if not standing:
        say("nothing waits: every effect came about")
    _show_standing(standing, now)
    _show_parked(parked, standing)


def _effects_json(standing: Sequence[Standing], parked: Sequence[Parked], now: datetime) -> JsonObject:
    return {
        "effects": [
            {
                "kind": one.kind,
                "due": one.waiting + one.under_way + one.put_off,
                "waiting": one.waiting,
                "under_way": one.under_way,
                "put_off": one.put_off,
                "next_due": None if one.next_due is None else codec.time_to_json(one.next_due),
                "parked": one.parked,
                "oldest": None if one.oldest is None else codec.time_to_json(one.oldest),
                "age_seconds": 0.0 if one.oldest is None else (now - one.oldest).total_seconds(),
            }
            for one in standing
        ],
        "parked": [
            {
                "effect": one.id,
                "kind": one.kind,
                "record": _record(one),
                "accession": one.accession_id,
                "attempts": one.attempts,
                "since": codec.time_to_json(one.since),
                "error": one.error,
                "remedy": one.remedy,
            }
            for one in parked
        ],
        "parked_total": sum(one.parked for one in standing),
    }


def _record(one: Parked) -> int | None:
    """What it is for; a mail is for none."""
    return None if one.kind is EffectKind.MAIL else one.record_id


def _show_standing(standing: Sequence[Standing], now: datetime) -> None:
    if not standing:
        return
    shown = table("effects", "waiting", "under way", "put off", "next try", "parked", "oldest")
    for one in standing:
        shown.add_row(
            one.kind,
            f"{one.waiting:,}",
            f"{one.under_way:,}",
            f"{one.put_off:,}",
            "" if one.next_due is None else f"in {human_time((one.next_due - now).total_seconds())}",
            f"[red]{one.parked:,}[/]" if one.parked else "0",
            "" if one.oldest is None else human_time((now - one.oldest).total_seconds()),
        )
    out.print(shown)


def _show_parked(parked: Sequence[Parked], standing: Sequence[Standing]) -> None:
    if not parked:
        return
    shown = table("effect", "kind", "record", "accession", "attempts", "error", "to do", title="parked")
    for one in parked[:_SHOWN]:
        shown.add_row(
            str(one.id),
            one.kind,
            str(_record(one) or ""),
            one.accession_id or "",
            str(one.attempts),
            escape(one.error),
            escape(one.remedy),
        )
    out.print(shown)
    if (total := sum(one.parked for one in standing)) > _SHOWN:
        say(f"… and {total - _SHOWN:,} more; --json lists {_LISTED:,}")
    say("once mended: headrace retry --effects for all, with --kind KIND or --effect ID for some")
    if any(one.kind is EffectKind.REGISTER for one in parked):
        say("  DOIs by name: headrace dois retry")


def _show_one(services: Services, accession_id: str, *, as_json: bool) -> None:
    document: JsonObject = report.of_accession(services, accession_id)
    if as_json:
        print_json(document)
        return
    say(
        f"[bold]{document['accession']}[/] {document['collection']} from {document['source']}: {document['state']}"
    )
    if document["reason"]:
        say(f"  {document['reason']}")
    say(
        f"  {document['records_total']:,} published, {document['unchanged']:,} unchanged, {document['held']:,} held,"
        f" {document['planned']:,} to do; {document['files']:,} files, {document['bytes']:,} bytes"
    )
    show_problems(
        document["problems"], document["problems_total"], limit=100, more="--json-lines streams all"
    )
    if document["held"] or document["planned"]:
        then = "mend the source, then: headrace retry"
        if document["state"] == "cancelled":  # and that was cut off
            then = "to give up the rest: headrace cancel"
        say(f"{then} {document['accession']}")


@click.command()
@click.argument("query")
@click.option("--sort", default="", help="bestmatch, newest, oldest, updated-desc, publication-desc …")
@click.option("--size", type=click.IntRange(1, 1000), default=25, show_default=True)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True)
@click.option("--all-versions", is_flag=True, help="Older versions too.")
@json_option
def search(query: str, sort: str, size: int, page: int, all_versions: bool, as_json: bool) -> None:  # noqa: FBT001
    """Find records, in the query language of the search page.

    \b
    Examples:
      headrace search "coral AND creators.name:Silva"
      headrace search 'publication_date:[2024 TO *] AND keywords:"sea level"' --json
    """
    request = SearchRequest(query=query, sort=sort, page=page, size=size, all_versions=all_versions)
    with wiring.open_services(load_settings()) as services:
        found = services.index.search(request)
        with services.catalogue.read() as tx:
            shown = records.disseminate(tx, services.repository, found.ids, file_limit=0)
    hits = [_hit(shown[id_]) for id_ in found.ids if id_ in shown]
    if as_json:
        print_json({"hits": hits, "total": found.total})
        return
    for hit in hits:
        out.print(
            f"[bold]{escape(hit['title'])}[/]\n  {escape(', '.join(hit['creators']))} ({hit['published']})\n"
            f"  {hit['doi']}  {hit['url']}"
        )
    say(f"{found.total:,} found")


def _hit(shown: Dissemination) -> JsonObject:
    described = shown.record.description.metadata
    return {
        "id": shown.record.id,
        "doi": shown.doi,
        "title": described.get("title", ""),
        "creators": [one["person_or_org"]["name"] for one in described.get("creators", [])],
        "published": described.get("publication_date", ""),
        "url": shown.url,
    }
