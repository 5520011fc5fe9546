"""Security events: who signed in, who was refused, who was given or lost a right (OWASP ASVS 5.0, V16). Each is one
line of JSON in a log of its own, with what happened, where it came from and whose account it is; no secrets, and no
texts of others but escaped.

Nothing is kept before `pipeline.running.logs` says where.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum

LOG = logging.getLogger("headrace.security")
_ORIGIN: ContextVar[str] = ContextVar("origin", default="")


class Event(StrEnum):
    """What happened; the names that stand in the log."""

    SIGNED_IN = "signed-in"
    SIGN_IN_REFUSED = "sign-in-refused"
    SIGNED_OUT = "signed-out"
    SESSIONS_ENDED = "sessions-ended"
    PASSWORD_SET = "password-set"  # noqa: S105 - what happened
    LINK_MAILED = "link-mailed"
    ACCOUNT_MADE = "account-made"
    ACCOUNT_DISABLED = "account-disabled"
    ACCOUNT_ENABLED = "account-enabled"
    IDENTITY_CONNECTED = "identity-connected"
    IDENTITY_DISCONNECTED = "identity-disconnected"
    TOKEN_MADE = "token-made"  # noqa: S105 - what happened
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 - what happened
    ACCESS_GIVEN = "access-given"
    ACCESS_TAKEN = "access-taken"
    ROLE_CHANGED = "role-changed"
    REFUSED = "refused"


@contextmanager
def coming_from(origin: str) -> Iterator[None]:
    """Within the block events come from there: the address of a client, or the command line."""
    before = _ORIGIN.set(origin)
    try:
        yield
    finally:
        _ORIGIN.reset(before)


def note(event: Event, *, account: int | None = None, **facts: object) -> None:
    """`account` is whose doing it was, as far as that is known; None for strangers and for operators. To be called once
    it is committed. `facts` are numbers and short texts, none of them secret."""
    said = {"event": event.value, "account": account, "from": _ORIGIN.get(), **facts}
    LOG.info(event.value, extra={"facts": said})
