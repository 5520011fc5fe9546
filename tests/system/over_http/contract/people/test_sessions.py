"""Sessions speak for people, and for nobody else (Zenodo's REST API: CSRF; OWASP ASVS 5.0, chapters V3, V7 and V14, by
number in docs/security.md)."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import argon2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from gateway.app import create_app
from pipeline.catalogue import accounts, tables
from pipeline.errors import Rejected
from pipeline.model import Access, FilesAccess
from pipeline.people import passwords, signing_in
from tests.archive import BASE_URL, Archive, open_archive
from tests.asking import OTHER_NAME, Client
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
    account_of,
    give,
    link_in,
    mails,
    signed_in,
    whose,
)


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
