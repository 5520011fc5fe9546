"""People sign in, and their sessions speak for them (Zenodo's REST API: CSRF, rate limits; OWASP ASVS 5.0, chapters V6
and V7, by number in docs/security.md)."""

from __future__ import annotations

import logging
import re
import threading
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Literal

import argon2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from gateway.app import create_app
from pipeline import dispatch
from pipeline.catalogue import accounts, guesses, sessions, tables
from pipeline.catalogue.accounts import Account
from pipeline.errors import Missing, Rejected, TooManyTries
from pipeline.model import Access, EffectKind, FilesAccess
from pipeline.people import passwords, signing_in
from pipeline.settings import Rate
from tests.archive import BASE_URL, Archive, open_archive
from tests.asking import OTHER_NAME, Client
from tests.browsing import Browser

IDA, JO = "ida@pier.example", "jo@pier.example"
PASSWORD, OTHER = "moored at the northern pier", "adrift on the southern sea"
TOKENS, SECURITY = "/account/settings/applications/", "/account/settings/security/"
SESSION = "__Host-session"
DEPOSITIONS = "/api/deposit/depositions"


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hashes that are soon made."""
    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(1, 8, 1))
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Archive]:
    """An archive on the embedded parts, for what a database cannot change."""
    with open_archive(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def app(small: Archive) -> FastAPI:
    return create_app(small.services)


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


def test_v7_sessions_end(archive: Archive) -> None:
    """Two hours after their last use, twelve hours after they began; nothing is kept of them then."""
    app = create_app(archive.services)
    give(archive)
    idle = signed_in(app)
    archive.clock.move(minutes=119)
    assert whose(idle) == IDA
    archive.clock.move(minutes=119)
    assert whose(idle) == IDA
    archive.clock.move(minutes=121)
    assert whose(idle) == ""
    busy = signed_in(app)
    for _ in range(11):
        archive.clock.move(hours=1)
        assert whose(busy) == IDA
    archive.clock.move(hours=1)
    assert whose(busy) == ""
    signed_in(app)
    with archive.services.catalogue.read() as tx:
        assert len(tx.execute(sa.select(tables.session)).all()) == 1


# ---------------------------------------------------------------- sessions


def test_v3_the_cookie_of_a_session_is_this_hosts_alone(small: Archive, app: FastAPI) -> None:
    """Sent over TLS only, to no other host, by no other site's form, and read by no script."""
    give(small)
    browser = signed_in(app)
    [line] = [one for one in browser.set_cookies if one.startswith(SESSION)]
    attributes = {one.strip().lower() for one in line.split(";")[1:]}
    assert attributes == {"path=/", "secure", "httponly", "samesite=lax"}
    assert browser.get("/").headers["cache-control"] == "no-store"
    assert Browser(app).get("/").headers["cache-control"] == "no-cache"


def test_without_tls_the_cookie_is_one_that_browsers_take(tmp_path: Path) -> None:
    """On this machine, for a try."""
    with open_archive(tmp_path / "home") as archive:
        services = replace(
            archive.services,
            repository=replace(archive.services.repository, base_url="http://127.0.0.1:8000"),
        )
        give(archive)
        browser = signed_in(create_app(services))
    assert browser.cookies.keys() == {"session", "csrftoken"}
    assert not any("secure" in one.lower() for one in browser.set_cookies)


def test_v7_signing_in_begins_another_session(small: Archive, app: FastAPI) -> None:
    """One that somebody planted is not taken up; the one that there was is over."""
    give(small)
    give(small, JO, OTHER)
    planted = Browser(app)
    planted.get("/login/")
    planted.cookies[SESSION] = "planted"
    planted.submit("/login/", email=IDA, password=PASSWORD)
    first = planted.cookies[SESSION]
    assert first != "planted"
    page = planted.get("/lost-password/").text
    [token] = set(re.findall(r'name="csrf_token" value="([^"]+)"', page))
    fields: dict[str, str | list[str]] = {"csrf_token": token, "email": JO, "password": OTHER}
    assert planted.post("/login/", fields).status_code == 303
    assert whose(planted) == JO
    planted.cookies[SESSION] = first
    assert whose(planted) == ""


def test_v7_a_new_password_ends_all_other_sessions(small: Archive, app: FastAPI) -> None:
    """The one that it was changed in goes on; its owner is told. A wrong one changes nothing."""
    give(small)
    here, elsewhere = signed_in(app), signed_in(app)
    change = f"{SECURITY}password/"
    assert here.submit(SECURITY, change, old=OTHER, password=OTHER).status_code == 400
    assert whose(elsewhere) == IDA
    mails(small)
    assert here.submit(SECURITY, change, old=PASSWORD, password=OTHER).status_code == 200
    assert (whose(here), whose(elsewhere)) == (IDA, "")
    [(to, text)] = mails(small)
    assert to == IDA
    assert "was changed" in text
    signed_in(app, password=OTHER)
    assert Browser(app).submit("/login/", email=IDA, password=PASSWORD).status_code == 400


def test_v6_of_two_who_change_a_password_at_once_one_does(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other knew was right when they gave it, and is not any more: what was chosen first stays."""
    give(archive)
    both_were_right = threading.Barrier(2)

    class Hasher(argon2.PasswordHasher):
        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            both_were_right.wait(10)
            return super().hash(password, salt=salt)

    with archive.services.catalogue.read() as tx:
        account = accounts.find_account(tx, IDA)
    assert account is not None

    def change(password: str) -> bool:
        try:
            signing_in.change_password(archive.services, account, PASSWORD, password, secret="")
        except Rejected:
            return False
        return True

    chosen = [OTHER, f"{OTHER}, again"]
    monkeypatch.setattr(passwords, "_HASHER", Hasher(1, 8, 1))
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(change, chosen))
    assert sorted(done) == [False, True]
    told = [text for _, text in mails(archive) if "was changed" in text]
    assert len(told) == 2, "once when it was given, once when it was changed"
    opened = [signing_in.sign_in(archive.services, IDA, one) is not None for one in (PASSWORD, *chosen)]
    assert opened == [False, *done]


def test_v7_one_signs_out_everywhere_else(small: Archive, app: FastAPI) -> None:
    """Of one's own sessions only."""
    give(small)
    give(small, JO, OTHER)
    here, elsewhere, other = signed_in(app), signed_in(app), signed_in(app, JO, OTHER)
    assert here.submit(SECURITY, f"{SECURITY}sessions/").status_code == 200
    assert [whose(one) for one in (here, elsewhere, other)] == [IDA, "", JO]


def test_v7_a_disabled_account_lets_nobody_in(archive: Archive) -> None:
    """From one moment to the next: no session, token, password, or mailed link of it counts, and no link is mailed.
    What is enabled again has its tokens, and no session."""
    app = create_app(archive.services)
    give(archive)
    mails(archive)
    browser = signed_in(app)
    token = Client(app, archive.token(IDA, scopes=["deposit:write", "tokens:generate"]))
    browser.submit("/lost-password/", email=IDA)
    [(_, text)] = mails(archive)
    assert (whose(browser), token.get(DEPOSITIONS).status_code) == (IDA, 200)
    account = account_of(archive)
    signing_in.disable(archive.services, account)
    assert (whose(browser), token.get(DEPOSITIONS).status_code) == ("", 401)
    assert Browser(app).get(link_in(text)).status_code == 404
    refused = Browser(app).submit("/login/", email=IDA, password=PASSWORD)
    assert refused.status_code == 400
    assert "The address or the password is wrong" in refused.text
    Browser(app).submit("/lost-password/", email=IDA)
    assert mails(archive) == []
    with archive.services.catalogue.read() as tx:
        [(listed, _)] = accounts.list_accounts(tx)
        [made] = accounts.list_tokens(tx, account)
        assert listed.disabled
        assert accounts.find_signer(tx, made.id) is None
    signing_in.enable(archive.services, account)
    assert (whose(browser), token.get(DEPOSITIONS).status_code) == ("", 200)
    assert whose(signed_in(app)) == IDA


def test_v7_people_see_their_sessions_and_end_each(archive: Archive) -> None:
    """Their own only; the one that they look from has no button. After a while they sign in again first."""
    app = create_app(archive.services)
    give(archive)
    give(archive, JO, OTHER)
    first = signed_in(app)
    archive.clock.move(minutes=1)
    second, third, other = signed_in(app), signed_in(app), signed_in(app, JO, OTHER)
    page = third.get(SECURITY).text
    assert page.count("Signed in <time") == 3
    handles = re.findall(r"sessions/([0-9a-f]+)/end/", page)
    assert len(handles) == 2
    assert not any(secret in page for secret in (first.cookies[SESSION], third.cookies[SESSION]))
    # The newest stand first; those of one moment in any order.
    oldest = f"{SECURITY}sessions/{handles[-1]}/end/"
    own: dict[str, str | list[str]] = {"csrf_token": other.cookies["csrftoken"]}
    assert other.post(oldest, own).status_code == 303
    assert whose(first) == IDA
    assert third.submit(SECURITY, oldest).status_code == 303
    assert [whose(one) for one in (first, second, third, other)] == ["", IDA, IDA, JO]
    archive.clock.move(minutes=16)
    page = third.get(SECURITY).text
    assert (page.count("Signed in <time"), "/end/" in page) == (2, False)
    late = third.post(f"{SECURITY}sessions/{handles[0]}/end/", {"csrf_token": third.cookies["csrftoken"]})
    assert third.goes_on_to(late).startswith("/login/?again=1")
    assert whose(second) == IDA


def test_v7_operators_end_sessions(small: Archive, app: FastAPI) -> None:
    """All of somebody's, and nobody else's; passwords and tokens go on."""
    give(small)
    give(small, JO, OTHER)
    browsers = [signed_in(app), signed_in(app), signed_in(app, JO, OTHER)]
    token = Client(app, small.token(IDA))
    signing_in.sign_out_everywhere(small.services, account_of(small))
    assert [whose(one) for one in browsers] == ["", "", JO]
    assert token.get(DEPOSITIONS).status_code == 200
    signed_in(app)


def test_v7_who_signed_in_lately_lets_others_in(small: Archive, app: FastAPI) -> None:
    """A browser that was left open makes no tokens and ends no sessions, though it shows what there is; signing in
    again, in it, leads back, and is another session."""
    give(small)
    browser, elsewhere = signed_in(app), signed_in(app)
    small.clock.move(minutes=14)
    new = f"{TOKENS}tokens/new/"
    assert "hr_" in browser.submit(TOKENS, new, name="in time").text
    small.clock.move(minutes=2)
    again = f"/login/?again=1&next={TOKENS.replace('/', '%2F')}"
    page = browser.get(TOKENS).text
    assert "in time" in page
    assert new not in page
    fields: dict[str, str | list[str]] = {"csrf_token": browser.cookies["csrftoken"], "name": "late"}
    assert browser.goes_on_to(browser.post(new, fields)) == again
    ending = browser.post(f"{SECURITY}sessions/", fields)
    assert browser.goes_on_to(ending).startswith("/login/?again=1")
    assert whose(elsewhere) == IDA
    before = browser.cookies[SESSION]
    assert browser.submit(again, "/login/", email=IDA, password=OTHER).status_code == 400
    assert browser.cookies[SESSION] == before
    answer = browser.submit(again, "/login/", email=IDA, password=PASSWORD)
    assert browser.goes_on_to(answer) == TOKENS
    assert browser.cookies[SESSION] != before
    assert "hr_" in browser.submit(TOKENS, new, name="late").text
    assert browser.submit(SECURITY, f"{SECURITY}sessions/").status_code == 200
    assert whose(elsewhere) == ""


def test_a_session_that_is_none_is_a_strangers(app: FastAPI) -> None:
    """Whatever the cookie holds."""
    for secret in ("", "x", "x" * 5000, '"', "%00"):
        browser = Browser(app)
        browser.cookies[SESSION] = secret
        assert browser.get("/").status_code == 200
        assert browser.get(TOKENS).status_code == 302


def test_v14_answers_in_a_session_are_kept_by_nobody_else(small: Archive, app: FastAPI) -> None:
    """What is restricted is served to its owner, to be kept by their browser alone and shown by no page of another
    site; to anybody else it is not."""
    give(small)
    give(small, JO, OTHER)
    record = small.publish(files={"räk.txt": b"secret"}, access=Access(FilesAccess.RESTRICTED), owner=IDA)
    owner, other = signed_in(app), signed_in(app, JO, OTHER)
    for path in (f"/api/records/{record.id}/files/räk.txt/content", f"/records/{record.id}/files/räk.txt"):
        answer = owner.get(path)
        assert answer.content == b"secret"
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "Cookie" in answer.headers["vary"]
        assert other.get(path).status_code == 403
        assert Browser(app).get(path).status_code == (403 if path.startswith("/api") else 302)
    for path in ("/api/requests/", "/api/deposit/depositions", f"/api/records/{record.id}"):
        assert owner.get(path).headers["cache-control"] == "private, no-cache"
    assert Browser(app).get(f"/api/records/{record.id}").headers["cache-control"] == "no-cache"
    page = f"/records/{record.id}/files/r%C3%A4k.txt"
    stranger = Browser(app)
    again = stranger.goes_on_to(stranger.get(page))
    back = stranger.submit(again, "/login/", email=IDA, password=PASSWORD)
    assert back.headers["location"] == f"{BASE_URL}{page}"


def test_v14_signing_out_leaves_nothing_in_the_browser(small: Archive, app: FastAPI) -> None:
    """No cookie, and nothing that it kept of what the session showed."""
    give(small)
    browser = signed_in(app)
    answer = browser.submit("/", "/logout/")
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert browser.cookies == {}


# ---------------------------------------------------------------- requests that others make


def test_0_2_an_unsafe_call_in_a_session_needs_its_token(archive: Archive) -> None:
    """In the header, which only scripts of ours can set: 400 without it, or with another session's. Reading needs none,
    and a call with a token of its own asks nothing of the session."""
    app = create_app(archive.services)
    give(archive)
    give(archive, JO, OTHER)
    browser, other = signed_in(app), signed_in(app, JO, OTHER)
    for sent in ({}, {"X_CSRFToken": "wrong"}, {"X_CSRFToken": other.cookies["csrftoken"]}):
        refused = browser.ask("POST", DEPOSITIONS, content=b"{}", **sent)
        assert refused.status_code == 400
        assert refused.json()["message"].startswith("CSRF")
    assert browser.get(DEPOSITIONS).json() == []
    own = browser.cookies["csrftoken"]
    made = browser.ask("POST", DEPOSITIONS, content=b"{}", X_CSRFToken=own)
    assert made.status_code == 201
    foreign = {"X_CSRFToken": own, "Origin": "https://elsewhere.example"}
    assert browser.ask("POST", DEPOSITIONS, content=b"{}", **foreign).status_code == 400
    bearer = {"Authorization": f"Bearer {archive.token(JO, scopes=['deposit:write'])}"}
    assert browser.ask("POST", DEPOSITIONS, content=b"{}", **bearer).json()["owner"] != made.json()["owner"]
    assert browser.get(DEPOSITIONS, Authorization="Bearer wrong").status_code == 401
    assert "access-control-allow-credentials" not in browser.get(DEPOSITIONS).headers


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"csrf_token": ""}, {}),
        ({"csrf_token": "wrong"}, {}),
        ({"csrf_token": "ä\ud7ff"}, {}),
        ({"csrf_token": "own"}, {"Origin": "https://elsewhere.example"}),
        ({"csrf_token": "own"}, {"Origin": "null"}),
    ],
)
def test_no_form_of_another_site_does_anything(
    small: Archive, app: FastAPI, fields: dict[str, str], headers: dict[str, str]
) -> None:
    """Neither for who is signed in, nor to sign somebody in."""
    give(small)
    browser, stranger = signed_in(app), Browser(app)
    stranger.get("/login/")
    paths = [
        (browser, "/logout/"),
        (browser, f"{TOKENS}tokens/new/"),
        (browser, f"{SECURITY}sessions/"),
        (browser, f"{SECURITY}password/"),
        (stranger, "/login/"),
        (stranger, "/lost-password/"),
    ]
    given = {"name": "x", "email": IDA, "old": PASSWORD, "password": PASSWORD}
    for one, path in paths:
        token = fields.get("csrf_token")
        sent = {"csrf_token": one.cookies["csrftoken"] if token == "own" else token} if token else {}
        answer = one.post(path, {**given, **sent}, **headers)
        assert answer.status_code == 400, path
        assert "CSRF" in answer.text
    assert whose(browser) == IDA
    assert "You have none" in browser.get(TOKENS).text


@pytest.mark.parametrize("origin", [BASE_URL, OTHER_NAME])
def test_our_own_pages_may(small: Archive, app: FastAPI, origin: str) -> None:
    """By the archive's name, or by that which the browser knows it by."""
    give(small)
    browser = Browser(app)
    browser.get("/login/")
    fields: dict[str, str | list[str]] = {"email": IDA, "password": PASSWORD}
    fields["csrf_token"] = browser.cookies["csrftoken"]
    assert browser.post("/login/", fields, Origin=origin).status_code == 303


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"email": "x"}', "application/json"),
        (b"email=%ff", "application/x-www-form-urlencoded"),
        (b"email=\xff", "application/x-www-form-urlencoded"),
        (b"email=%00", "application/x-www-form-urlencoded"),
        (b"&".join([b"a=1"] * 200), "application/x-www-form-urlencoded"),
        (b"email=" + b"x" * 100_000, "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_no_form_is_refused(app: FastAPI, content: bytes, kind: str) -> None:
    """400, whatever it is."""
    assert Browser(app).ask("POST", "/login/", content=content, content_type=kind).status_code == 400


# ---------------------------------------------------------------- guessing


def test_v6_strangers_do_not_learn_who_has_an_account(small: Archive, app: FastAPI) -> None:
    """A wrong password, an unknown address, an account without a password and what is no address are answered alike."""
    give(small)
    small.token(JO)
    answers = [
        Browser(app).submit("/login/", email=email, password=OTHER)
        for email in (IDA, JO, "nobody@pier.example", "no address")
    ]
    texts = {
        re.sub(r'value="[^"]*"', "", one.text).replace(email, "")
        for one, email in zip(answers, (IDA, JO, "nobody@pier.example", "no address"), strict=True)
    }
    assert [one.status_code for one in answers] == [400] * 4
    assert len(texts) == 1


class Counting(argon2.PasswordHasher):
    """Notes with which parameters the hashes were made that passwords are compared with."""

    def __init__(self) -> None:
        super().__init__(1, 8, 1)
        self.compared: list[argon2.Parameters] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
        self.compared.append(argon2.extract_parameters(str(hash)))
        return super().verify(hash, password)


def test_v6_an_unknown_address_takes_as_long_as_a_wrong_password(
    small: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hash is compared, which takes the same time, for a wrong password, for an account without one, for an address
    that has none, and for what is no address."""
    hasher = Counting()
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    give(small)
    small.token(JO)
    for email in (IDA, JO, "nobody@pier.example", "no address"):
        assert signing_in.sign_in(small.services, email, OTHER) is None
    assert len(hasher.compared) == 4
    assert len(set(map(str, hasher.compared))) == 1


def test_1_7_sign_in_is_limited(tmp_path: Path) -> None:
    """To ten attempts a minute from one address; looking at the page is not counted."""
    with open_archive(tmp_path / "home", rate_limits="sign-in 10/minute") as archive:
        app = create_app(archive.services)
        give(archive)
        browser = Browser(app)
        for _ in range(10):
            assert browser.submit("/login/", email=IDA, password=OTHER).status_code == 400
        refused = browser.submit("/login/", email=IDA, password=PASSWORD)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        archive.clock.move(minutes=2)
        assert browser.submit("/login/", email=IDA, password=PASSWORD).status_code == 303


def test_v6_an_account_is_not_guessed_at_from_everywhere(small: Archive, app: FastAPI) -> None:
    """A hundred passwords an hour for one account, wherever they come from."""
    give(small)
    browser = Browser(app)
    browser.get("/login/")
    fields: dict[str, str | list[str]] = {"email": IDA, "password": OTHER}
    fields["csrf_token"] = browser.cookies["csrftoken"]
    for _ in range(100):
        assert browser.post("/login/", fields).status_code == 400
    assert browser.post("/login/", {**fields, "email": IDA.upper(), "password": PASSWORD}).status_code == 429
    assert browser.post("/login/", {**fields, "email": JO}).status_code == 400
    small.clock.move(hours=2)
    assert browser.post("/login/", {**fields, "password": PASSWORD}).status_code == 303
    change = f"{SECURITY}password/"
    tried = {"csrf_token": browser.cookies["csrftoken"], "old": OTHER, "password": OTHER}
    for number in range(100):
        assert browser.post(change, {**tried, "email": f"{number}@pier.example"}).status_code == 400
    refused = browser.post(change, {**tried, "old": PASSWORD})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 3900
    with pytest.raises(TooManyTries):
        signing_in.change_password(small.services, account_of(small), PASSWORD, OTHER, secret="")
    assert signing_in.sign_in(small.services, f" {IDA}", PASSWORD)


def test_v6_guesses_of_others_keep_no_owner_out(small: Archive, app: FastAPI) -> None:
    """Whoever is signed in changes their password all the same, and a mailed link lets in."""
    give(small)
    browser = Browser(app)
    browser.submit("/login/", email=IDA, password=PASSWORD)
    for _ in range(100):
        with suppress(TooManyTries):
            signing_in.sign_in(small.services, IDA, "not the password of Ida")
    with pytest.raises(TooManyTries):
        signing_in.sign_in(small.services, IDA, PASSWORD)
    signing_in.change_password(small.services, account_of(small), PASSWORD, OTHER, secret="")
    with small.services.catalogue.write() as tx:
        secret = sessions.make_link(tx, IDA, now=small.clock(), lifetime=timedelta(hours=1))
    signing_in.use_link(small.services, secret, PASSWORD)
    assert signing_in.sign_in(small.services, IDA, PASSWORD)


def test_v6_all_gateways_count_guesses_together(archive: Archive) -> None:
    """A hundred an hour, at whichever gateway, and not one more; who goes on trying does not prolong the wait."""
    give(archive)
    rate = Rate(100, 3600)

    def tried(number: int) -> bool:
        with archive.services.catalogue.write() as tx:
            return guesses.admit(tx, JO, rate, now=archive.clock()).admitted

    with ThreadPoolExecutor(4) as gateways:
        assert sum(gateways.map(tried, range(120))) == 100
    for _ in range(2):
        refused = Browser(create_app(archive.services)).submit("/login/", email=JO, password=OTHER)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 3900
        archive.clock.move(minutes=30)
    archive.clock.move(minutes=6)
    other = Browser(create_app(archive.services)).submit("/login/", email=JO, password=OTHER)
    assert other.status_code == 400
    signed_in(create_app(archive.services))
    with archive.services.catalogue.read() as tx:
        kept = tx.execute(sa.select(tables.guess)).all()
    assert len(kept) == 2
    assert JO not in str(kept)


def test_v16_security_events_are_logged(
    small: Archive, app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    """Who signed in and was refused, what was made, given and taken, from where and by whose account; no secret, and no
    address of who has no account."""
    caplog.set_level(logging.INFO, "headrace.security")
    give(small)
    browser = Browser(app)
    browser.submit("/login/", email=IDA, password=OTHER)
    browser.submit("/login/", email="nobody@pier.example", password=OTHER)
    browser.submit("/login/", email=IDA, password=PASSWORD)
    made = browser.submit(TOKENS, f"{TOKENS}tokens/new/", name="x\r\n{}", scope=["deposit:write"])
    [token] = re.findall(r'value="(hr_[^"]+)"', made.text)
    browser.submit(TOKENS, f"{TOKENS}tokens/1/revoke/")
    Client(app, token).get(DEPOSITIONS)
    browser.post("/logout/", {})
    browser.submit("/", "/logout/")
    Browser(app).submit("/lost-password/", email=IDA)
    [link] = [link_in(text) for _, text in mails(small) if "works once" in text]
    Browser(app).submit(link, password=OTHER)
    events = [one.facts for one in caplog.records if one.name == "headrace.security"]  # type: ignore[attr-defined]
    assert [(one["event"], one["account"]) for one in events] == [
        ("password-set", None),
        ("sign-in-refused", 1),
        ("sign-in-refused", None),
        ("signed-in", 1),
        ("token-made", 1),
        ("token-revoked", 1),
        ("refused", None),
        ("refused", 1),
        ("signed-out", 1),
        ("link-mailed", None),
        ("password-set", 1),
    ]
    assert {one["from"] for one in events[1:]} == {"127.0.0.1"}
    assert (events[6]["status"], events[6]["path"]) == (401, DEPOSITIONS)
    told = str(events)
    for secret in (PASSWORD, OTHER, token, link.rpartition("/")[2], "nobody@pier.example"):
        assert secret not in told


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
