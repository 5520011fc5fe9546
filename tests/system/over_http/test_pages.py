"""Pages for people."""

import json
import re
from urllib.parse import quote

from lxml import html

from pipeline.model import Identification, Record, ScanStatus, ScanVerdict
from tests.archive import BASE_URL, Archive, GivenFile, person
from tests.asking import Client
from tests.system.over_http.sample import NAMES

SCRIPT = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
CLEAN = ScanVerdict(ScanStatus.CLEAN, engine="clamd", method="stream")


def test_the_landing_page_shows_what_is_known(archive: Archive, client: Client) -> None:
    """Title, people, DOI, licence, access, files with size, checksums, format and scan, history, versions, citation:
    all on one page."""
    declared = {"md5": "c4ca4238a0b923820dcc509a6f75849b", "sha1": "0" * 40}
    identified = Identification("x-fmt/111", "Plain Text File", mime="text/plain")
    record = archive.publish(
        files={"a.txt": GivenFile(b"1", declared=declared, identification=identified, scan=CLEAN)},
        subjects=[{"subject": "sea level"}],
        related_identifiers=[
            {"identifier": "10.1234/other", "scheme": "doi", "relation_type": {"id": "issupplementto"}}
        ],
    )
    text = html.fromstring(client.get(f"/records/{record.id}").content).text_content()
    for expected in (
        "Tide gauge readings, harbour pier, 2025",
        "Marlow, Ida",
        "Pier Institute",
        f"10.5072/headrace.{record.id}",
        "Creative Commons Attribution 4.0 International",
        "Everybody can read the files.",
        "c4ca4238a0b923820dcc509a6f75849b",
        "computed here, equal to the declared one",
        "x-fmt/111",
        "No virus found (clamd)",
        "Ingestion",
        "Is supplement to",
        "sea level",
        "Marlow, I. (2026).",
    ):
        assert expected in text


def test_nothing_of_a_depositor_becomes_markup(archive: Archive, client: Client) -> None:
    """Script in any field of a description stays text: no page gains an element or an attribute by it, and no
    JSON-LD block is ended by it."""
    record = archive.publish(
        files={f"{SCRIPT.replace('/', '')}.txt": b"1"},
        title=SCRIPT,
        description=f"<p onclick='alert(1)'>{SCRIPT}<a href='javascript:alert(1)'>x</a></p>",
        creators=[person(SCRIPT, SCRIPT, affiliation=SCRIPT)],
        contributors=[{**person(SCRIPT, "X"), "role": {"id": "editor"}}],
        publisher=SCRIPT,
        version=SCRIPT,
        subjects=[{"subject": SCRIPT}],
        rights=[{"title": {"en": SCRIPT}, "link": "javascript:alert(1)"}],
        related_identifiers=[
            {"identifier": "javascript:alert(1)", "scheme": "url", "relation_type": {"id": "cites"}}
        ],
        additional_titles=[{"title": SCRIPT, "type": {"id": "subtitle"}}],
        additional_descriptions=[{"description": SCRIPT, "type": {"id": "notes"}}],
        dates=[{"date": "2025", "type": {"id": "collected"}, "description": SCRIPT}],
        copyright=SCRIPT,
    )
    for path in (
        f"/records/{record.id}",
        "/search?q=" + quote(SCRIPT),
        "/",
        "/search?subject=" + quote(SCRIPT),
    ):
        page = html.fromstring(client.get(path).content)
        scripts = page.xpath("//script")
        assert [
            one.get("type") or one.get("src") for one in scripts if one.get("src") != "/static/copy.js"
        ] in (
            [],
            ["application/ld+json"],
        )
        assert not page.xpath("//@*[starts-with(name(), 'on')]")
        assert not page.xpath("//a[starts-with(@href, 'javascript')]")
        assert {one.get("src") for one in page.xpath("//img")} == {"/static/mark.svg"}
    page = html.fromstring(client.get(f"/records/{record.id}").content)
    block = page.xpath("//script[@type='application/ld+json']/text()")[0]
    assert "<" not in block
    assert json.loads(block)["name"] == SCRIPT


def test_no_header_is_injected(archive: Archive, client: Client) -> None:
    """Quotes and line breaks in names and identifiers end no header."""
    key = 'a"; filename="evil.exe'
    record = archive.publish(
        files={key: b"1"},
        rights=[{"title": {"en": "x"}, "link": 'https://x.example/">; rel="item",\r\nSet-Cookie: a=b'}],
    )
    answer = client.get(f"/records/{record.id}/files/{quote(key)}?download=1")
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"a_; filename=_evil.exe\"; filename*=UTF-8''a%22%3B%20filename%3D%22evil.exe"
    )
    page = client.get(f"/records/{record.id}")
    assert "set-cookie" not in page.headers
    assert page.headers["link"].count('rel="item"') == 1


def test_pages_stand_alone(standing: tuple[Client, Record]) -> None:
    """Pages load nothing from other sites, carry a policy that forbids it, and have no inline style or script."""
    client, record = standing
    for path in ("/", "/search", f"/records/{record.id}", "/records/99999"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        page = html.fromstring(answer.content)
        loaded = page.xpath("//link[@rel='stylesheet' or @rel='icon']/@href | //script/@src | //img/@src")
        assert loaded
        for address in loaded:
            assert client.get(address).status_code == 200
        assert not page.xpath("//style | //@style")
        assert page.xpath("//a[@class='skip']/@href") == ["#content"]
        assert page.xpath("//main[@id='content']")
        assert len(page.xpath("//h1")) == 1


def test_every_field_has_a_label_and_every_id_is_one(standing: tuple[Client, Record]) -> None:
    """Forms are labelled, ids are not repeated, and what they refer to is there."""
    client, record = standing
    for path in ("/", "/search?q=tide", f"/records/{record.id}"):
        page = html.fromstring(client.get(path).content)
        ids = page.xpath("//@id")
        assert len(ids) == len(set(ids))
        assert set(page.xpath("//@aria-labelledby | //label/@for")) <= set(ids)
        fields = page.xpath("//input[not(@type='hidden')]/@id")
        assert set(fields) <= set(page.xpath("//label/@for"))


def test_links_on_pages_lead_somewhere(standing: tuple[Client, Record]) -> None:
    """Every link of the landing and search pages within the site is answered."""
    client, record = standing
    for path in (f"/records/{record.id}", "/search?q=tide", "/search?q=nothingatall", "/"):
        page = html.fromstring(client.get(path).content)
        for address in page.xpath("//a/@href"):
            if address.startswith(("/", "?")):
                target = address if address.startswith("/") else "/search" + address
                assert client.get(target).status_code in (200, 301, 302), (path, address)


def test_the_language_of_a_record_is_told(archive: Archive, client: Client) -> None:
    """A record in one known language has its code and direction on its text; in several, the browser finds out."""
    arabic = archive.publish(title="قياسات المد", languages=[{"id": "ara"}])
    mixed = archive.publish(title="Mixed", languages=[{"id": "ara"}, {"id": "eng"}])
    heading = html.fromstring(client.get(f"/records/{arabic.id}").content).find(".//h1")
    assert (heading.get("lang"), heading.get("dir")) == ("ar", "rtl")
    heading = html.fromstring(client.get(f"/records/{mixed.id}").content).find(".//h1")
    assert (heading.get("lang"), heading.get("dir")) == (None, "auto")


def test_the_landing_page_is_signposted(standing: tuple[Client, Record]) -> None:
    """The Link header cites the record's DOI once, names its kind twice, and its author, licence, metadata and
    files; HEAD has it as well."""
    client, record = standing
    header = client.ask("HEAD", f"/records/{record.id}").headers["link"]
    links = re.findall(r'<([^>]*)>; rel="([^"]*)"', header)
    by_relation: dict[str, list[str]] = {}
    for url, relation in links:
        by_relation.setdefault(relation, []).append(url)
    assert by_relation["cite-as"] == [f"https://doi.org/10.5072/headrace.{record.id}"]
    assert by_relation["type"] == ["https://schema.org/AboutPage", "https://schema.org/Dataset"]
    assert by_relation["author"] == ["https://orcid.org/0000-0002-1825-0097"]
    assert len(by_relation["license"]) == 1
    assert len(by_relation["item"]) == len(NAMES)
    for url in (*by_relation["describedby"], *by_relation["item"]):
        assert client.get(url.removeprefix(BASE_URL)).status_code == 200


def test_facets_narrow_and_widen(archive: Archive, client: Client) -> None:
    """A facet's link narrows the hits to its value; the same link again takes the choice back."""
    archive.publish(title="Data")
    archive.publish(title="Program", resource_type={"id": "software"})
    page = html.fromstring(client.get("/search").content)
    [link] = [one for one in page.xpath("//aside//a") if "Software" in one.text_content()]
    narrowed = html.fromstring(client.get("/search" + link.get("href")).content)
    assert [one.text for one in narrowed.xpath("//ol[@class='hits']//h3/a")] == ["Program"]
    [chosen] = narrowed.xpath("//aside//a[@aria-current]")
    widened = html.fromstring(client.get("/search" + chosen.get("href")).content)
    assert len(widened.xpath("//ol[@class='hits']/li")) == 2


def test_a_search_shows_what_was_asked_for(archive: Archive, client: Client) -> None:
    """Words are marked in titles and descriptions, as they are written there; of a long description the place is shown
    where they are. What a depositor wrote stays text."""
    archive.publish(
        title="Tides & <b>Müller</b>", description=f"<p>{'Long before that. ' * 60}Then came MULLER.</p>"
    )
    page = html.fromstring(client.get("/search?q=muller").content)
    assert [mark.text_content() for mark in page.iterfind(".//mark")] == ["Müller", "MULLER"]
    assert page.findtext(".//h3/a") == "Tides & <b>"
    [snippet] = page.find_class("snippet")
    assert snippet.text_content().startswith("… ")
    assert snippet.text_content().endswith("Then came MULLER.")
    assert html.fromstring(client.get("/search").content).find(".//mark") is None


def test_a_search_with_a_slip_leads_to_what_was_meant(archive: Archive, client: Client) -> None:
    """Where little is found: a link to the question in words that there are, with all else that was chosen, which
    finds the record. None to a word of a record that was withdrawn."""
    archive.publish(title="Tide gauge <b>readings")
    gone = archive.publish(title="Sandpipers")
    page = html.fromstring(client.get("/search?q=tide+guage+raedings&size=10&resource_type=dataset").content)
    [meant] = page.xpath("//p[@class='meant']/a")
    assert meant.text_content() == "tide gauge readings"
    found = html.fromstring(client.get("/search" + meant.get("href")).content)
    assert [one.text_content() for one in found.xpath("//ol[@class='hits']//h3/a")] == [
        "Tide gauge <b>readings"
    ]
    assert len(found.xpath("//ul[@class='chosen']/li")) == 1
    assert not found.xpath("//p[@class='meant']")
    assert html.fromstring(client.get("/search?q=sandpipres").content).xpath("//p[@class='meant']")
    archive.withdraw(gone)
    assert not html.fromstring(client.get("/search?q=sandpipres").content).xpath("//p[@class='meant']")


def test_an_empty_search_teaches_how_to_ask(standing: tuple[Client, Record]) -> None:
    """Where nothing is found the page shows examples, each of which is understood."""
    client, _ = standing
    page = html.fromstring(client.get("/search?q=nothingatall").content)
    examples = page.xpath("//section[@class='teach']//dt/a/@href")
    assert len(examples) >= 5
    assert all(client.get(example).status_code == 200 for example in examples)
