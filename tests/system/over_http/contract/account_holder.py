"""Those who sign in with a password: their accounts, their browsers, what is mailed to them."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

from fastapi import FastAPI

from pipeline import dispatch
from pipeline.catalogue import accounts
from pipeline.catalogue.accounts import Account
from pipeline.model import EffectKind
from pipeline.people import signing_in
from tests.archive import BASE_URL, Archive
from tests.browsing import Browser

IDA, JO = "ida@pier.example", "jo@pier.example"
PASSWORD, OTHER = "moored at the northern pier", "adrift on the southern sea"
TOKENS, SECURITY = "/account/settings/applications/", "/account/settings/security/"
SESSION = "__Host-session"
DEPOSITIONS = "/api/deposit/depositions"


def give(archive: Archive, email: str = IDA, password: str = PASSWORD) -> None:
    """An account with a password."""
    with archive.services.catalogue.write() as tx:
        account = accounts.find_account(tx, email) or accounts.create_account(
            tx, email, admin=False, now=archive.clock()
        )
    signing_in.give_password(archive.services, account, password)


def account_of(archive: Archive, email: str = IDA) -> Account:
    with archive.services.catalogue.read() as tx:
        found = accounts.find_account(tx, email)
    assert found is not None
    return found


def signed_in(app: FastAPI, email: str = IDA, password: str = PASSWORD) -> Browser:
    browser = Browser(app)
    answer = browser.submit("/login/", email=email, password=password)
    assert answer.status_code == 303, answer.text
    return browser


def whose(browser: Browser) -> str:
    """Who is signed in, as pages say; `""` for a stranger."""
    found = re.search(rf'href="{TOKENS}">([^<]+)<', browser.get("/").text)
    return found[1] if found else ""


def mails(archive: Archive) -> list[tuple[str, str]]:
    """(subject, text) of all that was mailed, the oldest first, once each."""
    dispatch.drain(archive.services, [EffectKind.MAIL])
    folder = archive.services.settings.home / "mail"
    found = []
    for file in sorted(folder.glob("*.eml")):
        message = message_from_bytes(file.read_bytes(), policy=policy.default)
        found.append((message["To"], message.get_content()))  # type: ignore[attr-defined]
        file.unlink()
    return found


def link_in(text: str) -> str:
    """The path of the link in a mail."""
    [url] = re.findall(r"https://\S+/lost-password/\S+", text)
    assert url.startswith(BASE_URL)
    return str(url).removeprefix(BASE_URL)
