"""What validators check of an OAI-PMH 2.0 data provider, against any server that can be asked.

The steps are those of the openarchives.org validator (HTTP::OAIPMH::Validator), with what OVAL adds
(token lifetime, duplicates, harvests by day) and every answer validated against the schemas of the protocol
and of its payloads. Run it twice over HTTP: with a `fetch` that uses GET, and with one that uses POST.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeAlias

from lxml import etree

from tests.reference import reference

Arguments: TypeAlias = Sequence[tuple[str, str]]
Fetch: TypeAlias = Callable[[Arguments], bytes]
"""The body of the answer to the (not yet encoded) arguments of a request."""

OAI = "http://www.openarchives.org/OAI/2.0/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
GRANULARITY = "YYYY-MM-DDThh:mm:ssZ"


@cache
def schema() -> etree.XMLSchema:
    """The protocol's schema with those of the payloads."""
    return etree.XMLSchema(etree.parse(reference("testdata", "oai-pmh", "all.xsd")))


def problems(fetch: Fetch, *, base_url: str) -> list[str]:
    """What a validator would complain about; empty for a conforming provider that holds, in `oai_dc`, at
    least one record that is not deleted."""
    inspection = _Inspection(fetch, base_url)
    try:
        inspection.run()
    except _Impossible as reason:
        inspection.found.append(str(reason))
    return inspection.found


class _Impossible(Exception):
    """Without this nothing more can be checked."""


class _Answer:
    def __init__(self, body: bytes) -> None:
        self.root = etree.fromstring(body)

    def elements(self, name: str) -> list[etree._Element]:
        return list(self.root.iter(f"{{{OAI}}}{name}"))

    def texts(self, name: str) -> list[str]:
        return [element.text or "" for element in self.elements(name)]

    @property
    def codes(self) -> set[str]:
        return {element.get("code", "") for element in self.elements("error")}

    @property
    def token(self) -> etree._Element | None:
        return next(iter(self.elements("resumptionToken")), None)


class _Inspection:
    def __init__(self, fetch: Fetch, base_url: str) -> None:
        self.fetch = fetch
        self.base_url = base_url
        self.found: list[str] = []

    def run(self) -> None:
        earliest = self.check_identify()
        specs = self.check_sets()
        set_spec, identifier = self.example(specs)
        self.check_formats(identifier)
        datestamp = self.check_record(identifier, set_spec)
        self.check_listed(identifier, datestamp)
        self.check_resumption(earliest)
        self.check_errors(identifier, earliest)

    def expect(self, holds: object, complaint: str) -> None:
        if not holds:
            self.found.append(complaint)

    def ask(self, **arguments: str) -> _Answer:
        """`from_` stands for the argument `from`."""
        return self.send([(name.rstrip("_"), value) for name, value in arguments.items()])

    def send(self, arguments: Arguments) -> _Answer:
        body = self.fetch(arguments)
        asked = "&".join("=".join(pair) for pair in arguments)
        try:
            answer = _Answer(body)
        except etree.XMLSyntaxError as error:
            raise _Impossible(f"{asked}: not well-formed: {error}") from error
        root = answer.root
        if not schema().validate(root):
            self.found.append(f"{asked}: not valid: {schema().error_log.last_error}")
        self.expect(root.tag == f"{{{OAI}}}OAI-PMH" and root.prefix is None, f"{asked}: root is {root.tag}")
        pair = f"{OAI} {OAI}OAI-PMH.xsd"
        self.expect(
            root.get(f"{{{XSI}}}schemaLocation") == pair, f"{asked}: schemaLocation is not the protocol's"
        )
        stamp = "".join(answer.texts("responseDate"))
        self.expect(SECONDS.fullmatch(stamp), f"{asked}: responseDate is {stamp!r}")
        self.expect(answer.texts("request") == [self.base_url], f"{asked}: request is not the base URL")
        if answer.codes & {"badVerb", "badArgument"}:
            self.expect(not answer.elements("request")[0].attrib, f"{asked}: illegal arguments are echoed")
        self.expect(all(answer.texts("error")), f"{asked}: an error has no text")
        return answer

    def check_identify(self) -> str:
        answer = self.ask(verb="Identify")
        self.expect(
            answer.texts("baseURL") == [self.base_url], "Identify: baseURL is not the address that is asked"
        )
        self.expect(answer.texts("protocolVersion") == ["2.0"], "Identify: protocolVersion is not 2.0")
        self.expect(answer.texts("granularity") == [GRANULARITY], "Identify: granularity is not seconds")
        for email in answer.texts("adminEmail"):
            self.expect(
                not email.startswith("mailto:") and not email.endswith("@localhost"),
                f"Identify: adminEmail is {email!r}",
            )
        scheme = answer.root.findall(".//{*}oai-identifier")
        self.expect(
            [(e.prefix, etree.QName(e).namespace) for e in scheme] in ([], [(None, f"{OAI}oai-identifier")]),
            "Identify: oai-identifier is repeated or not in its default namespace",
        )
        earliest = "".join(answer.texts("earliestDatestamp"))
        self.expect(SECONDS.fullmatch(earliest), f"Identify: earliestDatestamp is {earliest!r}")
        return earliest

    def check_sets(self) -> list[str]:
        answer = self.ask(verb="ListSets")
        specs = answer.texts("setSpec")
        self.expect(specs or answer.codes == {"noSetHierarchy"}, "ListSets: neither sets nor noSetHierarchy")
        self.expect(len(specs) == len(answer.elements("setName")), "ListSets: not every set has a name")
        self.expect(len(specs) == len(set(specs)), "ListSets: a set is listed twice")
        return specs

    def example(self, specs: Sequence[str]) -> tuple[str | None, str]:
        """A record that is not deleted, with the set that it was found in."""
        for spec in (*specs, None):
            narrowed = {} if spec is None else {"set": spec}
            answer = self.ask(verb="ListIdentifiers", metadataPrefix="oai_dc", **narrowed)
            for header in answer.elements("header"):
                if header.get("status") != "deleted":
                    return spec, header.findtext(f"{{{OAI}}}identifier")
        raise _Impossible("ListIdentifiers: there is no record that is not deleted")

    def check_formats(self, identifier: str) -> None:
        answer = self.ask(verb="ListMetadataFormats", identifier=identifier)
        self.expect("oai_dc" in answer.texts("metadataPrefix"), "ListMetadataFormats: oai_dc is missing")
        for form in answer.elements("metadataFormat"):
            prefix, location, namespace = (child.text for child in form)
            record = self.ask(verb="GetRecord", identifier=identifier, metadataPrefix=prefix)
            for metadata in record.elements("metadata"):
                payload = metadata[0]
                self.expect(
                    etree.QName(payload).namespace == namespace,
                    f"GetRecord: {prefix} has another namespace than listed",
                )
                locations = payload.get(f"{{{XSI}}}schemaLocation", "").split()
                self.expect(location in locations, f"GetRecord: {prefix} names another schema than listed")
            self.expect(record.elements("metadata"), f"GetRecord: no metadata in the listed format {prefix}")

    def check_record(self, identifier: str, set_spec: str | None) -> str:
        answer = self.ask(verb="GetRecord", identifier=identifier, metadataPrefix="oai_dc")
        datestamp = "".join(answer.texts("datestamp"))
        self.expect(SECONDS.fullmatch(datestamp), f"GetRecord: datestamp is {datestamp!r}")
        self.expect(
            set_spec is None or set_spec in answer.texts("setSpec"),
            f"GetRecord: the set {set_spec} is not in the header",
        )
        return datestamp

    def check_listed(self, identifier: str, datestamp: str) -> None:
        """`from` and `until` are inclusive, at either granularity."""
        for bound in (datestamp, datestamp[:10]):
            pages = self.harvest("ListRecords", metadataPrefix="oai_dc", from_=bound, until=bound)
            listed = {found for page in pages for found in page.texts("identifier")}
            self.expect(identifier in listed, f"ListRecords: from=until={bound} misses {identifier}")

    def harvest(self, verb: str, **arguments: str) -> Iterator[_Answer]:
        answer = self.ask(verb=verb, **arguments)
        yield answer
        while answer.token is not None and answer.token.text:
            answer = self.ask(verb=verb, resumptionToken=answer.token.text)
            yield answer

    def check_resumption(self, earliest: str) -> None:
        for verb, child in (("ListRecords", "record"), ("ListIdentifiers", "header")):
            pages = list(self.harvest(verb, metadataPrefix="oai_dc"))
            for page in pages:
                self.expect(not page.codes, f"{verb}: a resumption was answered with {page.codes}")
            listed = [identifier for page in pages for identifier in page.texts("identifier")]
            self.expect(len(listed) == len(set(listed)), f"{verb}: a harvest met a record twice")
            stamps = [stamp for page in pages for stamp in page.texts("datestamp")]
            self.expect(
                min(stamps, default=earliest) >= earliest, f"{verb}: a datestamp is before earliestDatestamp"
            )
            self.check_tokens(verb, pages, [len(page.elements(child)) for page in pages])

    def check_tokens(self, verb: str, pages: Sequence[_Answer], lengths: Sequence[int]) -> None:
        if len(pages) == 1:
            self.expect(pages[0].token is None, f"{verb}: a list answered whole carries a token")
            return
        for number, page in enumerate(pages):
            token = page.token
            if token is None:
                self.found.append(f"{verb}: the last answer of a split list has no resumptionToken")
                continue
            self.expect(
                token.get("cursor") in (None, str(sum(lengths[:number]))), f"{verb}: a cursor is wrong"
            )
            self.expect(
                not token.text or token.get("expirationDate"), f"{verb}: a token has no expirationDate"
            )
        first = pages[0].token
        again = self.ask(verb=verb, resumptionToken="" if first is None else first.text)
        self.expect(
            again.texts("identifier") == pages[1].texts("identifier"),
            f"{verb}: a token sent twice gives another page",
        )

    def check_errors(self, identifier: str, earliest: str) -> None:
        too_early = f"{int(earliest[:4]) - 1:04}{earliest[4:]}".replace("-02-29", "-02-28")
        for query, codes in (
            ("junk", "badVerb"),
            ("verb=junk", "badVerb"),
            ("verb=GetRecord&metadataPrefix=oai_dc", "badArgument"),
            (f"verb=GetRecord&identifier={identifier}", "badArgument"),
            ('verb=GetRecord&identifier=invalid"id&metadataPrefix=oai_dc', "badArgument idDoesNotExist"),
            ("verb=ListIdentifiers&until=junk", "badArgument"),
            ("verb=ListIdentifiers&from=junk", "badArgument"),
            ("verb=ListIdentifiers&resumptionToken=junk&until=2000-02-05", "badArgument badResumptionToken"),
            ("verb=ListRecords&metadataPrefix=oai_dc&from=junk", "badArgument"),
            ("verb=ListRecords&metadataPrefix=oai_dc&until=junk", "badArgument"),
            ("verb=ListRecords&resumptionToken=junk", "badResumptionToken"),
            (
                "verb=ListRecords&metadataPrefix=oai_dc&resumptionToken=junk&until=1990-01-10",
                "badArgument badResumptionToken",
            ),
            ("verb=ListRecords", "badArgument"),
            (
                "verb=ListRecords&metadataPrefix=oai_dc&from=2002-02-05&until=2002-02-06T05:35:00Z",
                "badArgument",
            ),
            (f"verb=ListRecords&metadataPrefix=oai_dc&until={too_early}", "noRecordsMatch"),
        ):
            pairs = [pair.partition("=") for pair in query.split("&")]
            given = self.send([(name, value) for name, _, value in pairs]).codes
            self.expect(given & set(codes.split()), f"{query}: {sorted(given)} instead of {codes}")
