"""The formats in which a record is given out (Zenodo's REST API, records), and how a request chooses among them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from fastapi import Request, Response
from lxml import etree

from gateway.http.answers import to_json
from gateway.http.content import is_same_tag
from gateway.http.negotiation import choose
from gateway.http.problems import NotAcceptable
from pipeline.dissemination import Dissemination
from pipeline.feeds import crosswalks
from pipeline.model import AccessSettings, JsonObject, Record
from pipeline.services import Services

VARY = "Accept, Authorization"


@dataclass(frozen=True, slots=True)
class Format:
    """`name` is the word in `/records/{id}/export/{name}`, empty where there is no such address; `convert`
    takes whether the asker may read the files, and gives JSON, an XML document or a text."""

    name: str
    title: str
    media_types: tuple[str, ...]
    ending: str
    convert: Callable[[Dissemination, bool], JsonObject | etree._Element | str]

    @property
    def is_json(self) -> bool:
        return self.ending == "json"

    @property
    def served_as(self) -> str:
        return self.media_types[0] if self.is_json else f"{self.media_types[0]}; charset=utf-8"

    def render(self, described: Dissemination, *, files_open: bool, indent: int | None = None) -> bytes:
        match self.convert(described, files_open):
            case str(text):
                return text.encode()
            case dict(converted):
                return to_json(converted, indent=indent)
            case element:
                document: bytes = etree.tostring(element, xml_declaration=True, encoding="UTF-8")
                return document


ZENODO = Format(
    "",
    "Zenodo JSON",
    ("application/json", "application/vnd.zenodo.v1+json"),
    "json",
    lambda described, files_open: crosswalks.zenodo_json(described, files_open=files_open),
)
RDM = Format(
    "json",
    "JSON",
    ("application/vnd.inveniordm.v1+json",),
    "json",
    lambda described, files_open: crosswalks.rdm_json(described, files_open=files_open),
)
JSON_LD = Format(
    "json-ld",
    "JSON-LD (schema.org)",
    ("application/ld+json",),
    "json",
    lambda described, _: crosswalks.schema_org(described),
)
CSL_JSON = Format(
    "csl",
    "CSL JSON",
    ("application/vnd.citationstyles.csl+json",),
    "json",
    lambda described, _: crosswalks.csl_json(described),
)
BIBTEX = Format(
    "bibtex",
    "BibTeX",
    ("application/x-bibtex",),
    "bib",
    lambda described, _: crosswalks.bibtex(described),
)
DATACITE_JSON = Format(
    "datacite-json",
    "DataCite JSON",
    ("application/vnd.datacite.datacite+json",),
    "json",
    lambda described, _: crosswalks.datacite_json(described),
)
DATACITE_XML = Format(
    "datacite-xml",
    "DataCite XML",
    ("application/vnd.datacite.datacite+xml", "application/x-datacite+xml"),
    "xml",
    lambda described, _: crosswalks.datacite_xml(described),
)
DUBLIN_CORE = Format(
    "dublincore",
    "Dublin Core",
    ("application/x-dc+xml",),
    "xml",
    lambda described, _: crosswalks.oai_dc(described),
)

FORMATS = (ZENODO, RDM, JSON_LD, CSL_JSON, BIBTEX, DATACITE_JSON, DATACITE_XML, DUBLIN_CORE)
BY_MEDIA_TYPE: Mapping[str, Format] = {media_type: one for one in FORMATS for media_type in one.media_types}
EXPORTS: Mapping[str, Format] = {one.name: one for one in FORMATS if one.name}
OLD_EXPORTS: Mapping[str, str] = {
    "hx": BIBTEX.name,
    "dcite4": DATACITE_XML.name,
    "xd": DUBLIN_CORE.name,
}
"""Names of formats before 2023, which links still bear."""


def negotiated(request: Request, offered: Sequence[Format] = FORMATS) -> Format:
    """The format that the request wants. Raises `NotAcceptable`."""
    names = [media_type for one in offered for media_type in one.media_types]
    chosen = choose(request.headers.get("accept"), names)
    if chosen is None:
        raise NotAcceptable(", ".join(names))
    return BY_MEDIA_TYPE[chosen]


def rendered(
    request: Request,
    services: Services,
    record: Record,
    form: Format,
    document: Callable[[], bytes],
    *,
    files_open: bool,
    shared: str = "",
) -> Response:
    """The record in a format, as `document` gives it, or 304 where the client has it already. `shared` is the
    `shared_tag` of a document that tells who may ask for the files."""
    headers = {
        "ETag": entity_tag(record, form, files_open=files_open, shared=shared),
        "Vary": VARY,
        "Cache-Control": "no-cache",
        "Link": f'<{services.repository.base_url}/records/{record.id}>; rel="describes"; type="text/html"',
    }
    if is_same_tag(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(document(), headers=headers, media_type=form.served_as)


def entity_tag(record: Record, form: Format, *, files_open: bool, shared: str = "") -> str:
    # A bare number in Zenodo's own form. Other forms, and a view with the files closed, are other
    # representations, and a strong tag must tell them apart.
    parts = [str(record.change), form.name, "" if files_open else "closed", shared]
    return f'"{"-".join(filter(None, parts))}"'


def shared_tag(described: Dissemination) -> str:
    """With whom the work is shared, and who may ask for its files, changes while the record does not."""
    if described.shares is None and described.settings == AccessSettings():
        return ""
    return sha256(repr((described.settings, described.shares)).encode()).hexdigest()[:16]
