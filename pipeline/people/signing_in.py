"""Use case: people sign in with a password, and choose one by a link that is mailed to them.

Nothing here tells a stranger which addresses have accounts: what is asked with a wrong address is answered as with a
right one, and takes as long.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.catalogue import Transaction, accounts, mails, sessions
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.sessions import Session
from pipeline.errors import Missing, Rejected
from pipeline.mail.message import address
from pipeline.people import passwords
from pipeline.services import Services

_RESET = timedelta(hours=1)
_INVITATION = timedelta(days=7)
_MOST_LINKS = 3  # that strangers have mailed to one address in the time that such a link lasts


def idle(services: Services) -> timedelta:
    """How long a session lasts without being used."""
    return timedelta(minutes=services.settings.session_idle_minutes)


def sign_in(services: Services, email: str, password: str) -> str | None:
    """Begin a session for whom the password is right; answers its secret, None where it is wrong."""
    account, kept = _find(services, email)
    if not passwords.matches(kept, password) or account is None or kept is None:
        return None
    renewed = passwords.hashed(password) if passwords.is_outdated(kept) else None
    with services.catalogue.write() as tx:
        if not accounts.hold_password(tx, account, kept):
            # It was changed since: what was right is wrong.
            return None
        if renewed is not None:
            accounts.set_password(tx, account, renewed)
        return begin_session(services, tx, account)


def begin_session(services: Services, tx: Transaction, account: Account) -> str:
    """A new session of somebody who proved to be the account's owner; answers its secret."""
    now = services.now()
    sessions.forget_ended(tx, now=now, idle=idle(services))
    return sessions.begin(tx, account, now=now, lifetime=timedelta(hours=services.settings.session_hours))


def _find(services: Services, email: str) -> tuple[Account | None, str | None]:
    """The account of that address and the hash of its password, as far as there are any."""
    try:
        normal = address(email)
    except Rejected:
        return None, None
    with services.catalogue.read() as tx:
        account = accounts.find_account(tx, normal)
        return account, accounts.find_password(tx, account) if account else None


def find_session(services: Services, secret: str) -> Session | None:
    """The session of that secret, where it is not over."""
    with services.catalogue.read() as tx:
        return sessions.find(tx, secret, now=services.now(), idle=idle(services))


def sign_out(services: Services, secret: str) -> None:
    """End the session of that secret; idempotent."""
    with services.catalogue.write() as tx:
        sessions.end(tx, secret)


def sign_out_elsewhere(services: Services, account: Account, secret: str) -> None:
    """End all sessions of an account but the one of that secret."""
    with services.catalogue.write() as tx:
        sessions.end_all(tx, account, but=secret)


# ---------------------------------------------------------------- passwords


def change_password(services: Services, account: Account, old: str, new: str, *, secret: str) -> None:
    """Of somebody who is signed in by the session of `secret`, the only one that goes on. Raises `Rejected` (fields
    `old`, `password`)."""
    with services.catalogue.read() as tx:
        kept = accounts.find_password(tx, account)
    if not passwords.matches(kept, old) or kept is None:
        raise _not_theirs()
    password_hash = _good_hash(services, new, account.email)
    with services.catalogue.write() as tx:
        sessions.end_links(tx, account.email)
        if not accounts.hold_password(tx, account, kept):
            # It was changed since, perhaps by its owner because somebody else had it: that one stays.
            raise _not_theirs()
        _set(services, tx, account, password_hash, but=secret)


def _not_theirs() -> Rejected:
    return Rejected("This is not your password.", field="old")


def give_password(services: Services, account: Account, password: str) -> None:
    """From now on this is the account's password, whatever it was. Its sessions and mailed links end; its owner is told
    by mail. Raises `Rejected` (field `password`)."""
    password_hash = _good_hash(services, password, account.email)
    with services.catalogue.write() as tx:
        sessions.end_links(tx, account.email)
        _set(services, tx, account, password_hash)


def _good_hash(services: Services, password: str, email: str) -> str:
    site = services.repository
    passwords.require_good(password, (email, site.name, site.id, site.base_url, site.admin_email, "headrace"))
    return passwords.hashed(password)


def _set(services: Services, tx: Transaction, account: Account, password_hash: str, *, but: str = "") -> None:
    accounts.set_password(tx, account, password_hash)
    sessions.end_all(tx, account, but=but)
    site = services.repository
    mails.want(
        tx,
        to=account.email,
        subject=f"Your password for {site.name} was changed",
        text=f"The password of your account at {site.name} ({site.base_url}) was changed just now.\n\n"
        f"If that was not you, ask for a new one at {site.base_url}/lost-password/ and tell {site.admin_email}.\n",
        now=services.now(),
    )


# ---------------------------------------------------------------- mailed links


def request_link(services: Services, email: str) -> None:
    """Mail a link to choose a password to whoever has an account of that address, or may make one for it. Nothing tells
    whether it was sent. Raises `Rejected` (field `email`) for what is no address."""
    normal, now = address(email), services.now()
    with services.catalogue.write() as tx:
        if accounts.find_account(tx, normal) is None and not services.settings.registration:
            return
        if sessions.links_since(tx, normal, now - _RESET) < _MOST_LINKS:
            _mail_link(services, tx, normal, _RESET, now)


def invite(services: Services, account: Account) -> None:
    """Mail a link to choose a password to the owner of an account, which lasts for days."""
    with services.catalogue.write() as tx:
        _mail_link(services, tx, account.email, _INVITATION, services.now())


def _mail_link(services: Services, tx: Transaction, email: str, lifetime: timedelta, now: datetime) -> None:
    secret = sessions.make_link(tx, email, now=now, lifetime=lifetime)
    site = services.repository
    mails.want(
        tx,
        to=email,
        subject=f"Your account at {site.name}",
        text=f"Choose a password for {email} at {site.name}:\n\n{site.base_url}/lost-password/{secret}\n\n"
        f"The link works once, until {now + lifetime:%Y-%m-%d %H:%M} UTC. If you did not ask for it, you need do "
        "nothing.\n",
        now=now,
    )


def address_of_link(services: Services, secret: str) -> str:
    """The address whose password may be chosen by the mailed link of that secret. Raises `Missing` for a link that is
    over."""
    with services.catalogue.read() as tx:
        email = sessions.find_link(tx, secret, now=services.now())
    if email is None:
        raise _over()
    return email


def use_link(services: Services, secret: str, password: str) -> None:
    """Choose a password by a mailed link, once; where there is no account yet it is made, for the address that the link
    was mailed to. Raises `Missing` for a link that is over, `Rejected` (field `password`), which leaves it as it is."""
    now, email = services.now(), address_of_link(services, secret)
    password_hash = _good_hash(services, password, email)
    with services.catalogue.write() as tx:
        if sessions.use_links(tx, secret, now=now) is None:
            raise _over()
        account = accounts.find_account(tx, email) or accounts.create_account(tx, email, admin=False, now=now)
        _set(services, tx, account, password_hash)


def _over() -> Missing:
    return Missing("This link was used, or is over.", remedy="Ask for a new one.")
