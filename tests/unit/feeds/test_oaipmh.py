"""The six verbs and the error conditions of OAI-PMH 2.0."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.feeds.oaipmh import HarvestItem, MetadataFormat, OaiSet, answer, community_set, community_slug
from tests.oai_conformance import OAI, XSI, schema
from tests.unit.feeds.memory_archive import FORMATS, FOUNDED, REPOSITORY, MemoryArchive, archive_of

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
BIOLOGY = OaiSet("user-biology", "Biology & more", "Of <cells>")


def ask(
    query: str,
    archive: MemoryArchive | None = None,
    *,
    now: datetime = NOW,
    page_size: int = 100,
    formats: Mapping[str, MetadataFormat] = FORMATS,
) -> etree._Element:
    """The valid answer to a query string that is not percent-encoded."""
    pairs = [pair.partition("=") for pair in query.split("&")]
    return send(
        [(name, value) for name, _, value in pairs], archive, now=now, page_size=page_size, formats=formats
    )


def send(
    arguments: list[tuple[str, str]],
    archive: MemoryArchive | None = None,
    *,
    now: datetime = NOW,
    page_size: int = 100,
    formats: Mapping[str, MetadataFormat] = FORMATS,
) -> etree._Element:
    body = answer(
        arguments,
        archive or archive_of(3, BIOLOGY),
        REPOSITORY,
        now=now,
        secret=b"secret",
        formats=formats,
        page_size=page_size,
    )
    root = etree.fromstring(body)
    schema().assertValid(root)
    return root


def texts(root: etree._Element, name: str) -> list[str]:
    return [element.text or "" for element in root.iter(f"{{{OAI}}}{name}")]


def errors(root: etree._Element) -> list[tuple[str, str]]:
    return [(element.get("code"), element.text) for element in root.iter(f"{{{OAI}}}error")]


def codes(root: etree._Element) -> set[str]:
    return {code for code, _ in errors(root)}


def echo(root: etree._Element) -> dict[str, str]:
    return dict(root.find(f"{{{OAI}}}request").attrib)


OF_ITEM = "identifier=oai:archive.example.org:2"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        # The verb itself.
        ("junk", "badVerb"),
        ("verb=", "badVerb"),
        ("verb=junk", "badVerb"),
        ("verb=identify", "badVerb"),
        ("verb=Identify&verb=Identify", "badVerb"),
        # Missing, foreign and repeated arguments.
        ("verb=GetRecord&metadataPrefix=oai_dc", "badArgument"),
        (f"verb=GetRecord&{OF_ITEM}", "badArgument"),
        ("verb=ListRecords", "badArgument"),
        ("verb=ListIdentifiers&from=2024-01-01", "badArgument"),
        ("verb=Identify&identifier=oai:archive.example.org:1", "badArgument"),
        ("verb=Identify&resumptionToken=junk", "badArgument"),
        ("verb=ListSets&set=user-biology", "badArgument"),
        ("verb=ListMetadataFormats&metadataPrefix=oai_dc", "badArgument"),
        ("verb=ListRecords&metadataprefix=oai_dc", "badArgument"),
        (f"verb=GetRecord&metadataPrefix=oai_dc&{OF_ITEM}&{OF_ITEM}", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&metadataPrefix=oai_dc", "badArgument"),
        # Times.
        ("verb=ListIdentifiers&until=junk", "badArgument"),
        ("verb=ListIdentifiers&from=junk", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=junk", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&until=junk", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2002-02-30", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2002-W05-1", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2002-02-05T24:00:00Z", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2002-02-05T05:35:00+00:00", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2002-02-05T05:35:00.5Z", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2002-02-05T05:35Z", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2002-02-05&until=2002-02-06T05:35:00Z", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2002-02-06&until=2002-02-05", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&until=2023-02-28T00:00:00Z", "noRecordsMatch"),
        ("verb=ListIdentifiers&metadataPrefix=oai_dc&from=2026-01-01", "noRecordsMatch"),
        # Characters that the schema does not allow.
        ("verb=ListRecords&metadataPrefix=oai dc", "badArgument"),
        ("verb=ListRecords&metadataPrefix=", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&set=", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&set=a/b", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&set=a::b", "badArgument"),
        ('verb=GetRecord&identifier=invalid"id&metadataPrefix=oai_dc', "badArgument"),
        ("verb=ListMetadataFormats&identifier=", "badArgument"),
        # Resumption tokens.
        ("verb=ListRecords&resumptionToken=junk", "badResumptionToken"),
        ("verb=ListRecords&resumptionToken=", "badResumptionToken"),
        ("verb=ListIdentifiers&resumptionToken=tokén", "badResumptionToken"),
        ("verb=ListSets&resumptionToken=junk", "badResumptionToken"),
        ("verb=ListIdentifiers&resumptionToken=junk&until=2000-02-05", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&resumptionToken=junk&until=1990-01-10", "badArgument"),
        ("verb=ListRecords&resumptionToken=junk&resumptionToken=junk", "badArgument"),
        # What the archive does not have.
        (f"verb=GetRecord&metadataPrefix=junk&{OF_ITEM}", "cannotDisseminateFormat"),
        ("verb=ListIdentifiers&metadataPrefix=junk", "cannotDisseminateFormat"),
        ("verb=ListRecords&metadataPrefix=junk", "cannotDisseminateFormat"),
        ("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:archive.example.org:99", "idDoesNotExist"),
        ("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:archive.example.org:02", "idDoesNotExist"),
        ("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:elsewhere.org:2", "idDoesNotExist"),
        ("verb=GetRecord&metadataPrefix=oai_dc&identifier=urn:2", "idDoesNotExist"),
        (
            f"verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:archive.example.org:{'9' * 40}",
            "idDoesNotExist",
        ),
        ("verb=ListMetadataFormats&identifier=oai:archive.example.org:99", "idDoesNotExist"),
        ("verb=ListRecords&metadataPrefix=oai_dc&set=user-nobody", "noRecordsMatch"),
    ],
)
def test_a_wrong_request_is_answered_with_its_error_code(query: str, code: str) -> None:
    """Each request that the protocol, or its validator, finds wrong gets the code of the protocol's table,
    says why, and echoes its arguments unless they are what is wrong."""
    root = ask(query)
    assert codes(root) == {code}
    assert all(reason for _, reason in errors(root))
    named = dict(pair.split("=") for pair in query.split("&") if "=" in pair)
    assert echo(root) == ({} if code in {"badVerb", "badArgument"} else named)


def test_all_that_is_wrong_with_the_arguments_is_said_at_once() -> None:
    """One answer carries an error for each argument that is missing, unknown or malformed."""
    reasons = [reason for _, reason in errors(ask("verb=ListRecords&from=junk&page=2"))]
    assert len(reasons) == 3
    assert [word for word in ("'metadataPrefix'", "'junk'", "'page'") if word in " ".join(reasons)] == [
        "'metadataPrefix'",
        "'junk'",
        "'page'",
    ]


def test_an_archive_without_sets_says_so_wherever_a_set_is_asked_for() -> None:
    """ListSets and selective harvests by set answer noSetHierarchy where there are no sets."""
    for query in (
        "verb=ListSets",
        "verb=ListRecords&metadataPrefix=oai_dc&set=a",
        "verb=ListIdentifiers&metadataPrefix=oai_dc&set=a",
    ):
        assert codes(ask(query, archive_of(2))) == {"noSetHierarchy"}


def test_a_set_that_is_gone_is_told_from_a_set_without_news() -> None:
    """noRecordsMatch names a set that does not exist, so that a harvester notices its removal."""
    unknown = errors(ask("verb=ListRecords&metadataPrefix=oai_dc&set=user-gone"))
    nothing_new = errors(ask("verb=ListRecords&metadataPrefix=oai_dc&set=user-biology&from=2026-01-01"))
    assert "user-gone" in unknown[0][1]
    assert "user-biology" not in nothing_new[0][1]


_NAMES = st.sampled_from(
    ["verb", "identifier", "metadataPrefix", "from", "until", "set", "resumptionToken", "other"]
)
_VERBS = st.sampled_from(["GetRecord", "ListRecords", "ListIdentifiers", "ListSets", "ListMetadataFormats"])
_VALUES = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"[a-z]+:[!-~]{1,9}", fullmatch=True),
    st.sampled_from(["oai_dc", "2024-02-29", "2024-02-29T01:00:00Z", "oai:archive.example.org:1"]),
    st.sampled_from(['"&<>]]>', "\0\x1b\ufffe\ud800", "user-biology"]),
)


@given(_VERBS, st.lists(st.tuples(_NAMES, _VALUES), max_size=3))
def test_every_request_whatsoever_gets_a_valid_answer(verb: str, others: list[tuple[str, str]]) -> None:
    """No argument, however odd its characters, makes an answer that is not well-formed and valid."""
    assert send([("verb", verb), *others]).tag == f"{{{OAI}}}OAI-PMH"


def test_identify_describes_the_repository() -> None:
    """Identify tells name, address, contact, the oldest datestamp, persistent deletions and seconds."""
    root = ask("verb=Identify")
    shown = {etree.QName(e).localname: e.text for e in root.find(f"{{{OAI}}}Identify") if e.text}
    assert shown == {
        "repositoryName": "Archive & Sons",
        "baseURL": "https://archive.example.org/oai2d",
        "protocolVersion": "2.0",
        "adminEmail": "oai@archive.example.org",
        "earliestDatestamp": "2024-02-29T00:00:00Z",
        "deletedRecord": "persistent",
        "granularity": "YYYY-MM-DDThh:mm:ssZ",
    }
    assert [e.text for e in root.find(".//{*}oai-identifier")] == [
        "oai",
        "archive.example.org",
        ":",
        "oai:archive.example.org:1",
    ]


@pytest.mark.parametrize("bare", ["localhost", "127.0.0.1", "4tu.nl"])
def test_a_repository_id_that_is_no_domain_name_is_not_described(bare: str) -> None:
    """Where the id is none that the oai-identifier scheme allows, Identify leaves that description out."""
    repository = type(REPOSITORY)(bare, bare, "http://x.org", "a@x.org", "10.5072", "x")
    body = answer(
        [("verb", "Identify")], archive_of(1), repository, now=NOW, secret=b"secret", formats=FORMATS
    )
    assert schema().validate(etree.fromstring(body))
    assert b"oai-identifier" not in body


def test_the_envelope_is_what_validators_look_for() -> None:
    """The protocol's elements have no prefix, the schema is the official one, and the
    responseDate has no fraction."""
    root = ask("verb=Identify")
    assert root.prefix is None
    assert root.get(f"{{{XSI}}}schemaLocation") == f"{OAI} {OAI}OAI-PMH.xsd"
    assert texts(root, "request") == ["https://archive.example.org/oai2d"]
    assert echo(root) == {"verb": "Identify"}
    assert texts(root, "responseDate") == ["2024-02-29T03:00:00Z"]


def test_response_date_is_now_when_all_is_settled_until_now() -> None:
    """A horizon that runs ahead of this server's clock does not put the answer into the future."""
    assert texts(ask("verb=Identify", now=FOUNDED), "responseDate") == ["2024-02-29T00:00:00Z"]


def test_the_same_arguments_give_the_same_bytes() -> None:
    """Nothing in an answer depends on anything but the arguments of `answer`."""
    arguments = [("verb", "ListRecords"), ("metadataPrefix", "oai_dc")]
    first, second = (
        answer(arguments, archive_of(9), REPOSITORY, now=NOW, secret=b"s", formats=FORMATS, page_size=4)
        for _ in range(2)
    )
    assert first == second


def test_sets_are_listed_with_their_names_and_descriptions() -> None:
    """ListSets shows setSpec and setName of each set, and the description where there is one."""
    root = ask("verb=ListSets", archive_of(1, BIOLOGY, OaiSet("openaire", "OpenAIRE")))
    assert texts(root, "setSpec") == ["user-biology", "openaire"]
    assert texts(root, "setName") == ["Biology & more", "OpenAIRE"]
    assert ["".join(e.itertext()) for e in root.iter(f"{{{OAI}}}setDescription")] == ["Of <cells>"]


def test_metadata_formats_are_those_of_the_table() -> None:
    """ListMetadataFormats shows prefix, schema and namespace of every format, with and without an item."""
    listed = [(form.prefix, form.schema, form.namespace) for form in FORMATS.values()]
    for query in ("verb=ListMetadataFormats", f"verb=ListMetadataFormats&{OF_ITEM}"):
        forms = ask(query).iter(f"{{{OAI}}}metadataFormat")
        assert [tuple(child.text for child in form) for form in forms] == listed


def test_a_record_is_disseminated_in_the_format_asked_for() -> None:
    """GetRecord gives identifier, datestamp, all sets and the metadata in the one format."""
    root = ask("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:archive.example.org:1")
    assert texts(root, "identifier") == ["oai:archive.example.org:1"]
    assert texts(root, "datestamp") == ["2024-02-29T01:00:00Z"]
    assert texts(root, "setSpec") == ["user-biology"]
    assert root.findtext(".//{*}dc/{*}identifier") == "10.5072/archive.1"
    marc = ask("verb=GetRecord&metadataPrefix=marcxml&identifier=oai:archive.example.org:1")
    assert marc.findtext(".//{*}controlfield") == "1"


def test_a_deleted_record_keeps_its_header_everywhere() -> None:
    """A deleted record is listed and got as a header with its status and sets, without metadata; it has no
    metadata format any more."""
    archive = archive_of(2, BIOLOGY)
    archive.stamp(1, at=FOUNDED + timedelta(days=9), sets=("user-biology",), deleted=True)
    for query in (
        "verb=GetRecord&identifier=oai:archive.example.org:1&metadataPrefix=oai_dc",
        "verb=ListRecords&metadataPrefix=oai_dc&set=user-biology",
        "verb=ListIdentifiers&metadataPrefix=oai_dc&set=user-biology",
    ):
        root = ask(query, archive)
        header = root.find(f".//{{{OAI}}}header")
        assert header.get("status") == "deleted"
        assert [child.text for child in header] == [
            "oai:archive.example.org:1",
            "2024-03-09T00:00:00Z",
            "user-biology",
        ]
        assert not texts(root, "metadata")
    formats = ask("verb=ListMetadataFormats&identifier=oai:archive.example.org:1", archive)
    assert codes(formats) == {"noMetadataFormats"}


def test_a_header_names_all_sets_of_the_record() -> None:
    """A list by set shows every set that its records belong to, not only the one asked for."""
    archive = MemoryArchive(BIOLOGY, OaiSet("a", "A"), OaiSet("a:b", "B"))
    archive.stamp(1, at=FOUNDED + timedelta(hours=1), sets=("user-biology", "a:b"))
    assert texts(ask("verb=ListRecords&metadataPrefix=oai_dc&set=a", archive), "setSpec") == [
        "user-biology",
        "a:b",
    ]


@pytest.mark.parametrize(
    ("bounds", "listed"),
    [
        ("", [1, 2, 3, 4]),
        ("&from=2025-05-05T12:00:01Z&until=2025-05-05T12:00:01Z", [2, 3]),
        ("&from=2025-05-05T12:00:02Z", [4]),
        ("&until=2025-05-05T12:00:00Z", [1]),
        ("&from=2025-05-05&until=2025-05-05", [1, 2, 3]),
        ("&until=2025-05-05", [1, 2, 3]),
        ("&from=2025-05-06", [4]),
        ("&from=0001-01-01&until=9999-12-31", [1, 2, 3, 4]),
    ],
)
def test_from_and_until_are_inclusive_at_either_granularity(bounds: str, listed: list[int]) -> None:
    """Both bounds take in the whole second, or the whole day, that they name."""
    archive = MemoryArchive()
    for record_id, (day, second, micro) in enumerate(
        [(5, 0, 999_999), (5, 1, 0), (5, 1, 999_999), (6, 0, 0)], start=1
    ):
        archive.stamp(record_id, at=datetime(2025, 5, day, 12, 0, second, micro, tzinfo=UTC))
    root = ask(f"verb=ListIdentifiers&metadataPrefix=oai_dc{bounds}", archive)
    assert texts(root, "identifier") == [f"oai:archive.example.org:{record_id}" for record_id in listed]


def test_characters_that_xml_cannot_hold_are_left_out() -> None:
    """Names of sets and of the repository lose control characters, and nothing else."""
    root = ask("verb=ListSets", archive_of(1, OaiSet("a", "x\0\x0b\ud800y\tß\U0001f600\ufffe", "\x1f")))
    assert texts(root, "setName") == ["xy\tß\U0001f600"]


def test_a_record_without_its_dissemination_is_a_fault_of_the_source() -> None:
    """An item that is not deleted but brings nothing to show raises, rather than being shown as empty."""

    class Forgetful(MemoryArchive):
        def get(self, record_id: int) -> HarvestItem | None:
            item = super().get(record_id)
            return item and replace(item, dissemination=None)

    archive = Forgetful()
    archive.stamp(1, at=NOW)
    with pytest.raises(ValueError, match="record 1"):
        ask("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:archive.example.org:1", archive)


def test_a_page_of_no_items_is_refused() -> None:
    """A page size below one would make an endless chain of tokens."""
    with pytest.raises(ValueError, match="at least one"):
        ask("verb=Identify", page_size=0)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_community_has_a_set_of_its_own(slug: str) -> None:
    """The setSpec of a community is legal, and leads back to the community."""
    spec = community_set(slug)
    assert community_slug(spec) == slug
    archive = MemoryArchive(OaiSet(spec, "A community"))
    assert texts(ask("verb=ListSets", archive), "setSpec") == [spec]


@pytest.mark.parametrize("spec", ["openaire", "user-~zz", "user-~C3", "user-~61", "user-a:b"])
def test_a_set_that_is_no_community_leads_to_none(spec: str) -> None:
    """Other sets, and spellings that we do not give, are no community's set."""
    assert community_slug(spec) is None


def test_a_plain_slug_is_kept_as_on_zenodo() -> None:
    """The set of the community `earth-science` is `user-earth-science`."""
    assert community_set("earth-science") == "user-earth-science"
