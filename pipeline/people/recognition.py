"""Use case: people sign in with an identity provider.

Whose account somebody gets (decision 0015): that which their identity is connected with; else that of the address that
the provider proved to be theirs, unless it is an administrator's, or is connected with another identity of the same
provider. An address that nobody proved opens nothing. Whoever is signed in connects their identity by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from pipeline import security_events
from pipeline.catalogue import Transaction, accounts, identities
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.identities import Asked
from pipeline.errors import Denied, Misconfigured, Missing, Rejected, Unavailable
from pipeline.mail.message import address
from pipeline.people import signing_in
from pipeline.ports import Identity, IdentityProvider
from pipeline.security_events import SignInWay
from pipeline.services import Services

_LIFETIME = timedelta(minutes=10)


def provider(services: Services) -> IdentityProvider:
    """Raises `Missing` where there is none."""
    if services.identities is None:
        raise Missing("There is no identity provider to sign in with here.")
    return services.identities


def begin(
    services: Services, *, path: str, account: Account | None = None, again: bool = False
) -> tuple[str, str]:
    """Where the browser is to be sent, and the state that it has to come back with. `account` is that of who is signed
    in, to be connected; `path` is where they go on to. The provider is to ask them `again` though it knows them."""
    with _usable():
        asked = provider(services).begin(_return_to(services), now=services.now(), again=again)
    with services.catalogue.write() as tx:
        identities.note_request(
            tx, asked, path=path, account=account, again=again, now=services.now(), lifetime=_LIFETIME
        )
    return asked.url, asked.state


def finish(services: Services, state: str, code: str, *, signed_in: Account | None) -> tuple[str | None, str]:
    """Whoever came back with that state and code is signed in: the secret of their session, None where they were before
    and are connected now; and the path of the page that they go on to. Raises `Rejected` where that cannot be believed,
    `Denied` where no account is theirs."""
    with services.catalogue.write() as tx:
        asked = identities.take_request(tx, state, now=services.now())
    if asked is None:
        raise Rejected("This was begun in another browser, or is over: begin anew.")
    with _usable():
        who = provider(services).finish(
            code,
            _return_to(services),
            nonce=asked.nonce,
            verifier=asked.verifier,
            now=services.now(),
            since=asked.since,
        )
    if asked.account_id is not None:
        with services.catalogue.write() as tx:
            is_new = _connect(services, tx, asked, who, signed_in)
        if is_new:
            security_events.identity_connected(asked.account_id)
        return None, asked.path
    try:
        with services.catalogue.write() as tx:
            known = identities.find_account(tx, who)
            account, is_made = (known, False) if known else _by_address(services, tx, who)
            if account.disabled:
                raise Denied("This account is disabled.", remedy="Ask those who run this archive.")
            secret = signing_in.begin_session(services, tx, account, proved=who.proved)
    except Denied:
        security_events.sign_in_refused(None, way=SignInWay.PROVIDER)
        raise
    if is_made:
        security_events.account_made(by=None, of=account.id)
    if known is None:
        security_events.identity_connected(account.id)
    security_events.signed_in(account.id, way=SignInWay.PROVIDER)
    return secret, asked.path


def disconnect(services: Services, account: Account) -> None:
    """The account is not opened by the provider any more."""
    with services.catalogue.write() as tx:
        identities.disconnect(tx, account, provider(services).issuer)
    security_events.identity_disconnected(account.id)


@contextmanager
def _usable() -> Iterator[None]:
    """Whoever signs in cannot mend a provider that is not as the settings say."""
    try:
        yield
    except Misconfigured as wrong:
        raise Unavailable(f"{wrong.field}: {wrong.message}", remedy=wrong.remedy) from wrong


def _return_to(services: Services) -> str:
    return f"{services.repository.base_url}/login/oidc/callback"


def _connect(
    services: Services, tx: Transaction, asked: Asked, who: Identity, signed_in: Account | None
) -> bool:
    """Whether they were not connected before. Raises `Rejected`, `Denied`."""
    if signed_in is None or signed_in.id != asked.account_id:
        raise Rejected("Whoever began this is not signed in any more: begin anew.")
    owner = identities.find_account(tx, who)
    if owner is None and not identities.is_connected(tx, signed_in, who.issuer):
        identities.connect(tx, signed_in, who, now=services.now())
        return True
    if owner is None or owner.id != signed_in.id:
        raise Denied("This identity is another account's, or this account has another identity.")
    return False


def _by_address(services: Services, tx: Transaction, who: Identity) -> tuple[Account, bool]:
    """The account of somebody who comes for the first time, connected with their identity, and whether it is new.
    Raises `Denied`."""
    if not who.email:
        raise _unknown("which proves no e-mail address of yours")
    try:
        email = address(who.email)
    except Rejected:
        raise _unknown("whose e-mail address of yours cannot be used") from None
    found = accounts.find_account(tx, email)
    if found is None and not services.settings.registration:
        raise _unknown("and accounts are made by those who run this archive")
    if found is not None and (found.admin or identities.is_connected(tx, found, who.issuer)):
        raise _unknown("which does not open the account of your address")
    account = found or accounts.create_account(tx, email, admin=False, now=services.now())
    identities.connect(tx, account, who, now=services.now())
    return account, found is None


def _unknown(why: str) -> Denied:
    return Denied(
        f"No account is connected with this identity, {why}. If you have an account, sign in with its password, and "
        "connect the identity on the page of your account."
    )
