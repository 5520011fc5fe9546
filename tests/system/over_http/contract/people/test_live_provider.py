"""People sign in with an OpenID provider that others wrote (`infra.local.zitadel`), as with our own double in
`test_identity_providers`, which can lie besides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from infra.local.service import running
from infra.local.zitadel import CLIENT, SECRET, zitadel
from pipeline.catalogue import accounts
from tests.archive import BASE_URL, Archive, open_archive
from tests.browsing import Browser

IDA, JO = "ida@pier.example", "jo@pier.example"
PASSWORD = "of the provider's, not ours"
PEOPLE: list[dict[str, object]] = [
    {"ID": "1", "Username": "ida", "Password": PASSWORD, "Email": IDA, "EmailVerified": True},
    {"ID": "2", "Username": "jo", "Password": PASSWORD, "Email": JO, "EmailVerified": False},
]
TOKENS = "/account/settings/applications/"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder: Path = tmp_path_factory.mktemp("live")
    service = zitadel(folder, PEOPLE, f"{BASE_URL}/login/oidc/callback")
    with (
        running(service, folder / "log") as issuer,
        open_archive(
            folder / "home", oidc_issuer=issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET
        ) as opened,
    ):
        for email in (IDA, JO):
            with opened.services.catalogue.write() as tx:
                accounts.create_account(tx, email, admin=False, now=opened.clock())
        yield opened


@pytest.fixture(autouse=True)
def now(archive: Archive) -> None:
    """The provider's clock is the real one, and ours may differ from it by a minute."""
    archive.clock.now = datetime.now(UTC)


@pytest.fixture(scope="module")
def app(archive: Archive) -> FastAPI:
    return create_app(archive.services)


def _at_the_provider(url: str, username: str, password: str) -> httpx.Response:
    """Go where the browser is sent, sign in there, and on to where that leads back to, or to the form again."""
    with httpx.Client(timeout=30) as web:
        form = web.get(url).headers["location"]
        request_id = urlsplit(form).query.removeprefix("authRequestID=")
        answer = web.post(
            urljoin(url, "/login/username"),
            data={"username": username, "password": password, "id": request_id},
        )
        while answer.is_redirect and not answer.headers["location"].startswith(BASE_URL):
            answer = web.get(urljoin(url, answer.headers["location"]))
    return answer


def _signed_in(app: FastAPI, username: str, path: str = "/login/oidc/") -> tuple[Browser, httpx.Response]:
    browser = Browser(app)
    sent = browser.get(path).headers["location"]
    back = _at_the_provider(sent, username, PASSWORD).headers["location"]
    return browser, browser.get(back.removeprefix(BASE_URL))


def test_v10_people_sign_in_with_a_live_provider(app: FastAPI) -> None:
    """Whose address it proved is signed in, at the page that they came from, and may make tokens; the answer counts
    once."""
    browser, answer = _signed_in(app, "ida", f"/login/oidc/?next={TOKENS}")
    assert browser.goes_on_to(answer) == TOKENS
    assert IDA in browser.get("/").text
    assert "hr_" in browser.submit(TOKENS, f"{TOKENS}tokens/new/", name="live").text
    again, answer = _signed_in(app, "ida", f"/login/oidc/?again=1&next={TOKENS}")
    assert again.goes_on_to(answer) == TOKENS
    sent = again.get("/login/oidc/").headers["location"]
    back = _at_the_provider(sent, "ida", PASSWORD).headers["location"].removeprefix(BASE_URL)
    assert Browser(app).get(back).status_code == 400
    assert again.get(back).status_code == 303
    assert again.get(back).status_code == 400


def test_v10_a_live_provider_that_proved_no_address_opens_no_account(app: FastAPI) -> None:
    """Nor does a password that it does not take, whose page leads nowhere."""
    browser, answer = _signed_in(app, "jo")
    assert answer.status_code == 403
    assert JO not in browser.get("/").text
    sent = Browser(app).get("/login/oidc/").headers["location"]
    assert not _at_the_provider(sent, "ida", "wrong").is_redirect
