"""IdentityProvider by OpenID Connect (Core 1.0; Discovery 1.0): the code flow with PKCE (RFC 7636), state and nonce."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from pipeline.errors import Misconfigured, Rejected, Unavailable
from pipeline.ports import Identity, IdentityRequest
from pipeline.running.loopback import is_loopback

# Signed with a key of the provider's: what is signed with our own secret, or not at all, proves less.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
_SCOPES = ("openid", "email")
_SECONDS = 10.0
_KNOWN_FOR = timedelta(hours=1)
_LEEWAY = 60  # seconds that clocks may differ by
_LARGEST = 1 << 20
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider says of itself, and its keys, as of then."""

    at: datetime
    metadata: Mapping[str, Any]
    keys: KeySet


class OidcProvider:
    """`issuer` is compared with what the provider calls itself to the letter. To be used by several threads."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, name: str) -> None:
        _require_tls(issuer)
        self.issuer = issuer
        self.name = name or urlsplit(issuer).netloc
        self._client_id = client_id
        self._client_secret = client_secret
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def begin(self, redirect_uri: str, *, now: datetime, again: bool = False) -> IdentityRequest:
        metadata = self._look_up(now).metadata
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with self._client(metadata, redirect_uri) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=state,
                nonce=nonce,
                code_verifier=verifier,
                # Core 1.0, section 3.1.2.1: with `max_age` it has to say when it asked.
                **({"prompt": "login", "max_age": "0"} if again else {}),
            )
        return IdentityRequest(url, state, nonce, verifier)

    def finish(
        self,
        code: str,
        redirect_uri: str,
        *,
        nonce: str,
        verifier: str,
        now: datetime,
        since: datetime | None = None,
    ) -> Identity:
        known = self._look_up(now)
        with self._client(known.metadata, redirect_uri) as client:
            token = client.fetch_token(
                known.metadata["token_endpoint"],
                code=code,
                code_verifier=verifier,
                grant_type="authorization_code",
            )
            claims = self._verified(token.get("id_token"), nonce, known, now)
            proved = self._proved(claims.get("auth_time"), now, since)
            if "email" not in claims and known.metadata.get("userinfo_endpoint"):
                told = _json(client.get(known.metadata["userinfo_endpoint"]))
                # Core 1.0, section 5.3.2: else it may be of somebody else.
                claims = {**told, **claims} if told.get("sub") == claims["sub"] else claims
        email = claims.get("email") if claims.get("email_verified") is True else None
        return Identity(self.issuer, claims["sub"], email if isinstance(email, str) else "", proved)

    def describe(self) -> str:
        return f"{self.name}: {self.issuer}"

    def _verified(self, id_token: object, nonce: str, known: _Known, now: datetime) -> dict[str, Any]:
        """The claims of an ID token (Core 1.0, section 3.1.3.7). Raises `Rejected`."""
        try:
            claims: dict[str, Any] = self._decoded(str(id_token), known, now)
            jwt.JWTClaimsRegistry(
                now=int(now.timestamp()),
                leeway=_LEEWAY,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self._client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError) as wrong:
            raise self._refused(wrong) from wrong
        if claims.get("azp", self._client_id) != self._client_id or not _is_subject(claims["sub"]):
            raise self._refused("it is not for us")
        return claims

    def _proved(self, auth_time: object, now: datetime, since: datetime | None) -> datetime | None:
        """When somebody showed the provider who they are (Core 1.0, section 3.1.3.7, step 11). That we asked for it
        proves nothing, since the question went through their browser. Raises `Rejected`."""
        if auth_time is None and since is None:
            return None
        earliest = since.timestamp() - _LEEWAY if since else 0
        if type(auth_time) is not int or not earliest <= auth_time <= now.timestamp() + _LEEWAY:
            raise Rejected(
                f"{self.name} does not say that you showed it just now who you are.",
                remedy="Begin anew, or sign in with your password; a link to choose one can be mailed to you.",
            )
        return min(datetime.fromtimestamp(auth_time, UTC), now)

    def _decoded(self, id_token: str, known: _Known, now: datetime) -> dict[str, Any]:
        try:
            return jwt.decode(id_token, known.keys, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError):
            # Keys change: they are asked for once more, and what these do not fit is refused.
            return jwt.decode(id_token, self._ask(now).keys, algorithms=_ALGORITHMS).claims

    def _refused(self, reason: object) -> Rejected:
        return Rejected(f"What {self.name} says cannot be trusted: {reason}.")

    # ------------------------------------------------------------ the provider

    def _look_up(self, now: datetime) -> _Known:
        known = self._known
        if known is not None and now - known.at < _KNOWN_FOR:
            return known
        return self._ask(now)

    def _ask(self, now: datetime) -> _Known:
        with self._lock, self._told(), httpx.Client(timeout=_SECONDS) as web:
            metadata = _json(web.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"))
            if metadata.get("issuer") != self.issuer:
                raise Misconfigured(
                    f"the provider calls itself {metadata.get('issuer')!r}",
                    field="HEADRACE_OIDC_ISSUER",
                    remedy="set HEADRACE_OIDC_ISSUER to just that",
                )
            for one in _ENDPOINTS:
                _require_tls(str(metadata.get(one, "")))
            keys = KeySet.import_key_set(_json(web.get(metadata["jwks_uri"])))  # type: ignore[arg-type]
        self._known = _Known(now, metadata, keys)
        return self._known

    @contextmanager
    def _client(self, metadata: Mapping[str, Any], redirect_uri: str) -> Iterator[Any]:
        supported = metadata.get("scopes_supported", _SCOPES)
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        with (
            self._told(),
            OAuth2Client(
                client_id=self._client_id,
                client_secret=self._client_secret or None,
                token_endpoint_auth_method=method if self._client_secret else "none",
                scope=" ".join(one for one in _SCOPES if one in supported),
                redirect_uri=redirect_uri,
                code_challenge_method="S256",
                timeout=_SECONDS,
            ) as client,
        ):
            yield client

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong with the provider, in our errors."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"{self.name} does not answer: {error}") from error
        except AuthlibBaseError as error:
            raise Rejected(f"{self.name} does not let you in: {error.error}.") from error
        except JoseError as error:
            raise Unavailable(f"{self.name} has keys that cannot be used: {error}") from error


def _is_subject(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255 and value.isascii()


def _json(answer: httpx.Response) -> dict[str, Any]:
    answer.raise_for_status()
    try:
        document = answer.json() if len(answer.content) <= _LARGEST else None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Unavailable(f"{answer.url} does not answer with a JSON object")
    return document


def _require_tls(url: str) -> None:
    if urlsplit(url).scheme != "https" and not is_loopback(url):
        raise Misconfigured(
            f"{url or 'an endpoint without an address'} is not reached by https://",
            field="HEADRACE_OIDC_ISSUER",
            remedy="name an issuer by https://, such as https://orcid.org",
        )
