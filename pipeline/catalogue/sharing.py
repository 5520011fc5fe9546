"""With whom works are shared: by links, with accounts; and who may ask for their files.

The token of a link is shown to whoever manages the work, as often as they ask, and so not kept as a hash: it is worked
out from the link's id and a secret of the instance (decision 0014). Of what is presented the catalogue is asked only
once it was found to be such a token, in constant time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from pipeline.catalogue import Transaction, secrets
from pipeline.catalogue.tables import access_grant, concept, share_link, user
from pipeline.model import AccessGrant, AccessSettings, Right, ShareLink, Shares

_SECRET = "share links"  # noqa: S105 - the name of a secret


def of_work(tx: Transaction, concept_id: int) -> Shares:
    """All that a work is shared by, in the order in which that was done; links that have expired as well."""
    return Shares(links(tx, concept_id), grants(tx, concept_id))


# ---------------------------------------------------------------- links


def links(tx: Transaction, concept_id: int) -> tuple[ShareLink, ...]:
    rows = tx.execute(
        sa.select(share_link)
        .where(share_link.c.concept_id == concept_id)
        .order_by(share_link.c.created, share_link.c.id)
    ).all()
    # A work without links has no need of the secret, which may not have been made yet.
    secret = secrets.get(tx, _SECRET) if rows else b""
    return tuple(_link(row, secret) for row in rows)


def add_link(
    tx: Transaction,
    concept_id: int,
    right: Right,
    *,
    owner: str,
    expires: datetime | None,
    description: str,
    origin: str,
    now: datetime,
) -> str:
    """The new link's id. It shares what is `owner`'s of the work."""
    secrets.obtain(tx, _SECRET)
    link_id = str(uuid4())
    tx.execute(
        sa.insert(share_link).values(
            id=link_id,
            concept_id=concept_id,
            owner=owner,
            right=right.word,
            description=description,
            origin=origin,
            created=now,
            expires=expires,
        )
    )
    return link_id


def change_link(
    tx: Transaction, link_id: str, *, right: Right, expires: datetime | None, description: str
) -> None:
    """It stays the link of who shared by it."""
    changed = {"right": right.word, "expires": expires, "description": description}
    tx.execute(sa.update(share_link).where(share_link.c.id == link_id).values(**changed))


def remove_link(tx: Transaction, link_id: str) -> None:
    tx.execute(sa.delete(share_link).where(share_link.c.id == link_id))


def named_by(tx: Transaction, token: str) -> str | None:
    """The id of the link that a token was made for, whether there is such a link still or not; None for what is no
    token of ours."""
    return secrets.id_in(secrets.find(tx, _SECRET), token)


def _link(row: sa.Row[Any], secret: bytes) -> ShareLink:
    return ShareLink(
        id=row.id,
        right=Right.of(row.right),
        created=row.created,
        token=secrets.signed(secret, row.id),
        expires=row.expires,
        description=row.description,
        origin=row.origin,
    )


# ---------------------------------------------------------------- grants


def grants(tx: Transaction, concept_id: int) -> tuple[AccessGrant, ...]:
    rows = tx.execute(
        sa.select(access_grant).where(access_grant.c.concept_id == concept_id).order_by(access_grant.c.id)
    )
    return tuple(AccessGrant(row.account_id, Right.of(row.right), row.origin) for row in rows)


def works_of(tx: Transaction, account_id: int, *, limit: int) -> list[int]:
    """The works of which the account was given something, what was given last first."""
    mine = sa.select(access_grant.c.concept_id).where(access_grant.c.account_id == account_id)
    return list(tx.execute(mine.order_by(access_grant.c.id.desc()).limit(limit)).scalars())


def known_accounts(tx: Transaction, account_ids: Iterable[int]) -> set[int]:
    """Those of the numbers that are accounts'."""
    return set(tx.execute(sa.select(user.c.id).where(user.c.id.in_(account_ids))).scalars())


def grant(
    tx: Transaction, concept_id: int, given: Iterable[AccessGrant], *, owner: str, now: datetime
) -> None:
    """Give rights to what is `owner`'s of the work, to accounts that have none yet."""
    rows = [
        {
            "concept_id": concept_id,
            "owner": owner,
            "account_id": one.account_id,
            "right": one.right.word,
            "origin": one.origin,
            "created": now,
        }
        for one in given
    ]
    tx.execute(sa.insert(access_grant), rows)


def regrant(tx: Transaction, concept_id: int, account_id: int, changed: AccessGrant, *, owner: str) -> None:
    """Put another grant, of the same account or of one that has none, in the place of an account's."""
    tx.execute(
        sa.update(access_grant)
        .where(access_grant.c.concept_id == concept_id, access_grant.c.account_id == account_id)
        .values(
            owner=owner,
            account_id=changed.account_id,
            right=changed.right.word,
            origin=changed.origin,
        )
    )


def revoke(tx: Transaction, concept_id: int, account_id: int) -> None:
    tx.execute(
        sa.delete(access_grant).where(
            access_grant.c.concept_id == concept_id, access_grant.c.account_id == account_id
        )
    )


# ---------------------------------------------------------------- settings


def settings(tx: Transaction, concept_id: int) -> AccessSettings:
    kept = tx.execute(sa.select(concept.c.access_settings).where(concept.c.id == concept_id)).scalar_one()
    return settings_from_json(kept)


def set_settings(tx: Transaction, concept_id: int, changed: AccessSettings) -> None:
    tx.execute(sa.update(concept).where(concept.c.id == concept_id).values(access_settings=asdict(changed)))


def settings_from_json(kept: Mapping[str, Any] | None) -> AccessSettings:
    """What a work's row says."""
    return AccessSettings(**kept) if kept is not None else AccessSettings()
