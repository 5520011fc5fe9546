"""A process that brings about what is wanted of DOIs, and nothing else, until it is killed: what a dispatcher does
beside its other work. Its clock runs faster, and is as far ahead as the file `AHEAD` in HOME says (seconds): a day of
waiting is over in a moment."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline import dispatch, wiring
from pipeline.errors import Unavailable
from pipeline.model import EffectKind
from pipeline.settings import load_settings

SPEED = 20
"""Seconds that pass for it in one."""
AHEAD = "ahead"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_PAUSE = 0.02


def clock(home: Path) -> datetime:
    """What time it is for all such processes of an instance."""
    passed = (datetime.now(UTC) - EPOCH) * SPEED
    return EPOCH + passed + timedelta(seconds=float((home / AHEAD).read_text() or 0))


def main() -> None:
    settings = load_settings()
    with wiring.open_services(settings, now=lambda: clock(settings.home)) as services:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            try:
                if dispatch.is_due(services, [EffectKind.REGISTER]):
                    dispatch.drain(services, [EffectKind.REGISTER])
            except Unavailable:
                pass
            time.sleep(_PAUSE)


if __name__ == "__main__":
    main()
