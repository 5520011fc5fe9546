"""Whoever guesses at passwords learns little, and is noted (Zenodo's REST API: rate limits; OWASP ASVS 5.0, chapters V6
and V16, by number in docs/security.md)."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Literal

import argon2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from gateway.app import create_app
from pipeline.catalogue import guesses, sessions, tables
from pipeline.errors import TooManyTries
from pipeline.people import passwords, signing_in
from pipeline.settings import Rate
from tests.archive import Archive, open_archive
from tests.asking import Client
from tests.browsing import Browser
from tests.system.over_http.contract.account_holder import (
    DEPOSITIONS,
    IDA,
    JO,
    OTHER,
    PASSWORD,
    SECURITY,
    TOKENS,
    account_of,
    give,
    link_in,
    mails,
    signed_in,
)


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
