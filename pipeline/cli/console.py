"""How commands talk: results on stdout, everything else on stderr, errors as one sentence with what to do next."""

from __future__ import annotations

import getpass
import json
import os
import sys
import traceback
from enum import IntEnum
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Column, Table

from pipeline.display import shown
from pipeline.errors import HeadraceError, Misconfigured, Missing, Rejected
from pipeline.model import JsonObject


class Exit(IntEnum):
    """What the exit code tells a script."""

    DONE = 0
    BUG = 1
    USAGE = 2
    PROBLEMS = 3
    STOPPED = 4
    INTERRUPTED = 130


err = Console(stderr=True, highlight=False)
out = Console(highlight=False, soft_wrap=True)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
"""For commands whose results scripts read, too."""


def print_json(document: JsonObject) -> None:
    """One JSON object on stdout, nothing else."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """A message for people."""
    err.print(text)


def fail(error: HeadraceError, *, as_json: bool = False) -> NoReturn:
    """Say what is wrong and what to do, with `as_json` on stdout as well, and leave with the exit code that stands for
    it."""
    if as_json:
        told = {"message": error.message, "field": error.field, "remedy": error.remedy}
        print_json({"error": {"code": error.code, **{name: shown(text) for name, text in told.items()}}})
    where = f" ({error.field})" if error.field and error.field not in error.message else ""
    err.print(f"[bold red]error:[/] {_escaped(error.message)}{_escaped(where)}")
    if error.remedy:
        err.print(f"  [dim]→[/] {_escaped(error.remedy)}")
    sys.exit(exit_code(error))


def exit_code(error: HeadraceError) -> Exit:
    # A conflict is somebody else at work: the same command may succeed later.
    return Exit.USAGE if isinstance(error, Rejected | Misconfigured | Missing) else Exit.STOPPED


def fail_unexpected(error: BaseException, home: Path) -> NoReturn:
    """A bug: the trace goes into a log, the user is told where."""
    log = home / "logs" / "errors.log"
    text = "".join(traceback.format_exception(error))
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        where = f"the details are in {log}"
    except OSError:
        where = "its details could not be written anywhere"
    err.print(f"[bold red]unexpected error:[/] {_escaped(f'{type(error).__name__}: {error}'[:500])}")
    err.print(
        f"  [dim]→[/] this is a bug in Headrace; {_escaped(where)}."
        " What was done is safe; the command may be run again."
    )
    sys.exit(Exit.BUG)


def table(name: str, *columns: str, title: str = "") -> Table:
    """A table whose first column, which names things, is never cut short: people copy it."""
    return Table(
        Column(name, no_wrap=True),
        *columns,
        title=title or None,
        title_justify="left",
        header_style="bold",
        box=None,
        pad_edge=False,
    )


def show_problems(problems: list[JsonObject], total: int, *, limit: int, more: str) -> None:
    """Problems as a person reads them: what and where, why, and what to do."""
    for one in problems[:limit]:
        colour = "yellow" if one["outcome"] == "warned" else "red"
        where = one["path"] or one["record"]
        err.print(f"[{colour}]{one['outcome']}[/] [bold]{_escaped(where)}[/]", soft_wrap=True)
        field = f"{one['field']}: " if one["field"] else ""
        err.print(f"    {_escaped(field + one['reason'])}", soft_wrap=True)
        if one["remedy"]:
            err.print(f"    [dim]→ {_escaped(one['remedy'])}[/]", soft_wrap=True)
    if total > limit:
        err.print(f"… and {total - limit:,} more; {more}")


def operator() -> str:
    """Who gives the command, by the name of the account that it runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return f"uid {os.getuid()}"


def require_reason(text: str) -> str:
    """Raises `Misconfigured` for a reason without a word."""
    if not text.strip():
        raise Misconfigured(
            "--reason says nothing", field="--reason", remedy="say why, for whoever asks years later"
        )
    return text.strip()


def is_interactive() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
