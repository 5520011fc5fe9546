"""The group of commands, and how each ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from pipeline import __version__
from pipeline.cli import (
    accounts,
    check,
    indexing,
    ingest,
    inspect,
    purge,
    quarantine,
    rereading,
    serve,
    upkeep,
    watch,
)
from pipeline.cli.console import Exit, fail, fail_unexpected
from pipeline.errors import HeadraceError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="headrace")
def headrace() -> None:
    """Ingest, preserve and publish research data.

    \b
    A first session:
      headrace ingest ./my-collection        take a folder of records in and publish them
      headrace up                            serve landing pages, search, API and OAI-PMH
      headrace search "coral reef"           find records
      headrace check                         see that everything is in order

    Settings come from HEADRACE_* in the environment or from headrace.toml; `headrace check` shows them all. Without
    any, everything lives in ./headrace-data; deleting that folder removes the instance.

    \b
    Exit codes: 0 done or nothing new · 1 a bug · 2 wrong usage or settings · 3 finished, but something was rejected
    · 4 stopped early, run it again to go on · 130 Ctrl-C, likewise.
    """


for command in (
    ingest.ingest,
    ingest.plan,
    ingest.apply_plan,
    ingest.retry,
    ingest.cancel,
    watch.watch,
    serve.up,
    serve.serve,
    serve.dispatch,
    serve.runner,
    serve.worker,
    serve.scheduler,
    inspect.status,
    inspect.search,
    indexing.index,
    quarantine.quarantine,
    purge.purge,
    check.check,
    upkeep.sweep,
    rereading.audit,
    rereading.rescan,
    accounts.token,
    accounts.user,
):
    headrace.add_command(command)


def main() -> None:
    """Run a command; the user never sees a traceback."""
    # HOME holds restricted descriptions and secrets: it is nobody else's. Workers and servers inherit it.
    os.umask(0o077)
    try:
        headrace.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(Exit.INTERRUPTED)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(Exit.USAGE)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except HeadraceError as error:
        fail(error)
    except BrokenPipeError:
        sys.exit(Exit.DONE)
    except Exception as error:
        fail_unexpected(error, _home())


def _home() -> Path:
    from pipeline.settings import load_settings

    try:
        return load_settings().home
    except HeadraceError:
        return Path("headrace-data").absolute()
