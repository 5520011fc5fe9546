"""The pages in a real browser, served by a gateway of its own process over a small published instance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from infra.browser import chromium
from infra.local.gateway import gateway
from infra.local.service import running
from pipeline import wiring
from pipeline.catalogue import accounts
from pipeline.catalogue.accounts import Account
from pipeline.ingest import arrival, deposit
from pipeline.metadata.deposit_form import DepositMetadata
from pipeline.model import Description
from pipeline.people import signing_in
from pipeline.settings import Settings
from tests.archive import Archive, open_archive
from tests.system.over_http.contract.curators import founded
from tests.system.over_http.contract.depositor import depositor

LANDING, SEARCH, HOME, SIGN_IN = "landing page", "search page", "front page", "sign-in page"
UPLOADS, DRAFT, PREVIEW = "page of uploads", "page of a draft", "preview of a draft"
REQUEST, SHARING = "page of a request", "page to share a record"
OWN = [UPLOADS, DRAFT, PREVIEW, REQUEST, SHARING]
PAGES = [LANDING, SEARCH, HOME, SIGN_IN, *OWN]
_EMAIL, _PASSWORD = f"ida.{'x' * 40}@pier.example", "moored at the northern pier"
_LONG_NAME = "/".join(["observations", "x" * 120, "gauge_2025-03-09T14-10-00Z_quality-controlled.csv"])
_WIDE = "<p>Ten-minute means.</p><pre>" + "column, " * 60 + "</pre><p>" + "unbroken" * 40 + "</p>"

_TEXT_COLOURS = """() => {
  const opaque = colour => !/^rgba\\(.*, 0\\)$|^transparent$/.test(colour);
  const ground = node => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (opaque(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() && node.checkVisibility() && node.tagName !== "SCRIPT")
      found.push([walker.currentNode.data.trim(), getComputedStyle(node).color, ground(node)]);
  }
  return found;
}"""


@dataclass(frozen=True)
class Site:
    """Where the gateway answers, and the addresses of its pages by what they are; the cookie of a session, for those
    that are somebody's own."""

    origin: str
    addresses: dict[str, str]
    cookie: dict[str, str]


@dataclass(frozen=True)
class Visit:
    """A page that was opened, what its scripts complained of, and what it asked of whom."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("home")
    with open_archive(home) as archive:
        record = archive.publish(
            files={"gauge.csv": b"day,metres\n1,2.41\n", _LONG_NAME: b"day,metres\n1,1.98\n"},
            description=_WIDE,
            subjects=[{"subject": "sea level"}],
            owner=_EMAIL,
        )
        with archive.services.catalogue.write() as tx:
            account = accounts.create_account(tx, _EMAIL, admin=False, now=archive.clock())
        signing_in.give_password(archive.services, account, _PASSWORD)
        draft = f"/uploads/{_draft(archive, account)}"
        request = _asked(archive)
        link = depositor(archive, _EMAIL).send(
            "POST", f"/api/records/{record.id}/access/links", {"permission": "view"}
        )
        assert link.status_code == 201
    with running(gateway(home), home / "gateway.log") as origin:
        yield Site(
            origin,
            {
                LANDING: f"{origin}/records/{record.id}",
                SEARCH: f"{origin}/search?q=gauge",
                HOME: f"{origin}/",
                SIGN_IN: f"{origin}/login/",
                UPLOADS: f"{origin}/me/uploads",
                DRAFT: origin + draft,
                PREVIEW: f"{origin}{draft}/preview",
                REQUEST: f"{origin}/me/requests/{request}",
                SHARING: f"{origin}/records/{record.id}/sharing",
            },
            _cookie(home, origin),
        )


def _draft(archive: Archive, account: Account) -> int:
    """A draft with a file, and much that is wrong with it."""
    metadata = {"title": "x" * 80, "description": _WIDE, "resource_type": {"id": "dataset"}}
    given = DepositMetadata(Description(metadata), has_metadata=True)
    made = deposit.create(archive.services, given, account)
    arrival.receive(archive.services, made, _LONG_NAME, [b"1"], size=1, admitted=lambda _: None)
    return made.record_id


def _asked(archive: Archive) -> str:
    """A request to review somebody's draft, which is talked about; in the community somebody is invited besides."""
    curator, bo = depositor(archive, _EMAIL), depositor(archive, "bo@quay.example")
    community = founded(curator, "tides")
    made = bo.create(title="Levels at the lock")
    assert bo.put(made, "levels.csv").status_code == 201
    path = f"/api/records/{made['id']}/draft"
    chosen = {"type": "community-submission", "receiver": {"community": community["id"]}}
    assert bo.send("PUT", f"{path}/review", chosen).status_code == 200
    asked = bo.send("POST", f"{path}/actions/submit-review").json()
    said = {"payload": {"content": f"<p>{'unbroken' * 40}</p>"}}
    assert bo.send("POST", f"/api/requests/{asked['id']}/comments", said).status_code == 201
    return str(asked["id"])


def _cookie(home: Path, origin: str) -> dict[str, str]:
    """Of a session in the gateway that runs there, whose clock is the machine's."""
    with wiring.open_services(Settings(home=home)) as services, services.catalogue.write() as tx:
        account = accounts.find_account(tx, _EMAIL)
        assert account is not None
        secret = signing_in.begin_session(services, tx, account, proved=services.now())
    return {"name": "session", "value": secret, "url": origin}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running_browser:
        yield running_browser


@pytest.fixture
def visit(site: Site, browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens one of the site's pages, with options of `Browser.new_page`."""
    opened: list[Page] = []

    def open_page(which: str, **options: object) -> Visit:
        visited = Visit(browser.new_page(**options))  # type: ignore[arg-type]
        if which in OWN:
            visited.page.context.add_cookies([site.cookie])
        opened.append(visited.page)
        visited.page.on("console", lambda said: said.type == "error" and visited.complaints.append(said.text))
        visited.page.on("pageerror", lambda error: visited.complaints.append(str(error)))
        visited.page.on("request", lambda request: visited.requests.append(request.url))
        visited.page.goto(site.addresses[which], wait_until="networkidle")
        return visited

    yield open_page
    for page in opened:
        page.close()


@pytest.mark.parametrize("which", PAGES)
def test_a_page_works_without_errors(visit: Callable[..., Visit], which: str) -> None:
    """Neither the page's scripts nor its policies (CSP) have the browser complain."""
    assert visit(which).complaints == []


@pytest.mark.parametrize("which", PAGES)
def test_a_page_asks_nothing_of_other_sites(visit: Callable[..., Visit], site: Site, which: str) -> None:
    """Everything that a page loads, its style sheet and script included, comes from the archive itself."""
    visited = visit(which)
    assert any(url.endswith(".css") for url in visited.requests)
    assert [url for url in visited.requests if not url.startswith(f"{site.origin}/")] == []


@pytest.mark.parametrize("which", PAGES)
def test_a_page_fits_a_narrow_phone(visit: Callable[..., Visit], which: str) -> None:
    """At 360 pixels no page scrolls sideways, whatever long words and names its record has (WCAG 2.2, 1.4.10)."""
    page = visit(which, viewport={"width": 360, "height": 740}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("which", PAGES)
def test_the_keyboard_reaches_the_content_first(visit: Callable[..., Visit], which: str) -> None:
    """The first Tab shows a focused link that skips to the content, and Enter goes there (WCAG 2.2, 2.4.1, 2.4.7)."""
    page = visit(which).page
    page.keyboard.press("Tab")
    link = page.locator(":focus")
    assert link.inner_text() == "Skip to the content"
    box = link.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] >= 0
    style, width = link.evaluate(
        "at => [getComputedStyle(at).outlineStyle, getComputedStyle(at).outlineWidth]"
    )
    assert style != "none"
    assert float(width.removesuffix("px")) >= 2
    page.keyboard.press("Enter")
    assert page.locator(":focus").get_attribute("id") == "content"


@pytest.mark.parametrize("which", PAGES)
def test_everything_on_a_page_has_a_visible_focus(visit: Callable[..., Visit], which: str) -> None:
    """Whatever Tab reaches has an outline while it has the focus, to the end of the page (WCAG 2.2, 2.4.7)."""
    page = visit(which).page
    bare = []
    reachable = page.locator("a[href], button, input:not([type=hidden]), summary").count()
    for _ in range(reachable):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.evaluate("at => getComputedStyle(at).outlineStyle") == "none":
            bare.append(focused.evaluate("at => at.outerHTML"))
    assert reachable > 5
    assert bare == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", PAGES)
def test_text_is_readable_by_day_and_by_night(visit: Callable[..., Visit], which: str, scheme: str) -> None:
    """Every visible text has a contrast of 4.5:1 or more with what it stands on, as the browser computed them
    (WCAG 2.2, 1.4.3), and the dark scheme is dark."""
    page = visit(which, color_scheme=scheme).page
    body = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (_luminance(body) < 0.2) is (scheme == "dark")
    texts = page.evaluate(_TEXT_COLOURS)
    assert len(texts) > 5
    assert [text for text, ink, ground in texts if _contrast(ink, ground) < 4.5] == []


def test_a_landing_page_tells_machines_what_it_is(visit: Callable[..., Visit]) -> None:
    """Its title is the record's, and its JSON-LD is a dataset of schema.org with the DOI and its files."""
    page = visit(LANDING).page
    assert page.title().startswith("Tide gauge readings, harbour pier, 2025")
    [script] = page.locator("script[type='application/ld+json']").all_text_contents()
    described = json.loads(script)
    assert described["@type"] == "Dataset"
    assert described["@id"].startswith("https://doi.org/10.5072/")
    assert {"gauge.csv", _LONG_NAME} <= {one.get("name") for one in described["distribution"]}


def test_a_citation_is_copied_by_its_button(site: Site, browser: Browser) -> None:
    """The button beside the DOI puts it into the clipboard and says so."""
    with _context_page(browser, site.origin) as page:
        page.goto(site.addresses[LANDING])
        page.get_by_role("button", name="Copy").first.click()
        page.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()").startswith("https://doi.org/10.5072/")


def test_a_search_is_asked_and_narrowed_without_scripts(site: Site, browser: Browser) -> None:
    """The search form and the facets work where scripts are switched off."""
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{site.origin}/")
    page.get_by_label("Search all records").fill("gauge")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("complementary").get_by_role("link", name="Dataset").click()
    assert page.get_by_role("status").inner_text() == "1 record"
    page.get_by_role("link", name=re.compile("Tide gauge readings")).click()
    assert page.get_by_role("heading", level=1).inner_text() == "Tide gauge readings, harbour pier, 2025"
    page.close()


def test_people_sign_in_and_make_tokens_by_keyboard(site: Site, browser: Browser) -> None:
    """On a phone, where scripts are switched off; no page scrolls sideways, and every field has a name."""
    page = browser.new_page(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page.goto(site.addresses[LANDING])
    page.get_by_role("link", name="Sign in").press("Enter")
    page.get_by_label("E-mail address").press_sequentially(_EMAIL)
    page.keyboard.press("Tab")
    page.keyboard.type(_PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(site.addresses[LANDING])
    page.get_by_role("navigation", name="Account").get_by_role("link", name=_EMAIL).press("Enter")
    for section in ("Password", "Tokens"):
        page.get_by_role("navigation", name="Your account").get_by_role("link", name=section).press("Enter")
        page.get_by_role("heading", level=1, name=section).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        fields = page.locator("input:visible")
        assert fields.evaluate_all("all => all.every(one => one.labels.length === 1)")
    page.get_by_label("Name").press_sequentially("gauges")
    page.get_by_label("deposit:write").press("Space")
    page.get_by_role("button", name="Make a token").press("Enter")
    assert page.get_by_label("Your new token").input_value().startswith("hr_")
    page.get_by_role("button", name="Revoke gauges").press("Enter")
    page.get_by_role("button", name="Revoke gauges").wait_for(state="detached")
    page.get_by_role("button", name="Sign out").press("Enter")
    page.get_by_role("link", name="Sign in").wait_for()
    page.close()


def test_people_deposit_by_keyboard(site: Site, browser: Browser) -> None:
    """On a phone, where scripts are switched off: from an empty form over what is missing to the published record. No
    page scrolls sideways, and every field has a name."""
    page = browser.new_page(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page.context.add_cookies([site.cookie])

    def check() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        fields = page.locator("input:visible, select:visible, textarea:visible")
        assert fields.evaluate_all("all => all.every(one => one.labels.length === 1)")

    page.goto(site.addresses[UPLOADS])
    page.get_by_role("link", name="New upload").press("Enter")
    page.get_by_label("Title").press_sequentially("Typed by hand")
    check()
    page.get_by_role("button", name="Save as a draft").press("Enter")
    page.get_by_role("button", name="Save and publish").press("Enter")
    alert = page.get_by_role("alert")
    assert "Choose one" in alert.inner_text()
    check()
    alert.get_by_role("link", name="Type").press("Enter")
    page.keyboard.press("Tab")
    page.locator("#type").focus()
    page.keyboard.type("Dataset")
    page.get_by_label("Name of creator 1").press_sequentially("Marlow, Ida")
    page.get_by_label("Description").press_sequentially("By hand.")
    page.get_by_role("button", name="Save", exact=True).press("Enter")
    page.get_by_role("status").get_by_text("Saved").wait_for()
    page.get_by_label("Add files").set_input_files(
        {"name": "gauge.csv", "mimeType": "text/csv", "buffer": b"day,metres"}
    )
    page.get_by_role("button", name="Upload", exact=True).press("Enter")
    page.get_by_role("button", name="Remove gauge.csv").wait_for()
    page.get_by_role("button", name="Save and publish").press("Enter")
    page.wait_for_url(re.compile("/records/[0-9]+$"))
    assert page.get_by_role("heading", level=1).inner_text() == "Typed by hand"
    page.get_by_role("button", name="Edit").press("Enter")
    page.get_by_text("Edit of a published record").wait_for()
    check()
    page.close()


def test_a_curator_accepts_a_draft_by_keyboard(site: Site, browser: Browser) -> None:
    """On a phone, where scripts are switched off: from the list of requests over the draft's preview to the answer; and
    looks after the community. No page scrolls sideways, and every field has a name."""
    page = browser.new_page(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page.context.add_cookies([site.cookie])

    def check() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        fields = page.locator("input:visible, select:visible, textarea:visible")
        assert fields.evaluate_all("all => all.every(one => one.labels.length === 1)")

    page.goto(f"{site.origin}/communities/tides")
    for desk in ("Settings", "Members", "Requests"):
        page.get_by_role("navigation", name="This community").get_by_role("link", name=desk).press("Enter")
        page.get_by_role("heading", level=1, name=re.compile(desk)).wait_for()
        check()
    page.get_by_role("link", name="Levels at the lock").press("Enter")
    check()
    page.get_by_role("link", name="Levels at the lock").press("Enter")
    page.get_by_text("This is a preview").wait_for()
    check()
    page.get_by_role("link", name="The request").press("Enter")
    page.get_by_label("Comment").press_sequentially("Welcome.")
    page.get_by_role("button", name="Accept").press("Enter")
    page.get_by_text("Welcome.").wait_for()
    page.get_by_role("link", name="Levels at the lock").press("Enter")
    page.wait_for_url(re.compile("/records/[0-9]+$"))
    page.goto(site.addresses[SHARING])
    check()
    page.get_by_label("It lets people").press("ArrowDown")
    page.get_by_role("button", name="Make a link").press("Enter")
    page.get_by_label("Lets people see its drafts, too").wait_for()
    page.close()


@contextmanager
def _context_page(browser: Browser, origin: str) -> Iterator[Page]:
    """A page that may use the clipboard."""
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
    yield context.new_page()
    context.close()


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of an opaque colour as browsers compute it: `rgb(22, 38, 43)`."""
    channels = [int(value) / 255 for value in re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour).groups()]  # type: ignore[union-attr]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(ink: str, ground: str) -> float:
    dark, light = sorted((_luminance(ink), _luminance(ground)))
    return (light + 0.05) / (dark + 0.05)
