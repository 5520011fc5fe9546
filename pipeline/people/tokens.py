"""Use case: tokens are made and revoked, by their owners and by operators."""

from __future__ import annotations

from collections.abc import Collection

from pipeline import security_events
from pipeline.access import TokenScope
from pipeline.catalogue import Transaction, accounts
from pipeline.catalogue.accounts import Account, Token
from pipeline.errors import Rejected
from pipeline.mail.message import one_line
from pipeline.services import Services

LONGEST_NAME = 100
MOST = 100
"""Of one account, besides those that are revoked."""


def create(services: Services, owner: Account, name: str, scopes: Collection[str]) -> str:
    """A new token, in clear for the only time, by whose account it is; they tell it from others by its name, of which
    `LONGEST_NAME` characters are kept. Raises `Rejected` (fields `name`, `scope`), also for one too many."""
    kept = one_line(name)[:LONGEST_NAME]
    if not kept:
        raise Rejected("Give the token a name.", field="name")
    chosen = _scopes(scopes)
    with services.catalogue.write() as tx:
        text = _made(services, tx, owner, chosen, name=kept)
    security_events.token_made(by=owner.id, of=owner.id, scopes=chosen, name=kept)
    return text


def issue(services: Services, email: str, scopes: Collection[str]) -> str:
    """A new token of an account, which is made if there is none of that address, by an operator. Raises `Rejected`
    (fields `email`, `scope`), also for one too many."""
    chosen = _scopes(scopes)
    with services.catalogue.write() as tx:
        found = accounts.find_account(tx, email)
        owner = found or accounts.create_account(tx, email, admin=False, now=services.now())
        text = _made(services, tx, owner, chosen)
    if found is None:
        security_events.account_made(by=None, of=owner.id)
    security_events.token_made(by=None, of=owner.id, scopes=chosen)
    return text


def _scopes(given: Collection[str]) -> list[TokenScope]:
    try:
        return [TokenScope(one) for one in given]
    except ValueError:
        raise Rejected("There is no such scope.", field="scope") from None


def _made(
    services: Services, tx: Transaction, owner: Account, scopes: Collection[TokenScope], *, name: str = ""
) -> str:
    if len([one for one in accounts.list_tokens(tx, owner) if one.revoked is None]) >= MOST:
        raise Rejected("Revoke a token first.", remedy=f"An account has {MOST} tokens at most.")
    return accounts.create_token(tx, owner, scopes, now=services.now(), name=name)


def standing(services: Services, owner: Account) -> list[Token]:
    """Those of an account that are not revoked, in the order in which they were made."""
    with services.catalogue.read() as tx:
        return [one for one in accounts.list_tokens(tx, owner) if one.revoked is None]


def revoke(services: Services, token_id: int, *, by: Account | None) -> Token:
    """From now on the token speaks for nobody; by its owner, or by an operator (None). Raises `Missing`, also where it
    is another's."""
    with services.catalogue.write() as tx:
        revoked = accounts.revoke_token(tx, token_id, now=services.now(), of=by)
    security_events.token_revoked(by=by.id if by else None, of=revoked.account.id, token=revoked.id)
    return revoked
