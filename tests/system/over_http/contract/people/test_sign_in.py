"""People sign in, and choose passwords (Zenodo's REST API; OWASP ASVS 5.0, chapter V6, by number in
docs/security.md)."""

from __future__ import annotations

import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import argon2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from gateway.app import create_app
from pipeline.catalogue import accounts, tables
from pipeline.errors import Missing
from pipeline.people import passwords, signing_in
from tests.archive import BASE_URL, Archive, open_archive
from tests.asking import Client
from tests.browsing import Browser
from tests.system.over_http.contract.account_holder import (
    DEPOSITIONS,
    IDA,
    JO,
    OTHER,
    PASSWORD,
    SECURITY,
    SESSION,
    TOKENS,
    give,
    link_in,
    mails,
    signed_in,
    whose,
)

# ---------------------------------------------------------------- from an invitation to a token


def test_who_is_invited_chooses_a_password_and_makes_tokens(archive: Archive) -> None:
    """By a link in a mail that works once; signed in, every page says so. A token is shown once, does what it was made
    for, and nothing when it was revoked; whoever signed out is a stranger, with whichever cookie."""
    app = create_app(archive.services)
    with archive.services.catalogue.write() as tx:
        account = accounts.create_account(tx, IDA, admin=False, now=archive.clock())
    signing_in.invite(archive.services, account)
    [(to, text)] = mails(archive)
    assert to == IDA
    browser, link = Browser(app), link_in(text)
    assert IDA in browser.get(link).text
    assert browser.submit(link, password="too short").status_code == 400
    assert browser.submit(link, password=PASSWORD).status_code == 200
    assert browser.get(link).status_code == 404
    assert browser.goes_on_to(browser.get(TOKENS)) == f"/login/?next={TOKENS.replace('/', '%2F')}"
    answer = browser.submit(f"/login/?next={TOKENS}", "/login/", email=IDA.upper(), password=PASSWORD)
    assert browser.goes_on_to(answer) == TOKENS
    assert whose(browser) == IDA
    new = f"{TOKENS}tokens/new/"
    made = browser.submit(TOKENS, new, name="<Gauge> 1", scope=["deposit:write"])
    [token] = re.findall(r'value="(hr_[^"]+)"', made.text)
    assert "&lt;Gauge&gt; 1" in made.text
    assert token not in browser.get(TOKENS).text
    depositor = Client(app, token)
    assert depositor.ask("POST", DEPOSITIONS, content=b"{}").status_code == 201
    assert "used last" in browser.get(TOKENS).text
    [number] = re.findall(r"tokens/(\d+)/revoke/", browser.get(TOKENS).text)
    revoke = f"{TOKENS}tokens/{number}/revoke/"
    assert browser.goes_on_to(browser.submit(TOKENS, revoke)) == TOKENS
    assert depositor.get(DEPOSITIONS).status_code == 401
    before = dict(browser.cookies)
    assert browser.goes_on_to(browser.submit("/", "/logout/")) == "/"
    assert browser.cookies == {}
    browser.cookies = before
    assert whose(browser) == ""
    with archive.services.catalogue.read() as tx:
        assert before[SESSION] not in str(tx.execute(sa.select(tables.session)).all())


@pytest.mark.parametrize(
    "after",
    ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "\\\\elsewhere.example",
     "/%09/elsewhere.example\t", "javascript:alert(1)", "@elsewhere.example", "/a b", "/\r\nSet-Cookie: a=b",
     "elsewhere.example", "", "/" + "x" * 5000],
)  # fmt: skip
def test_signing_in_leads_to_no_other_site(small: Archive, app: FastAPI, after: str) -> None:
    """Whatever link somebody followed to the page."""
    give(small)
    browser = Browser(app)
    browser.get("/login/")
    fields: dict[str, str | list[str]] = {"email": IDA, "password": PASSWORD, "next": after}
    fields["csrf_token"] = browser.cookies["csrftoken"]
    answer = browser.post("/login/", fields)
    assert answer.headers["location"] == f"{BASE_URL}/"


# ---------------------------------------------------------------- mailed links


def test_v6_a_mailed_link_lets_in_once(archive: Archive) -> None:
    """For an hour; looking at it does not use it up; once a password was chosen, no earlier link lets in. Three an hour
    are mailed to an address, none to one without an account, and nothing in the answer tells."""
    app = create_app(archive.services)
    give(archive)
    mails(archive)
    browser = Browser(app)
    asked = [browser.submit("/lost-password/", email=email) for email in (IDA, IDA, IDA, IDA, JO)]
    assert {(one.status_code, one.text) for one in asked} == {(200, asked[0].text)}
    first, second, third = (link_in(text) for _, text in mails(archive))
    archive.clock.move(minutes=59)
    assert [browser.get(first).status_code for _ in range(2)] == [200, 200]
    assert browser.submit(second, password=OTHER).status_code == 200
    assert [browser.get(one).status_code for one in (first, second, third)] == [404] * 3
    assert signed_in(app, password=OTHER)
    browser.submit("/lost-password/", email=IDA)
    late = next(link_in(text) for _, text in mails(archive) if "lost-password" in text and "once" in text)
    archive.clock.move(minutes=61)
    assert browser.get(late).status_code == 404
    with archive.services.catalogue.read() as tx:
        assert late.rpartition("/")[2] not in str(tx.execute(sa.select(tables.mailed_link)).all())


def test_two_at_once_do_not_use_a_link_twice(archive: Archive) -> None:
    """Who comes second is told that it was used."""
    give(archive)
    mails(archive)
    signing_in.request_link(archive.services, IDA)
    [(_, text)] = mails(archive)
    secret = link_in(text).rpartition("/")[2]

    def use(password: str) -> bool:
        try:
            signing_in.use_link(archive.services, secret, password)
        except Missing:
            return False
        return True

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(use, [PASSWORD, OTHER])) == [False, True]


def test_people_make_accounts_only_where_they_may(tmp_path: Path) -> None:
    """By default they do not; where they do, for an address at which they read a mail, and for no other's account."""
    with open_archive(tmp_path / "closed") as archive:
        browser = Browser(create_app(archive.services))
        assert browser.get("/signup/").status_code == 404
        browser.get("/login/")
        token = browser.cookies["csrftoken"]
        assert browser.post("/signup/", {"csrf_token": token, "email": IDA}).status_code == 404
        browser.submit("/lost-password/", email=IDA)
        assert mails(archive) == []
    with open_archive(tmp_path / "open", registration=True) as archive:
        app = create_app(archive.services)
        browser = Browser(app)
        assert browser.submit("/signup/", email="no address").status_code == 400
        assert browser.submit("/signup/", email=IDA).status_code == 200
        with archive.services.catalogue.read() as tx:
            assert accounts.find_account(tx, IDA) is None
        [(_, text)] = mails(archive)
        assert browser.submit(link_in(text), password=PASSWORD).status_code == 200
        assert whose(signed_in(app)) == IDA
        browser.submit("/signup/", email=IDA)
        with archive.services.catalogue.read() as tx:
            assert len(accounts.list_accounts(tx)) == 1


# ---------------------------------------------------------------- passwords and tokens


@pytest.mark.parametrize("password", ["", "elevenchars", "qwertyuiop123", IDA.upper(), "x" * 257, " " * 20])
def test_v6_what_is_soon_guessed_is_no_password(small: Archive, app: FastAPI, password: str) -> None:
    """The page says why, and what was kept goes on."""
    give(small)
    browser = signed_in(app)
    answer = browser.submit(SECURITY, f"{SECURITY}password/", old=PASSWORD, password=password)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    signed_in(app)


@pytest.mark.parametrize(
    "password", ["twelve chars", "x" * 100 + "yzäö☃q9K", "  spaces count  ", "a\u0308 bit of flotsam"]
)
def test_v6_any_characters_make_a_password(small: Archive, app: FastAPI, password: str) -> None:
    """However the keyboard composes them."""
    give(small, password=password)
    for form in ("NFC", "NFD"):
        signed_in(app, password=unicodedata.normalize(form, password))
    with small.services.catalogue.read() as tx:
        assert password not in str(tx.execute(sa.select(tables.user)).all())


def test_v11_a_password_is_hashed_anew_with_todays_parameters(
    small: Archive, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its owner signs in, who notices nothing."""
    give(small)
    with small.services.catalogue.read() as tx:
        account = accounts.find_account(tx, IDA)
        assert account is not None
        before = accounts.find_password(tx, account)
    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(2, 16, 1))
    signed_in(app)
    with small.services.catalogue.read() as tx:
        after = accounts.find_password(tx, account)
    assert after != before
    assert after is not None
    assert "m=16,t=2" in after
    signed_in(app)


def test_nobody_revokes_the_tokens_of_others(small: Archive, app: FastAPI) -> None:
    """Nor makes any with scopes that are none, or without a name, or without end."""
    give(small)
    text = small.token(JO, scopes=["deposit:write"])
    browser = signed_in(app)
    own = {"csrf_token": browser.cookies["csrftoken"]}
    assert browser.post(f"{TOKENS}tokens/1/revoke/", {**own}).status_code == 404
    for number in ("x", "0", "9" * 18, "9" * 19, "9" * 500):
        assert browser.post(f"{TOKENS}tokens/{number}/revoke/", {**own}).status_code == 404
    assert Client(app, text).get(DEPOSITIONS).status_code == 200
    new = f"{TOKENS}tokens/new/"
    assert browser.post(new, {**own, "name": "x", "scope": ["deposit:read"]}).status_code == 400
    assert browser.post(new, {**own, "name": " "}).status_code == 400
    for number in range(101):
        made = browser.post(new, {**own, "name": f"token {number}"})
    assert made.status_code == 400


def test_a_token_is_nobody_on_the_pages_of_an_account(small: Archive, app: FastAPI) -> None:
    """Whoever has one makes no others with it."""
    client = Client(app, small.token(IDA, scopes=["deposit:write", "tokens:generate"]))
    assert client.get(TOKENS).status_code == 302
    assert client.ask("POST", f"{TOKENS}tokens/new/", content=b"name=x").status_code in (302, 400)
