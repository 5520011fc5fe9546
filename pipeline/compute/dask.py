"""Compute on Dask workers, of this machine or of a running scheduler.

Dask carries units out and results back and nothing else: every call is a task of its own (`pure=False`),
and a result is forgotten on the cluster as soon as it is here.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from dask.system import CPU_COUNT
from distributed import Client, Future, as_completed
from distributed.client import ClosedClientError, FutureCancelledError
from distributed.scheduler import KilledWorker

from pipeline.compute.local import local_cluster
from pipeline.errors import Unavailable
from pipeline.ports import UnitResult

U = TypeVar("U")
R = TypeVar("R")

CONNECT_TIMEOUT = 60
"""Seconds; long, for machines where everything starts at once."""

_POLL = 0.01  # seconds between looks for results
_TICK = 0.2  # seconds between two ticks

ATTEMPTS = 2
"""How often a unit is handed in. Dask itself moves a unit to another worker three times before it says
that the unit kills workers, so a unit that does nothing wrong outlives many deaths."""


class DaskCompute:
    """`Compute` over a scheduler. Made by `connect` or `start_local`, which see to what `close` closes."""

    def __init__(self, client: Client, where: str, closing: ExitStack) -> None:
        self._client = client
        self._where = where
        self._closing = closing

    @classmethod
    def connect(cls, address: str) -> Self:
        """Use the scheduler at `address`; certificates for `tls://` come from Dask's own configuration
        (`DASK_DISTRIBUTED__COMM__TLS__…`). Raises `Unavailable`."""
        with ExitStack() as closing:
            client = closing.enter_context(_client(address))
            return cls(client, f"Dask scheduler {address}", closing.pop_all())

    @classmethod
    def start_local(cls, workers: int | None, home: Path) -> Self:
        """Start worker processes on this machine, by default one for each CPU. Raises `Unavailable`."""
        with ExitStack() as closing:
            address = closing.enter_context(local_cluster(workers or CPU_COUNT, home))
            client = closing.enter_context(_client(address))
            return cls(client, "this machine", closing.pop_all())

    def map_unordered(
        self,
        function: Callable[[U], R],
        units: Iterable[U],
        *,
        in_flight: int,
        tick: Callable[[], None] = lambda: None,
    ) -> Iterator[UnitResult[U, R]]:
        """As `Compute` says. A unit whose workers died runs again elsewhere; one that kills every worker it
        meets comes back with `Unavailable`. Raises `Unavailable` when the scheduler itself is lost."""
        flights = _Flights(self._client, function)
        source = iter(units)
        try:
            flights.launch(islice(source, in_flight))
            while flights:
                flights.wait(tick)
                result = flights.land()
                if result is not None:
                    yield result
                flights.launch(islice(source, in_flight - len(flights)))
        finally:
            flights.cancel()

    def slots(self) -> int:
        if self._client.status != "running":
            raise _scheduler_lost()
        try:
            return sum(self._client.nthreads().values())
        except OSError as error:
            raise _scheduler_lost() from error

    def describe(self) -> str:
        return f"{self._where}, {self.slots()} units at a time"

    def close(self) -> None:
        self._closing.close()


@dataclass(frozen=True, slots=True)
class _Flight(Generic[U]):
    unit: U
    attempt: int = 1


class _Flights(Generic[U, R]):
    """The units of one call that are out on workers."""

    def __init__(self, client: Client, function: Callable[[U], R]) -> None:
        self._client = client
        self._function = function
        self._pending: dict[Future[Any], _Flight[U]] = {}
        self._completed = as_completed(loop=client.loop)

    def __len__(self) -> int:
        return len(self._pending)

    def launch(self, units: Iterable[U]) -> None:
        for unit in units:
            self._submit(_Flight(unit))

    def wait(self, tick: Callable[[], None]) -> None:
        """Wait until a unit has come back, or the scheduler is lost."""
        ticked = 0.0
        while not self._completed.has_ready() and self._client.status == "running":
            if time.monotonic() - ticked > _TICK:
                tick()
                ticked = time.monotonic()
            time.sleep(_POLL)

    def land(self) -> UnitResult[U, R] | None:
        """Wait for the next unit to come back; None when it has to go out again."""
        future = next(self._completed)
        flight = self._pending.pop(future)
        try:
            return UnitResult(flight.unit, future.result())
        except (KilledWorker, FutureCancelledError) as lost:
            if self._scheduler_is_lost(lost):
                raise _scheduler_lost() from lost
            if flight.attempt < ATTEMPTS:
                self._submit(_Flight(flight.unit, flight.attempt + 1))
                return None
            return UnitResult(flight.unit, None, _given_up(lost))
        except Exception as error:
            return UnitResult(flight.unit, None, error)
        finally:
            future.release()

    def cancel(self) -> None:
        # A client that lost its scheduler has nothing left to cancel, and would wait for it.
        if self._pending and self._client.status == "running":
            self._client.cancel(list(self._pending))
        self._pending.clear()

    def _submit(self, flight: _Flight[U]) -> None:
        try:
            future = self._client.submit(self._function, flight.unit, pure=False)
        except ClosedClientError as error:
            raise _scheduler_lost() from error
        self._pending[future] = flight
        self._completed.add(future)

    def _scheduler_is_lost(self, error: Exception) -> bool:
        reason = getattr(error, "reason", "")
        return reason == "scheduler-connection-lost" or self._client.status != "running"


def _client(address: str) -> Client:
    # What matters comes back as an exception; the rest of what the client says is noise to a user.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False, name="headrace")
    except OSError as error:
        raise Unavailable(
            f"the Dask scheduler {address} does not answer",
            remedy="start it, or set HEADRACE_COMPUTE to local: to use this machine",
        ) from error


def _scheduler_lost() -> Unavailable:
    return Unavailable("the Dask scheduler went away", remedy="run the same command again")


def _given_up(error: Exception) -> Unavailable:
    if isinstance(error, KilledWorker):
        return Unavailable(
            "every worker that ran this unit died",
            remedy="look for a lack of memory in the logs of the workers",
        )
    return Unavailable(f"the unit was cancelled on the cluster: {error}", remedy="run the same command again")
