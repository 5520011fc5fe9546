"""Use case: people sign in with a password, and choose one by a link that is mailed to them.

Nothing here tells a stranger which addresses have accounts: what is asked with a wrong address is answered as with a
right one, and takes as long. Passwords that are tried for one account are counted here, by whichever door they come.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import datetime, timedelta

from pipeline import security_events
from pipeline.catalogue import Transaction, accounts, guesses, mails, sessions
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.sessions import Session
from pipeline.errors import Missing, Rejected, TooManyTries
from pipeline.mail.message import address
from pipeline.people import passwords
from pipeline.security_events import PasswordWay, SignInWay
from pipeline.services import Services
from pipeline.settings import Rate

_RESET = timedelta(hours=1)
_INVITATION = timedelta(days=7)
_MOST_LINKS = 3  # that strangers have mailed to one address in the time that such a link lasts
_TRIES = Rate(100, 3600)
"""Passwords for one account, from however many addresses."""
_RECENT = timedelta(minutes=15)


def idle(services: Services) -> timedelta:
    """How long a session lasts without being used."""
    return timedelta(minutes=services.settings.session_idle_minutes)


def sign_in(services: Services, email: str, password: str) -> str | None:
    """Begin a session for whom the password is right; answers its secret, None where it is wrong. Raises
    `TooManyTries`, also for an address that has no account."""
    account, kept, secret = None, None, None
    # What is no address has no account that could be guessed at.
    with suppress(Rejected):
        normal = address(email)
        _count_try(services, normal)
        account, kept = _find(services, normal)
    if passwords.matches(kept, password) and account is not None and kept is not None:
        secret = _begin_by_password(services, account, kept, password)
    if secret is None or account is None:
        security_events.sign_in_refused(account.id if account else None, way=SignInWay.PASSWORD)
        return None
    security_events.signed_in(account.id, way=SignInWay.PASSWORD)
    return secret


def _count_try(services: Services, subject: str) -> None:
    """Count a password that is tried for an account, by its address, whether or not there is one, or by its number.
    Raises `TooManyTries`."""
    now = services.now()
    with services.catalogue.write() as tx:
        tally = guesses.admit(tx, subject, _TRIES, now=now)
    if not tally.admitted:
        wait = math.ceil((tally.reset - now).total_seconds())
        raise TooManyTries(_TRIES.in_words(), wait=max(1, wait))


def _begin_by_password(services: Services, account: Account, kept: str, password: str) -> str | None:
    renewed = passwords.hashed(password) if passwords.is_outdated(kept) else None
    with services.catalogue.write() as tx:
        if not accounts.hold_password(tx, account, kept):
            # It was changed since: what was right is wrong.
            return None
        if renewed is not None:
            accounts.set_password(tx, account, renewed)
        return begin_session(services, tx, account, proved=services.now())


def begin_session(services: Services, tx: Transaction, account: Account, *, proved: datetime | None) -> str:
    """A new session of somebody who showed then that they are the account's owner, None where nobody knows when;
    answers its secret."""
    forget_ended(services, tx)
    lifetime = timedelta(hours=services.settings.session_hours)
    return sessions.begin(tx, account, proved=proved, now=services.now(), lifetime=lifetime)


def forget_ended(services: Services, tx: Transaction) -> None:
    """Forget sessions and mailed links that are over, and guesses that count no more."""
    now = services.now()
    sessions.forget_ended(tx, now=now, idle=idle(services))
    guesses.forget_old(tx, now=now)


def _find(services: Services, email: str) -> tuple[Account | None, str | None]:
    """The account of that address and the hash of its password, as far as there are any."""
    with services.catalogue.read() as tx:
        account = accounts.find_account(tx, email)
        return account, accounts.find_password(tx, account) if account else None


def find_session(services: Services, secret: str) -> Session | None:
    """The session of that secret, where it is not over."""
    with services.catalogue.read() as tx:
        return sessions.find(tx, secret, now=services.now(), idle=idle(services))


def is_recent(services: Services, session: Session) -> bool:
    """Whether whose session it is proved lately who they are: without that they do nothing that lets others in, such as
    making tokens. A browser that was left open is not enough."""
    return session.proved is not None and services.now() - session.proved < _RECENT


def sign_out(services: Services, secret: str) -> None:
    """End the session of that secret; idempotent."""
    with services.catalogue.write() as tx:
        ended = sessions.find(tx, secret, now=services.now(), idle=idle(services))
        sessions.end(tx, secret)
    if ended is not None:
        security_events.signed_out(ended.account.id)


def sign_out_elsewhere(services: Services, account: Account, secret: str) -> None:
    """End all sessions of an account but the one of that secret."""
    with services.catalogue.write() as tx:
        sessions.end_all(tx, account, but=secret)
    security_events.sessions_ended(by=account.id, of=account.id)


def list_sessions(services: Services, account: Account) -> list[Session]:
    """Those of an account that are not over, the newest first."""
    with services.catalogue.read() as tx:
        return sessions.of_account(tx, account, now=services.now(), idle=idle(services))


def sign_out_there(services: Services, account: Account, handle: str) -> None:
    """End the session of an account that is called so; idempotent."""
    with services.catalogue.write() as tx:
        sessions.end_named(tx, account, handle)
    security_events.sessions_ended(by=account.id, of=account.id)


def sign_out_everywhere(services: Services, account: Account) -> None:
    """End all sessions of an account, by an operator."""
    with services.catalogue.write() as tx:
        sessions.end_all(tx, account)
    security_events.sessions_ended(by=None, of=account.id)


def make_account(services: Services, email: str, *, admin: bool) -> Account:
    """By an operator. Raises `Conflict` where the address has an account, `Rejected` where it is none."""
    with services.catalogue.write() as tx:
        made = accounts.create_account(tx, email, admin=admin, now=services.now())
    security_events.account_made(by=None, of=made.id, admin=admin)
    return made


def disable(services: Services, account: Account) -> None:
    """From now on nobody is let in for the account. Its sessions and mailed links are over, its tokens speak for nobody
    as long as it is disabled. What it published and shared stays."""
    with services.catalogue.write() as tx:
        accounts.disable(tx, account, now=services.now())
        _end_ways_in(tx, account)
    security_events.account_disabled(of=account.id)


def enable(services: Services, account: Account) -> None:
    """Its owner is let in again, and its tokens speak for them; sessions have to be begun anew."""
    with services.catalogue.write() as tx:
        _end_ways_in(tx, account)
        accounts.enable(tx, account)
    security_events.account_enabled(of=account.id)


def _end_ways_in(tx: Transaction, account: Account) -> None:
    sessions.end_all(tx, account)
    sessions.end_links(tx, account.email)


# ---------------------------------------------------------------- passwords


def change_password(services: Services, account: Account, old: str, new: str, *, secret: str) -> None:
    """Of somebody who is signed in by the session of `secret`, the only one that goes on. Raises `Rejected` (fields
    `old`, `password`), `TooManyTries`."""
    # Apart from those of strangers, who could else keep the owner from it.
    _count_try(services, f"account {account.id}")
    with services.catalogue.read() as tx:
        kept = accounts.find_password(tx, account)
    if not passwords.matches(kept, old) or kept is None:
        raise _not_theirs(account)
    password_hash = _good_hash(services, new, account.email)
    with services.catalogue.write() as tx:
        sessions.end_links(tx, account.email)
        if not accounts.hold_password(tx, account, kept):
            # It was changed since, perhaps by its owner because somebody else had it: that one stays.
            raise _not_theirs(account)
        _set(services, tx, account, password_hash, but=secret)
    security_events.password_set(by=account.id, of=account.id, way=PasswordWay.OLD_PASSWORD)


def _not_theirs(account: Account) -> Rejected:
    """What to raise for a password that is not the account's; it is noted."""
    security_events.password_refused(account.id)
    return Rejected("This is not your password.", field="old")


def give_password(services: Services, account: Account, password: str) -> None:
    """By an operator: from now on this is the account's password, whatever it was. Its sessions and mailed links end;
    its owner is told by mail. Raises `Rejected` (field `password`)."""
    password_hash = _good_hash(services, password, account.email)
    with services.catalogue.write() as tx:
        sessions.end_links(tx, account.email)
        _set(services, tx, account, password_hash)
    security_events.password_set(by=None, of=account.id, way=PasswordWay.OPERATOR)


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
        account = accounts.find_account(tx, normal)
        if account.disabled if account else not services.settings.registration:
            return
        if sessions.links_since(tx, normal, now - _RESET) >= _MOST_LINKS:
            return
        _mail_link(services, tx, normal, _RESET, now)
    security_events.link_mailed(of=account.id if account else None)


def invite(services: Services, account: Account) -> None:
    """Mail a link to choose a password to the owner of an account, which lasts for days."""
    with services.catalogue.write() as tx:
        _mail_link(services, tx, account.email, _INVITATION, services.now())
    security_events.link_mailed(of=account.id)


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
        found = accounts.find_account(tx, email)
        if found is not None and found.disabled:
            raise _over()
        account = found or accounts.create_account(tx, email, admin=False, now=now)
        _set(services, tx, account, password_hash)
        # Whoever tried passwords that are none any more does not keep the owner out.
        guesses.forget(tx, email, _TRIES)
    if found is None:
        security_events.account_made(by=None, of=account.id)
    security_events.password_set(by=account.id, of=account.id, way=PasswordWay.MAILED_LINK)


def _over() -> Missing:
    return Missing("This link was used, or is over.", remedy="Ask for a new one.")
