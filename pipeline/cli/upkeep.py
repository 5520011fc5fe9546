"""`headrace check --storage` and `headrace sweep`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import TypeVar

import click

from pipeline import codec, wiring
from pipeline.cli.console import Exit, json_option, out, print_json, say, table
from pipeline.model import JsonObject
from pipeline.settings import Settings, load_settings
from pipeline.stewardship.stocktaking import StorageFinding, compare
from pipeline.stewardship.upkeep import Leftover
from pipeline.stewardship.upkeep import sweep as sweep_up

Item = TypeVar("Item", StorageFinding, Leftover)

_LISTED = 10_000
_SHOWN = 50


def check_storage(settings: Settings, *, as_json: bool) -> Exit:
    """Tell where store and catalogue disagree."""
    with wiring.open_services(settings) as services:
        listed, counts = _tallied(compare(services))
    total = sum(counts.values())
    if as_json:
        print_json(
            {
                "ok": total == 0,
                "counts": counts,
                "findings": [_json(one) for one in listed],
                "findings_total": total,
            }
        )
    elif total:
        rows = table("key", "finding", "bytes", "expected", "whose")
        for one in listed[:_SHOWN]:
            rows.add_row(one.key, one.kind, _number(one.size), _number(one.expected), one.owner)
        out.print(rows)
        _say_how_many(counts, total)
    else:
        say("the store has everything that the catalogue has, and nothing else")
    return Exit.STOPPED if total else Exit.DONE


@click.command()
@click.option(
    "--days", type=click.IntRange(min=0), help="Age from which on; default HEADRACE_SWEEP_AFTER_DAYS."
)
@click.option("--dry-run", is_flag=True, help="Tell what would go, and take nothing.")
@json_option
def sweep(days: int | None, dry_run: bool, as_json: bool) -> None:  # noqa: FBT001
    """Take away what runs that died have left and nothing refers to: uploads that nobody will go on with, staged
    bytes, temporary folders. What is held, under way, published or in quarantine stays, however old it is.
    """
    settings = load_settings()
    age = timedelta(days=settings.sweep_after_days if days is None else days)
    with wiring.open_services(settings) as services:
        listed, counts = _tallied(sweep_up(services, age, dry_run=dry_run))
    total = sum(counts.values())
    if as_json:
        swept = [_json(one) for one in listed]
        print_json({"dry_run": dry_run, "counts": counts, "swept": swept, "swept_total": total})
    elif total:
        rows = table("name", "what", "bytes")
        for one in listed[:_SHOWN]:
            rows.add_row(one.name, one.kind, _number(one.size))
        out.print(rows)
        _say_how_many(counts, total)
    else:
        say(f"nothing is older than {age.days} days and referred to by nothing")


def _tallied(found: Iterable[Item]) -> tuple[list[Item], dict[str, int]]:
    """The first ones, and how many there are of each kind."""
    counts: Counter[str] = Counter()
    listed: list[Item] = []
    for one in found:
        counts[str(one.kind)] += 1
        if len(listed) < _LISTED:
            listed.append(one)
    return listed, dict(counts)


def _say_how_many(counts: dict[str, int], total: int) -> None:
    told = ", ".join(f"{number:,} {kind}" for kind, number in sorted(counts.items()))
    more = f"; the first {_SHOWN} are shown, --json lists {_LISTED:,}" if total > _SHOWN else ""
    say(f"{told}{more}")


def _json(one: StorageFinding | Leftover) -> JsonObject:
    since = None if one.since is None else codec.time_to_json(one.since)
    return {**asdict(one), "since": since}


def _number(bytes_: int | None) -> str:
    return "" if bytes_ is None else f"{bytes_:,}"
