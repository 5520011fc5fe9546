"""Random secrets of the instance, made once and shared by all its processes; and what is kept of those that others
hold: tokens, sessions, links."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.tables import secret

_BYTES = 32
_SIGNED_ID = re.compile("([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[.]([A-Za-z0-9_-]{43})")


def obtain(tx: Transaction, name: str) -> bytes:
    """The secret of that name; random at the first call, the same ever after."""
    tx.execute(
        insert(tx, secret).values(name=name, value=secrets.token_bytes(_BYTES)).on_conflict_do_nothing()
    )
    return get(tx, name)


def get(tx: Transaction, name: str) -> bytes:
    """The secret of that name, which somebody obtained before."""
    value: bytes = tx.execute(sa.select(secret.c.value).where(secret.c.name == name)).scalar_one()
    return value


def find(tx: Transaction, name: str) -> bytes | None:
    """The secret of that name; None where nobody has obtained it yet."""
    return tx.execute(sa.select(secret.c.value).where(secret.c.name == name)).scalar_one_or_none()


def signed(secret: bytes, id_: str) -> str:
    """A token that can only be worked out by who knows the secret: `id_`, a UUID, and its HMAC (decision 0014)."""
    digest = hmac.digest(secret, id_.encode(), "sha256")
    return f"{id_}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def id_in(secret: bytes | None, token: str) -> str | None:
    """The id in a token that was `signed` by the secret; None for any other text. In constant time."""
    found = _SIGNED_ID.fullmatch(token)
    if secret is None or found is None:
        return None
    return found[1] if hmac.compare_digest(signed(secret, found[1]), token) else None


def hash_of(text: str) -> str:
    """What is kept of a random secret that somebody else holds, in hex. It has 256 bits: a slow hash would add
    nothing."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
