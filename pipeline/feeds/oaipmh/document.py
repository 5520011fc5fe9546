"""The XML of answers, as text: the envelope and its elements (OAI-PMH.xsd).

Text is assembled, not a tree: a page of hundreds of records costs little more than its payloads. The
protocol's elements stand in the default namespace, because validators look for their bare names.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape

from lxml import etree

from pipeline.dissemination import Repository
from pipeline.feeds.oaipmh.formats import MetadataFormat
from pipeline.feeds.oaipmh.request import ProtocolError
from pipeline.feeds.oaipmh.source import HarvestItem, OaiSet

_ROOT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/'
    ' http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd">'
)
_OAI_IDENTIFIER = (
    '<description><oai-identifier xmlns="http://www.openarchives.org/OAI/2.0/oai-identifier"'
    ' xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/oai-identifier'
    ' http://www.openarchives.org/OAI/2.0/oai-identifier.xsd">'
    "<scheme>oai</scheme><repositoryIdentifier>{0}</repositoryIdentifier>"
    "<delimiter>:</delimiter><sampleIdentifier>oai:{0}:1</sampleIdentifier>"
    "</oai-identifier></description>"
)
_SET_DESCRIPTION = (
    '<setDescription><oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/oai_dc/'
    ' http://www.openarchives.org/OAI/2.0/oai_dc.xsd">'
    "<dc:description>{}</dc:description></oai_dc:dc></setDescription>"
)
_DOMAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9\-]*(?:\.[A-Za-z][A-Za-z0-9\-]*)+")
# XML 1.0 §2.2: what no document may hold, escaped or not.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def base_url(repository: Repository) -> str:
    """The address that harvesters use and Identify repeats to the letter."""
    return f"{repository.base_url}/oai2d"


def datestamp(instant: datetime) -> str:
    """A UTC instant, cut to the repository's granularity of seconds."""
    return f"{instant.isoformat()[:19]}Z"


def answered(repository: Repository, at: datetime, request: Mapping[str, str], content: str) -> bytes:
    """The whole document. `request` holds the arguments to be echoed."""
    echo = "".join(f' {name}="{_text(value)}"' for name, value in request.items())
    return (
        f"{_ROOT}{_element('responseDate', datestamp(at))}"
        f"<request{echo}>{_text(base_url(repository))}</request>{content}</OAI-PMH>\n"
    ).encode()


def errors(error: ProtocolError) -> str:
    return "".join(f'<error code="{error.code}">{_text(reason)}</error>' for reason in error.reasons)


def identify(repository: Repository, earliest: datetime) -> str:
    # The oai-identifier scheme knows no bare host, no label that begins with a digit.
    named = _DOMAIN_NAME.fullmatch(repository.id)
    return _wrap(
        "Identify",
        (
            _element("repositoryName", repository.name),
            _element("baseURL", base_url(repository)),
            _element("protocolVersion", "2.0"),
            _element("adminEmail", repository.admin_email),
            _element("earliestDatestamp", datestamp(earliest)),
            _element("deletedRecord", "persistent"),
            _element("granularity", "YYYY-MM-DDThh:mm:ssZ"),
            _OAI_IDENTIFIER.format(repository.id) if named else "",
        ),
    )


def metadata_formats(formats: Iterable[MetadataFormat]) -> str:
    return _wrap("ListMetadataFormats", map(_metadata_format, formats))


def sets(all_sets: Iterable[OaiSet]) -> str:
    return _wrap("ListSets", map(_set, all_sets))


def items(verb: str, elements: Iterable[str], resumption: str = "") -> str:
    return _wrap(verb, (*elements, resumption))


def header(repository: Repository, item: HarvestItem) -> str:
    status = ' status="deleted"' if item.deleted else ""
    specs = "".join(f"<setSpec>{_text(spec)}</setSpec>" for spec in item.sets)
    return (
        f"<header{status}><identifier>oai:{_text(repository.id)}:{item.record_id}</identifier>"
        f"<datestamp>{datestamp(item.datestamp)}</datestamp>{specs}</header>"
    )


def record(repository: Repository, item: HarvestItem, form: MetadataFormat) -> str:
    """Raises `ValueError` for an item that is neither deleted nor came with its dissemination."""
    if item.deleted:
        return f"<record>{header(repository, item)}</record>"
    if item.dissemination is None:
        raise ValueError(f"record {item.record_id} came without its dissemination")
    payload = etree.tostring(form.disseminate(item.dissemination), encoding="unicode")
    return f"<record>{header(repository, item)}<metadata>{payload}</metadata></record>"


def resumption_token(cursor: int, size: int, token: str = "", expires: datetime | None = None) -> str:
    """Ends one answer of a split list; `cursor` items were given before it. The last one's is empty."""
    expiry = "" if expires is None else f' expirationDate="{datestamp(expires)}"'
    return f'<resumptionToken{expiry} completeListSize="{size}" cursor="{cursor}">{token}</resumptionToken>'


def _metadata_format(form: MetadataFormat) -> str:
    return _wrap(
        "metadataFormat",
        (
            _element("metadataPrefix", form.prefix),
            _element("schema", form.schema),
            _element("metadataNamespace", form.namespace),
        ),
    )


def _set(oai_set: OaiSet) -> str:
    description = _SET_DESCRIPTION.format(_text(oai_set.description)) if oai_set.description else ""
    return _wrap("set", (_element("setSpec", oai_set.spec), _element("setName", oai_set.name), description))


def _element(name: str, text: str) -> str:
    return f"<{name}>{_text(text)}</{name}>"


def _wrap(name: str, content: Iterable[str]) -> str:
    return f"<{name}>{''.join(content)}</{name}>"


def _text(text: str) -> str:
    return escape(_ILLEGAL.sub("", text))
