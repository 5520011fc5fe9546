"""How often somebody's secret was guessed at, counted by all processes of an instance together.

They are counted in slices (`pipeline.slices`): there are never more guesses in any period than its rate allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pipeline.catalogue.dialects import insert
from pipeline.catalogue.secrets import hash_of
from pipeline.catalogue.tables import guess
from pipeline.slices import end_of, slice_of

if TYPE_CHECKING:
    from pipeline.catalogue import Transaction
    from pipeline.settings import Rate


@dataclass(frozen=True, slots=True)
class Tally:
    """`number` of guesses in the period, with the one at hand where it was `admitted`; there is more room at
    `reset`."""

    number: int
    reset: datetime
    admitted: bool


def admit(tx: Transaction, subject: str, rate: Rate, *, now: datetime) -> Tally:
    """Count a guess at `subject`, but not where the rate has no room for it: whoever goes on trying does not prolong
    the wait."""
    current = slice_of(rate.seconds, now.timestamp())
    key = _key(subject, rate)
    counted = insert(tx, guess).values(
        subject_hash=key,
        slice=current,
        number=1,
        expires=_time(end_of(rate.seconds, current)),
    )
    # Others who count in this slice wait for the row.
    tx.execute(
        counted.on_conflict_do_update(
            index_elements=["subject_hash", "slice"], set_={"number": guess.c.number + 1}
        )
    )
    of_subject = sa.select(sa.func.sum(guess.c.number), sa.func.min(guess.c.expires)).where(
        guess.c.subject_hash == key, guess.c.expires > now
    )
    number, reset = tx.execute(of_subject).one()
    if number <= rate.requests:
        return Tally(number, reset, admitted=True)
    own = (guess.c.subject_hash == key) & (guess.c.slice == current)
    tx.execute(sa.update(guess).where(own).values(number=guess.c.number - 1))
    tx.execute(sa.delete(guess).where(own, guess.c.number == 0))
    return Tally(number - 1, reset, admitted=False)


def forget(tx: Transaction, subject: str, rate: Rate) -> None:
    """Those at `subject`, which is not what it was."""
    tx.execute(sa.delete(guess).where(guess.c.subject_hash == _key(subject, rate)))


def forget_old(tx: Transaction, *, now: datetime) -> None:
    """Those that count no more."""
    tx.execute(sa.delete(guess).where(guess.c.expires <= now))


def _key(subject: str, rate: Rate) -> str:
    return hash_of(f"{rate.requests}/{rate.seconds} {subject}")


def _time(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
