"""How long a server asks to be left alone (pure)."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime


def retry_after(text: str, now: datetime) -> float:
    """Seconds that `Retry-After` asks for (RFC 9110, section 10.2.3): a number of them, or a date; 0 for neither."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - now).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return 0.0
