"""Compute on Dask workers, of this machine, of SLURM jobs or of a running scheduler.

Dask carries units out, and results and notes back, and nothing else: every call is a task of its own
(`pure=False`), and a result is forgotten on the cluster as soon as it is here.

Notes are events of a topic. A worker's events and the end of its task go through one stream to the scheduler, and
from there through one stream to us, where both end in one queue: so a unit's notes are heard before its result.
"""

import itertools
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, Self, TypeAlias, TypeVar

from dask.system import CPU_COUNT
from distributed import Client, Future, Security, get_worker
from distributed.client import ClosedClientError, FutureCancelledError
from distributed.scheduler import KilledWorker

from pipeline.compute.local import local_cluster, parse_local
from pipeline.compute.slurm import parse_slurm, slurm_cluster
from pipeline.compute.standing import standing_address
from pipeline.errors import Interrupted, Misconfigured, Unavailable, WorkersKilled
from pipeline.ports import Note, UnitResult

U = TypeVar("U")
R = TypeVar("R")

CONNECT_TIMEOUT = 60
"""Seconds; long, for machines where everything starts at once."""

ATTEMPTS = 4
"""How often a unit goes out without telling anything before its worker dies."""

_TOPIC = "headrace-notes"
"""One for all calls, which a scheduler would each keep the last thousand notes of for good."""

_TICK = 0.2  # seconds between two ticks
_COUNT_SLOTS = 1.0  # seconds between looks at how many workers there are
_ANSWER_TIMEOUT = 30  # seconds in which a scheduler or worker that is there answers


@dataclass(frozen=True, slots=True)
class _Told:
    """The unit of that number, which is out, has told something."""

    number: int
    note: str


@dataclass(frozen=True, slots=True)
class _Back:
    """It has come back, with its result, its own error, or what it was lost by."""

    number: int
    result: Any = None
    error: Exception | None = None
    lost: BaseException | None = None


_Event: TypeAlias = _Told | _Back


class DaskCompute:
    """`Compute` over a scheduler. Made by `connect`, `on_this_machine` or `start_slurm`, which see to what `close`
    closes. No more units are out than keep the workers that there are busy, so workers may come at any time."""

    def __init__(self, client: Client, where: str, closing: ExitStack) -> None:
        self._client = client
        self._where = where
        self._closing = closing
        self._calls: dict[str, SimpleQueue[_Event]] = {}
        client.subscribe_topic(_TOPIC, self._hear)

    @classmethod
    def connect(cls, address: str) -> Self:
        """Use the scheduler at `address`; certificates for `tls://` come from Dask's own configuration
        (`DASK_DISTRIBUTED__COMM__TLS__…`). Raises `Unavailable`, and `Misconfigured` where those cannot be used."""
        with ExitStack() as closing:
            client = closing.enter_context(_client(address))
            return cls(client, f"Dask scheduler {address}", closing.pop_all())

    @classmethod
    def on_this_machine(cls, url: str, home: Path) -> Self:
        """Use the workers that the instance keeps; where it keeps none, start as many as `url` says, by default one for
        each CPU. Raises `Misconfigured` for a `url` that says something else, `Unavailable`."""
        workers = parse_local(url)
        if standing := standing_address(home):
            return cls.connect(standing)
        with ExitStack() as closing:
            address = closing.enter_context(local_cluster(workers or CPU_COUNT, home))
            client = closing.enter_context(_client(address))
            return cls(client, "this machine", closing.pop_all())

    @classmethod
    def start_slurm(cls, url: str, home: Path) -> Self:
        """Submit jobs to SLURM whose workers join a scheduler beside us; units wait until the first of them runs.
        Raises `Misconfigured` for parameters that are none, `Unavailable`."""
        parse_slurm(url)
        with ExitStack() as closing:
            address, tls = closing.enter_context(slurm_cluster(url, home))
            client = closing.enter_context(_client(address, Security(require_encryption=True, **tls)))
            return cls(client, "SLURM jobs", closing.pop_all())

    def map_unordered(
        self,
        function: Callable[[U, Callable[[Note], None]], R],
        units: Iterable[U],
        *,
        in_flight: int,
        tick: Callable[[], None] = lambda: None,
        on_note: Callable[[Note], None] = lambda _: None,
        renew: Callable[[U], U] = lambda unit: unit,
    ) -> Iterator[UnitResult[U, R]]:
        """As `Compute` says. Raises `Unavailable` when the scheduler itself is lost."""
        call = uuid.uuid4().hex
        events = self._calls[call] = SimpleQueue()
        flights = _Flights(self._client, partial(_run, function, call), events, renew)
        source, ticking, counting = iter(units), _Rhythm(_TICK), _Rhythm(_COUNT_SLOTS)
        slots = 0
        try:
            while True:
                if counting.is_due():
                    slots = self.slots()
                flights.launch(source, min(in_flight, 2 * slots + 1))
                if not flights:
                    return
                result = flights.land(on_note)
                if ticking.is_due():
                    tick()
                if result is not None:
                    yield result
        finally:
            del self._calls[call]
            flights.cancel()

    def slots(self) -> int:
        if self._client.status != "running":
            raise _scheduler_lost()
        try:
            return sum(self._client.nthreads(callback_timeout=_ANSWER_TIMEOUT).values())
        except OSError as error:
            raise _scheduler_lost() from error

    def describe(self) -> str:
        return f"{self._where}, {self.slots()} units at a time"

    def close(self) -> None:
        self._closing.close()

    def _hear(self, event: tuple[float, Any]) -> None:
        """Called in the client's own thread."""
        call, number, note = event[1]
        if (events := self._calls.get(call)) is not None:
            events.put(_Told(number, note))


@dataclass(slots=True)
class _Flight(Generic[U]):
    unit: U
    future: Future[Any]
    deaths: int = 0
    """Workers that it lost since it last told anything: who gets on is no killer of workers."""


class _Flights(Generic[U, R]):
    """The units of one call that are out on workers."""

    def __init__(
        self,
        client: Client,
        function: Callable[[int, U], R],
        events: "SimpleQueue[_Event]",
        renew: Callable[[U], U],
    ) -> None:
        self._client = client
        self._function = function
        self._events = events
        self._renew = renew
        self._numbers = itertools.count()
        self._pending: dict[int, _Flight[U]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def launch(self, units: Iterator[U], bound: int) -> None:
        """Send out units until `bound` of them are out."""
        for unit in itertools.islice(units, max(0, bound - len(self))):
            self._submit(unit)

    def land(self, on_note: Callable[[Note], None]) -> UnitResult[U, R] | None:
        """The result of a unit that has come back; None where there is none yet, or the unit has to go out again."""
        try:
            event = self._events.get(timeout=_TICK)
        except Empty:
            if self._client.status != "running":
                raise _scheduler_lost() from None
            return None
        if isinstance(event, _Back):
            return self._landed(self._pending.pop(event.number), event)
        if event.number in self._pending:
            self._pending[event.number].deaths = 0
        on_note(json.loads(event.note))
        return None

    def cancel(self) -> None:
        # A client that lost its scheduler has nothing left to cancel, and would wait for it.
        if self._pending and self._client.status == "running":
            self._client.cancel([flight.future for flight in self._pending.values()])
        self._pending.clear()

    def _landed(self, flight: _Flight[U], back: _Back) -> UnitResult[U, R] | None:
        flight.future.release()
        if back.lost is None:
            return UnitResult(flight.unit, back.result, back.error)
        reason = getattr(back.lost, "reason", "")
        if reason == "scheduler-connection-lost" or self._client.status != "running":
            raise _scheduler_lost() from back.lost
        if flight.deaths + 1 >= ATTEMPTS:
            return UnitResult(flight.unit, None, _given_up(back.lost))
        self._submit(self._renew(flight.unit), flight.deaths + 1)
        return None

    def _submit(self, unit: U, deaths: int = 0) -> None:
        number = next(self._numbers)
        try:
            future = self._client.submit(self._function, number, unit, pure=False)
        except ClosedClientError as error:
            raise _scheduler_lost() from error
        self._pending[number] = _Flight(unit, future, deaths)
        future.add_done_callback(lambda done: self._events.put(_fetched(number, done)))


def _fetched(number: int, future: Future[Any]) -> _Back:
    """Called in a thread of Dask's, so that no result waits on its worker, which may die, until the caller has time."""
    try:
        return _Back(number, future.result(timeout=_ANSWER_TIMEOUT))
    except (KilledWorker, FutureCancelledError) as lost:
        return _Back(number, lost=lost)
    except Exception as error:
        if future.status == "error":
            return _Back(number, error=error)
        return _Back(number, lost=error)  # its worker died with the result


class _Rhythm:
    """Says when so many seconds have passed."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._due:
            return False
        self._due = now + self._seconds
        return True


def _run(function: Callable[[U, Callable[[Note], None]], R], call: str, number: int, unit: U) -> R:
    """On a worker: run the unit. It may tell from any thread."""
    worker = get_worker()
    key = worker.get_current_task()

    def tell(note: Note) -> None:
        # Dask does not interrupt a task that runs; it only takes note that nobody waits for it any more.
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise Interrupted("nobody waits for this unit any more")
        if note:
            # Notes travel as text, since Dask's own form of messages makes tuples of lists.
            worker.log_event(_TOPIC, (call, number, json.dumps(note)))

    return function(unit, tell)


def _client(address: str, security: Security | None = None) -> Client:
    security = security or Security()
    if address.startswith("tls://"):
        _require_certificates(security)
    # What matters comes back as an exception; the rest of what the client says is noise to a user.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        return Client(
            address, timeout=CONNECT_TIMEOUT, set_as_default=False, name="headrace", security=security
        )
    except OSError as error:
        raise Unavailable(
            f"the Dask scheduler {address} does not answer",
            remedy="start it, or set HEADRACE_COMPUTE to local: to use this machine",
        ) from error


def _require_certificates(security: Security) -> None:
    """Before there is a client: one that finds out by itself keeps the process from ending."""
    reason = "there are none"
    try:
        if security.get_connection_args("client")["ssl_context"] is not None:
            return
    except OSError as error:  # of files that are not there, and of TLS itself
        reason = str(error)
    raise Misconfigured(
        f"tls:// needs certificates: {reason}",
        field="HEADRACE_COMPUTE",
        remedy="name them in DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__TLS__CLIENT__CERT and …__TLS__CLIENT__KEY",
    )


def _scheduler_lost() -> Unavailable:
    return Unavailable("the Dask scheduler went away", remedy="run the same command again")


def _given_up(error: BaseException) -> Unavailable:
    if isinstance(error, KilledWorker):
        return WorkersKilled(
            "every worker that ran this unit died",
            remedy="look for a lack of memory in the logs of the workers",
        )
    return Unavailable(f"the unit was lost on the cluster: {error}", remedy="run the same command again")
