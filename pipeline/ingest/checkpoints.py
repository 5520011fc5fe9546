"""From which part border of a file under way another worker could go on.

A border can be gone on from once all that reads the file (digests, scanner) has passed it, and the store has
acknowledged every part before it. The two come at their own pace and from their own threads; here they meet.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from pipeline.model import JsonObject, Part, PartLedger
from pipeline.ports import Upload

_TELL_EVERY = 0.5
"""Seconds: what is durable and not told yet is read again after a kill; each telling is a row of the catalogue."""


class Checkpoints:
    """What is known of one upload while it is written.

    `resumed` is the ledger that the upload goes on from, None where it began afresh; `source` tells the file's state
    apart from others, in every checkpoint. What is new is `tell`ed as a ledger that has the new parts only; a report
    without news `ask`s, so that who should not go on hears of it soon. Both may raise."""

    def __init__(
        self,
        upload: Upload,
        resumed: PartLedger | None,
        source: JsonObject,
        tell: Callable[[PartLedger], None],
        ask: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upload = upload
        self._source = source
        self._tell = tell
        self._ask = ask
        self._clock = clock
        self._passed: deque[tuple[int, JsonObject]] = deque()
        self._ledger = resumed or PartLedger(upload.id, upload.part_size)
        self._told_at = clock()
        if resumed is None and upload.part_size:
            # Though nothing is durable yet: whoever goes on, or cleans up, has to know of the upload.
            tell(self._ledger)

    @property
    def ledger(self) -> PartLedger:
        """All that was known at the last report."""
        return self._ledger

    def passed(self, border: int, state: JsonObject) -> None:
        """Everything that reads the file has come to `border` and has this state there; borders come in order."""
        self._passed.append((border, {"source": self._source, **state}))

    def report_in_time(self) -> None:
        """`report`, unless that was a moment ago."""
        if self._clock() - self._told_at >= _TELL_EVERY:
            self.report()

    def report(self) -> None:
        """Tell what is new; ask, where nothing is."""
        self._told_at = self._clock()
        before = self._ledger
        acknowledged = self._upload.parts()
        offset, checkpoint = before.offset, before.checkpoint
        durable = _end_without_gap(acknowledged)
        while self._passed and self._passed[0][0] <= durable:
            offset, checkpoint = self._passed.popleft()
        known = {part.number: part for part in before.parts}
        new = tuple(part for part in acknowledged if known.get(part.number) != part)
        if new or offset != before.offset:
            known.update((part.number, part) for part in new)
            parts = tuple(known[number] for number in sorted(known))
            self._ledger = replace(before, offset=offset, checkpoint=checkpoint, parts=parts)
            self._tell(replace(self._ledger, parts=new))
        else:
            self._ask()


def _end_without_gap(parts: Iterable[Part]) -> int:
    """The offset up to which every byte is in one of the parts, which are in order of number."""
    end = 0
    for number, part in enumerate(parts, 1):
        if part.number != number:
            break
        end += part.size
    return end
