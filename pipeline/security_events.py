"""Security events: who signed in, who was refused, who was given or lost a right (OWASP ASVS 5.0, V16). Each is one
line of JSON in a log of its own, with what happened, where it came from and whose account it is; no secrets, and no
texts of others but escaped.

There is one function for each, so that it says the same whichever way it came about. Use cases call them, once what
happened is committed; only what an entry point refuses by itself it notes itself. `by` is whose doing something was,
None for operators and strangers; `of` is whose account it was done to. Both are ids of accounts.

Nothing is kept before `pipeline.running.logs` says where.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.communities.roles import Role
    from pipeline.model import Right

LOG = logging.getLogger("headrace.security")
_ORIGIN: ContextVar[str] = ContextVar("origin", default="")


class SignInWay(StrEnum):
    """How somebody proves who they are."""

    PASSWORD = "password"  # noqa: S105 - a way
    PROVIDER = "identity provider"


class PasswordWay(StrEnum):
    """By what leave a password is chosen."""

    OLD_PASSWORD = "old password"  # noqa: S105 - a way
    MAILED_LINK = "mailed link"
    OPERATOR = "operator"


@contextmanager
def coming_from(origin: str) -> Iterator[None]:
    """Within the block events come from there: the address of a client, or the command line."""
    before = _ORIGIN.set(origin)
    try:
        yield
    finally:
        _ORIGIN.reset(before)


def _note(event: str, account: int | None, **facts: object) -> None:
    said = {"event": event, "account": account, "from": _ORIGIN.get(), **facts}
    LOG.info(event, extra={"facts": said})


# ---------------------------------------------------------------- signing in and out


def signed_in(by: int, *, way: SignInWay) -> None:
    _note("signed-in", by, way=way.value)


def sign_in_refused(by: int | None, *, way: SignInWay) -> None:
    """`by` is whose account it would have been, as far as there is one."""
    _note("sign-in-refused", by, way=way.value)


def signed_out(by: int) -> None:
    _note("signed-out", by)


def sessions_ended(*, by: int | None, of: int) -> None:
    """One or more, from elsewhere."""
    _note("sessions-ended", by, of=of)


def refused(by: int | None, **facts: object) -> None:
    """An entry point refused a request. `facts` are numbers and short texts, none of them secret."""
    _note("refused", by, **facts)


# ---------------------------------------------------------------- accounts and what opens them


def account_made(*, by: int | None, of: int, admin: bool = False) -> None:
    """`by` is None also for who made it for themselves, and had none before."""
    _note("account-made", by, of=of, admin=admin)


def account_disabled(*, of: int) -> None:
    _note("account-disabled", None, of=of)


def account_enabled(*, of: int) -> None:
    _note("account-enabled", None, of=of)


def password_set(*, by: int | None, of: int, way: PasswordWay) -> None:
    _note("password-set", by, of=of, way=way.value)


def password_refused(by: int) -> None:
    """Somebody who is signed in did not know the password that they wanted to change."""
    _note("password-refused", by)


def link_mailed(*, of: int | None) -> None:
    """To choose a password by; None where there is no account yet."""
    _note("link-mailed", None, of=of)


def identity_connected(by: int) -> None:
    _note("identity-connected", by)


def identity_disconnected(by: int) -> None:
    _note("identity-disconnected", by)


def token_made(*, by: int | None, of: int, scopes: Collection[str], name: str = "") -> None:
    _note("token-made", by, of=of, name=name, scopes=list(scopes))


def token_revoked(*, by: int | None, of: int, token: int) -> None:
    _note("token-revoked", by, of=of, token=token)


# ---------------------------------------------------------------- rights


def access_given(by: int | None, *, work: int, right: Right, to: int | str) -> None:
    """To a work, newly or in place of another right; `to` is the id of an account, or of a link."""
    _note("access-given", by, work=work, right=right.name.lower(), **_whom(to))


def access_taken(by: int | None, *, work: int, of: int | str) -> None:
    """`of` is the id of an account, or of a link."""
    _note("access-taken", by, work=work, **_whom(of))


def _whom(one: int | str) -> dict[str, int | str]:
    return {"to": one} if isinstance(one, int) else {"link": one}


def role_changed(by: int | None, *, community: str, of: int, role: Role | None) -> None:
    """`role` is what they are in the community now, None for no member."""
    _note("role-changed", by, community=community, of=of, role=role.value if role else None)
