"""The arguments of a request: which verb takes which, what their values look like, and what is answered
when they are wrong (OAI-PMH 2.0 §3.6 and §4)."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum

TOKEN = "resumptionToken"  # noqa: S105 - the name of an argument


class Verb(StrEnum):
    IDENTIFY = "Identify"
    LIST_METADATA_FORMATS = "ListMetadataFormats"
    LIST_SETS = "ListSets"
    GET_RECORD = "GetRecord"
    LIST_IDENTIFIERS = "ListIdentifiers"
    LIST_RECORDS = "ListRecords"


class ErrorCode(StrEnum):
    BAD_ARGUMENT = "badArgument"
    BAD_RESUMPTION_TOKEN = "badResumptionToken"  # noqa: S105 - an error code
    BAD_VERB = "badVerb"
    CANNOT_DISSEMINATE_FORMAT = "cannotDisseminateFormat"
    ID_DOES_NOT_EXIST = "idDoesNotExist"
    NO_METADATA_FORMATS = "noMetadataFormats"
    NO_RECORDS_MATCH = "noRecordsMatch"
    NO_SET_HIERARCHY = "noSetHierarchy"


class ProtocolError(Exception):
    """The request is answered with an error condition, once for each of `reasons`."""

    def __init__(self, code: ErrorCode, *reasons: str) -> None:
        super().__init__(code, *reasons)
        self.code = code
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose arguments are legal, each given once and well-formed."""

    verb: Verb
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Signature:
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    resumable: bool = False

    @property
    def allowed(self) -> frozenset[str]:
        return self.required | self.optional | ({TOKEN} if self.resumable else frozenset())


_SELECTIVE = _Signature(frozenset({"metadataPrefix"}), frozenset({"from", "until", "set"}), resumable=True)
_SIGNATURES: Mapping[Verb, _Signature] = {
    Verb.IDENTIFY: _Signature(),
    Verb.LIST_METADATA_FORMATS: _Signature(optional=frozenset({"identifier"})),
    Verb.LIST_SETS: _Signature(resumable=True),
    Verb.GET_RECORD: _Signature(frozenset({"identifier", "metadataPrefix"})),
    Verb.LIST_IDENTIFIERS: _SELECTIVE,
    Verb.LIST_RECORDS: _SELECTIVE,
}

_CHARACTERS = r"[A-Za-z0-9\-_.!~*'()]+"
# RFC 3986: a scheme, then the characters that a URI may hold.
_URI = r"[A-Za-z][A-Za-z0-9+.\-]*:(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+"
_DATESTAMP = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?")


def parse(arguments: Sequence[tuple[str, str]]) -> Request:
    """The request that the (name, value) pairs make. Raises `ProtocolError` with badVerb, or with
    badArgument and everything that is wrong."""
    verb = _verb([value for name, value in arguments if name == "verb"])
    rest = [(name, value) for name, value in arguments if name != "verb"]
    names = Counter(name for name, _ in rest)
    problems = [*_name_problems(verb, names), *_value_problems(rest), *_range_problems(dict(rest))]
    if problems:
        raise ProtocolError(ErrorCode.BAD_ARGUMENT, *problems)
    return Request(verb, dict(rest))


def span(datestamp: str) -> tuple[datetime, datetime]:
    """First and last instant of the day or the second that a datestamp names. Raises `ValueError` for any
    other form than the protocol's two, and where the calendar has no such time."""
    if not _DATESTAMP.fullmatch(datestamp):
        raise ValueError(datestamp)
    if "T" in datestamp:
        second = datetime.fromisoformat(datestamp)
        return second, second.replace(microsecond=999_999)
    day = date.fromisoformat(datestamp)
    return datetime.combine(day, time.min, UTC), datetime.combine(day, time.max, UTC)


def _verb(given: Sequence[str]) -> Verb:
    if len(given) != 1:
        raise ProtocolError(ErrorCode.BAD_VERB, "Exactly one verb is needed.")
    try:
        return Verb(given[0])
    except ValueError:
        raise ProtocolError(ErrorCode.BAD_VERB, f"There is no verb {given[0]!r}.") from None


def _name_problems(verb: Verb, names: Counter[str]) -> Iterator[str]:
    signature = _SIGNATURES[verb]
    for name, times in names.items():
        if name not in signature.allowed:
            yield f"{verb} takes no argument {name!r}."
        elif times > 1:
            yield f"The argument {name!r} is given {times} times."
    if signature.resumable and TOKEN in names:
        if len(names) > 1:
            yield f"{TOKEN} is exclusive: no other argument may stand beside it."
        return
    for name in sorted(signature.required - names.keys()):
        yield f"{verb} needs the argument {name!r}."


def _is_datestamp(value: str) -> bool:
    try:
        span(value)
    except ValueError:
        return False
    return True


def _matches(pattern: str) -> Callable[[str], bool]:
    expression = re.compile(pattern)
    return lambda value: expression.fullmatch(value) is not None


_WELL_FORMED: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "identifier": (_matches(_URI), "a URI"),
    "metadataPrefix": (_matches(_CHARACTERS), "a metadataPrefix"),
    "set": (_matches(f"{_CHARACTERS}(?::{_CHARACTERS})*"), "a setSpec"),
    "from": (_is_datestamp, "a time of the form YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ"),
    "until": (_is_datestamp, "a time of the form YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ"),
}


def _value_problems(arguments: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, value in arguments:
        if name in _WELL_FORMED:
            is_well_formed, meaning = _WELL_FORMED[name]
            if not is_well_formed(value):
                yield f"The value {value!r} of {name!r} is not {meaning}."


def _range_problems(arguments: Mapping[str, str]) -> Iterator[str]:
    start, until = arguments.get("from", ""), arguments.get("until", "")
    if not (_is_datestamp(start) and _is_datestamp(until)):
        return
    if len(start) != len(until):
        yield "'from' and 'until' differ in granularity."
    elif start > until:
        yield "'from' is later than 'until'."
