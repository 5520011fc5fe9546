"""Compute in the calling thread."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pipeline.ports import UnitResult

U = TypeVar("U")
R = TypeVar("R")


class InlineCompute:
    """Runs a unit when its result is asked for, so never more than one is under way."""

    def map_unordered(
        self,
        function: Callable[[U], R],
        units: Iterable[U],
        *,
        in_flight: int,  # noqa: ARG002 - one at a time is within any bound
        tick: Callable[[], None] = lambda: None,
    ) -> Iterator[UnitResult[U, R]]:
        for unit in units:
            tick()
            try:
                result = function(unit)
            except Exception as error:
                yield UnitResult(unit, None, error)
            else:
                yield UnitResult(unit, result)

    def slots(self) -> int:
        return 1

    def describe(self) -> str:
        return "inline, one unit at a time"

    def close(self) -> None:
        """Nothing to close."""
