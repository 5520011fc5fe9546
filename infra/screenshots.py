"""`make screenshots`: the pictures of the README, of the demo's collection in an instance of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, ViewportSize
from rich.console import Console
from rich.text import Text

from infra.browser import chromium
from infra.demo.__main__ import FINISHED_WITH_HELD, HEADRACE, ingest, show
from infra.demo.collection import make_collection
from infra.demo.outcome import Report
from pipeline.running.loopback import free_port

IMAGES = Path(__file__).parents[1] / "docs" / "images"

_SCREEN: ViewportSize = {"width": 1200, "height": 900}
_PHONE: ViewportSize = {"width": 360, "height": 740}
_TERMINAL_COLUMNS = 120
_SHOWN = "title:glacier"
"""What finds the record whose landing page is shown."""
_QUERY = "search?q=data&sort=newest"
_PREFECT_MILLISECONDS = 60_000
_INGEST = "ingest@headrace.localdomain"
"""The deployment whose form is shown."""


def main() -> int:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="headrace-screenshots-") as folder:
        os.environ |= {"HEADRACE_HOME": folder, "HEADRACE_PORT": str(free_port())}
        report = _demo(Path(folder))
        with _up() as url, chromium() as browser:
            _pages(browser, url)
            _flow_run(browser, report["ui"])
            _form(browser, report["ui"].partition("/runs/")[0])
    return 0


def _demo(home: Path) -> Report:
    """Ingest the sample collection, and keep what `make demo` shows of it."""
    make_collection(home / "demo-collection")
    status, output = ingest(home / "demo-collection")
    if status != FINISHED_WITH_HELD:
        raise RuntimeError(f"headrace ingest ended with exit code {status}")
    report: Report = json.loads(output)
    with _terminal("demo-terminal", "make demo") as terminal:
        show(terminal, report)
    _quarantine()
    return report


def _quarantine() -> None:
    """The files that were put apart."""
    command = [str(HEADRACE), "quarantine", "list"]
    colours = {"FORCE_COLOR": "1", "COLUMNS": str(_TERMINAL_COLUMNS)}
    listed = subprocess.run(
        command, env={**os.environ, **colours}, capture_output=True, text=True, check=True
    )
    with _terminal("quarantine-terminal", "headrace quarantine list") as terminal:
        terminal.print(Text.from_ansi(listed.stdout))


@contextmanager
def _terminal(name: str, title: str) -> Iterator[Console]:
    """What is printed on the terminal is a picture of that name."""
    terminal = Console(record=True, width=_TERMINAL_COLUMNS, file=sys.stderr, force_terminal=True)
    yield terminal
    # Rich has the picture load a font from another site; any monospaced one will do.
    picture = re.sub(r"@font-face \{.*?\}\n?", "", terminal.export_svg(title=title), flags=re.DOTALL)
    (IMAGES / f"{name}.svg").write_text(picture, encoding="utf-8")


@contextmanager
def _up() -> Iterator[str]:
    """The instance as `headrace up` runs it; its URL."""
    with subprocess.Popen([HEADRACE, "up"], stdout=subprocess.PIPE, text=True) as instance:
        try:
            assert instance.stdout is not None
            word, _, url = instance.stdout.readline().strip().partition(" ")
            if word != "ready":
                raise RuntimeError("headrace up did not get ready")
            yield url
        finally:
            instance.terminate()


def _pages(browser: Browser, url: str) -> None:
    record = _record(url)
    _take(browser, record, "landing-page", _SCREEN)
    _take(browser, record, "landing-page-phone", _PHONE)
    _take(browser, f"{url}/{_QUERY}", "search", _SCREEN)
    _take(browser, f"{url}/{_QUERY}", "search-dark", _SCREEN, dark=True)


def _record(url: str) -> str:
    """The landing page of the record to be shown."""
    with urlopen(f"{url}/api/records?size=1&q={_SHOWN}") as answer:
        [hit] = json.load(answer)["hits"]["hits"]
    return f"{url}/records/{hit['id']}"


def _take(browser: Browser, address: str, name: str, size: ViewportSize, *, dark: bool = False) -> None:
    page = browser.new_page(viewport=size, color_scheme="dark" if dark else "light")
    page.goto(address)
    page.screenshot(path=IMAGES / f"{name}.png")
    page.close()


def _flow_run(browser: Browser, address: str) -> None:
    """The ingest's run in Prefect, and the report that it left there."""
    page = browser.new_page(viewport=_SCREEN)
    page.set_default_timeout(_PREFECT_MILLISECONDS)
    page.goto(address)
    _take_drawn(page, "flow-run", until="take into custody")
    for key, name, until in (
        ("summary", "flow-artifacts", "Records published"),
        ("stages", "flow-stages", "take into custody"),
        ("problems", "flow-problems", "remedy"),
    ):
        page.goto(address.partition("/runs/")[0] + f"/artifacts/key/{key}")
        page.locator("a[href*='/artifacts/artifact/']").first.click()
        _take_drawn(page, name, until=until)
    page.close()


def _form(browser: Browser, prefect: str) -> None:
    """The deployments, and the form in which an ingest is begun."""
    with urlopen(f"{prefect}/api/deployments/name/ingest-collection/{_INGEST}") as answer:
        deployment = json.load(answer)["id"]
    page = browser.new_page(viewport=_SCREEN)
    page.set_default_timeout(_PREFECT_MILLISECONDS)
    page.goto(f"{prefect}/deployments")
    _take_drawn(page, "deployments", until=_INGEST)
    page.goto(f"{prefect}/deployments/deployment/{deployment}/run")
    _take_drawn(page, "deployment-form", until="allow_partial")
    page.close()


def _take_drawn(page: Page, name: str, *, until: str) -> None:
    """A page of an application that draws itself some seconds after it was loaded."""
    page.get_by_text(until).first.wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2000)  # the timeline moves into its place
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
