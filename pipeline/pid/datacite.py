"""A `DoiRegistry` at DataCite, over its REST API.

A DOI is put by its name, whether it is there or not: an upsert, so that whoever did not hear the answer asks again. Two
things are not what they seem. Events that cannot happen are ignored without a word, so the state that is answered is
what counts. And an update changes only what it sends, so all that can be described is sent, empty where there is
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from pipeline import __version__, display
from pipeline.errors import AskedToWait, HeadraceError, Misconfigured, Unavailable
from pipeline.model import DoiState, JsonObject
from pipeline.pid.pace import LONGEST_WISH
from pipeline.ports import DoiFault, DoiOutcome, DoiRequest, DoiSeen
from pipeline.retry_after import retry_after
from pipeline.running.loopback import is_loopback_host
from pipeline.server_url import parse_server_url

IN_FLIGHT = 8
"""Requests that one process has under way at once."""
# The handle server alone is waited for up to 10 s.
_TIMES = httpx.Timeout(60, connect=5)
_LONGEST = 120.0
# It answers with all that it was sent, as JSON and as XML.
_LARGEST = 64 << 20
_MEDIA_TYPE = "application/vnd.api+json"

_LISTS = (
    "creators",
    "titles",
    "subjects",
    "contributors",
    "dates",
    "alternateIdentifiers",
    "relatedIdentifiers",
    "relatedItems",
    "sizes",
    "formats",
    "rightsList",
    "descriptions",
    "geoLocations",
    "fundingReferences",
)
_EMPTY: JsonObject = {"language": None, "version": None, **{name: [] for name in _LISTS}}
# One after the other, until the answer has the state that is wanted.
_EVENTS = {
    DoiState.DRAFT: ("",),
    DoiState.REGISTERED: ("hide", "register"),
    DoiState.FINDABLE: ("publish",),
}
# The others are DataCite's own people's (its REST API, DOI states).
_STATES: Mapping[str, str] = {
    **{state.value: state for state in DoiState},
    **{state: state for state in ("tombstoned", "flagged", "broken")},
}
_TRIED_AGAIN = "it is tried again; see status.datacite.org, and that this machine reaches it"
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}


@dataclass(frozen=True, slots=True)
class DataCiteAccount:
    """A repository account at the REST API at `url`, and the prefix of its DOIs. Only who asks it needs the `password`:
    dispatchers, runners, ingests, checks and reconciliations, not a gateway."""

    url: str
    repository: str
    password: str = field(repr=False)
    prefix: str


def parse_account(url: str, password: str, prefix: str) -> DataCiteAccount:
    """The account of `datacite://REPOSITORY@HOST/PREFIX`. Raises `Misconfigured`, also where its prefix is not that of
    our DOIs. It is spoken to in TLS, but for a server on this machine."""
    named = parse_server_url(url)
    if named is None or not (named.user and named.path):
        raise Misconfigured(
            "HEADRACE_DOIS is not of the form datacite://REPOSITORY@api.datacite.org/PREFIX",
            field="HEADRACE_DOIS",
            remedy="name the repository account and its prefix; the password stands in HEADRACE_DOIS_PASSWORD",
        )
    if named.path != prefix:
        raise Misconfigured(
            f"HEADRACE_DOIS registers DOIs of {named.path}, and HEADRACE_DOI_PREFIX is {prefix}",
            field="HEADRACE_DOI_PREFIX",
            remedy="leave HEADRACE_DOI_PREFIX unset: the prefix in HEADRACE_DOIS is taken",
        )
    scheme = "http" if is_loopback_host(named.host) else "https"
    place = f"[{named.host}]" if ":" in named.host else named.host
    port = f":{named.port}" if named.port else ""
    return DataCiteAccount(f"{scheme}://{place}{port}", named.user, password, named.path)


class DataCiteRegistry:
    """To be used by several threads."""

    is_rate_limited = True

    def __init__(self, account: DataCiteAccount) -> None:
        # Whose account it is makes no other registry of it.
        self.id = account.url
        self._account = account
        self._host = urlsplit(account.url).netloc
        self._web = httpx.Client(
            base_url=account.url,
            auth=(account.repository, account.password),
            timeout=_TIMES,
            limits=httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT),
            # Whoever answers elsewhere is not who was trusted with the password.
            follow_redirects=False,
            trust_env=account.url.startswith("https"),
            headers={
                "accept": _MEDIA_TYPE,
                "accept-encoding": "identity",
                "user-agent": f"Headrace/{__version__}",
            },
        )
        self._pool = ThreadPoolExecutor(IN_FLIGHT, "datacite")

    def put_many(self, requests: Sequence[DoiRequest]) -> Sequence[DoiOutcome]:
        put = list(self._pool.map(self._put, requests))
        # An account that may write nothing is told the same: who may write another's is no such.
        may_write = any(one.fault in (None, DoiFault.REFUSED) for one, _ in put)
        return [
            replace(one, fault=DoiFault.REFUSED) if status == HTTPStatus.FORBIDDEN and may_write else one
            for one, status in put
        ]

    def get(self, doi: str) -> DoiSeen | None:
        answer = self._ask("GET", doi)
        if answer.status == HTTPStatus.NOT_FOUND and answer.has_errors():
            return None
        if (fault := _fault(answer)) is not None:
            raise self._error(fault, answer)
        found = _attributes(answer, doi)
        if found is None:
            raise self._error(DoiFault.AWAY, answer)
        state, attributes = found
        leads_to = None if state is DoiState.DRAFT else self._leads_to(doi)
        return DoiSeen(doi.lower(), state, str(attributes.get("url") or ""), attributes, leads_to)

    def _leads_to(self, doi: str) -> str:
        """What the handle server says: where it could not be told of a change, DataCite says so nowhere else (its REST
        API, handles)."""
        answer = self._ask("GET", doi, part="/get-url")
        if answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
            return ""
        if (fault := _fault(answer)) is not None:
            raise self._error(fault, answer)
        url = answer.document().get("url")
        if not isinstance(url, str):
            raise self._error(DoiFault.AWAY, answer)
        return url

    def describe(self) -> str:
        # Nobody has it; whoever is not let in is told so all the same.
        self.get(f"{self._account.prefix}/-")
        return f"DataCite at {self._host}, as {self._account.repository}, prefix {self._account.prefix}"

    def close(self) -> None:
        self._pool.shutdown()
        self._web.close()

    # ------------------------------------------------------------ one DOI

    def _put(self, request: DoiRequest) -> tuple[DoiOutcome, int | None]:
        """What came of it, and the status of the answer that it failed with."""
        seen: str | None = None
        for event in ("hide",) if request.is_bare else _EVENTS[request.state]:
            try:
                answer = self._sent(request, event)
            except Unavailable as away:
                return DoiOutcome(request.doi, None, DoiFault.AWAY, away.message, away.remedy), None
            except Misconfigured as wrong:
                return DoiOutcome(request.doi, None, DoiFault.LOCKED_OUT, wrong.message, wrong.remedy), None
            if (fault := _fault(answer)) is not None:
                return self._outcome(request, fault, answer), answer.status
            found = _attributes(answer, request.doi)
            if found is None:
                return self._outcome(request, DoiFault.AWAY, answer), answer.status
            seen, _ = found
            if seen == request.state or (request.is_bare and seen != DoiState.FINDABLE):
                return DoiOutcome(request.doi, request.state), None
        stays = DoiOutcome(
            request.doi,
            None,
            DoiFault.REFUSED,
            f"cannot go from {seen} to {request.state}",
            "nothing leads back to an earlier state: see at DataCite whether the DOI is what it should be",
        )
        return stays, None

    def _sent(self, request: DoiRequest, event: str) -> _Answer:
        attributes: JsonObject = {"event": event} if event else {}
        if not request.is_bare:
            described = {key: value for key, value in request.metadata.items() if key != "doi"}
            attributes |= {**_EMPTY, **described, "url": request.url}
        document = {"data": {"type": "dois", "attributes": attributes}}
        answer = self._ask("PUT", request.doi, document)
        if answer.status == HTTPStatus.CONFLICT:
            # Another made it in this moment: now it is there to be changed.
            answer = self._ask("PUT", request.doi, document)
        return answer

    # ------------------------------------------------------------ asking

    def _ask(self, method: str, doi: str, document: JsonObject | None = None, *, part: str = "") -> _Answer:
        """Raises `Unavailable`, and `Misconfigured` where there is no password."""
        if not self._account.password:
            raise Misconfigured(
                "HEADRACE_DOIS_PASSWORD is not set",
                field="HEADRACE_DOIS_PASSWORD",
                remedy="set it to the password of the repository account in HEADRACE_DOIS",
            )
        path = f"/dois/{quote(doi, safe=_IN_PATHS)}{part}?publisher=true&affiliation=true"
        sent: dict[str, Any] = {}
        if document is not None:
            sent = {"content": json.dumps(document).encode(), "headers": {"content-type": _MEDIA_TYPE}}
        deadline = monotonic() + _LONGEST
        try:
            with self._web.stream(method, path, **sent) as answer:
                body = bytearray()
                for block in answer.iter_bytes():
                    body += block
                    if len(body) > _LARGEST or monotonic() > deadline:
                        raise Unavailable(
                            f"{self._host} does not come to an end with its answer", remedy=_TRIED_AGAIN
                        )
                return _Answer(answer.status_code, bytes(body), answer.headers.get("retry-after", ""))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            told = str(error) or type(error).__name__
            raise Unavailable(
                f"{self._host} does not answer: {told}",
                remedy=_TRIED_AGAIN,
            ) from error

    # ------------------------------------------------------------ words

    def _outcome(self, request: DoiRequest, fault: DoiFault, answer: _Answer) -> DoiOutcome:
        reason, remedy = self._words(fault, answer)
        return DoiOutcome(request.doi, None, fault, reason, remedy, answer.wait(datetime.now(UTC)))

    def _error(self, fault: DoiFault, answer: _Answer) -> HeadraceError:
        reason, remedy = self._words(fault, answer)
        if fault is DoiFault.LOCKED_OUT:
            return Misconfigured(reason, field="HEADRACE_DOIS", remedy=remedy)
        if (wait := answer.wait(datetime.now(UTC))) is not None:
            return AskedToWait(reason, wait=wait, remedy=remedy)
        return Unavailable(reason, remedy=remedy)

    def _words(self, fault: DoiFault, answer: _Answer) -> tuple[str, str]:
        """Reason and remedy."""
        repository = self._account.repository
        match answer.status:
            case HTTPStatus.UNAUTHORIZED:
                return (
                    f"{self._host} does not let {repository} in",
                    "correct the repository in HEADRACE_DOIS, and HEADRACE_DOIS_PASSWORD",
                )
            case HTTPStatus.FORBIDDEN:
                return (
                    f"{repository} may not write it: {answer.told()}",
                    "see at DataCite that the account is active and the prefix is its own, then: headrace dois retry",
                )
            case HTTPStatus.TOO_MANY_REQUESTS:
                return (
                    f"{self._host} was asked too often",
                    "it is tried again; lower HEADRACE_DOI_RATE where others use the account, too",
                )
            case status if 300 <= status < 400:
                return f"{self._host} sends us elsewhere ({status})", "correct the host in HEADRACE_DOIS"
            case status if fault is DoiFault.AWAY:
                said = "what is no answer" if 200 <= status < 300 else str(status)
                return f"{self._host} answers {said}", _TRIED_AGAIN
            case status:
                return (
                    f"refused ({status}): {answer.told()}",
                    "correct what is named by an edit of the record, then: headrace dois retry",
                )


_IN_PATHS = "/-._;():*~$="
"""Characters of DOIs that stand in a path as they are (RFC 3986, section 3.3)."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after: str

    def document(self) -> JsonObject:
        """`{}` where it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def has_errors(self) -> bool:
        """Whether it is of DataCite, and no page of whatever stands before it."""
        errors = self.document().get("errors")
        return isinstance(errors, list) and bool(errors)

    def told(self) -> str:
        """What its `errors` say, in one line."""
        errors = self.document().get("errors")
        told = [
            ": ".join(str(one[key]) for key in ("source", "title") if one.get(key))
            for one in (errors if isinstance(errors, list) else [])
            if isinstance(one, dict)
        ]
        return display.told("; ".join(told)) or "it does not say why"

    def wait(self, now: datetime) -> timedelta | None:
        seconds = retry_after(self.retry_after, now)
        # Whatever they ask for.
        longest = LONGEST_WISH.total_seconds()
        return timedelta(seconds=min(seconds, longest)) if seconds else None


def _fault(answer: _Answer) -> DoiFault | None:
    """What an answer means (DataCite's REST API, errors); None for success. 403 is of one DOI, or of an account that
    is not active."""
    match answer.status:
        case status if 200 <= status < 300:
            return None
        case HTTPStatus.TOO_MANY_REQUESTS:
            return DoiFault.BUSY
        case HTTPStatus.UNAUTHORIZED:
            return DoiFault.LOCKED_OUT
        case HTTPStatus.FORBIDDEN if answer.has_errors():
            return DoiFault.LOCKED_OUT
        case status if 300 <= status < 400:
            return DoiFault.LOCKED_OUT
        case status if status >= 500 or status in _PASSING or status == HTTPStatus.CONFLICT:
            return DoiFault.AWAY
    return DoiFault.REFUSED if answer.has_errors() else DoiFault.AWAY


def _attributes(answer: _Answer, doi: str) -> tuple[str, JsonObject] | None:
    """State and attributes of the DOI; None where the answer is not of it, or of no form that is known."""
    data = answer.document().get("data")
    attributes = data.get("attributes") if isinstance(data, dict) else None
    if not isinstance(attributes, dict) or str(attributes.get("doi", "")).lower() != doi.lower():
        return None
    state = str(attributes.get("state"))
    return (_STATES[state], attributes) if state in _STATES else None
