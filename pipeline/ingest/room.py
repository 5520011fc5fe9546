"""Room that must stay free in the store."""

from __future__ import annotations

from pipeline.errors import OutOfSpace
from pipeline.services import Services

_LEAST_FREE = 2_000_000_000


def require_room(services: Services, *, reserved: int = 0) -> None:
    """Raises `OutOfSpace` where the store, with `reserved` bytes more in it, has less room than must stay free."""
    room = services.store.room()
    if room is None:
        return
    free, total = room
    least = services.settings.min_free or min(total // 20, _LEAST_FREE)
    if free - reserved < least:
        wanted = f", {reserved:,} are to come" if reserved else ""
        raise OutOfSpace(
            f"only {free:,} bytes are free in the store{wanted}, {least:,} must stay free",
            remedy="make room on its disk (or lower HEADRACE_MIN_FREE), then run the same command again",
        )
