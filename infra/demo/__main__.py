"""`make demo`: ingest the sample collection into an embedded instance, and show what became of it.

Exit code 0 when every record met the fate that it should, 1 when one did not, else that of `headrace ingest`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra.demo.collection import make_collection
from infra.demo.outcome import Report, findings, nothing_written, surprises

HEADRACE = Path(sys.executable).with_name("headrace")
SERVING = ".venv/bin/headrace up"
FINISHED, FINISHED_WITH_HELD, INTERRUPTED = 0, 3, 130


def main(serving: str = SERVING) -> int:
    """The command; its exit code. `serving` is what serves the instance afterwards; empty where the caller says so."""
    console = Console()
    home = Path(os.environ.get("HEADRACE_HOME", "headrace-data"))
    collection = home / "demo-collection"
    if not collection.exists():
        console.print(f"making the sample collection (about 300 MB) in {collection}")
        home.mkdir(parents=True, exist_ok=True)
        make_collection(collection)
    status, output = ingest(collection)
    if status not in (FINISHED, FINISHED_WITH_HELD):
        console.print(f"[red]headrace ingest ended with exit code {status}[/]")
        return status
    return show(console, json.loads(output), serving)


def ingest(collection: Path) -> tuple[int, bytes]:
    """Exit code and standard output of `headrace ingest`; its progress goes to our standard error."""
    options = ["--collection", "demo", "--community", "demo", "--json"]
    with subprocess.Popen([HEADRACE, "ingest", collection, *options], stdout=subprocess.PIPE) as child:
        try:
            output, _ = child.communicate()
        except KeyboardInterrupt:
            # The terminal has interrupted the child as well, which stops in order and can go on later.
            child.wait()
            return INTERRUPTED, b""
    return child.returncode, output


def show(console: Console, report: Report, serving: str = SERVING) -> int:
    """Print the summary; 0 when everything is as it should be."""
    console.print()
    if nothing_written(report):
        console.print(f"[bold green]nothing was written[/]: all {report['unchanged']} records are unchanged")
    else:
        console.print(_figures(report))
    console.print(_fates(report))
    surprising = surprises(report)
    for sentence in surprising:
        console.print(f"[bold red]not as expected[/]: {escape(sentence)}")
    _print_links(console, report, serving)
    return 0 if not surprising and all(finding.as_expected for finding in findings(report)) else 1


def _figures(report: Report) -> Table:
    seconds = report["seconds"]
    table = Table(title="The sample collection", title_justify="left", show_header=False)
    table.add_row("records published", f"{report['records_total']:,}")
    table.add_row("records held, to be mended", f"{report['held']:,}")
    table.add_row("files", f"{report['files']:,} ({report['files'] / seconds['total']:,.0f} a second)")
    table.add_row("bytes", f"{report['bytes'] / 1e6:,.0f} MB, each read once")
    if seconds["intake"] > 0:
        table.add_row("into custody", f"{report['bytes_read'] / 1e6 / seconds['intake']:,.0f} MB a second")
    table.add_row("seconds", f"{seconds['total']:.1f}, of which publishing {seconds['publish']:.1f}")
    return table


def _fates(report: Report) -> Table:
    table = Table("what is wrong", "should be", "is", "because", title="On purpose", title_justify="left")
    for finding in findings(report):
        colour = "green" if finding.as_expected else "bold red"
        seen = f"[{colour}]{finding.seen}[/]"
        table.add_row(finding.oddity.what, finding.oddity.fate, seen, escape(finding.reason))
    return table


def _print_links(console: Console, report: Report, serving: str) -> None:
    if report["records"]:
        console.print("\nlanding pages, answered while it is served:")
    for record in report["records"][:3]:
        console.print(f"  {record['url']}  doi:{record['doi']}", soft_wrap=True)
    if report.get("ui"):
        console.print(f"the run in Prefect's UI:\n  {report['ui']}", soft_wrap=True)
    if serving:
        console.print(f"\nnow: [bold]{serving}[/]", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
