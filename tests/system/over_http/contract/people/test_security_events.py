"""Whichever way something comes about, the same security event says so (OWASP ASVS 5.0, V16, by number in
docs/security.md)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import argon2
import pytest

from gateway.app import create_app
from pipeline.access import Viewer
from pipeline.catalogue import inquiries, sessions
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.inquiries import Inquiry
from pipeline.errors import Rejected
from pipeline.people import access_requests, passwords, recognition, signing_in, tokens
from pipeline.people.access_requests import Asking
from tests.archive import Archive, open_archive
from tests.browsing import Browser
from tests.identity_provider import CLIENT, SECRET, IdentityProvider, identity_provider
from tests.system.over_http.contract.curators import COMMUNITIES, account_id, done, founded, joined
from tests.system.over_http.contract.depositor import Depositor, depositor

IDA, JO = "ida@pier.example", "jo@pier.example"
PASSWORD, OTHER = "moored at the northern pier", "adrift on the southern sea"
SECURITY = "/account/settings/security/"

Event = dict[str, object]
Noted = Callable[[], list[Event]]


@pytest.fixture
def noted(caplog: pytest.LogCaptureFixture) -> Noted:
    """What was noted since it was asked for last; requests that were refused are left out."""
    caplog.set_level(logging.INFO, "headrace.security")

    def taken() -> list[Event]:
        facts = [one.facts for one in caplog.records if one.name == "headrace.security"]  # type: ignore[attr-defined]
        caplog.clear()
        hidden = ("from", "scopes", "name")
        kept = [one for one in facts if one["event"] != "refused"]
        return [{key: value for key, value in one.items() if key not in hidden} for one in kept]

    return taken


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """On the embedded parts: no event is a database's."""
    with open_archive(tmp_path / "home", registration=True) as opened:
        yield opened


def event(name: str, by: int | None, **facts: object) -> Event:
    return {"event": name, "account": by, **facts}


def given(archive: Archive, email: str = IDA) -> Account:
    """An account with a password."""
    made = signing_in.make_account(archive.services, email, admin=False)
    signing_in.give_password(archive.services, made, PASSWORD)
    return made


def test_v16_however_an_account_is_made(archive: Archive, noted: Noted) -> None:
    """By an operator, with a token, by a mailed link; a second token or link makes none."""
    services = archive.services
    given(archive)
    tokens.issue(services, JO, [])
    tokens.issue(services, JO, [])
    assert noted() == [
        event("account-made", None, of=1, admin=False),
        event("password-set", None, of=1, way="operator"),
        event("account-made", None, of=2, admin=False),
        event("token-made", None, of=2),
        event("token-made", None, of=2),
    ]
    signing_in.request_link(services, "new@pier.example")
    assert noted() == [event("link-mailed", None, of=None)]
    for made in ([event("account-made", None, of=3, admin=False)], []):
        with services.catalogue.write() as tx:
            link = sessions.make_link(
                tx, "new@pier.example", now=archive.clock(), lifetime=timedelta(hours=1)
            )
        signing_in.use_link(services, link, PASSWORD)
        assert noted() == [*made, event("password-set", 3, of=3, way="mailed link")]


def test_v16_however_somebody_signs_in_with_a_provider(tmp_path: Path, noted: Noted) -> None:
    """For the first time, with and without an account, and again; or connects their identity, once."""
    with identity_provider() as provider:
        oidc = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
        with open_archive(tmp_path / "home", registration=True, **oidc) as archive:
            _sign_in_with(provider, archive, noted)


def _sign_in_with(provider: IdentityProvider, archive: Archive, noted: Noted) -> None:
    provider.now = archive.clock
    app = create_app(archive.services)
    given(archive)
    jo = given(archive, JO)
    noted()

    def recognised(**claims: object) -> list[Event]:
        provider.claims = claims
        browser = Browser(app)
        browser.get(provider.authorise(browser.get("/login/oidc/").headers["location"]))
        return noted()

    signed_in = {"way": "identity provider"}
    ida = {"sub": "1", "email": IDA, "email_verified": True}
    assert recognised(**ida) == [event("identity-connected", 1), event("signed-in", 1, **signed_in)]
    assert recognised(**ida) == [event("signed-in", 1, **signed_in)]
    assert recognised(sub="2", email="new@pier.example", email_verified=True) == [
        event("account-made", None, of=3, admin=False),
        event("identity-connected", 3),
        event("signed-in", 3, **signed_in),
    ]
    assert recognised(sub="3") == [event("sign-in-refused", None, **signed_in)]
    begun = [recognition.begin(archive.services, path=SECURITY, account=jo) for _ in range(2)]
    for (url, state), expected in zip(begun, ([event("identity-connected", 2)], []), strict=True):
        [code] = parse_qs(urlsplit(provider.authorise(url)).query)["code"]
        recognition.finish(archive.services, state, code, signed_in=jo)
        assert noted() == expected
    recognition.disconnect(archive.services, jo)
    assert noted() == [event("identity-disconnected", 2)]


def test_v16_however_a_session_ends(archive: Archive, noted: Noted) -> None:
    """By signing out, by signing in anew in the same browser, from elsewhere; what is over already ends no more."""
    services, account = archive.services, given(archive)
    browser = Browser(create_app(services))
    browser.submit("/login/", email=IDA, password=PASSWORD)
    noted()
    browser.submit("/login/?again=1", "/login/", email=IDA, password=PASSWORD)
    signed_out, ended = event("signed-out", 1), event("sessions-ended", 1, of=1)
    assert noted() == [event("signed-in", 1, way="password"), signed_out]
    browser.submit("/", "/logout/")
    assert noted() == [signed_out]
    secret = signing_in.sign_in(services, IDA, PASSWORD)
    assert secret is not None
    [session] = signing_in.list_sessions(services, account)
    noted()
    signing_in.sign_out_elsewhere(services, account, secret)
    signing_in.sign_out_there(services, account, session.handle)
    signing_in.sign_out(services, secret)
    assert noted() == [ended, ended]
    signing_in.sign_out_everywhere(services, account)
    assert noted() == [event("sessions-ended", None, of=1)]


def test_v16_however_a_password_is_refused(
    archive: Archive, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped old password is no attempt to sign in; one that was changed meanwhile is refused as well."""
    services, account = archive.services, given(archive)
    noted()

    class Meanwhile(argon2.PasswordHasher):
        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            monkeypatch.undo()
            signing_in.give_password(services, account, OTHER)
            return super().hash(password, salt=salt)

    def change(old: str) -> None:
        with pytest.raises(Rejected):
            signing_in.change_password(services, account, old, f"{OTHER}, again", secret="")

    change(OTHER)
    assert noted() == [event("password-refused", 1)]
    monkeypatch.setattr(passwords, "_HASHER", Meanwhile(1, 8, 1))
    change(PASSWORD)
    assert noted() == [event("password-set", None, of=1, way="operator"), event("password-refused", 1)]
    signing_in.change_password(services, account, OTHER, PASSWORD, secret="")
    assert noted() == [event("password-set", 1, of=1, way="old password")]
    assert signing_in.sign_in(services, IDA, OTHER) is None
    assert noted() == [event("sign-in-refused", 1, way="password")]


def test_v16_however_a_token_is_made_and_revoked(archive: Archive, noted: Noted) -> None:
    """By its owner and by an operator; an account has a hundred at most, whoever makes them."""
    services, account = archive.services, given(archive)
    noted()
    tokens.create(services, account, "gauge", ["deposit:write"])
    tokens.issue(services, IDA, [])
    tokens.revoke(services, 1, by=account)
    tokens.revoke(services, 2, by=None)
    assert noted() == [
        event("token-made", 1, of=1),
        event("token-made", None, of=1),
        event("token-revoked", 1, of=1, token=1),
        event("token-revoked", None, of=1, token=2),
    ]
    for _ in range(tokens.MOST):
        tokens.issue(services, IDA, [])
    noted()
    with pytest.raises(Rejected):
        tokens.issue(services, IDA, [])
    with pytest.raises(Rejected):
        tokens.create(services, account, "one too many", [])
    assert noted() == []


def test_v16_however_a_role_changes(archive: Archive, noted: Noted) -> None:
    """By founding a community, by an invitation that is accepted, by who may, and with the community itself."""
    ida, bo, cy = (depositor(archive, f"{name}@pier.example") for name in ("ida", "bo", "cy"))
    idas, bos, cys = (int(account_id(who)) for who in (ida, bo, cy))
    made = founded(ida, "tides")
    joined(bo, ida, made, "reader")
    joined(cy, ida, made, "reader")
    path = f"{COMMUNITIES}/{made['id']}"
    members = {"members": [{"type": "user", "id": str(bos)}]}
    assert ida.send("PUT", f"{path}/members", {**members, "role": "manager"}).status_code == 204
    assert bo.send("DELETE", f"{path}/members", members).status_code == 204
    assert ida.client.ask("DELETE", path).status_code == 204

    def changed(by: int, of: int, role: str | None) -> Event:
        return event("role-changed", by, community=made["id"], of=of, role=role)

    assert noted() == [
        changed(idas, idas, "owner"),
        changed(bos, bos, "reader"),
        changed(cys, cys, "reader"),
        changed(idas, bos, "manager"),
        changed(bos, bos, None),
        changed(idas, idas, None),
        changed(idas, cys, None),
    ]


def test_v16_however_access_is_given(archive: Archive, noted: Noted) -> None:
    """By the owner at once, and by a request that they accept, to people and to guests; not to who has it already."""
    ida, jo = depositor(archive, IDA), depositor(archive, JO)
    idas, jos = int(account_id(ida)), int(account_id(jo))
    record = ida.published(access_right="restricted")
    asker = Viewer(JO, account_id=jos)
    asked = access_requests.ask(archive.services, record["id"], asker, Asking(JO, "Jo", ""))
    done(ida, {"id": asked.id}, "accept")
    work = int(record["conceptrecid"])
    [by_request] = noted()
    assert by_request == event("access-given", idas, work=work, right="view", to=jos)
    _accepted_guest(archive, ida, record["id"])
    [to_guest] = noted()
    assert isinstance(to_guest.pop("link"), str)
    assert to_guest == event("access-given", idas, work=work, right="view")
    grants = f"/api/records/{record['id']}/access/grants"
    assert ida.send("DELETE", f"{grants}/0").status_code == 204
    subject = {"subject": {"type": "user", "id": str(jos)}, "permission": "edit"}
    asked = access_requests.ask(archive.services, record["id"], asker, Asking(JO, "Jo", ""))
    assert ida.send("POST", grants, {"grants": [subject]}).status_code == 201
    done(ida, {"id": asked.id}, "accept")
    assert noted() == [
        event("access-taken", idas, work=work, to=jos),
        event("access-given", idas, work=work, right="edit", to=jos),
    ]


def _accepted_guest(archive: Archive, ida: Depositor, record_id: int) -> None:
    """A guest's, who confirmed it, is accepted."""
    inquiry = Inquiry(record_id, "guest@far.example", "A guest", "")
    with archive.services.catalogue.write() as tx:
        token = inquiries.add(tx, inquiry, expires=archive.clock() + access_requests.CONFIRMED_WITHIN)
    asked = access_requests.confirm(archive.services, token)
    done(ida, {"id": asked.id}, "accept")
