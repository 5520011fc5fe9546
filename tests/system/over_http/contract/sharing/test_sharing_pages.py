"""Pages on which a work is shared by who manages it, and its closed files are asked for: by forms, as by the API
(Zenodo's REST API, access links, grants and requests)."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from fastapi import FastAPI

from gateway.app import create_app
from pipeline import dispatch
from pipeline.access import STRANGER, Viewer
from pipeline.catalogue import accounts
from pipeline.errors import Denied
from pipeline.model import EffectKind
from pipeline.people import access_requests
from tests.archive import BASE_URL, Archive, open_archive
from tests.browsing import Browser, texts, visitor
from tests.system.over_http.contract.depositor import METADATA, depositor


def number_of(archive: Archive, email: str) -> str:
    with archive.services.catalogue.read() as tx:
        found = accounts.find_account(tx, email)
    assert found is not None
    return str(found.id)


def mailed(archive: Archive, to: str) -> str:
    """What the newest mail to an address says."""
    dispatch.drain(archive.services, [EffectKind.MAIL])
    folder = archive.services.settings.home / "mail"
    mails = [
        message_from_bytes(one.read_bytes(), policy=policy.default) for one in sorted(folder.glob("*.eml"))
    ]
    return str([one.get_content() for one in mails if one["To"] == to][-1])  # type: ignore[attr-defined]


def test_a_work_is_shared_by_links_and_with_people_on_its_page(small: Archive, app: FastAPI) -> None:
    """What is made there holds at once, and no more when it is taken back; what is wrong is said. No others may."""
    ida = depositor(small, "ida@shares.example")
    number = ida.published(access_right="restricted")["id"]
    record, path = f"/records/{number}", f"/records/{number}/sharing"
    owner, jo, stranger = (
        visitor(small, app, ida.email),
        visitor(small, app, "jo@shares.example"),
        Browser(app),
    )
    assert path in owner.get(record).text
    assert path not in jo.get(record).text
    assert jo.get(path).status_code == 403
    assert stranger.goes_on_to(stranger.get(path)).startswith("/login/?next=")
    wrong = owner.submit(path, f"{path}/links", expires_at="soon")
    assert wrong.status_code == 400
    assert texts(wrong.text, "//*[@id='problem']//li") == [
        "Good until: Not a valid date: give one as 2026-12-31."
    ]
    made = owner.submit(path, f"{path}/links", permission="view", description="For <Jo>")
    assert owner.goes_on_to(made) == path
    page = owner.get(path)
    assert "For &lt;Jo&gt;" in page.text
    assert page.headers["cache-control"] == "no-store"
    [link] = re.findall(rf'value="{BASE_URL}(/records/{number}\?token=[^"]+)"', page.text)
    file = link.replace("?", "/files/gauge.csv?")
    assert stranger.get(file).content == b"t,h\n1,2"
    [remove] = re.findall(r'action="([^"]+/links/[^"]+/remove)"', page.text)
    assert owner.goes_on_to(owner.submit(path, remove)) == path
    assert stranger.get(file).status_code == 302
    grantee = number_of(small, "jo@shares.example")
    for account in ("999999", "Jo"):
        assert owner.submit(path, f"{path}/grants", account=account).status_code == 400
    given = owner.submit(path, f"{path}/grants", account=grantee, permission="manage", message="Have a look.")
    assert owner.goes_on_to(given) == path
    assert "Have a look." in mailed(small, "jo@shares.example")
    assert jo.get(path).status_code == 200
    again = owner.submit(path, f"{path}/grants", account=grantee)
    assert texts(again.text, "//*[@id='problem']//li") == [
        "Grant for the user/role already exists within this record."
    ]
    assert owner.goes_on_to(owner.submit(path, f"{path}/grants/{grantee}/remove")) == path
    assert jo.get(path).status_code == 403
    token = {"csrf_token": jo.cookies["csrftoken"], "permission": "view"}
    assert jo.post(f"{path}/links", dict(token)).status_code == 403


def test_a_draft_is_shared_by_a_preview_link(small: Archive, app: FastAPI) -> None:
    """It leads to the draft's preview, for whoever has it."""
    ida = depositor(small, "ida@drafts.example")
    number = ida.create(title="Not yet")["id"]
    owner, path = visitor(small, app, ida.email), f"/records/{number}/sharing"
    assert path in owner.get(f"/uploads/{number}").text
    owner.submit(path, f"{path}/links", permission="preview")
    [link] = re.findall(rf'value="{BASE_URL}(/uploads/{number}\?token=[^"]+)"', owner.get(path).text)
    stranger = Browser(app)
    assert "Not yet" in stranger.get(stranger.goes_on_to(stranger.get(link))).text


def test_whoever_manages_a_work_is_not_told_what_a_draft_of_others_is_called(tmp_path: Path) -> None:
    """One that was begun while the work was another's."""
    with open_archive(tmp_path) as archive:
        app = create_app(archive.services)
        jo, ida = depositor(archive, "jo@titles.example"), "ida@titles.example"
        first = archive.publish(owner=jo.email, files={"a.csv": b"1"})
        begun = jo.send("POST", f"/api/deposit/depositions/{first.id}/actions/newversion").json()
        number = begun["links"]["latest_draft"].rpartition("/")[2]
        hidden = {"metadata": {**METADATA, "title": "Not for others"}}
        assert jo.send("PUT", f"/api/deposit/depositions/{number}", hidden).status_code == 200
        path = f"/records/{number}/sharing"
        assert "Not for others" in visitor(archive, app, jo.email).get(path).text
        archive.publish(owner=ida, version_of=first, files={"a.csv": b"2"})
        shown = visitor(archive, app, ida).get(path)
        assert (shown.status_code, "Not for others" in shown.text) == (200, False)


def test_closed_files_are_asked_for_on_a_page(small: Archive, app: FastAPI) -> None:
    """By who is signed in, and by guests, who are mailed a link first; the owner says who may, and under which
    conditions. Nobody asks for what they may read."""
    ida = depositor(small, "ida@closed.example")
    number = ida.published(access_right="restricted")["id"]
    record, path = f"/records/{number}", f"/records/{number}/access-request"
    owner, jo, stranger = (
        visitor(small, app, ida.email),
        visitor(small, app, "jo@closed.example"),
        Browser(app),
    )
    assert path in stranger.get(record).text
    assert path not in owner.get(record).text
    assert owner.get(path).status_code == 403
    assert path not in stranger.get(f"/records/{ida.published()['id']}").text
    sharing = f"{record}/sharing"
    assert owner.submit(sharing, f"{sharing}/settings", secret_link_expiration="many").status_code == 400
    said = {"accept_conditions_text": "No resale <script>alert(1)</script>.", "secret_link_expiration": "7"}
    assert owner.goes_on_to(owner.submit(sharing, f"{sharing}/settings", **said)) == sharing
    shown = jo.get(path).text
    assert "No resale" in shown
    assert "<script>alert" not in shown
    assert jo.submit(path, message="Please").status_code == 400
    asked = jo.goes_on_to(jo.submit(path, full_name="Jo Hand", message="For a <thesis>.", consent="true"))
    assert asked.startswith("/me/requests/")
    assert "For a &lt;thesis&gt;." in owner.get(asked).text
    assert "Jo Hand (jo@closed.example)" in owner.get(asked).text
    assert BASE_URL + asked in mailed(small, ida.email)
    again = jo.submit(path, full_name="Jo Hand", consent="true")
    assert texts(again.text, "//*[@id='problem']//li") == ["Identical access requests already exist."]
    accepted = owner.submit(asked, f"{asked}/actions/accept", action_of=f"{asked}/comments")
    assert owner.goes_on_to(accepted) == asked
    assert jo.get(f"{record}/files/gauge.csv").content == b"t,h\n1,2"
    assert stranger.submit(path, email="x", consent="true").status_code == 400
    sent = stranger.submit(path, email="guest@quay.example", full_name="A guest", consent="true")
    assert "Look into your mailbox" in sent.text
    assert "/access-requests?inquiry=" in mailed(small, "guest@quay.example")
    assert stranger.post(path, {"email": "guest@quay.example", "consent": "true"}).status_code == 400
    owner.post(
        f"{sharing}/settings", {"csrf_token": owner.cookies["csrftoken"], "allow_user_requests": "true"}
    )
    assert "takes no such requests of guests" in stranger.get(path).text
    assert path in stranger.get(record).text
    refused = stranger.post(
        path,
        {
            "csrf_token": stranger.cookies["csrftoken"],
            "email": "guest@quay.example",
            "consent": "true",
        },
    )
    assert refused.status_code == 403


def test_who_would_be_turned_away_is_offered_no_button_to_ask(small: Archive, app: FastAPI) -> None:
    """People with an account where only guests may ask; guests where nobody may. What a guest had asked to confirm is
    not taken either once the owner takes none."""
    ida = depositor(small, "ida@asked.example")
    number = ida.published(access_right="restricted")["id"]
    record, path = f"/records/{number}", f"/records/{number}/access-request"
    jo, stranger = visitor(small, app, "jo@asked.example"), Browser(app)
    stranger.submit(path, email="guest@asked.example", full_name="A guest", consent="true")
    [link] = re.findall(rf"{BASE_URL}(/access-requests\S+)", mailed(small, "guest@asked.example"))

    def offered(**settings: bool) -> tuple[bool, bool]:
        assert ida.send("PUT", f"/api{record}/access", settings).status_code == 200
        return path in jo.get(record).text, path in stranger.get(record).text

    assert offered() == (True, True)
    assert offered(allow_user_requests=False) == (False, True)
    assert "takes no such requests" in jo.get(path).text
    assert offered(allow_guest_requests=False) == (False, False)
    assert stranger.submit(link, "/access-requests").status_code == 403
    assert offered(allow_guest_requests=True) == (False, True)
    assert "Request sent" in stranger.submit(link, "/access-requests").text


def test_nobody_asks_for_what_they_may_read(small: Archive) -> None:
    """Whichever way they ask: the owner, nor whoever presents a link to it."""
    ida = depositor(small, "ida@reads.example")
    number = ida.published(access_right="restricted")["id"]
    link = ida.send("POST", f"/api/records/{number}/access/links", {"permission": "view"}).json()["token"]
    owner = Viewer(ida.email, account_id=int(number_of(small, ida.email)))
    asking = access_requests.Asking("new@reads.example", "New", "")
    for reader in (owner, Viewer(link=link)):
        for ask in (access_requests.ask, access_requests.ask_as_guest):
            with pytest.raises(Denied, match="you have access to the files"):
                ask(small.services, number, reader, asking)
    access_requests.ask_as_guest(small.services, number, STRANGER, asking)
