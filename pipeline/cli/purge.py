"""`headrace purge`."""

from __future__ import annotations

import sys

import click
from rich.markup import escape

from pipeline import codec, wiring
from pipeline.catalogue import records
from pipeline.catalogue.purges import Copy
from pipeline.cli.console import json_option, operator, out, print_json, require_reason, say, table
from pipeline.model import JsonObject
from pipeline.services import Services
from pipeline.settings import load_settings
from pipeline.stewardship import purging
from pipeline.stewardship.purging import LISTED, Purged

_SHOWN = 50


@click.command()
@click.argument("record_id", metavar="RECORD", type=int)
@click.option("--file", "key", default="", metavar="KEY", help="This file only; the record stays published.")
@click.option(
    "--reason", required=True, help="Why. Without --file the record's tombstone shows it to everybody."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def purge(record_id: int, key: str, reason: str, yes: bool, as_json: bool) -> None:  # noqa: FBT001
    """Delete the bytes of RECORD for good, from every version of its work, and withdraw it.

    For takedowns by law, and for what is infected. Bytes that stand under several names, or in several versions of the
    work, go from all of them; such a file of a version that stays is shown as purged, and answers 410. What was done,
    by whom and why stays in the work's object, as a log and as events. Where this is cut off, the same command
    completes it.

    The work never has these bytes again: an ingest that finds them in its source rejects the file, under whatever name,
    and nothing allows it. So take it out of the source as well. Other works may have the same bytes: those that do are
    listed, and each is purged by itself.

    \b
    Examples:
      headrace purge 12 --reason "court order 4 O 12/26"
      headrace purge 12 --file data/interview-03.wav --reason "consent was withdrawn" --yes
    """
    why = require_reason(reason)
    with wiring.open_services(load_settings()) as services:
        if not yes and sys.stdin.isatty():
            click.confirm(_question(services, record_id, key), abort=True, err=True)
        done = purging.purge(services, record_id, key=key, reason=why, by=operator())
    if as_json:
        print_json(_json(done))
    else:
        _show(done)


def _question(services: Services, record_id: int, key: str) -> str:
    with services.catalogue.read() as tx:
        title = records.get(tx, record_id).description.metadata.get("title", "")
    what = f"the file {key}" if key else "all files"
    return (
        f"Delete {what} of record {record_id} ({title}) for good, in all versions that have the same bytes?"
    )


def _show(done: Purged) -> None:
    rows = table("file", "record", "bytes")
    for one in done.copies[:_SHOWN]:
        rows.add_row(escape(one.key), str(one.record_id), f"{one.size:,}")
    out.print(rows)
    if len(done.copies) > _SHOWN:
        say(f"… and {len(done.copies) - _SHOWN:,} more; --json lists all of them")
    decision = done.purge.decision
    say(
        f"purged from {len(done.purge.content):,} places in the object of work {done.purge.concept_id}"
        f" ({escape(decision.by)}, {decision.at:%Y-%m-%d %H:%M}): {escape(decision.reason)}"
    )
    for one in done.elsewhere[:_SHOWN]:
        say(f"[yellow]the same bytes are still in[/] record {one.record_id}: {escape(one.key)}")
    say("pages, search and DOIs follow with `headrace up`")


def _json(done: Purged) -> JsonObject:
    one = done.purge
    return {
        "record": one.record_id,
        "file": one.key or None,
        "concept_id": one.concept_id,
        "state": one.state,
        "decided": codec.decision_to_json(one.decision),
        "digests": list(one.digests),
        "content": list(one.content),
        "files": [_copy(copy) for copy in done.copies],
        "elsewhere": [_copy(copy) for copy in done.elsewhere[:LISTED]],
    }


def _copy(one: Copy) -> JsonObject:
    return {"record": one.record_id, "key": one.key, "size": one.size, "digest": one.digest}
