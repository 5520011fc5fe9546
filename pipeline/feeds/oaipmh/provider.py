"""The six verbs: from the arguments of a request to its answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.dissemination import Repository
from pipeline.feeds.oaipmh import document
from pipeline.feeds.oaipmh.formats import FORMATS, MetadataFormat
from pipeline.feeds.oaipmh.request import TOKEN, ErrorCode, ProtocolError, Request, Verb, parse, span
from pipeline.feeds.oaipmh.resumption import Resumption, Selection, seal, unseal
from pipeline.feeds.oaipmh.source import HarvestItem, HarvestSource

PAGE_SIZE = 100
TOKEN_LIFETIME = timedelta(days=7)

# An id fits into 64 bits, and has one spelling only.
_RECORD_ID = re.compile("[1-9][0-9]{0,17}")
_NOT_ECHOED = frozenset({ErrorCode.BAD_VERB, ErrorCode.BAD_ARGUMENT})


@dataclass(frozen=True, slots=True)
class _Provider:
    """What all verbs answer from. `observed` is the instant whose state the answer shows."""

    archive: HarvestSource
    repository: Repository
    formats: Mapping[str, MetadataFormat]
    now: datetime
    observed: datetime
    secret: bytes
    page_size: int


@dataclass(frozen=True, slots=True)
class _Position:
    """Where an answer begins in its list; `size` is known once the list was split."""

    selection: Selection
    cursor: int = 0
    size: int | None = None
    after: tuple[datetime, int] | None = None


def answer(
    arguments: Sequence[tuple[str, str]],
    archive: HarvestSource,
    identity: Repository,
    *,
    now: datetime,
    secret: bytes,
    formats: Mapping[str, MetadataFormat] = FORMATS,
    page_size: int = PAGE_SIZE,
) -> bytes:
    """The XML document, in UTF-8, that answers the decoded (name, value) pairs of a query or form.

    Protocol errors are answers as well. `secret` seals the resumption tokens: all servers of an archive
    share it. Lists are split after `page_size` items (of sets there is one list). Raises `ValueError` for
    a page size below 1.
    """
    if page_size < 1:
        raise ValueError("a page holds at least one item")
    # Whoever harvests next from this responseDate on must find what is stamped after the horizon.
    observed = min(now, archive.horizon())
    provider = _Provider(archive, identity, formats, now, observed, secret, page_size)
    echo: Mapping[str, str] = {}
    try:
        request = parse(arguments)
        echo = {"verb": request.verb, **dict(sorted(request.arguments.items()))}
        content = _content(request, provider)
    except ProtocolError as error:
        if error.code in _NOT_ECHOED:
            echo = {}
        content = document.errors(error)
    return document.answered(identity, observed, echo, content)


def _content(request: Request, provider: _Provider) -> str:
    match request.verb:
        case Verb.IDENTIFY:
            return document.identify(provider.repository, provider.archive.earliest())
        case Verb.LIST_METADATA_FORMATS:
            return _list_metadata_formats(request.arguments.get("identifier"), provider)
        case Verb.LIST_SETS:
            return _list_sets(request.arguments, provider)
        case Verb.GET_RECORD:
            return _get_record(request.arguments, provider)
        case Verb.LIST_IDENTIFIERS | Verb.LIST_RECORDS:
            return _list_items(request, provider)


def _list_metadata_formats(identifier: str | None, provider: _Provider) -> str:
    if identifier is not None and _item(identifier, provider).deleted:
        raise ProtocolError(ErrorCode.NO_METADATA_FORMATS, "The item is deleted: it has no format any more.")
    return document.metadata_formats(provider.formats.values())


def _list_sets(arguments: Mapping[str, str], provider: _Provider) -> str:
    if TOKEN in arguments:
        raise ProtocolError(ErrorCode.BAD_RESUMPTION_TOKEN, "The list of sets is never split.")
    sets = provider.archive.sets()
    if not sets:
        raise ProtocolError(ErrorCode.NO_SET_HIERARCHY, "This repository has no sets.")
    return document.sets(sets)


def _get_record(arguments: Mapping[str, str], provider: _Provider) -> str:
    item = _item(arguments["identifier"], provider)
    form = _format(arguments["metadataPrefix"], provider)
    return document.items(Verb.GET_RECORD, [document.record(provider.repository, item, form)])


def _list_items(request: Request, provider: _Provider) -> str:
    position = _position(request, provider)
    selection = position.selection
    form = _format(selection.prefix, provider)
    headers_only = request.verb is Verb.LIST_IDENTIFIERS
    found = provider.archive.page(
        start=selection.start,
        until=selection.until,
        set_spec=selection.set_spec,
        after=position.after,
        # One more than is shown tells whether any are left: no token may lead to an empty page.
        limit=provider.page_size + 1,
        headers_only=headers_only,
    )
    if not found:
        raise _no_match(selection, provider)
    shown = found[: provider.page_size]
    elements = (
        document.header(provider.repository, item)
        if headers_only
        else document.record(provider.repository, item, form)
        for item in shown
    )
    return document.items(request.verb, elements, _resumption(position, found, provider))


def _position(request: Request, provider: _Provider) -> _Position:
    token = request.arguments.get(TOKEN)
    return _first(request, provider) if token is None else _resumed(token, request.verb, provider)


def _first(request: Request, provider: _Provider) -> _Position:
    arguments = request.arguments
    start = span(arguments["from"])[0] if "from" in arguments else None
    until = min(span(arguments["until"])[1], provider.observed) if "until" in arguments else provider.observed
    return _Position(Selection(request.verb, arguments["metadataPrefix"], arguments.get("set"), start, until))


def _resumed(token: str, verb: Verb, provider: _Provider) -> _Position:
    try:
        resumption = unseal(token, provider.secret)
    except ValueError:
        raise ProtocolError(ErrorCode.BAD_RESUMPTION_TOKEN, "This token was not given here.") from None
    if resumption.selection.verb != verb:
        raise ProtocolError(ErrorCode.BAD_RESUMPTION_TOKEN, "This token was given to another verb.")
    if resumption.expires < provider.now:
        raise ProtocolError(ErrorCode.BAD_RESUMPTION_TOKEN, "This token has expired.")
    return _Position(resumption.selection, resumption.cursor, resumption.size, resumption.after)


def _resumption(position: _Position, found: Sequence[HarvestItem], provider: _Provider) -> str:
    """The resumptionToken element that ends this answer, `""` for a list that is answered whole."""
    more = len(found) > provider.page_size
    if not more and position.size is None:
        return ""
    # Re-stamped items come and go: the size is an estimate, but never less than what was seen.
    size = max(position.size or _count(position.selection, provider), position.cursor + len(found))
    if not more:
        return document.resumption_token(position.cursor, size)
    last = found[provider.page_size - 1]
    resumption = Resumption(
        position.selection,
        cursor=position.cursor + provider.page_size,
        size=size,
        after=(last.datestamp, last.record_id),
        expires=provider.now + TOKEN_LIFETIME,
    )
    token = seal(resumption, provider.secret)
    return document.resumption_token(position.cursor, size, token, resumption.expires)


def _count(selection: Selection, provider: _Provider) -> int:
    return provider.archive.count(start=selection.start, until=selection.until, set_spec=selection.set_spec)


def _no_match(selection: Selection, provider: _Provider) -> ProtocolError:
    if selection.set_spec is not None:
        known = [oai_set.spec for oai_set in provider.archive.sets()]
        if not known:
            return ProtocolError(ErrorCode.NO_SET_HIERARCHY, "This repository has no sets.")
        if selection.set_spec not in known:
            return ProtocolError(ErrorCode.NO_RECORDS_MATCH, f"There is no set {selection.set_spec!r}.")
    return ProtocolError(ErrorCode.NO_RECORDS_MATCH, "Nothing is left that matches the request.")


def _format(prefix: str, provider: _Provider) -> MetadataFormat:
    try:
        return provider.formats[prefix]
    except KeyError:
        raise ProtocolError(
            ErrorCode.CANNOT_DISSEMINATE_FORMAT, f"There is no metadata format {prefix!r}."
        ) from None


def _item(identifier: str, provider: _Provider) -> HarvestItem:
    """The item of `oai:<repository id>:<record id>`."""
    authority = f"oai:{provider.repository.id}:"
    number = identifier.removeprefix(authority)
    if identifier.startswith(authority) and _RECORD_ID.fullmatch(number):
        item = provider.archive.get(int(number))
        if item is not None:
            return item
    raise ProtocolError(ErrorCode.ID_DOES_NOT_EXIST, f"There is no item {identifier!r}.")
