"""`headrace status` and `headrace search`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.markup import escape

from pipeline import codec, wiring
from pipeline.catalogue import accessions, outbox, records
from pipeline.catalogue.outbox import Parked
from pipeline.cli.console import json_option, out, print_json, say, show_problems, table
from pipeline.display import without_secrets
from pipeline.dissemination import Dissemination
from pipeline.ingest import report
from pipeline.model import EffectKind, JsonObject
from pipeline.ports import SearchRequest
from pipeline.services import Services
from pipeline.settings import load_settings


@click.command()
@click.argument("accession_id", metavar="[ACCESSION]", required=False)
@json_option
@click.option("--json-lines", is_flag=True, help="Stream every problem of ACCESSION, one JSON object a line.")
def status(accession_id: str | None, as_json: bool, json_lines: bool) -> None:  # noqa: FBT001
    """Show all accessions, or one with its records and problems.

    \b
    Examples:
      headrace status
      headrace status 20261121-3f2a9c1d --json
    """
    with wiring.open_services(load_settings()) as services:
        if accession_id is None:
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
        waiting = outbox.waiting(tx)
        parked = outbox.parked(tx)
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
    effects = [{"kind": one.kind, "due": one.due, "parked": one.parked} for one in waiting]
    if as_json:
        print_json({"accessions": rows, "effects": effects, "parked": [asdict(one) for one in parked]})
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
    for one in waiting:
        say(f"{one.kind}: {one.due:,} waiting, {one.parked:,} parked")
    _show_parked(parked)


def _show_parked(parked: Sequence[Parked]) -> None:
    if not parked:
        return
    shown = table("effect", "record", "accession", "attempts", "error", "to do", title="parked")
    for one in parked:
        record = "" if one.kind is EffectKind.MAIL else str(one.record_id)
        shown.add_row(
            one.kind, record, one.accession_id or "", str(one.attempts), escape(one.error), escape(one.remedy)
        )
    out.print(shown)
    say("once mended: headrace retry ACCESSION, or headrace retry --effects for all")


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
