"""`headrace audit` and `headrace rescan`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

import click
from rich.markup import escape

from pipeline.cli.console import Exit, json_option, out, print_json, say, table
from pipeline.cli.running import Ended, running
from pipeline.model import JsonObject
from pipeline.settings import load_settings

C = TypeVar("C", bound=Callable[..., Any])

_SHOWN = 50


class _Share(click.ParamType[str]):
    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            share = Fraction(value)
        except (ValueError, ZeroDivisionError):
            share = Fraction(0)
        if not 0 < share <= 1:
            self.fail(f"{value} is no share: give one as 1/90 or 0.1, or 1 for all", param, ctx)
        return str(share)


def _max_bytes(*, default: str) -> Callable[[C], C]:
    return click.option(
        "--bytes",
        "max_bytes",
        type=click.IntRange(min=0),
        help=f"How many bytes now at most; default {default}.",
    )


def _older_than(what: str, *, default: str) -> Callable[[C], C]:
    return click.option(
        "--older-than", "days", type=click.IntRange(min=0), metavar="DAYS", help=f"{what}; default {default}."
    )


@click.command()
@click.option(
    "--share", type=_Share(), help="Of all bytes, how many a day at most; default HEADRACE_AUDIT_SHARE."
)
@_max_bytes(default="HEADRACE_AUDIT_BYTES")
@_older_than("Days since a file's last check", default="HEADRACE_AUDIT_AFTER_DAYS")
@json_option
def audit(share: str | None, max_bytes: int | None, days: int | None, as_json: bool) -> None:  # noqa: FBT001
    """Read files in custody again and compare their digests with what is recorded.

    What was not checked for longest comes first; before it, what was wrong the last time, and large files whose intake
    was cut off. A file is called wrong when two looks, some time apart, found it so; one that cannot be read is put
    off. Stopped, it goes on where it was. Exit code 3 when any file is known to be wrong or could not be read in
    three audits in a row, 4 when some could not be read.

    \b
    Examples:
      headrace audit                              as the settings say; daily, all is read in 90 days
      headrace audit --share 1 --older-than 0     everything, now
      headrace audit --bytes 500000000000         half a terabyte at most
    """
    settings = load_settings()
    with running(
        settings, _audit_flow, share=share or "", older_than_days=days, max_bytes=max_bytes
    ) as ended:
        document = _told(ended, _show_audit, as_json=as_json)
        if document["failing"]:
            sys.exit(Exit.PROBLEMS)
        sys.exit(Exit.STOPPED if document["put_off_total"] else Exit.DONE)


def _audit_flow() -> Any:
    from pipeline.flows.rereading import fixity_audit

    return fixity_audit


def _show_audit(document: JsonObject) -> None:
    if document["differences"]:
        rows = table("record", "file", "what", "to do")
        for one in document["differences"][:_SHOWN]:
            rows.add_row(str(one["record"]), *(escape(one[name]) for name in ("path", "reason", "remedy")))
        out.print(rows)
    _show_put_off(document)
    more = "; the rest when the day's share allows" if document["used_up"] else ""
    say(f"{document['files']:,} of {document['due_files']:,} files that were due were read{more}")
    kept = document["holdings"]
    if document["failing"]:
        say(f"[bold red]{document['failing']:,} files are not what they were, or cannot be read any more[/]")
    elif kept["oldest_check"]:
        say(
            f"[green]no file is known to be wrong:[/] {kept['files']:,} were found right since {kept['oldest_check']}"
        )
    say(f"  the run: {document['ui']}")


@click.command()
@_max_bytes(default="HEADRACE_RESCAN_BYTES")
@_older_than("Days since a clean file was scanned", default="HEADRACE_RESCAN_AFTER_DAYS")
@json_option
def rescan(max_bytes: int | None, days: int | None, as_json: bool) -> None:  # noqa: FBT001
    """Scan files in custody for viruses again.

    First those that keep records waiting to be published (HEADRACE_SCAN_GATE), then those that no scanner went through
    as a whole, then clean and infected ones that were scanned some time ago with other
    signatures than there are now. A file that turns out infected is served to nobody from then on, and its record is
    withdrawn. Stopped, it goes on where it was. Exit code 3 when something was found, 4 when some files could not be
    scanned.

    \b
    Examples:
      headrace rescan                     as the settings say
      headrace rescan --older-than 0      everything that was scanned with other signatures
    """
    settings = load_settings()
    with running(settings, _rescan_flow, older_than_days=days, max_bytes=max_bytes) as ended:
        document = _told(ended, _show_rescan, as_json=as_json)
        if document["infected"] or document["quarantined"]:
            sys.exit(Exit.PROBLEMS)
        sys.exit(Exit.STOPPED if document["put_off_total"] else Exit.DONE)


def _rescan_flow() -> Any:
    from pipeline.flows.rereading import rescan_files

    return rescan_files


def _show_rescan(document: JsonObject) -> None:
    if found := [*document["infected"], *document["quarantined"]]:
        rows = table("record", "file", "found", "to do")
        for one in found[:_SHOWN]:
            rows.add_row(str(one["record"]), *(escape(one[name]) for name in ("path", "signature", "remedy")))
        out.print(rows)
    _show_put_off(document)
    told = ", ".join(f"{number:,} {status}" for status, number in document["verdicts"].items())
    say(
        f"{document['files']:,} files were scanned by {escape(document['scanner'])}{': ' if told else ''}{told}"
    )
    if document["published"]:
        say(f"[green]{document['published']:,} records that had waited were published[/]")
    for one in document["lifted"][:_SHOWN]:
        say(
            f"[green]not infected:[/] {escape(one['path'])} of record {one['record']}. {escape(one['remedy'])}"
        )
    if document["withdrawn"]:
        say(f"[bold red]{len(document['withdrawn']):,} records were withdrawn[/]")
    say(f"  the run: {document['ui']}")


def _told(ended: Ended, show: Callable[[JsonObject], None], *, as_json: bool) -> JsonObject:
    document = ended.document(so_far=(lambda: {"state": "stopped"}) if as_json else None)
    if as_json:
        print_json(document)
    else:
        show(document)
    return document


def _show_put_off(document: JsonObject) -> None:
    for one in document["put_off"][:_SHOWN]:
        say(f"[yellow]put off[/] {escape(one['path'])} of record {one['record']}: {escape(one['reason'])}")
        if remedy := one.get("remedy"):
            say(f"  {escape(remedy)}")
