"""`headrace quarantine`."""

from __future__ import annotations

import sys
from itertools import islice

import click
from rich.markup import escape

from pipeline import codec, wiring
from pipeline.catalogue import draft_files
from pipeline.catalogue import quarantine as catalogue
from pipeline.catalogue.draft_files import InfectedDraft
from pipeline.catalogue.quarantine import QuarantinedFile
from pipeline.cli.console import json_option, operator, out, print_json, require_reason, say, table
from pipeline.display import shown
from pipeline.model import JsonObject, QuarantineState
from pipeline.settings import load_settings
from pipeline.stewardship import quarantine as decisions

_LISTED = 10_000
_SHOWN = 100
_COLOURS = {
    QuarantineState.QUARANTINED: "red",
    QuarantineState.RELEASING: "yellow",
    QuarantineState.DESTROYING: "yellow",
    QuarantineState.RELEASED: "green",
    QuarantineState.DESTROYED: "dim",
}

_ID = click.argument("id_", metavar="ID", type=int)
_REASON = click.option("--reason", required=True, help="Why; it is kept with your name and the time.")


@click.group()
def quarantine() -> None:
    """Infected files that were put apart: nobody gets their bytes until somebody decides."""


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="What was released or destroyed, too.")
@json_option
def list_(everything: bool, as_json: bool) -> None:  # noqa: FBT001
    """Show what lies in quarantine, and the infected files of drafts, which their depositors take out.

    \b
    Examples:
      headrace quarantine list
      headrace quarantine list --all --json
    """
    with wiring.open_services(load_settings()) as services, services.catalogue.read() as tx:
        found = catalogue.listed(tx, everything=everything)
        items = list(islice(found, _LISTED))
        total = len(items) + sum(1 for _ in found)
        drafted, drafted_total = draft_files.infected(tx, limit=_LISTED)
    if as_json:
        print_json(
            {
                "items": [_json(one) for one in items],
                "items_total": total,
                "drafts": [_drafted_json(one) for one in drafted],
                "drafts_total": drafted_total,
            }
        )
        return
    if items:
        _show(items, total, everything=everything)
    else:
        say("nothing ever was in quarantine" if everything else "nothing is in quarantine")
    if drafted:
        _show_drafted(drafted, drafted_total)


def _show(items: list[QuarantinedFile], total: int, *, everything: bool) -> None:
    names = ["file", "record", "found", "bytes", "since", "accession", "state"]
    rows = table("id", *names, *(["decided by", "why"] if everything else []))
    for one in items[:_SHOWN]:
        colour = _COLOURS[one.state]
        decided = [one.decision.by, one.decision.reason] if one.decision else ["", ""]
        rows.add_row(
            str(one.id),
            f"[bold]{escape(shown(one.path))}[/]",
            escape(one.record),
            f"[red]{escape(one.signature)}[/]",
            f"{one.size:,}",
            f"{one.at:%Y-%m-%d %H:%M}",
            one.accession_id,
            f"[{colour}]{one.state}[/]",
            *(map(escape, decided) if everything else []),
        )
    out.print(rows)
    if total > _SHOWN:
        say(f"… and {total - _SHOWN:,} more; --json lists {_LISTED:,}")
    if any(one.state in (QuarantineState.RELEASING, QuarantineState.DESTROYING) for one in items):
        say("[yellow]what was cut off is completed by the same command[/]")
    say("a false alarm: headrace quarantine release ID --reason TEXT")
    say("to be rid of one: headrace quarantine destroy ID --reason TEXT")


def _show_drafted(drafted: list[InfectedDraft], total: int) -> None:
    rows = table("draft", "file", "found", "bytes", "since", "depositor")
    for one in drafted[:_SHOWN]:
        rows.add_row(
            str(one.record_id),
            f"[bold]{escape(shown(one.file.key))}[/]",
            f"[red]{escape(one.file.scan.signature)}[/]",
            f"{one.file.size:,}",
            f"{one.file.taken_at:%Y-%m-%d %H:%M}",
            escape(one.owner),
        )
    out.print(rows)
    if total > _SHOWN:
        say(f"… and {total - _SHOWN:,} more; --json lists {_LISTED:,}")
    say("drafts are not published with them: their depositors are told, and take them out")


@quarantine.command()
@_ID
@_REASON
@json_option
def release(id_: int, reason: str, as_json: bool) -> None:  # noqa: FBT001
    """Give the file ID back to its record: the alarm was false.

    The record is completed by the next run. The same bytes are not put apart again for the same signature.

    \b
    Example:
      headrace quarantine release 3 --reason "a test file of the scanner's own" && headrace retry 20261121-3f2a9c1d
    """
    with wiring.open_services(load_settings()) as services:
        done = decisions.release(services, id_, reason=require_reason(reason), by=operator())
    _tell(done, as_json=as_json)
    if not as_json:
        say(f"its record is completed by the next run: headrace retry {done.accession_id}")


@quarantine.command()
@_ID
@_REASON
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def destroy(id_: int, reason: str, yes: bool, as_json: bool) -> None:  # noqa: FBT001
    """Delete the bytes of the file ID for good. What is known of it stays.

    \b
    Example:
      headrace quarantine destroy 3 --reason "confirmed by our security team"
    """
    why = require_reason(reason)
    with wiring.open_services(load_settings()) as services:
        if not yes and sys.stdin.isatty():
            with services.catalogue.read() as tx:
                found = catalogue.get(tx, id_)
            click.confirm(
                f"Delete {shown(found.path)} ({found.size:,} bytes) for good?", abort=True, err=True
            )
        done = decisions.destroy(services, id_, reason=why, by=operator())
    _tell(done, as_json=as_json)


def _tell(one: QuarantinedFile, *, as_json: bool) -> None:
    if as_json:
        print_json(_json(one))
    elif one.decision:
        who = f"{escape(one.decision.by)}, {one.decision.at:%Y-%m-%d %H:%M}"
        say(f"[bold]{escape(shown(one.path))}[/] is {one.state} ({who}): {escape(one.decision.reason)}")


def _drafted_json(one: InfectedDraft) -> JsonObject:
    return {
        "record": one.record_id,
        "key": shown(one.file.key),
        "signature": one.file.scan.signature,
        "size": one.file.size,
        "digests": dict(sorted(one.file.digests.items())),
        "at": codec.time_to_json(one.file.taken_at),
        "owner": one.owner,
    }


def _json(one: QuarantinedFile) -> JsonObject:
    decision = one.decision
    return {
        "id": one.id,
        "path": shown(one.path),
        "record": one.record,
        "signature": one.signature,
        "accession": one.accession_id,
        "size": one.size,
        "digests": dict(sorted(one.digests.items())),
        "at": codec.time_to_json(one.at),
        "state": one.state,
        "decided": None if decision is None else codec.decision_to_json(decision),
    }
