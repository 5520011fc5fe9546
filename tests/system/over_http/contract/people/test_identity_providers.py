"""People sign in with an OpenID provider, and nobody with what cannot be trusted (OpenID Connect Core 1.0, section
3.1.3.7; RFC 9700)."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from joserfc import jwt

from gateway.app import create_app
from pipeline import wiring
from pipeline.catalogue import accounts
from pipeline.errors import Misconfigured, Unavailable
from pipeline.people import signing_in
from pipeline.settings import Settings
from tests.archive import Archive, open_archive
from tests.browsing import Browser
from tests.identity_provider import CLIENT, SECRET, IdentityProvider, identity_provider, new_key

IDA, JO = "ida@pier.example", "jo@pier.example"
PASSWORD = "moored at the northern pier"
SECURITY = "/account/settings/security/"


@pytest.fixture(scope="module")
def standing() -> Iterator[IdentityProvider]:
    with identity_provider() as provider:
        yield provider


@pytest.fixture
def provider(standing: IdentityProvider) -> IdentityProvider:
    """An honest one, at which Ida is there, with an address that it proved."""
    standing.claims = {"sub": "0000-0001", "email": IDA, "email_verified": True}
    standing.userinfo, standing.metadata = {}, {}
    standing.lie, standing.sign = (lambda claims: claims), None
    standing.key = new_key("first")
    return standing


def settings_for(provider: IdentityProvider, **more: object) -> dict[str, object]:
    return {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SECRET,
        "oidc_name": "Harbour ID",
        **more,
    }


@pytest.fixture
def archive(provider: IdentityProvider, request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Archive]:
    more = getattr(request, "param", {})
    with open_archive(tmp_path / "home", **settings_for(provider, **more)) as opened:
        provider.now = opened.clock
        yield opened


@pytest.fixture
def app(archive: Archive) -> FastAPI:
    return create_app(archive.services)


def make(archive: Archive, email: str, *, admin: bool = False) -> None:
    with archive.services.catalogue.write() as tx:
        account = accounts.create_account(tx, email, admin=admin, now=archive.clock())
    signing_in.give_password(archive.services, account, PASSWORD)


def attempt(app: FastAPI, provider: IdentityProvider, path: str = "/login/oidc/") -> tuple[Browser, str]:
    """A browser that the provider sends back, and the address that it is sent back to."""
    browser = Browser(app)
    begun = browser.get(path)
    assert begun.status_code == 302, begun.text
    return browser, provider.authorise(begun.headers["location"])


def recognised(app: FastAPI, provider: IdentityProvider) -> str:
    """Who is signed in after an attempt; `""` for nobody."""
    browser, back = attempt(app, provider)
    answer = browser.get(back)
    assert answer.status_code in (303, 400, 403), answer.text
    return who(browser)


def who(browser: Browser) -> str:
    text = browser.get("/").text
    return next((one for one in (IDA, JO, "keeper@pier.example", "new@pier.example") if one in text), "")


def test_whose_address_is_proved_gets_their_account(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """And goes on where they wanted to; from then on it is their identity that opens it, whatever address it has."""
    make(archive, IDA)
    make(archive, JO)
    browser, back = attempt(app, provider, "/login/oidc/?next=/search%3Fq%3Dtides")
    assert browser.goes_on_to(browser.get(back)) == "/search?q=tides"
    assert who(browser) == IDA
    assert "oidc_state" not in browser.cookies
    provider.claims = {"sub": "0000-0001", "email": JO, "email_verified": True}
    assert recognised(app, provider) == IDA
    provider.claims = {"sub": "0000-0001"}
    assert recognised(app, provider) == IDA


@pytest.mark.parametrize(
    "claims",
    [
        {"email": IDA},
        {"email": IDA, "email_verified": False},
        {"email": IDA, "email_verified": "true"},
        {"email": IDA, "email_verified": 1},
        {"email_verified": True},
        {"email": [IDA], "email_verified": True},
        {"email": f"{IDA}\n", "email_verified": False},
    ],
)
def test_an_address_that_nobody_proved_opens_nothing(
    app: FastAPI, archive: Archive, provider: IdentityProvider, claims: dict[str, Any]
) -> None:
    """Whoever wrote it there."""
    make(archive, IDA)
    provider.claims = {"sub": "0000-0002", **claims}
    assert recognised(app, provider) == ""


def test_an_address_never_opens_what_it_should_not(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """Neither an administrator's account, nor one that is connected with somebody else of the same provider, nor makes
    one where people may not."""
    make(archive, IDA)
    make(archive, "keeper@pier.example", admin=True)
    assert recognised(app, provider) == IDA
    for sub, email in (("0000-0002", IDA), ("0000-0003", "keeper@pier.example"), ("0000-0004", JO)):
        provider.claims = {"sub": sub, "email": email, "email_verified": True}
        assert recognised(app, provider) == ""
    with archive.services.catalogue.read() as tx:
        assert len(accounts.list_accounts(tx)) == 2


@pytest.mark.parametrize("archive", [{"registration": True}], indirect=True)
def test_where_people_may_they_get_an_account(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """For an address that was proved."""
    provider.claims = {"sub": "0000-0009", "email": "new@pier.example", "email_verified": True}
    assert recognised(app, provider) == "new@pier.example"


def test_who_is_signed_in_connects_an_identity(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """As of ORCID, which tells no addresses; by a form of their own page alone, and until they disconnect it."""
    make(archive, "keeper@pier.example", admin=True)
    provider.claims = {"sub": "0000-0002-1825-0097"}
    provider.metadata = {
        "scopes_supported": ["openid"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    }
    assert recognised(app, provider) == ""
    browser = Browser(app)
    browser.submit("/login/", email="keeper@pier.example", password=PASSWORD)
    assert browser.post("/login/oidc/connect/", {}).status_code == 400
    page = browser.submit(SECURITY, "/login/oidc/connect/")
    [url] = [one for one in page.text.split('"') if one.startswith(provider.issuer)]
    url = url.replace("&amp;", "&")
    assert "scope=openid&" in url
    back = provider.authorise(url)
    assert browser.goes_on_to(browser.get(back)) == SECURITY
    assert recognised(app, provider) == "keeper@pier.example"
    assert browser.goes_on_to(browser.submit(SECURITY, "/login/oidc/disconnect/")) == SECURITY
    assert recognised(app, provider) == ""


def test_nobody_is_connected_with_the_account_of_another(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """Whoever began must be the one who comes back, and an identity is of one account."""
    make(archive, IDA)
    make(archive, JO)
    assert recognised(app, provider) == IDA
    browser = Browser(app)
    browser.submit("/login/", email=JO, password=PASSWORD)

    def come_back(*, signs_out: bool) -> int:
        page = browser.submit(SECURITY, "/login/oidc/connect/")
        [url] = [one for one in page.text.split('"') if one.startswith(provider.issuer)]
        if signs_out:
            browser.submit("/", "/logout/")
        return browser.get(provider.authorise(url.replace("&amp;", "&"))).status_code

    assert come_back(signs_out=False) == 403
    provider.claims = {"sub": "0000-0007"}
    assert come_back(signs_out=True) == 400
    assert recognised(app, provider) == ""


def test_v7_who_signed_in_lately_connects_identities(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """And disconnects them: a browser that was left open does not. Signing in again may be with the provider."""
    make(archive, JO)
    provider.claims = {"sub": "0000-0009"}
    browser = Browser(app)
    browser.submit("/login/", email=JO, password=PASSWORD)
    archive.clock.move(minutes=16)
    own: dict[str, str | list[str]] = {"csrf_token": browser.cookies["csrftoken"]}
    again = f"/login/?again=1&next={SECURITY.replace('/', '%2F')}"
    assert again.replace("&", "&amp;") in browser.get(SECURITY).text
    for step in ("connect", "disconnect"):
        assert browser.goes_on_to(browser.post(f"/login/oidc/{step}/", own)) == again
    browser.submit(again, "/login/", email=JO, password=PASSWORD)
    page = browser.submit(SECURITY, "/login/oidc/connect/")
    [url] = [one for one in page.text.split('"') if one.startswith(provider.issuer)]
    assert browser.goes_on_to(browser.get(provider.authorise(url.replace("&amp;", "&")))) == SECURITY
    archive.clock.move(minutes=16)
    begun = browser.get(f"/login/oidc/?again=1&next={SECURITY}")
    assert browser.goes_on_to(browser.get(provider.authorise(begun.headers["location"]))) == SECURITY
    assert browser.goes_on_to(browser.submit(SECURITY, "/login/oidc/disconnect/")) == SECURITY


def test_v7_who_a_provider_knows_from_before_proves_nothing_anew(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """A browser that was left open is let in without a question, but lets no others in: neither where no proof anew was
    asked for, nor where that was struck out of the question, which passes through the browser. What counts is when the
    provider says that it asked."""
    make(archive, IDA)
    browser = Browser(app)

    def lets_others_in() -> bool:
        own: dict[str, str | list[str]] = {"csrf_token": browser.cookies["csrftoken"]}
        return "again=1" not in browser.goes_on_to(browser.post("/login/oidc/disconnect/", own))

    def come_back(begun: str, struck: str = "") -> int:
        url = browser.get(begun).headers["location"]
        assert struck in url
        return browser.get(provider.authorise(url.replace(struck, ""))).status_code

    now = int(archive.clock().timestamp())
    for proved, lately in (({}, False), ({"auth_time": now - 1000}, False), ({"auth_time": now - 600}, True)):
        provider.lie = _with(**proved)
        assert (come_back("/login/oidc/"), who(browser), lets_others_in()) == (303, IDA, lately)
    again = f"/login/oidc/?again=1&next={SECURITY}"
    for told in (now - 600, now + 600, 0, True, str(now), None):
        provider.lie = _with(auth_time=told)
        assert come_back(again) == 400, told
    provider.lie = lambda honest: honest
    assert come_back(again, struck="&prompt=login&max_age=0") == 400
    archive.clock.move(minutes=20)
    assert not lets_others_in()
    assert come_back(again) == 303
    assert lets_others_in()


def test_v7_a_disabled_account_is_opened_by_no_identity(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """Neither by one that was connected with it, nor by its address."""
    make(archive, JO)
    provider.claims = {"sub": "0000-0010", "email": JO, "email_verified": True}
    assert recognised(app, provider) == JO
    with archive.services.catalogue.read() as tx:
        account = accounts.find_account(tx, JO)
    assert account is not None
    signing_in.disable(archive.services, account)
    assert recognised(app, provider) == ""
    browser, back = attempt(app, provider)
    refused = browser.get(back)
    assert refused.status_code == 403
    assert "disabled" in refused.text


def test_v7_a_link_of_another_site_signs_nobody_in(archive: Archive) -> None:
    """Though the provider knows them: it leads to the page on which people say that they want to."""
    browser = Browser(create_app(archive.services))
    for site in ("cross-site", "same-site"):
        answer = browser.get("/login/oidc/?next=/search", Sec_Fetch_Site=site)
        assert browser.goes_on_to(answer) == "/login/?next=%2Fsearch"
    for site in ("same-origin", "none"):
        answer = browser.get("/login/oidc/?next=/search&again=1", Sec_Fetch_Site=site)
        assert "prompt=login" in answer.headers["location"]


# ---------------------------------------------------------------- what cannot be trusted


def _with(**claims: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda honest: {**honest, **claims}


def _without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda honest: {key: value for key, value in honest.items() if key != name}


@pytest.mark.parametrize(
    "lie",
    [
        _with(nonce="of another attempt"), _without("nonce"),
        _with(aud="another archive"), _with(aud=["another archive"]), _without("aud"),
        _with(aud=[CLIENT, "another archive"], azp="another archive"),
        _with(iss="https://elsewhere.example"), _without("iss"),
        _with(exp=1_000_000_000), _without("exp"), _with(iat=4_000_000_000), _without("iat"),
        _with(nbf=4_000_000_000),
        _with(sub=""), _without("sub"), _with(sub=7), _with(sub="x" * 256), _with(sub="\u0131da"),
    ],
)  # fmt: skip
def test_a_token_of_another_sign_in_lets_nobody_in(
    app: FastAPI,
    archive: Archive,
    provider: IdentityProvider,
    lie: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Of another attempt, for another archive, of another provider, out of date, or of nobody."""
    make(archive, IDA)
    provider.lie = lie
    assert recognised(app, provider) == ""


def test_a_token_with_a_bad_signature_lets_nobody_in(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """By another key, by our own secret, by the public key taken for a secret, or not signed at all."""
    make(archive, IDA)
    stranger = new_key("first")
    public = provider.key.as_pem(private=False)
    for sign in (
        lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, stranger),
        lambda claims: _by_hand("HS256", claims, SECRET.encode()),
        lambda claims: _by_hand("HS256", claims, public),
        lambda claims: _by_hand("none", claims, b""),
        lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, provider.key)[:-8] + "AAAAAAAA",
        lambda _: "no token",
        lambda _: "",
    ):
        provider.sign = sign
        assert recognised(app, provider) == ""
    provider.sign = None
    assert recognised(app, provider) == IDA


def _by_hand(algorithm: str, claims: dict[str, Any], key: bytes) -> str:
    """A token as no library makes it, with a MAC by `key` where there is one."""

    def encoded(part: bytes) -> bytes:
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    head = json.dumps({"alg": algorithm, "kid": "first"}).encode()
    signed = encoded(head) + b"." + encoded(json.dumps(claims).encode())
    signature = hmac.digest(key, signed, "sha256") if key else b""
    return (signed + b"." + encoded(signature)).decode()


def test_keys_may_change(app: FastAPI, archive: Archive, provider: IdentityProvider) -> None:
    """They are asked for again."""
    make(archive, IDA)
    assert recognised(app, provider) == IDA
    provider.key = new_key("second")
    assert recognised(app, provider) == IDA


def test_an_answer_counts_once_and_in_its_own_browser(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """A replayed answer, another browser's, one of another provider, a late one, or one without a code or a state."""
    make(archive, IDA)
    browser, back = attempt(app, provider)
    before = dict(browser.cookies)
    assert browser.get(back).status_code == 303
    replaying = Browser(app)
    replaying.cookies = before
    assert replaying.get(back).status_code == 400
    browser, back = attempt(app, provider)
    victim = Browser(app)
    assert victim.get(back).status_code == 400
    victim.get("/login/oidc/")
    assert victim.get(back).status_code == 400
    assert browser.get(back.replace("iss=http", "iss=https")).status_code == 400
    for path in ("", "?state=&code=x", "?state=x&code=", "?state=%00&code=x", f"?state={'x' * 9000}&code=x"):
        assert browser.get(f"/login/oidc/callback{path}").status_code == 400
    archive.clock.move(minutes=11)
    assert browser.get(back).status_code == 400
    browser, back = attempt(app, provider)
    denied = f"/login/oidc/callback?state={browser.cookies['oidc_state']}&error=access_denied"
    assert browser.get(denied).status_code == 400
    assert [who(one) for one in (browser, victim, replaying)] == ["", "", ""]


def test_a_code_of_another_attempt_is_refused(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """By the provider, for its proof key: a stolen code is of no use in another browser's attempt (RFC 7636)."""
    make(archive, IDA)
    _, theirs = attempt(app, provider)
    browser, own = attempt(app, provider)
    stolen = theirs.partition("code=")[2].partition("&")[0]
    mixed = own.replace(own.partition("code=")[2].partition("&")[0], stolen)
    assert browser.get(mixed).status_code == 400
    assert who(browser) == ""


@pytest.mark.parametrize(
    ("userinfo", "found"),
    [
        ({"sub": "0000-0001", "email": IDA, "email_verified": True}, IDA),
        ({"sub": "0000-0005", "email": IDA, "email_verified": True}, ""),
        ({"email": IDA, "email_verified": True}, ""),
    ],
)
def test_an_address_may_be_told_apart(
    app: FastAPI, archive: Archive, provider: IdentityProvider, userinfo: dict[str, Any], found: str
) -> None:
    """At the provider's UserInfo endpoint, of the same person only."""
    make(archive, IDA)
    provider.claims = {"sub": "0000-0001"}
    provider.metadata = {"userinfo_endpoint": f"{provider.issuer}/userinfo"}
    provider.userinfo = userinfo
    assert recognised(app, provider) == found


# ---------------------------------------------------------------- settings


def test_a_provider_is_who_the_settings_say(
    app: FastAPI, archive: Archive, provider: IdentityProvider
) -> None:
    """One that calls itself another, or has an endpoint in clear, is asked nothing; one that is away is waited for."""
    for said in ({"issuer": f"{provider.issuer}/"}, {"token_endpoint": "http://elsewhere.example/token"}):
        provider.metadata = said
        with pytest.raises(Misconfigured):
            archive.services.identities.begin("https://x", now=archive.clock())  # type: ignore[union-attr]
        assert Browser(app).get("/login/oidc/").status_code == 503
    settings = Settings(oidc_issuer="http://127.0.0.1:9", oidc_client_id="x")
    away = wiring.open_identities(settings)
    assert away is not None
    with pytest.raises(Unavailable):
        away.begin("https://x", now=archive.clock())


def test_a_provider_that_is_set_halfway_is_refused(tmp_path: Any) -> None:
    """So is one in clear beyond this machine; without one there is no page."""
    for settings in (
        {"oidc_issuer": "https://id.example"},
        {"oidc_issuer": "http://id.example", "oidc_client_id": "x"},
    ):
        with pytest.raises(Misconfigured) as refused:
            wiring.open_identities(Settings(**settings))  # type: ignore[arg-type]
        assert refused.value.field.startswith("HEADRACE_OIDC")
    with open_archive(tmp_path / "home") as archive:
        assert Browser(create_app(archive.services)).get("/login/oidc/").status_code == 404
