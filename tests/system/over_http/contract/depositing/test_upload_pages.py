"""Pages on which people without a client deposit: their uploads, a draft from its first field to its publication, its
preview for whoever may see it (Zenodo's REST API, web pages 3.13). By session, with forms of pages of ours alone."""

from __future__ import annotations

import re

import lxml.html
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from tests.archive import Archive
from tests.browsing import Browser, texts, visitor
from tests.system.over_http.contract.curators import founded
from tests.system.over_http.contract.depositor import METADATA, depositor

UPLOADS = "/me/uploads"
PEOPLE = {
    "creator_name": ["Marlow, Ida", "Pier Institute", "", ""],
    "creator_orcid": ["0000-0002-1825-0097", "", "", ""],
    "creator_affiliation": ["Pier Institute", "", "", ""],
    "creator_kind": ["personal", "organizational", "personal", "personal"],
    "creator_index": ["", "", "", ""],
}


@pytest.fixture(scope="module")
def app(lasting: Archive) -> FastAPI:
    # The store's threads, which stay, begin with the first file that comes by a form.
    first = depositor(lasting, "first@forms.example")
    assert first.post_form(first.create(), "first.csv").status_code == 201
    return create_app(lasting.services)


def made(browser: Browser, **fields: str | list[str]) -> str:
    """The path of a new draft's page."""
    said = {"title": "Gauge <1>", "type": "dataset", "description": "One & two.\n\nThree."} | fields
    went = browser.goes_on_to(browser.submit("/uploads/new", **said))
    return went.partition("?")[0]


def problems(page: str) -> list[str]:
    return texts(page, "//*[@id='problems']//li")


def test_3_13_a_person_deposits_by_forms_alone(lasting: Archive, app: FastAPI) -> None:
    """From an empty form over what is wrong with it, at its fields, and a file to the published record, which has all
    that was filled in."""
    ida = visitor(lasting, app, "ida@forms.example")
    odd = ida.submit("/uploads/new", title="Gauge <2>", date="soon")
    assert odd.status_code == 200
    assert [one.partition(":")[0] for one in problems(odd.text)] == ["Date of publication"]
    assert 'value="soon"' in odd.text
    path = made(ida, type="")
    page = ida.get(path).text
    assert "Gauge &lt;1&gt;" in page
    left = texts(page, "//section[@aria-labelledby='left']//li")
    assert [one.partition(":")[0] for one in left] == ["Type", "Creators", "Files"]
    refused = ida.submit(path, f"{path}/publish", action_of=path)
    assert refused.status_code == 400
    assert [one.partition(":")[0] for one in problems(refused.text)] == ["Type", "Creators", "Files"]
    assert 'aria-describedby="type-fault"' in refused.text
    sent = ida.upload(path, f"{path}/files", ("../Häfen 1.csv", b"t,h\n1,2"))
    assert ida.goes_on_to(sent) == path
    assert ida.upload(path, f"{path}/files", ("", b"")).status_code == 400
    again = ida.upload(path, f"{path}/files", ("../Häfen 1.csv", b"t,h\n1,3"))
    assert again.status_code == 400
    assert problems(again.text) == ["Files: File with key Hafen_1.csv already exists. Delete it first."]
    fields = {"type": "dataset", "access": "embargoed", "embargo_date": "2026-05-01", **PEOPLE}
    fields["keywords"] = "tide gauge\r\n\r\n Harbours, old\r\ntide gauge"
    published = ida.submit(path, f"{path}/publish", action_of=path, **fields)
    assert ida.goes_on_to(published) == path
    record = path.replace("uploads", "records")
    assert ida.goes_on_to(ida.get(path)) == record
    shown = Browser(app).get(f"/api{record}", accept="application/vnd.inveniordm.v1+json").json()
    metadata = shown["metadata"]
    assert metadata["title"] == "Gauge <1>"
    assert metadata["description"] == "<p>One &amp; two.</p><p>Three.</p>"
    assert [one["subject"] for one in metadata["subjects"]] == ["tide gauge", "Harbours, old"]
    assert metadata["rights"][0]["id"] == "cc-by-4.0"
    assert [one["person_or_org"]["name"] for one in metadata["creators"]] == ["Marlow, Ida", "Pier Institute"]
    assert metadata["creators"][0]["person_or_org"]["identifiers"][0]["identifier"] == "0000-0002-1825-0097"
    assert metadata["creators"][1]["person_or_org"]["type"] == "organizational"
    assert shown["access"]["embargo"]["until"] == "2026-05-01"


def test_3_13_several_files_come_by_one_form(lasting: Archive, app: FastAPI) -> None:
    """Those before one that is refused stay, and what is wrong is said of that."""
    ida = visitor(lasting, app, "ida@several.example")
    path = made(ida)
    large = bytes(range(256)) * 10_000
    sent = ida.upload(path, f"{path}/files", ("a.csv", b"1"), ("large.bin", large), ("b.csv", b"22"))
    assert ida.goes_on_to(sent) == path
    for name, content in (("a.csv", b"1"), ("large.bin", large), ("b.csv", b"22")):
        assert ida.get(f"{path}/files/{name}").content == content
    refused = ida.upload(path, f"{path}/files", ("c.csv", b"333"), ("a.csv", b"4"), ("d.csv", b"5"))
    assert refused.status_code == 400
    assert problems(refused.text) == ["Files: File with key a.csv already exists. Delete it first."]
    assert texts(refused.text, "//table//a[@class='name']") == ["a.csv", "b.csv", "c.csv", "large.bin"]
    assert ida.get(f"{path}/files/a.csv").content == b"1"


def test_3_13_what_a_form_does_not_show_stays(lasting: Archive, app: FastAPI) -> None:
    """A draft that a client made keeps its contributors and the other identifiers of its creators, when
    somebody changes its title by the form; who was shown what is no more, overwrites nothing."""
    ida = depositor(lasting, "ida@stays.example")
    creator = {
        "name": "Marlow, Ida",
        "affiliation": "Pier",
        "gnd": "118540238",
        "orcid": "0000-0002-1825-0097",
    }
    people = [creator, {"name": "Orr, Bo"}]
    contributors = [{"name": "Hand, Jo", "type": "Editor"}]
    draft = ida.create(
        keywords=["tides"],
        creators=people,
        contributors=contributors,
        description="<p>A <b>bold</b>\nclaim.</p>",
        license="cc-by-nc-nd-1.0",
    )
    browser, path = visitor(lasting, app, ida.email), f"/uploads/{draft['id']}"
    before = dict(draft["metadata"])
    stale = lxml.html.fromstring(browser.get(path).text).forms
    as_sent = "<p>A <b>bold</b>\r\nclaim.</p>"
    saved = browser.submit(path, action_of=path, title="A better title", description=as_sent)
    assert browser.goes_on_to(saved) == f"{path}?saved=1"
    after = ida.send("GET", f"/api/deposit/depositions/{draft['id']}").json()["metadata"]
    assert after == before | {"title": "A better title"}
    [form] = [one for one in stale if one.get("action") == path]
    late = browser.post(path, dict(form.form_values()))
    assert late.status_code == 412
    assert "Somebody has changed the draft" in late.text
    after = ida.send("GET", f"/api/deposit/depositions/{draft['id']}").json()["metadata"]
    assert after["title"] == "A better title"


def test_3_13_uploads_are_listed_by_state_and_words(lasting: Archive, app: FastAPI) -> None:
    """Drafts and records, those of others only where they share them."""
    ida, jo = depositor(lasting, "ida@lists.example"), visitor(lasting, app, "jo@lists.example")
    draft, record = ida.create(title="Half a thought"), ida.published(title="Done with it")
    browser = visitor(lasting, app, ida.email)

    def listed(query: str = "", who: Browser = browser) -> list[str]:
        return texts(who.get(UPLOADS + query).text, "//ol[@class='hits']//h2")

    assert listed() == ["Done with it", "Half a thought"]
    assert listed("?state=drafts") == listed("?q=&is_published=false") == ["Half a thought"]
    assert listed("?state=published") == ["Done with it"]
    assert listed("?q=thought") == ["Half a thought"]
    assert browser.get(f"{UPLOADS}?page=x").status_code == 400
    second = lxml.html.fromstring(browser.get(f"{UPLOADS}?page=2&q=t").text)
    [before] = second.xpath("//nav[@aria-label='Pages']/a")
    assert (before.get("rel"), before.get("href")) == ("prev", "?q=t&page=1")
    assert listed(who=jo) == listed("?shared_with_me=1", jo) == []
    user = jo.get("/api/user/records").status_code
    assert user == 200
    page = browser.get(UPLOADS).text
    assert f'href="/uploads/{draft["id"]}"' in page
    assert f'href="/records/{record["id"]}"' in page
    stranger = Browser(app)
    assert stranger.goes_on_to(stranger.get(f"{UPLOADS}?q=x")).startswith("/login/?next=%2Fme%2Fuploads")


def test_3_13_a_draft_is_shown_to_whom_it_is_shared_with(lasting: Archive, app: FastAPI) -> None:
    """By its links and by a preview link, with its files, also incomplete; a curator who reviews it sees it as well.
    Strangers are led to sign in, and back; others are refused."""
    ida, cora = depositor(lasting, "ida@shows.example"), depositor(lasting, "cora@shows.example")
    draft = ida.create()
    number = draft["id"]
    ida.put(draft, "gauge.csv")
    page, preview = f"/uploads/{number}", f"/uploads/{number}/preview"
    stranger, jo = Browser(app), visitor(lasting, app, "jo@shows.example")
    owner = visitor(lasting, app, ida.email)
    for path in (page, preview, f"{page}/files/gauge.csv", f"/records/{number}?preview=1"):
        back = stranger.goes_on_to(stranger.get(path))
        assert back == f"/login/?next={path.replace('/', '%2F').replace('?', '%3F').replace('=', '%3D')}"
    for path in (page, preview, f"{page}/files/gauge.csv"):
        assert jo.get(path).status_code == 403
    assert jo.get(f"/records/{number}?preview=1").status_code == 404
    assert stranger.get(f"/records/{number}").status_code == 404
    assert owner.goes_on_to(owner.get(f"/records/{number}?preview=1")) == preview
    assert owner.get(page).status_code == 200
    links = f"/api/records/{number}/access/links"
    token = ida.send("POST", links, {"permission": "preview"}).json()["token"]
    linked = f"{preview}?token={token}"
    assert stranger.goes_on_to(stranger.get(f"/records/{number}?preview=1&token={token}")) == linked
    assert stranger.goes_on_to(stranger.get(f"{page}?token={token}")) == linked
    shown = stranger.get(linked)
    assert "This is a preview" in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert stranger.get(f"{page}/files/gauge.csv?token={token}").content == b"t,h\n1,2"
    assert f"{page}/files/gauge.csv?token={token}" in shown.text
    community = founded(cora, "shown-to-curators")
    review = f"/api/records/{number}/draft/review"
    chosen = {"type": "community-submission", "receiver": {"community": community["id"]}}
    assert ida.send("PUT", review, chosen).status_code == 200
    asked = ida.send("POST", f"/api/records/{number}/draft/actions/submit-review")
    assert asked.status_code == 202
    curator = visitor(lasting, app, cora.email)
    assert curator.goes_on_to(curator.get(page)) == preview
    assert "is under review" in curator.get(preview).text
    assert f'href="/me/requests/{asked.json()["id"]}"' in curator.get(preview).text
    assert texts(owner.get(UPLOADS).text, "//ol[@class='hits']//span") == ["Under review"]
    assert "is under review" in owner.get(page).text
    empty = made(visitor(lasting, app, "new@shows.example"), title="", type="", description="", date="")
    assert visitor(lasting, app, "new@shows.example").get(f"{empty}/preview").status_code == 200


def test_3_13_a_published_record_is_edited_and_followed_by_a_version(lasting: Archive, app: FastAPI) -> None:
    """By buttons on its page, which are there for who may; whoever discards an edit is back at the record."""
    ida = depositor(lasting, "ida@edits.example")
    number = ida.published()["id"]
    record, path = f"/records/{number}", f"/uploads/{number}"
    owner, jo = visitor(lasting, app, ida.email), visitor(lasting, app, "jo@edits.example")
    for one in (jo, Browser(app)):
        assert f"{record}/edit" not in one.get(record).text
    token = {"csrf_token": jo.cookies["csrftoken"]}
    assert jo.post(f"{record}/edit", token).status_code == 403
    assert jo.post(f"{record}/versions", token).status_code == 403
    assert owner.goes_on_to(owner.submit(record, f"{record}/edit")) == path
    page = owner.get(path).text
    assert "Edit of a published record" in page
    assert f"{path}/files/gauge.csv" in page
    assert owner.get(f"{path}/files/gauge.csv").content == b"t,h\n1,2"
    assert owner.get(f"{path}/preview").status_code == 200
    assert owner.goes_on_to(owner.submit(path, f"{path}/publish", action_of=path, title="Anew")) == path
    assert "Anew" in owner.get(record).text
    owner.submit(record, f"{record}/edit")
    assert owner.goes_on_to(owner.submit(path, f"{path}/discard")) == record
    version = owner.goes_on_to(owner.submit(record, f"{record}/versions"))
    assert version != path
    page = owner.get(version).text
    assert "Draft of a new version" in page
    assert owner.goes_on_to(owner.submit(version, f"{version}/files/remove")) == version
    assert "There are no files yet" in owner.get(version).text
    assert owner.get(f"{version}/preview").status_code == 200
    assert owner.goes_on_to(owner.submit(version, f"{version}/discard")) == UPLOADS
    assert owner.get(owner.goes_on_to(owner.get(version))).status_code == 404


def test_3_13_a_form_is_published_as_it_was_filled_in_or_not_at_all(lasting: Archive, app: FastAPI) -> None:
    """Not at a revision that nobody was shown, nor with something dropped of what it says; what was refused stays in
    the draft. A program's publication drops what comes of nothing."""
    ida = depositor(lasting, "ida@filled.example")
    draft = ida.create(communities=[{"identifier": "nowhere"}])
    ida.put(draft, "gauge.csv")
    owner, path = visitor(lasting, app, ida.email), f"/uploads/{draft['id']}"
    [form] = [one for one in lxml.html.fromstring(owner.get(path).text).forms if one.get("action") == path]
    refused = owner.submit(path, f"{path}/publish", action_of=path, title="Anew")
    assert refused.status_code == 400
    assert problems(refused.text) == ["Communities: There is no community called nowhere."]
    odd = owner.submit(path, f"{path}/publish", action_of=path, communities="", date="soon")
    assert odd.status_code == 400
    assert [one.partition(":")[0] for one in problems(odd.text)] == ["Date of publication"]
    assert owner.post(f"{path}/publish", dict(form.form_values())).status_code == 412
    kept = ida.send("GET", draft["links"]["self"]).json()
    assert (kept["metadata"]["title"], kept["submitted"]) == ("Anew", False)
    body = {"metadata": {**METADATA, "communities": [{"identifier": "nowhere"}]}}
    assert ida.send("PUT", draft["links"]["self"], body).status_code == 200
    assert ida.publish(draft)["submitted"]


def test_3_13_forms_are_taken_from_our_own_pages_only(lasting: Archive, app: FastAPI) -> None:
    """Neither a file nor a field without the token of the session, nor a value that no form of ours has; strangers are
    led to sign in."""
    ida = visitor(lasting, app, "ida@own.example")
    path = made(ida)
    assert ida.post(path, {"title": "Theirs"}).status_code == 400
    sent = {"title": "x", "access": "open"}
    for below in ("", "/publish", "/discard", "/files", "/files/remove"):
        assert ida.post(path + below, sent).status_code == 400
        assert Browser(app).goes_on_to(Browser(app).post(path + below, sent)) == "/login/"
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nb\r\n--x--\r\n'
    refused = ida.ask("POST", f"{path}/files", content=form, content_type="multipart/form-data; boundary=x")
    assert refused.status_code == 400
    assert "There are no files yet" in ida.get(path).text
    assert ida.submit(path, action_of=path, type="yacht").status_code == 400
    assert ida.submit(path, action_of=path, access="closed").status_code == 400
    assert ida.submit(path, action_of=path, creator_name=["a"]).status_code == 400
    wrong = ida.submit(path, action_of=path, communities="nowhere-1, nowhere-2")
    assert re.search("There is no community called nowhere-1", ida.get(path).text)
    assert ida.goes_on_to(wrong) == f"{path}?saved=1"


def test_1_a_closed_file_leads_strangers_to_sign_in_and_back(lasting: Archive, app: FastAPI) -> None:
    """At its page address; who is signed in and may not read it is refused there, programs at the API's addresses."""
    ida = depositor(lasting, "ida@closed.example")
    number = ida.published(access_right="restricted")["id"]
    path = f"/records/{number}/files/gauge.csv"
    stranger, jo = Browser(app), visitor(lasting, app, "jo@closed.example")
    assert stranger.goes_on_to(stranger.get(path)) == f"/login/?next={path.replace('/', '%2F')}"
    assert jo.get(path).status_code == 403
    assert stranger.get(f"/api{path}").status_code == 403
    assert visitor(lasting, app, ida.email).get(path).content == b"t,h\n1,2"
