"""The error tree.

    HeadraceError
    ├── Rejected       the depositor's to fix; names the field
    │   ├── InvalidFields   fields of a document are wrong, each named
    │   └── SourceChanged   a file is not what it was when its reading began
    ├── Misconfigured  the operator's settings or command line are wrong (exit code 2)
    │   └── UnusableSource  what is to be ingested is none, or damaged as a whole
    ├── Denied         the caller may not do that
    ├── Conflict       somebody else holds it, or it has moved on since
    │   └── Stale           it is at another revision than the caller has seen
    ├── Missing        there is no such thing
    ├── TooManyTries   a secret was guessed at too often; once some time has passed the same call may succeed
    ├── Unavailable    a service or a resource is away; trying again later may succeed
    │   ├── AskedToWait     it says for how long it wants to be left alone
    │   ├── OutOfSpace      no room left to take anything in
    │   ├── SearchAway      records cannot be searched for; all else goes on
    │   ├── WorkersKilled   every worker that ran a unit died
    │   └── Interrupted     cancelled, paused or asked to stop; the work is resumable
    └── Corrupt        bytes are not what they were: page someone

`code` is a stable word for scripts, `retryable` decides whether the outbox tries an effect again,
`remedy` tells a person what to do next. Adapters translate vendors' exceptions into these at their
own edge; HTTP status codes exist only in the gateway.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


class HeadraceError(Exception):
    """Something that can be told to a user in one sentence, without a traceback."""

    code = "error"
    retryable = False

    def __init__(self, message: str, *, remedy: str = "", field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not survive pickling (Dask) by themselves.
        return _rebuild, (type(self), self.message, self.remedy, self.field)


def _rebuild(kind: type[HeadraceError], message: str, remedy: str, field: str) -> HeadraceError:
    return kind(message, remedy=remedy, field=field)


class Rejected(HeadraceError):
    """The input is wrong; the depositor can mend it."""

    code = "rejected"

    @property
    def faults(self) -> tuple[FieldFault, ...]:
        """What is wrong, by field."""
        return (FieldFault(self.field, (self.message,), self.remedy),)


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field of a document, and what to do about it, where that is not plain. `field` is a dotted
    path with list positions as bare integers, `""` for the whole."""

    field: str
    messages: tuple[str, ...]
    remedy: str = ""


class InvalidFields(Rejected):
    """Fields of a document are wrong; `faults` names each of them, once."""

    code = "invalid-fields"

    def __init__(self, faults: tuple[FieldFault, ...]) -> None:
        super().__init__("A validation error occurred.")
        self._faults = faults

    @property
    def faults(self) -> tuple[FieldFault, ...]:
        return self._faults

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._faults,)


class SourceChanged(Rejected):
    """A file of the source is not what it was when it was surveyed, or when a part of it was read."""

    code = "changed"


class PurgedBytes(Rejected):
    """A file has bytes that were purged from its work."""

    code = "purged"


class Misconfigured(HeadraceError):
    """Settings or command line are wrong; once the operator has mended them the same call may succeed. No input is to
    blame."""

    code = "misconfigured"
    retryable = True


class UnusableSource(Misconfigured):
    """What the command line names as a source could not give one record. No setting is to blame: it stays so until the
    source is mended, or another is named."""

    code = "unusable-source"


class Denied(HeadraceError):
    """Whoever asks has no right to it."""

    code = "denied"


class Conflict(HeadraceError):
    """The thing is held by another, or has changed since it was read."""

    code = "conflict"


class Stale(Conflict):
    """The thing has changed since the revision that the caller means to change."""

    code = "stale"


class Missing(HeadraceError):
    """There is no such thing."""

    code = "missing"


class Gone(Missing):
    """What was durable of an upload cannot be gone on with; it has to be begun again."""

    code = "gone"


class TooManyTries(HeadraceError):
    """Somebody's secret was guessed at as often as is allowed; there is more room in `wait` seconds."""

    code = "too-many-tries"

    def __init__(self, message: str, *, wait: int) -> None:
        super().__init__(message)
        self.wait = wait

    def __reduce__(self) -> tuple[object, ...]:
        return _tried_too_often, (self.message, self.wait)


def _tried_too_often(message: str, wait: int) -> TooManyTries:
    return TooManyTries(message, wait=wait)


class TooLong(HeadraceError):
    """More came than was to come."""

    code = "too-long"


class WrongChecksum(HeadraceError):
    """What a request sent has another digest than it said; none of it was taken."""

    code = "wrong-checksum"


class Unavailable(HeadraceError):
    """A service or resource is away; the same call may succeed later."""

    code = "unavailable"
    retryable = True


class AskedToWait(Unavailable):
    """A service wants to be left alone for `wait`."""

    def __init__(self, message: str, *, wait: timedelta, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.wait = wait

    def __reduce__(self) -> tuple[object, ...]:
        return _asked_to_wait, (self.message, self.wait, self.remedy)


def _asked_to_wait(message: str, wait: timedelta, remedy: str) -> AskedToWait:
    return AskedToWait(message, wait=wait, remedy=remedy)


class OutOfSpace(Unavailable):
    """The store has no room; retryable once somebody made room."""

    code = "out-of-space"


class SearchAway(Unavailable):
    """Records cannot be searched for, whatever the reason; all else goes on."""

    code = "search-away"


class WorkersKilled(Unavailable):
    """Every worker that ran a unit died, by what is in it or by accident."""

    code = "workers-killed"


class Interrupted(Unavailable):
    """The run was cancelled, paused or stopped; what was done stays, the rest can be resumed."""

    code = "interrupted"


class Corrupt(HeadraceError):
    """Stored bytes differ from what was recorded."""

    code = "corrupt"
