"""`headrace dois`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from rich.markup import escape

from pipeline import codec, wiring
from pipeline.catalogue import dois as catalogue
from pipeline.catalogue import outbox
from pipeline.catalogue.dois import DoiStatus
from pipeline.cli.console import json_option, out, print_json, say, table
from pipeline.cli.running import running
from pipeline.errors import Missing
from pipeline.model import EffectKind, JsonObject
from pipeline.settings import load_settings

_LISTED = 10_000
_SHOWN = 50


@click.group()
def dois() -> None:
    """DOIs: what each shall be, what the registry said of it, and what keeps it from being registered."""


@dois.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are as they shall be, too.")
@click.option("--parked", is_flag=True, help="Only those that wait for somebody to mend them.")
@json_option
def list_(everything: bool, parked: bool, as_json: bool) -> None:  # noqa: FBT001
    """Show the DOIs that are not as they shall be yet: since when, how often it was tried, what is wrong.

    \b
    Examples:
      headrace dois list
      headrace dois list --parked --json
    """
    with wiring.open_services(load_settings()) as services:
        with services.catalogue.read() as tx:
            found = catalogue.statuses(tx, everything=everything, parked=parked, limit=_LISTED)
        now = services.now()
    if as_json:
        print_json({"items": [_json(one) for one in found]})
    elif found:
        _show(found, now)
    else:
        say("nothing is parked" if parked else "every DOI is as it shall be")


def _show(found: list[DoiStatus], now: datetime) -> None:
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
    if len(found) > _SHOWN:
        say(f"… and {len(found) - _SHOWN:,} more; --json lists {_LISTED:,}")
    if any(one.is_parked for one in found):
        say("once mended: headrace dois retry")


@dois.command()
@click.argument("names", metavar="[DOI]...", nargs=-1)
@json_option
def retry(names: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001
    """Have DOIs tried again that are parked or wait, the DOIs named or all.

    \b
    Examples:
      headrace dois retry
      headrace dois retry 10.5072/headrace.12
    """
    asked = [one.lower() for one in names]
    with wiring.open_services(load_settings()) as services, services.catalogue.write() as tx:
        found = catalogue.statuses(tx, names=asked) if asked else []
        if unknown := set(asked) - {one.name for one in found}:
            raise Missing(f"no DOI of ours is {', '.join(sorted(unknown))}")
        released = outbox.release(
            tx,
            now=services.now(),
            kind=EffectKind.REGISTER,
            record_ids={one.record_id for one in found} if asked else None,
        )
    if as_json:
        print_json({"released": released})
    else:
        say(f"{released:,} records; `headrace up` or `headrace dispatch` registers their DOIs")


@dois.command()
@click.option(
    "--most",
    type=click.IntRange(min=0),
    default=2000,
    show_default=True,
    help="How many DOIs the registry is asked for; 0: none, only what the catalogue knows is compared.",
)
@json_option
def reconcile(most: int, as_json: bool) -> None:  # noqa: FBT001
    """Compare DOIs with what the registry has of them, and have what differs put again.

    Those that were compared longest ago come first. To be run once HEADRACE_BASE_URL was changed, too.

    \b
    Examples:
      headrace dois reconcile
      headrace dois reconcile --most 0          after a change of HEADRACE_BASE_URL
    """
    with running(load_settings(), _reconcile_flow, most=most) as ended:
        document = ended.document(so_far=(dict) if as_json else None)
    if as_json:
        print_json(document)
        return
    if document["differences"]:
        rows = table("DOI", "record", "differs in", "shall be", "is")
        for one in document["differences"][:_SHOWN]:
            named = (str(one[name]) for name in ("record_id", "what", "wanted", "seen"))
            rows.add_row(one["doi"], *map(escape, named))
        out.print(rows)
    say(
        f"{document['dois']:,} DOIs, {document['compared']:,} compared with the registry, "
        f"{document['differences_total']:,} differ and are put again"
    )
    say(f"  the run: {document['ui']}")


def _reconcile_flow() -> Any:
    from pipeline.flows.dois import reconcile_dois

    return reconcile_dois


def _json(one: DoiStatus) -> JsonObject:
    return {
        "doi": one.name,
        "record": one.record_id,
        "wanted": one.wanted,
        "seen": one.seen,
        "seen_at": None if one.seen_at is None else codec.time_to_json(one.seen_at),
        "since": None if one.since is None else codec.time_to_json(one.since),
        "attempts": one.attempts,
        "error": one.error,
        "remedy": one.remedy,
        "parked": one.is_parked,
    }
