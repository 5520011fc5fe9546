"""Who puts a DOI to what at its registry, and what may arrive there yet (pure).

Whatever is put last stays. One who puts is not kept from it by another, who may be dead; but as long as what somebody
else put was not answered it may arrive at any time, and until then nothing else is sure to last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

LATE = timedelta(minutes=10)
"""A request that was not answered arrives by then, or never: longer than one is waited for."""


@dataclass(frozen=True, slots=True)
class Putting:
    """`putter` puts a DOI to what `digest` is of, or did and was not answered; None: that was answered. Until
    `late_until` something else may arrive that was put before: what `late_digest` is of; None: this or that."""

    putter: str | None = None
    digest: str | None = None
    late_until: datetime | None = None
    late_digest: str | None = None


UNTOUCHED = Putting()
"""As it is before anybody put it."""


def begun(putting: Putting, putter: str, digest: str, now: datetime) -> Putting:
    """As it is once somebody puts it, in the place of whoever did and was not answered."""
    if putting.putter is None:
        return replace(putting, putter=putter, digest=digest)
    is_one = not _is_late(putting, now) or putting.late_digest == putting.digest
    return Putting(putter, digest, now + LATE, putting.digest if is_one else None)


def answered(putting: Putting, putter: str) -> Putting:
    """As it is once somebody's request was answered."""
    return replace(putting, putter=None) if putting.putter == putter else putting


def unsure_until(putting: Putting, now: datetime) -> datetime | None:
    """When whatever else may arrive has arrived; None where nothing may that would change what was put last."""
    return putting.late_until if _is_late(putting, now) and putting.late_digest != putting.digest else None


def _is_late(putting: Putting, now: datetime) -> bool:
    # What a clock that was far ahead has left behind holds nobody up.
    return putting.late_until is not None and now < putting.late_until <= now + 2 * LATE
