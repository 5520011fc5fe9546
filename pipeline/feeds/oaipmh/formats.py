"""The metadata formats that the archive disseminates. A new one is one more line in `FORMATS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lxml.etree import _Element

from pipeline.dissemination import Dissemination
from pipeline.feeds import crosswalks


@dataclass(frozen=True, slots=True)
class MetadataFormat:
    """`schema` and `namespace` are what ListMetadataFormats tells: harvesters compare them with those of
    the element that `disseminate` makes."""

    prefix: str
    schema: str
    namespace: str
    disseminate: Callable[[Dissemination], _Element]


FORMATS: Mapping[str, MetadataFormat] = {
    format_.prefix: format_
    for format_ in (
        MetadataFormat(
            "oai_dc",
            "http://www.openarchives.org/OAI/2.0/oai_dc.xsd",
            "http://www.openarchives.org/OAI/2.0/oai_dc/",
            crosswalks.oai_dc,
        ),
        MetadataFormat(
            "oai_datacite",
            "http://schema.datacite.org/oai/oai-1.1/oai.xsd",
            "http://schema.datacite.org/oai/oai-1.1/",
            crosswalks.oai_datacite,
        ),
        MetadataFormat(
            "datacite",
            "http://schema.datacite.org/meta/kernel-4.7/metadata.xsd",
            "http://datacite.org/schema/kernel-4",
            crosswalks.datacite_xml,
        ),
    )
}
