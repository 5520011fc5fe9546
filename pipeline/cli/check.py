"""`headrace check`: every part, what it is, whether it answers, and how to repair it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import click

from pipeline import wiring
from pipeline.catalogue import outbox, records
from pipeline.cli.console import Exit, json_option, out, print_json, say, table
from pipeline.cli.upkeep import check_storage
from pipeline.compute.slurm import describe_partitions, parse_slurm
from pipeline.compute.standing import standing_address
from pipeline.errors import HeadraceError
from pipeline.flows.server import flow_environment, named_server, running_server
from pipeline.ingest.digests import engine
from pipeline.ingest.room import require_room
from pipeline.mail import message
from pipeline.services import Services
from pipeline.settings import Settings, describe_settings, load_settings, redacted


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: `ok`, what it is, and what to do where it does not answer."""

    part: str
    ok: bool
    what: str
    remedy: str = ""


@click.command()
@json_option
@click.option(
    "--settings", "show_settings", is_flag=True, help="List every setting with its value and meaning."
)
@click.option(
    "--storage", is_flag=True, help="Compare the store with the catalogue, object by object, instead."
)
def check(as_json: bool, show_settings: bool, storage: bool) -> None:  # noqa: FBT001
    """Look at settings, database, store, index, DOIs, scanner, mail, Prefect and workers.

    Exit code 0 when everything answers, 4 when something does not (with how to repair it), 2 for wrong settings. With
    --storage: 4 when an object is missing or has another size, or nothing refers to one or to an open upload.
    """
    settings = load_settings()
    if storage:
        sys.exit(check_storage(settings, as_json=as_json))
    findings = examine(settings)
    described = describe_settings(settings)
    if as_json:
        print_json(
            {
                "ok": all(one.ok for one in findings),
                "parts": [
                    {"part": one.part, "ok": one.ok, "what": one.what, "remedy": one.remedy}
                    for one in findings
                ],
                "settings": {name: value for name, value, _ in described},
            }
        )
    else:
        _show(findings)
        if show_settings:
            rows = table("setting", "value", "means")
            for row in described:
                rows.add_row(*row)
            out.print(rows)
        else:
            say("`headrace check --settings` lists every setting")
    sys.exit(Exit.DONE if all(one.ok for one in findings) else Exit.STOPPED)


def examine(settings: Settings) -> list[Finding]:
    """Ask every part whether it answers."""
    findings = [Finding("settings", ok=True, what=f"HOME is {settings.home}")]
    try:
        with wiring.open_services(settings) as services:
            findings += [_ask(part, look, services) for part, look in _PARTS]
    except HeadraceError as error:
        findings.append(Finding("services", ok=False, what=error.message, remedy=error.remedy))
    findings += [_prefect(settings), _workers(settings)]
    return findings


def _ask(part: str, look: Callable[[Services], str], services: Services) -> Finding:
    try:
        return Finding(part, ok=True, what=look(services))
    except HeadraceError as error:
        return Finding(part, ok=False, what=error.message, remedy=error.remedy)


def _database(services: Services) -> str:
    services.catalogue.ping()
    with services.catalogue.read() as tx:
        return f"{services.catalogue.describe()}, {records.count(tx):,} records"


def _store(services: Services) -> str:
    require_room(services)
    room = services.store.room()
    free = f", {room[0]:,} bytes free" if room else ""
    return f"{services.store.describe()}, OCFL 1.1 with {services.root_digest}{free}"


def _index(services: Services) -> str:
    return f"{services.index.describe()}, {services.index.count():,} documents"


def _effects(services: Services) -> str:
    with services.catalogue.read() as tx:
        waiting = outbox.waiting(tx)
    told = [f"{one.kind}: {one.due:,} waiting, {one.parked:,} parked" for one in waiting]
    return "; ".join(told) or "nothing waits"


def _mail(services: Services) -> str:
    return f"from {message.sender(services.repository)} by {services.mailer.describe()}"


def _sign_in(services: Services) -> str:
    who = "people may make accounts" if services.settings.registration else "accounts are made by operators"
    if services.identities is None:
        return f"passwords; {who}"
    return f"passwords, and {services.identities.describe()}; {who}"


_PARTS: tuple[tuple[str, Callable[[Services], str]], ...] = (
    ("database", _database),
    ("store", _store),
    ("index", _index),
    ("DOIs", lambda services: services.registry.describe()),
    ("scanner", lambda services: services.scanner.describe()),
    ("mail", _mail),
    ("sign-in", _sign_in),
    ("effects", _effects),
    ("digests", lambda _: engine()),
)


def _prefect(settings: Settings) -> Finding:
    try:
        server = named_server(trusted_network=settings.trusted_network) or running_server(settings.home)
    except HeadraceError as error:
        return Finding("Prefect", ok=False, what=error.message, remedy=error.remedy)
    if server is None:
        return Finding("Prefect", ok=True, what="not running now; every command that needs it starts it")
    os.environ.update(flow_environment(server, settings.home))
    from pipeline.flows import api

    where, failure = redacted(server.api_url), api.failure()
    if failure is None:
        return Finding("Prefect", ok=True, what=f"answers at {where}")
    return Finding(
        "Prefect",
        ok=False,
        what=f"{where} does not answer: {failure}",
        remedy="start it, or correct PREFECT_API_URL",
    )


def _workers(settings: Settings) -> Finding:
    if settings.compute.startswith("local:") and standing_address(settings.home) is None:
        return Finding(
            "workers", ok=True, what=f"{settings.compute}: started by each ingest (none stand by now)"
        )
    try:
        if settings.compute.startswith("slurm:"):
            wiring.require_reach(settings)
            partitions = describe_partitions(parse_slurm(settings.compute))
            return Finding("workers", ok=True, what=f"{settings.compute}: jobs of each ingest; {partitions}")
        with closing(wiring.open_compute(settings)) as compute:
            return Finding("workers", ok=compute.slots() > 0, what=compute.describe(), remedy="start workers")
    except HeadraceError as error:
        return Finding("workers", ok=False, what=error.message, remedy=error.remedy)


def _show(findings: list[Finding]) -> None:
    rows = table("part", "", "what", "to do")
    for one in findings:
        rows.add_row(
            one.part, "[green]ok[/]" if one.ok else "[bold red]no[/]", one.what, "" if one.ok else one.remedy
        )
    out.print(rows)
