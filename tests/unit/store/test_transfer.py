"""Part plans cover every object exactly within S3's limits, and nothing is trusted that ledger and store do not both
say."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.errors import Rejected, SourceChanged
from pipeline.model import Part, PartLedger
from pipeline.store import transfer
from pipeline.store.transfer import (
    MIB,
    PartPlan,
    SeenPart,
    agreed,
    exactly,
    fault_of_parts,
    plan_parts,
    require_parts,
)

LIMIT = transfer.MOST_PARTS * transfer.LARGEST_PART
SIZES = st.one_of(
    st.integers(transfer.IN_PARTS_FROM, 64 << 30),
    st.integers(transfer.IN_PARTS_FROM, LIMIT),
    # Round any of the borders at which the plan changes.
    st.builds(
        lambda mib, by: max(transfer.IN_PARTS_FROM, min(LIMIT, mib * transfer.MOST_PARTS * MIB + by)),
        st.integers(1, 5 * 1024),
        st.integers(-2, 2),
    ),
)
LEAST = st.sampled_from([5 * MIB, 16 * MIB, 64 * MIB, 512 * MIB, transfer.LARGEST_PART])


@given(SIZES, LEAST)
def test_the_parts_of_a_plan_are_the_object(size: int, least: int) -> None:
    """No byte is left out or sent twice, at any size up to the limit; no part is outside the bounds, nor are there
    too many."""
    plan = plan_parts(size, least=least)
    assert plan.part_size % MIB == 0
    assert least <= plan.part_size <= transfer.LARGEST_PART
    assert 1 <= plan.count <= transfer.MOST_PARTS
    assert (plan.count - 1) * plan.part_size + plan.length(plan.count) == size
    assert 1 <= plan.length(plan.count) <= plan.part_size
    assert plan.count == 1 or plan.length(1) == plan.length(plan.count - 1) == plan.part_size


@given(SIZES, LEAST)
def test_parts_are_no_larger_than_need_be(size: int, least: int) -> None:
    """They grow beyond the least only where there would be too many of them."""
    plan = plan_parts(size, least=least)
    assert plan.part_size == least or PartPlan(size, plan.part_size - MIB).count > transfer.MOST_PARTS


@given(st.integers(0, transfer.IN_PARTS_FROM - 1))
def test_a_small_object_goes_in_one_piece(size: int) -> None:
    """An empty one as well."""
    plan = plan_parts(size)
    assert (plan.part_size, plan.count, plan.length(1)) == (0, 1, size)


def test_what_no_plan_covers_is_refused() -> None:
    """One byte more than 10,000 parts of 5 GiB; those still go."""
    assert plan_parts(LIMIT).count == transfer.MOST_PARTS
    with pytest.raises(Rejected):
        plan_parts(LIMIT + 1)


@st.composite
def ledgers(draw: st.DrawFn) -> PartLedger:
    """A ledger as a worker tells it: its checkpoint at the end of a part, up to which there is no gap."""
    plan = PartPlan(draw(st.integers(1, 60 * MIB)), 5 * MIB)
    done = draw(st.integers(0, plan.count))
    behind = draw(st.sets(st.integers(done + 1, plan.count))) if done < plan.count else set()
    parts = tuple(
        Part(number, plan.length(number), f"etag {number}", f"xxh3 {number}")
        for number in [*range(1, done + 1), *sorted(behind)]
    )
    offset = min(done * plan.part_size, plan.size)
    return PartLedger("upload", plan.part_size, offset, parts=parts)


def listed(ledger: PartLedger) -> list[SeenPart]:
    return [SeenPart(one.number, one.size, one.etag) for one in ledger.parts]


@given(ledgers(), st.randoms(use_true_random=False))
def test_a_store_that_has_the_ledgers_parts_is_trusted(ledger: PartLedger, random: Random) -> None:
    """In whatever order it lists them, and with parts more, or other ones, behind the checkpoint."""
    seen = [one for one in listed(ledger) if (one.number - 1) * ledger.part_size < ledger.offset]
    seen.append(SeenPart(9_999, 7, "another"))
    random.shuffle(seen)
    assert agreed(ledger, seen)


@given(ledgers().filter(lambda ledger: ledger.offset > 0), st.data())
def test_one_part_that_differs_ends_the_trust(ledger: PartLedger, data: st.DataObject) -> None:
    """Be it missing, of another size or of another etag, on either side."""
    number = data.draw(st.integers(1, len(transfer.before_checkpoint(ledger))))
    change = data.draw(st.sampled_from(["missing", "size", "etag"]))
    seen = listed(ledger)
    at = next(index for index, one in enumerate(seen) if one.number == number)
    if change == "missing":
        parts = tuple(one for one in ledger.parts if one.number != number)
        assert not agreed(ledger, seen[:at] + seen[at + 1 :])
        assert not agreed(replace(ledger, parts=parts), seen)
    else:
        other = replace(seen[at], **({"size": seen[at].size + 1} if change == "size" else {"etag": "other"}))
        assert not agreed(ledger, [*seen[:at], other, *seen[at + 1 :]])


@given(ledgers(), st.integers(1, 5 * MIB - 1))
def test_a_checkpoint_inside_a_part_is_not_trusted(ledger: PartLedger, by: int) -> None:
    """What was digested must end where a durable part ends."""
    assume(by not in [one.size for one in ledger.parts])
    assert not agreed(replace(ledger, offset=ledger.offset + by), listed(ledger))


def test_what_went_in_one_piece_has_nothing_to_trust() -> None:
    """It begins afresh."""
    assert not agreed(PartLedger("", 0), [])


@given(ledgers())
def test_each_part_is_before_the_checkpoint_or_behind_it(ledger: PartLedger) -> None:
    """None both, none neither."""
    before = {one.number for one in transfer.before_checkpoint(ledger)}
    behind = set(transfer.behind_checkpoint(ledger))
    assert before.isdisjoint(behind)
    assert before | behind == {one.number for one in ledger.parts}


def test_a_part_that_comes_out_another_is_told() -> None:
    """One that was not written before may be anything."""
    expected = {3: "aa"}
    transfer.require_unchanged(expected, 3, "aa")
    transfer.require_unchanged(expected, 4, "bb")
    with pytest.raises(SourceChanged):
        transfer.require_unchanged(expected, 3, "bb")


# ---------------------------------------------------------------- parts in any order


@given(SIZES, LEAST)
def test_every_plan_of_ours_may_be_announced(size: int, least: int) -> None:
    """And no other number of parts of that size."""
    plan = plan_parts(size, least=least)
    assert fault_of_parts(size, plan.count, plan.part_size) == ""
    assert fault_of_parts(size, plan.count + 1, plan.part_size)


@pytest.mark.parametrize(
    ("size", "parts", "part_size"),
    [
        (10 * MIB, 3, 4 * MIB),
        (10_001 * 5 * MIB, 10_001, 5 * MIB),
        (10 << 30, 2, transfer.LARGEST_PART + 1),
        (10 * MIB, 1, 9 * MIB),
    ],
)
def test_parts_that_s3_does_not_take_may_not_be_announced(size: int, parts: int, part_size: int) -> None:
    assert fault_of_parts(size, parts, part_size)


def test_one_part_may_be_as_short_as_it_is() -> None:
    """It is the last."""
    assert fault_of_parts(1, 1, 1) == ""


@given(st.integers(1, 40), st.integers(1, 7), st.data())
def test_only_just_the_parts_of_the_plan_make_the_object(
    size: int, part_size: int, data: st.DataObject
) -> None:
    """Not without one, with one more, or with one of another size; what is wrong is named by its number."""
    plan = PartPlan(size, part_size)
    sizes = {number: plan.length(number) for number in range(1, plan.count + 1)}
    require_parts(plan, sizes)
    number = data.draw(st.integers(1, plan.count))
    absent = {other: length for other, length in sizes.items() if other != number}
    for wrong, named in (
        (absent, number),
        ({**sizes, number: sizes[number] + 1}, number),
        ({**sizes, plan.count + 1: 1}, plan.count + 1),
    ):
        with pytest.raises(Rejected, match=f"^1 of {plan.count} parts .*: {named}$"):
            require_parts(plan, wrong)


@given(st.lists(st.binary(max_size=5)), st.integers(1, 20))
def test_blocks_come_out_whole_or_not_to_their_end(blocks: list[bytes], size: int) -> None:
    """Where they are too many or too few bytes, fewer come out than there should be."""
    came = b"".join(blocks)
    out = bytearray()
    try:
        for block in exactly(blocks, size):
            out += block
        is_refused = False
    except Rejected:
        is_refused = True
    assert is_refused == (len(came) != size)
    assert came.startswith(bytes(out))
    assert (len(out) < size) == is_refused
