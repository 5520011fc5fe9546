"""Mails that are still to be sent: wanted in the transaction that gives cause for them, sent after it by the outbox."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction, outbox
from pipeline.catalogue.tables import mail
from pipeline.mail import message
from pipeline.mail.message import Mail
from pipeline.model import EffectKind


def want(tx: Transaction, *, to: str, subject: str, text: str, now: datetime) -> None:
    """Ask for a mail of plain text to one address. Subject and text may hold what others wrote: a subject is made one
    line, both are cut to bounds. Raises `Rejected` (field `email`) where `to` is no address."""
    added = (
        sa.insert(mail)
        .values(
            recipient=message.address(to),
            subject=message.one_line(subject),
            text=message.body(text),
            created=now,
        )
        .returning(mail.c.id)
    )
    outbox.want(tx, [(EffectKind.MAIL, tx.execute(added).scalar_one())], now=now)


def find(tx: Transaction, mail_id: int) -> Mail | None:
    """None where it went out already."""
    row = tx.execute(sa.select(mail).where(mail.c.id == mail_id)).one_or_none()
    return None if row is None else Mail(row.id, row.recipient, row.subject, row.text, row.created)


def forget(tx: Transaction, mail_id: int) -> None:
    """It went out: nothing of it is kept."""
    tx.execute(sa.delete(mail).where(mail.c.id == mail_id))
