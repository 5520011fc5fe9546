"""Pages of requests (Zenodo's REST API, requests, `self_html`) and pages on which a community is run: by forms in a
session, as by the API."""

from __future__ import annotations

import lxml.html
from fastapi import FastAPI

from pipeline.catalogue import accounts
from tests.archive import Archive
from tests.browsing import Browser, texts, visitor
from tests.system.over_http.contract.curators import founded
from tests.system.over_http.contract.depositor import Depositor, depositor

REQUESTS = "/me/requests"


def titles(browser: Browser, path: str) -> list[str]:
    return texts(browser.get(path).text, "//ol[@class='hits']//h2")


def submitted(ida: Depositor, community_id: str, title: str) -> dict[str, str]:
    """The request for a review of a new draft."""
    draft = ida.create(title=title)
    ida.put(draft, "gauge.csv")
    path = f"/api/records/{draft['id']}/draft"
    chosen = {"type": "community-submission", "receiver": {"community": community_id}}
    assert ida.send("PUT", f"{path}/review", chosen).status_code == 200
    asked = ida.send("POST", f"{path}/actions/submit-review")
    assert asked.status_code == 202, asked.text
    return {"id": asked.json()["id"], "draft": str(draft["id"])}


def test_a_curator_answers_a_review_on_its_page(small: Archive, app: FastAPI) -> None:
    """It is among what is asked of them and of the community, with the draft's preview; what both say is in its
    timeline, escaped; accepted, the record is published and the request closed."""
    ida, cora = depositor(small, "ida@asks.example"), depositor(small, "cora@asks.example")
    community = founded(cora, "asked")
    asked = submitted(ida, community["id"], "Gauge <b>1</b>")
    path = f"{REQUESTS}/{asked['id']}"
    owner, curator, jo = (visitor(small, app, one) for one in (ida.email, cora.email, "jo@asks.example"))
    assert titles(curator, f"{REQUESTS}?whose=received") == ["Gauge <b>1</b>"]
    assert titles(curator, "/communities/asked/requests") == ["Gauge <b>1</b>"]
    assert titles(owner, f"{REQUESTS}?whose=made") == titles(owner, REQUESTS) == ["Gauge <b>1</b>"]
    assert titles(owner, f"{REQUESTS}?whose=received") == titles(jo, REQUESTS) == []
    assert titles(owner, f"{REQUESTS}?q=nothing") == titles(owner, f"{REQUESTS}?closed=1") == []
    page = curator.get(path).text
    assert f'href="/uploads/{asked["draft"]}/preview"' in page
    assert texts(page, "//button[@formaction]") == ["Accept", "Decline"]
    assert texts(owner.get(path).text, "//button[@formaction]") == ["Take it back"]
    assert jo.get(path).status_code == 403
    assert Browser(app).goes_on_to(Browser(app).get(path)).startswith("/login/?next=")
    form = f"{path}/comments"
    assert curator.submit(path, form, comment="").status_code == 400
    said = curator.submit(path, form, comment="Units & <script>alert(1)</script>?")
    assert curator.goes_on_to(said) == path
    assert owner.goes_on_to(owner.submit(path, form, comment="Metres.\n\nOf course.")) == path
    page = owner.get(path).text
    assert "<script>alert" not in page
    assert "<p>Metres.</p><p>Of course.</p>" in page
    accept = f"{path}/actions/accept"
    token = {"csrf_token": jo.cookies["csrftoken"], "comment": ""}
    assert jo.post(accept, dict(token)).status_code == 403
    assert curator.post(accept, {"comment": ""}).status_code == 400
    done = curator.submit(path, accept, action_of=form, comment="Welcome.")
    assert curator.goes_on_to(done) == path
    assert Browser(app).get(f"/records/{asked['draft']}").status_code == 200
    page = owner.get(path).text
    assert "Welcome." in page
    assert texts(page, "//button[@formaction]") == []
    assert titles(owner, f"{REQUESTS}?closed=1") == ["Gauge <b>1</b>"]
    again = curator.post(f"{path}/actions/decline", {"csrf_token": curator.cookies["csrftoken"]})
    assert again.status_code == 400
    assert "Cannot decline a request that is accepted" in again.text


def test_members_are_invited_changed_and_dismissed_on_pages(small: Archive, app: FastAPI) -> None:
    """By those whose role lets them; each leaves by themselves, but the last owner stays."""
    cora = depositor(small, "cora@members.example")
    founded(cora, "members")
    owner, jo = visitor(small, app, cora.email), visitor(small, app, "jo@members.example")
    with small.services.catalogue.read() as tx:
        numbers = [accounts.find_account(tx, one) for one in (cora.email, "jo@members.example")]
    mine, number = (str(one.id) for one in numbers if one is not None)
    path = "/communities/members/members"
    assert f"You are user {number}" in jo.get("/account/settings/applications/").text
    for page in (path, "/communities/members/requests", "/communities/members/settings"):
        assert jo.get(page).status_code == 403
    assert "/members/settings" not in jo.get("/communities/members").text
    assert "/members/settings" in owner.get("/communities/members").text
    invite = "/communities/members/invitations"
    assert owner.submit(path, invite, account="999999").status_code == 400
    assert owner.submit(path, invite, account="Jo").status_code == 400
    assert (
        owner.goes_on_to(owner.submit(path, invite, account=number, role="curator", message="Come!")) == path
    )
    again = owner.submit(path, invite, account=number, role="curator")
    assert texts(again.text, "//*[@id='problem']") == ["A member was already added or invited."]
    [invitation] = lxml.html.fromstring(jo.get(REQUESTS).text).xpath("//ol[@class='hits']//a/@href")
    page = jo.get(invitation).text
    assert "Come!" in page
    accepted = jo.submit(invitation, f"{invitation}/actions/accept", action_of=f"{invitation}/comments")
    assert jo.goes_on_to(accepted) == invitation
    assert jo.get(path).status_code == jo.get("/communities/members/requests").status_code == 200
    assert jo.get("/communities/members/settings").status_code == 403
    assert (
        jo.post(f"{path}/{mine}", {"csrf_token": jo.cookies["csrftoken"], "role": "reader"}).status_code
        == 403
    )
    token = {"csrf_token": owner.cookies["csrftoken"]}
    assert owner.goes_on_to(owner.post(f"{path}/{number}", {**token, "role": "manager"})) == path
    assert jo.get("/communities/members/settings").status_code == 200
    assert jo.goes_on_to(
        jo.post(f"{path}/{number}", {"csrf_token": jo.cookies["csrftoken"], "visible": "yes"})
    )
    assert "Manager since 2026-03-09, shown to everybody" in owner.get(path).text
    refused = owner.submit(path, f"{path}/{mine}/leave")
    assert texts(refused.text, "//*[@id='problem']") == ["A community must have at least one owner."]
    assert jo.goes_on_to(jo.submit(path, f"{path}/{number}/leave")) == "/communities/members"
    assert jo.get(path).status_code == 403


def test_settings_of_a_community_are_changed_on_a_page(small: Archive, app: FastAPI) -> None:
    """What the form does not show stays; what is wrong is said, and nothing lost."""
    cora = depositor(small, "cora@settings.example")
    made = founded(cora, "settings", organizations=[{"name": "Pier Institute"}])
    owner, path = visitor(small, app, cora.email), "/communities/settings/settings"
    refused = owner.submit(path, title="", website="ftp://x", description="Kept")
    assert refused.status_code == 400
    assert texts(refused.text, "//*[@id='problem']//li") == [
        "title: Missing data for required field.",
        "website: Not a valid URL.",
    ]
    assert "Kept" in refused.text
    said = {"title": "Tides & more", "page": "One.\n\nTwo.", "review_policy": "members"}
    assert owner.goes_on_to(owner.submit(path, **said)) == "/communities/settings"
    shown = cora.send("GET", f"/api/communities/{made['id']}").json()
    assert shown["metadata"]["title"] == "Tides & more"
    assert shown["metadata"]["page"] == "<p>One.</p><p>Two.</p>"
    assert shown["metadata"]["organizations"] == [{"name": "Pier Institute"}]
    assert shown["access"]["review_policy"] == "members"
    assert owner.submit(path, type="yacht").status_code == 400
