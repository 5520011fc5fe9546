"""The group of commands, and how each ends."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import click

from pipeline import __version__
from pipeline.cli.console import Exit, fail, fail_unexpected
from pipeline.errors import HeadraceError

# Which module of pipeline.cli has a command, as what, where it is not called the same.
_MODULES = {
    "ingest": "ingest",
    "plan": "ingest",
    "apply": "ingest:apply_plan",
    "retry": "ingest",
    "cancel": "ingest",
    "watch": "watch",
    "up": "serve",
    "serve": "serve",
    "dispatch": "serve",
    "runner": "serve",
    "worker": "serve",
    "scheduler": "serve",
    "status": "inspect",
    "search": "inspect",
    "index": "indexing",
    "quarantine": "quarantine",
    "dois": "dois",
    "purge": "purge",
    "check": "check",
    "sweep": "upkeep",
    "audit": "rereading",
    "rescan": "rereading",
    "token": "accounts",
    "user": "accounts",
}


class _Group(click.Group):
    """Imports a command when it is asked for: each part of an instance is one, and runs for long, without what only
    others need."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _MODULES and cmd_name not in self.commands:
            module, _, name = _MODULES[cmd_name].partition(":")
            self.add_command(getattr(import_module(f"pipeline.cli.{module}"), name or cmd_name))
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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
