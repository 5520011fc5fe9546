"""Asking for closed files, with an account and as a guest (Zenodo's REST API, access requests)."""

import re
from urllib.parse import urlencode

import httpx
import pytest

from gateway.app import create_app
from pipeline.catalogue import mails
from pipeline.mail.message import Mail
from tests.archive import BASE_URL, Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import Depositor, depositor

CONSENT = {"consent_to_share_personal_data": "true"}


@pytest.fixture
def ida(archive: Archive) -> Depositor:
    return depositor(archive, "ida@pier.example")


@pytest.fixture
def jo(archive: Archive) -> Depositor:
    return depositor(archive, "jo@quay.example")


def mailed(archive: Archive) -> list[Mail]:
    with archive.services.catalogue.read() as tx:
        found = [mails.find(tx, number) for number in range(1, 20)]
    return [one for one in found if one is not None]


def ask(who: Depositor, record_id: int, **given: str) -> httpx.Response:
    body = {"email": who.email, "full_name": "Jo Quay", "message": "For my thesis", **CONSENT, **given}
    return who.send("POST", f"/api/records/{record_id}/access/request", body)


def test_4_8_a_user_asks_and_is_granted_to_view(archive: Archive, ida: Depositor, jo: Depositor) -> None:
    """A second time while it is open is 400; of open files, or of what one may read already, 403."""
    record_id = ida.published(access_right="restricted")["id"]
    content = f"/api/records/{record_id}/files/gauge.csv/content"
    asked = ask(jo, record_id)
    assert asked.status_code == 200, asked.text
    made = asked.json()
    assert (made["type"], made["status"]) == ("user-access-request", "submitted")
    assert mailed(archive)[-1].to == ida.email
    assert ask(jo, record_id).status_code == 400
    assert jo.send("POST", f"/api/requests/{made['id']}/actions/accept").status_code == 403
    assert jo.client.get(content).status_code == 403
    accepted = ida.send("POST", f"/api/requests/{made['id']}/actions/accept")
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    assert jo.client.get(content).status_code == 200
    assert ask(jo, record_id).status_code == 403
    assert ask(ida, record_id).status_code == 403
    assert ask(jo, ida.published()["id"]).status_code == 403
    [grant] = ida.send("GET", f"/api/records/{record_id}/access/grants").json()["hits"]["hits"]
    assert grant["permission"] == "view"


def test_4_8_a_guest_confirms_and_is_mailed_a_link(archive: Archive, ida: Depositor, jo: Depositor) -> None:
    """Nothing is asked before the page behind the mailed address is used, within six hours; the link lives as long as
    the settings say."""
    record_id = ida.published(access_right="restricted")["id"]
    assert (
        ida.send("PUT", f"/api/records/{record_id}/access", {"allow_guest_requests": True}).status_code == 200
    )
    assert (
        ida.send("PUT", f"/api/records/{record_id}/access", {"secret_link_expiration": 30}).status_code == 200
    )
    guest = Client(create_app(archive.services))
    someone = Depositor(archive, guest, "guest@far.example")
    answer = ask(someone, record_id)
    assert answer.json() == {"message": "Verification link sent out, please check your e-mail inbox"}
    [mail] = mailed(archive)
    assert mail.to == "guest@far.example"
    [address] = re.findall(rf"{BASE_URL}(/access-requests\S+)", mail.text)
    page = guest.get(address)
    assert (page.status_code, "For my thesis" in page.text) == (200, True)
    assert ida.send("GET", "/api/user/requests").json()["hits"]["total"] == 0
    [token] = re.findall(r'name="csrf_token" value="([^"]+)"', page.text)
    [inquiry] = re.findall(r'name="inquiry" value="([^"]+)"', page.text)
    cookie = page.headers["set-cookie"].partition(";")[0]

    def confirm(**fields: str) -> int:
        form = urlencode({"csrf_token": token, "inquiry": inquiry, **fields}).encode()
        headers = {"content_type": "application/x-www-form-urlencoded", "cookie": cookie}
        return guest.ask("POST", "/access-requests", content=form, **headers).status_code

    assert confirm(inquiry=inquiry[:-1]) == 404
    assert confirm() == 200
    assert confirm() == 404
    [made] = ida.send("GET", "/api/user/requests").json()["hits"]["hits"]
    assert (made["type"], made["status"]) == ("guest-access-request", "submitted")
    assert ida.send("POST", f"/api/requests/{made['id']}/actions/accept").status_code == 200
    sent = mailed(archive)[-1]
    assert sent.to == "guest@far.example"
    [link] = re.findall(r"\?token=(\S+)", sent.text)
    files = f"/api/records/{record_id}/files?token={link}"
    assert guest.get(files).status_code == 200
    archive.clock.move(days=31)
    assert guest.get(files).status_code == 403
    assert ask(someone, record_id).status_code == 200
    [address] = re.findall(rf"{BASE_URL}(/access-requests\S+)", mailed(archive)[-1].text)
    archive.clock.move(hours=7)
    assert guest.get(address).status_code == 404


def test_4_8_requests_are_taken_where_the_settings_do_not_refuse_them(
    archive: Archive, ida: Depositor, jo: Depositor
) -> None:
    """They are where nobody has said so, as on Zenodo, whatever else was said. What is wrong with one is named, and one
    address is not sent mails without end."""
    record_id = ida.published(access_right="restricted")["id"]
    for bad, field in (
        ({"email": ""}, "email"),
        ({"email": "nobody"}, "email"),
        ({"consent_to_share_personal_data": "false"}, "consent_to_share_personal_data"),
        ({"message": "x" * 10_001}, "message"),
    ):
        answer = ask(jo, record_id, **bad)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    statuses = [ask(jo, record_id, email="other@far.example").status_code for _ in range(6)]
    assert statuses == [200] * 5 + [400]
    access = f"/api/records/{record_id}/access"
    assert ida.send("PUT", access, {"secret_link_expiration": 30}).status_code == 200
    assert ask(jo, record_id, email="third@far.example").status_code == 200
    shown = ida.send("PUT", access, {"allow_guest_requests": False}).json()["parent"]["access"]["settings"]
    assert (shown["allow_user_requests"], shown["allow_guest_requests"]) == (False, False)
    assert ask(jo, record_id, email="fourth@far.example").status_code == 403
    assert ask(jo, record_id).status_code == 200
    assert ida.send("PUT", access, {"allow_user_requests": False}).status_code == 200
    assert ask(depositor(archive, "kim@quay.example"), record_id).status_code == 403
