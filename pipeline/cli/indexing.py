"""`headrace index`."""

from __future__ import annotations

import time

import click

from pipeline import wiring
from pipeline.cli.console import Exit, json_option, print_json, say
from pipeline.index.indexer import rebuild as rebuild_index
from pipeline.index.indexer import verify as verify_index
from pipeline.settings import load_settings

_FIRST = 100
"""Ids that are told of each kind."""


@click.group()
def index() -> None:
    """The search index, which holds nothing that the catalogue has not."""


@index.command()
@json_option
@click.pass_context
def rebuild(context: click.Context, as_json: bool) -> None:  # noqa: FBT001
    """Make the index anew from the catalogue; the old one answers until then.

    Needed when the index was lost or damaged, or was written by another version of Headrace. It waits for an index that
    is away for HEADRACE_PATIENCE seconds; what was under way of another rebuild ends.
    """
    done = 0

    def count(number: int) -> None:
        nonlocal done
        done += number

    def wait(seconds: float) -> None:
        say(f"the index or the catalogue is away; once more in {seconds:.0f} s")
        time.sleep(seconds)

    with wiring.open_services(load_settings()) as services:
        refused = rebuild_index(services, on_batch=count, wait=wait)
    if as_json:
        print_json({"records": done, "refused": {id_: error.message for id_, error in refused.items()}})
    else:
        say(f"{done:,} records, {len(refused):,} refused")
        for id_, error in refused.items():
            say(f"  {id_}: {error.message}")
    if refused:
        context.exit(Exit.PROBLEMS)


@index.command()
@json_option
@click.pass_context
def verify(context: click.Context, as_json: bool) -> None:  # noqa: FBT001
    """Compare the index with the catalogue, record by record, while both are in use.

    What is found is mended by `headrace index rebuild`.
    """
    with wiring.open_services(load_settings()) as services:
        found = verify_index(services)
        documents = services.index.count()
    differing = {name: getattr(found, name) for name in ("missing", "surplus", "outdated", "altered")}
    if as_json:
        print_json(
            {"records": found.records, "documents": documents, "awaited": found.awaited}
            | {name: list(ids[:_FIRST]) for name, ids in differing.items()}
            | {f"{name}_total": len(ids) for name, ids in differing.items()}
        )
    else:
        say(
            f"{found.records:,} records, {documents:,} documents in the index, "
            f"{found.awaited:,} waiting to be written"
        )
        for name, ids in differing.items():
            if ids:
                shown = ", ".join(map(str, ids[:_FIRST]))
                say(f"  {len(ids):,} {name}: {shown}{' …' if len(ids) > _FIRST else ''}")
        if found:
            say("`headrace index rebuild` puts that right")
    if found:
        context.exit(Exit.PROBLEMS)
