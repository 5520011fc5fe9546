"""`headrace dois`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from rich.markup import escape

from pipeline import codec, wiring
from pipeline.catalogue import doi_rate, outbox
from pipeline.catalogue import dois as catalogue
from pipeline.catalogue.dois import DoiStatus, Shown
from pipeline.cli.console import json_option, out, print_json, say, table
from pipeline.cli.running import running
from pipeline.errors import Missing
from pipeline.model import EffectKind
from pipeline.pid import asking
from pipeline.pid.reconcile import status_json
from pipeline.settings import load_settings

_LISTED = 10_000
_SHOWN = 50


@click.group()
def dois() -> None:
    """DOIs: what each shall be, what the registry said of it, and what keeps it from being registered."""


@dois.command("list")
@click.option("--all", "shown", flag_value=Shown.ALL, help="Those that are as they shall be, too.")
@click.option(
    "--parked", "shown", flag_value=Shown.PARKED, help="Only those that wait for somebody to mend them."
)
@json_option
def list_(shown: Shown | None, as_json: bool) -> None:  # noqa: FBT001
    """Show the DOIs that are not as they shall be yet: since when, how often it was tried, what is wrong; and until
    when the registry is left alone, where it is.

    \b
    Examples:
      headrace dois list
      headrace dois list --parked --json
    """
    shown = shown or Shown.LEFT
    with wiring.open_services(load_settings()) as services:
        with services.catalogue.read() as tx:
            found = catalogue.statuses(tx, shown, limit=_LISTED)
            total = catalogue.count(tx, shown)
            rests_until = asking.rests_until(tx, services)
        now = services.now()
    if as_json:
        until = None if rests_until is None else codec.time_to_json(rests_until)
        items = [status_json(one) for one in found]
        print_json({"items": items, "items_total": total, "rests_until": until})
        return
    if found:
        _show(found, total, now)
    else:
        say("nothing is parked" if shown is Shown.PARKED else "every DOI is as it shall be")
    if rests_until is not None:
        say(
            f"the registry is not asked before {rests_until:%Y-%m-%d %H:%M:%S} UTC; at once: headrace dois retry"
        )


def _show(found: list[DoiStatus], total: int, now: datetime) -> None:
    rows = table("DOI", "record", "shall be", "is", "since", "tries", "what is wrong", "to do")
    for one in found[:_SHOWN]:
        wrong = f"[red]{escape(one.error)}[/]" if one.is_parked else escape(one.error)
        rows.add_row(
            one.name,
            str(one.record_id),
            one.wanted,
            one.seen or "",
            "" if one.since is None else f"{(now - one.since).total_seconds() / 3600:,.1f} h",
            str(one.attempts),
            wrong,
            escape(one.remedy),
        )
    out.print(rows)
    if total > _SHOWN:
        say(f"… and {total - _SHOWN:,} more; --json lists {_LISTED:,}")
    if any(one.is_parked for one in found):
        say("once mended: headrace dois retry")


@dois.command()
@click.argument("names", metavar="[DOI]...", nargs=-1)
@json_option
def retry(names: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001
    """Have DOIs tried again that are parked or wait, the DOIs named or all, also where the registry is left alone.

    \b
    Examples:
      headrace dois retry
      headrace dois retry 10.5072/headrace.12
    """
    asked = [one.lower() for one in names]
    with wiring.open_services(load_settings()) as services, services.catalogue.write() as tx:
        found = catalogue.named(tx, asked) if asked else []
        if unknown := set(asked) - {one.name for one in found}:
            raise Missing(f"no DOI of ours is {', '.join(sorted(unknown))}")
        doi_rate.lift(tx, now=services.now())
        tried = outbox.release(
            tx,
            now=services.now(),
            kind=EffectKind.REGISTER,
            record_ids={one.record_id for one in found} if asked else None,
        )
    if as_json:
        print_json({"records": tried})
    else:
        say(f"{tried:,} records; `headrace up` or `headrace dispatch` registers their DOIs")


@dois.command()
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help="How many DOIs the registry is asked for; 0: none, only what the catalogue knows is compared; default "
    "HEADRACE_RECONCILE_DOIS.",
)
@json_option
def reconcile(limit: int | None, as_json: bool) -> None:  # noqa: FBT001
    """Compare DOIs with what the registry has of them, and have what differs put again.

    Those that were compared longest ago come first. To be run once HEADRACE_BASE_URL or HEADRACE_DOIS was changed, too.

    \b
    Examples:
      headrace dois reconcile
      headrace dois reconcile --limit 0         after a change of HEADRACE_BASE_URL or HEADRACE_DOIS
    """
    with running(load_settings(), _reconcile_flow, limit=limit) as ended:
        document = ended.document(so_far=(dict) if as_json else None)
    if as_json:
        print_json(document)
        return
    if document["differences"]:
        rows = table("DOI", "record", "differs in", "shall be", "is")
        for one in document["differences"][:_SHOWN]:
            named = (str(one[name]) for name in ("record", "what", "wanted", "seen"))
            rows.add_row(one["doi"], *map(escape, named))
        out.print(rows)
    if document["uncompared"]:
        rows = table("DOI", "record", "could not be compared")
        for one in document["uncompared"][:_SHOWN]:
            rows.add_row(one["doi"], str(one["record"]), escape(one["error"]))
        out.print(rows)
    say(
        f"{document['dois']:,} DOIs, {document['compared']:,} compared with the registry, "
        f"{document['differences_total']:,} differ and are put again"
    )
    if document["uncompared_total"]:
        say(
            f"{document['uncompared_total']:,} could not be compared, and are the next time that it is their turn"
        )
    if document["parked_total"]:
        say(f"{document['parked_total']:,} wait for somebody to mend them: headrace dois list --parked")
    say(f"  the run: {document['ui']}")


def _reconcile_flow() -> Any:
    from pipeline.flows.dois import reconcile_dois

    return reconcile_dois
