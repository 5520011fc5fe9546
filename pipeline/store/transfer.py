"""How an object is cut into parts for its upload, and which parts of an upload that was cut off may be trusted (pure).

The bounds are those of multipart uploads on S3 (user guide, "Amazon S3 multipart upload limits"): parts of 5 MiB to
5 GiB, the last one of any size, 10,000 of them at most, which makes 48.8 TiB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import Rejected, SourceChanged
from pipeline.model import Part, PartLedger

MIB = 1 << 20
SMALLEST_PART = 5 * MIB
LARGEST_PART = 5 << 30
MOST_PARTS = 10_000
_NAMED = 10
IN_PARTS_FROM = 8 * MIB
"""Bytes from which on an object goes in parts."""


@dataclass(frozen=True, slots=True)
class PartPlan:
    """An object of `size` bytes in parts of `part_size`, the last one shorter; in one piece where that is 0."""

    size: int
    part_size: int

    @property
    def count(self) -> int:
        """How many parts there are; 1 for an object in one piece, an empty one too."""
        return -(-self.size // self.part_size) if self.part_size else 1

    def length(self, number: int) -> int:
        """Bytes of a part, counted from 1."""
        return min(self.part_size, self.size - (number - 1) * self.part_size) if self.part_size else self.size

    def is_border(self, offset: int) -> bool:
        """Whether an upload may be gone on with from there."""
        return offset <= self.size


@dataclass(frozen=True, slots=True)
class OpenPlan:
    """An object in parts of `part_size` whose size nobody knows before its end."""

    part_size: int

    def length(self, number: int) -> int:  # noqa: ARG002 - as of `PartPlan`
        """Bytes of a part that is not the last."""
        return self.part_size

    def is_border(self, offset: int) -> bool:
        """Whether an upload may be gone on with from there."""
        return offset % self.part_size == 0

    def closed(self, size: int) -> PartPlan:
        """The plan, now that the size is known."""
        return PartPlan(size, self.part_size)


@dataclass(frozen=True, slots=True)
class SeenPart:
    """A part as the store lists it."""

    number: int
    size: int
    etag: str


def plan_parts(size: int, *, least: int = 16 * MIB) -> PartPlan:
    """The plan of the smallest parts that are whole MiB, `least` bytes or more, and not too many. Objects below
    `IN_PARTS_FROM` go in one piece. Raises `Rejected` for a size that no plan covers."""
    if size < IN_PARTS_FROM:
        return PartPlan(size, 0)
    part_size = max(_whole_mib(-(-size // MOST_PARTS)), _whole_mib(least))
    if part_size > LARGEST_PART:
        raise Rejected(
            f"{size:,} bytes are more than an object may have ({MOST_PARTS * LARGEST_PART:,})",
            remedy="split the file",
        )
    return PartPlan(size, part_size)


def _whole_mib(size: int) -> int:
    return -(-size // MIB) * MIB


def fault_of_parts(size: int, parts: int, part_size: int) -> str:
    """What keeps an object of `size` bytes from coming in so many parts of that size, `""` where nothing does; all are
    above 0."""
    if parts > MOST_PARTS or part_size > LARGEST_PART or (parts > 1 and part_size < SMALLEST_PART):
        return (
            f"Parts have {SMALLEST_PART:,} to {LARGEST_PART:,} bytes, the last one may have fewer, and there are"
            f" {MOST_PARTS:,} at most."
        )
    needed = PartPlan(size, part_size).count
    return "" if parts == needed else f"{size:,} bytes make {needed} parts of {part_size:,}, not {parts}."


def require_parts(plan: PartPlan, sizes: Mapping[int, int]) -> None:
    """Raises `Rejected` unless the parts that there are, number → bytes, are just those of the plan."""
    wrong = sorted(
        number
        for number in {*range(1, plan.count + 1), *sizes}
        if number > plan.count or sizes.get(number) != plan.length(number)
    )
    if wrong:
        some = ", ".join(map(str, wrong[:_NAMED])) + (", …" if len(wrong) > _NAMED else "")
        raise Rejected(f"{len(wrong)} of {plan.count} parts are not there with their size: {some}")


def md5_of_parts(digests: Iterable[bytes]) -> str:
    """The md5, in hex, of the md5s of parts: what the ETag of an object in parts begins with on S3 (user guide,
    "Checking object integrity")."""
    return hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()


def exactly(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The blocks. Raises `Rejected` where they are more bytes than they should be, before it gives out the last of
    these, and at their end where they are fewer."""
    came = 0
    last = b""
    for block in blocks:
        came += len(block)
        if came > size:
            break
        if came == size:
            last = last or block
        else:
            yield block
        del block  # not to be held while the next one comes
    if came != size:
        raise Rejected(f"{size:,} bytes were to come, and {'more' if came > size else f'{came:,}'} came")
    yield last


def agreed(ledger: PartLedger, seen: Sequence[SeenPart]) -> bool:
    """Whether the store has every byte before the ledger's checkpoint in just the parts that the ledger says: without
    a gap, each with its size and etag, ending where the checkpoint is."""
    there = {one.number: (one.size, one.etag) for one in seen}
    before = before_checkpoint(ledger)
    return (
        ledger.part_size > 0
        and [one.number for one in before] == list(range(1, len(before) + 1))
        and all(one.size == ledger.part_size for one in before[:-1])
        and sum(one.size for one in before) == ledger.offset
        and all(there.get(one.number) == (one.size, one.etag) for one in before)
    )


def before_checkpoint(ledger: PartLedger) -> list[Part]:
    """The parts whose bytes need not be read again, in order."""
    return sorted((one for one in ledger.parts if _is_before(ledger, one)), key=lambda part: part.number)


def behind_checkpoint(ledger: PartLedger) -> dict[int, str]:
    """Number → xxh3 of the parts that will be written again."""
    return {one.number: one.xxh3 for one in ledger.parts if not _is_before(ledger, one)}


def _is_before(ledger: PartLedger, part: Part) -> bool:
    return (part.number - 1) * ledger.part_size < ledger.offset


def require_unchanged(expected: Mapping[int, str], number: int, xxh3: str) -> None:
    """Raises `SourceChanged` where a part that was written before comes out another."""
    if expected.get(number, xxh3) != xxh3:
        raise SourceChanged(
            f"part {number} is not what it was when it was first read",
            remedy="Ingest again when nothing writes to the source.",
        )
