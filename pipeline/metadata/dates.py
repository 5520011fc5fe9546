"""Dates as EDTF level 0 has them: `YYYY`, `YYYY-MM`, `YYYY-MM-DD` and intervals `<date>/<date>`.

Source: ISO 8601-2 (EDTF) level 0, without its date-times, as Zenodo takes dates.
"""

from __future__ import annotations

import calendar
import re
from typing import TypeAlias

Day: TypeAlias = tuple[int, int, int]
"""Year, month, day; a tuple because EDTF has a year 0 and `datetime.date` has not."""

_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


def span(text: str) -> tuple[Day, Day] | None:
    """First and last day of a date or interval; None where it is no real date, or ends before it begins."""
    first, slash, last = text.partition("/")
    begin = _days(first)
    end = _days(last) if slash else begin
    if begin is None or end is None or begin[0] > end[1]:
        return None
    return begin[0], end[1]


def is_date(text: str) -> bool:
    """Whether `text` is a date or interval."""
    return span(text) is not None


def year(text: str) -> str:
    """The four digits of the (first) year of a date or interval. `text` must be one."""
    return text[:4]


def full_day(text: str) -> str | None:
    """`text` if it is one whole day, else None."""
    return text if len(text) == len("2026-03-09") and is_date(text) else None


def _days(text: str) -> tuple[Day, Day] | None:
    parts = _DATE.fullmatch(text)
    if parts is None:
        return None
    year_, month, day = int(parts[1]), int(parts[2] or 0), int(parts[3] or 0)
    if parts[2] is None:
        return (year_, 1, 1), (year_, 12, 31)
    if not 1 <= month <= 12:
        return None
    length = _month_length(year_, month)
    if parts[3] is None:
        return (year_, month, 1), (year_, month, length)
    return ((year_, month, day), (year_, month, day)) if 1 <= day <= length else None


def _month_length(year_: int, month: int) -> int:
    return 29 if month == 2 and calendar.isleap(year_) else _LENGTHS[month - 1]
