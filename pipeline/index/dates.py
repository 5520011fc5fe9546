"""Dates and times as spans of seconds since 1970 (UTC), both ends included.

Dates are EDTF level 0 (see `metadata.dates`), times RFC 3339; fractions of a second are dropped.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TypeAlias

from pipeline.metadata import dates

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400
_MINUTE = 60

Span: TypeAlias = tuple[int, int]


def seconds(moment: datetime) -> int:
    """Of an aware `moment`."""
    return int(moment.timestamp() // 1)


def start_of_day(day: date) -> int:
    return (day.toordinal() - _EPOCH) * _DAY


def day_number(second: int) -> int:
    """Of the day that holds `second`, counted from the year 1 so that old publications have one too."""
    return second // _DAY + _EPOCH


def span(text: str) -> Span | None:
    """First and last second of a date, an interval of dates, or a time (without seconds: a minute);
    None for anything else, and for the year 0."""
    try:
        if days := dates.span(text):
            first, last = date(*days[0]), date(*days[1])
            return start_of_day(first), start_of_day(last) + _DAY - 1
        return _moment(text)
    except (ValueError, OverflowError):
        return None


def _moment(text: str) -> Span | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    moment = datetime.fromisoformat(text)
    began = seconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return began, began + (1 if match[1] else _MINUTE) - 1
