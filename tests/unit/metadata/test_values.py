"""Dates, text, identifiers, geometries and vocabularies: the values that descriptions are made of."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.metadata import dates, geometry, identifiers, text, vocabulary
from tests.reference import reference
from tests.strategies import edtf_dates

if TYPE_CHECKING:
    from datetime import date

# ---------------------------------------------------------------- dates


@pytest.mark.parametrize(
    "value", ["2024", "2024-02", "2024-02-29", "0000", "2020/2022", "2020-01-31/2020-02", "2020-05/2020"]
)
def test_dates_of_level_0(value: str) -> None:
    """Years, months, days and intervals of them, each in its own precision, are dates."""
    assert dates.is_date(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "24",
        "2024-13",
        "2023-02-29",
        "2024-1-1",
        "2022/2020",
        "2020/",
        "/2020",
        "2020/2021/2022",
        "20240101",
        "2024-01-01T00:00:00Z",
        "yesterday",
        "２０２４",
        "2024-02-30",
        "-0044",
        "2024~",
    ],
)
def test_what_is_no_date_of_level_0(value: str) -> None:
    """Days that no calendar has, intervals in the wrong order, and higher levels of EDTF are none."""
    assert not dates.is_date(value)


@given(st.dates())
def test_every_day_is_a_date(day: date) -> None:
    """Every day is a date that spans itself alone."""
    assert dates.span(day.isoformat()) == ((day.year, day.month, day.day),) * 2


@given(edtf_dates())
def test_spans_are_in_order(value: str) -> None:
    """A date's first day is never after its last."""
    span = dates.span(value)
    assert span is not None
    assert span[0] <= span[1]


# ---------------------------------------------------------------- text


@given(st.text())
def test_clean_text_fits_xml(raw: str) -> None:
    """Whatever the text, once clean it is NFC and XML carries it unchanged, line ends apart."""
    cleaned = text.clean(raw)
    element = etree.Element("t")
    element.text = cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    written = etree.fromstring(etree.tostring(element)).text or ""
    assert written == cleaned


def test_text_stays_as_given() -> None:
    """Only NUL and control characters go; quotes, ligatures, joiners and blanks stay, unless there is nothing else."""
    assert text.clean(" \x00“ﬁ”\u200d\x1b\tx\n ") == " “ﬁ”\u200d\tx\n "
    assert text.clean(" \t\x00\n") == ""


@pytest.mark.parametrize("marks", ["\u0316\u0301", "\u0344", "\u0f73", "\u0315\u0f81"])
def test_no_more_marks_follow_one_another_than_are_soon_sorted(marks: str) -> None:
    """30 (UAX #15, Stream-Safe Text Format), also where one character stands for two of them; what comes behind them
    stays."""
    cleaned = text.clean("q" + marks * 3_000 + "yz")
    assert (cleaned[0], cleaned[-2:], len(cleaned)) == ("q", "yz", 33)
    assert text.clean(cleaned) == cleaned
    assert len(text.sanitise("<p>q" + "".join(f"&#{ord(one)};" for one in marks * 3_000))) < 50
    assert text.clean("q" + marks * 10) == unicodedata.normalize("NFC", "q" + marks * 10)


@given(st.text() | st.text("<>&/ab =\"'scriptp", max_size=60))
def test_sanitising_is_final(raw: str) -> None:
    """HTML that was sanitised once is not changed by sanitising it again."""
    once = text.sanitise(raw)
    assert text.sanitise(once) == once


def test_html_keeps_the_list_in_force() -> None:
    """Elements and attributes of the list stay, others go and leave their text, that of scripts included."""
    raw = (
        '<h1 class="c" id="i">A</h1><p style="x" dir="rtl">b <s>c</s></p><script>d()</script>'
        '<a href="https://e.org" target="_blank" rel="nofollow" title="t">f</a><a href="javascript:g()">h</a>'
        '<table><caption>i</caption><tr><td colspan="2">j</td></tr></table>'
    )
    assert text.sanitise(raw) == (
        '<h1 class="c">A</h1><p>b c</p>d()'
        '<a href="https://e.org" rel="nofollow" title="t">f</a><a>h</a>'
        "<table>i<tbody><tr><td>j</td></tr></tbody></table>"
    )


def test_markup_becomes_lines_of_text() -> None:
    """Plain text has the words of the markup, blocks on lines of their own, entities written out."""
    assert text.plain("<p>a &lt; <b>b</b></p><ul><li>c&amp;d</li></ul>e<br>f") == "a < b\nc&d\ne\nf"


# ---------------------------------------------------------------- identifiers


@pytest.mark.parametrize(
    ("scheme", "given_value", "normal"),
    [
        ("orcid", "https://orcid.org/0000-0002-1694-233x", "0000-0002-1694-233X"),
        ("orcid", "0000000218250097", "0000-0002-1825-0097"),
        ("orcid", "0000-0002-1825-0098", None),
        ("orcid", "0000-0002-1825", None),
        ("gnd", "gnd:118540238", "118540238"),
        ("gnd", "https://d-nb.info/gnd/4127793-4", "4127793-4"),
        ("gnd", "118540239", None),
        ("gnd", "4127793-5", None),
        ("gnd", "170118215 and more", None),
        ("isni", "https://isni.org/isni/0000000120999104", "0000000120999104"),
        ("isni", "0000 0001 2099 9104", "0000000120999104"),
        ("isni", "0000 0001 2099 9105", None),
        ("ror", "https://ror.org/04wxnsj81", "04wxnsj81"),
        ("ror", "04WXNSJ81", "04wxnsj81"),
        ("ror", "04wxnsj82", None),
        ("scopus", "123", None),
    ],
)
def test_identifiers_of_people(scheme: str, given_value: str, normal: str | None) -> None:
    """Identifiers of people and organisations lose their resolvers, and count only with right check digits."""
    assert identifiers.normal_person_id(scheme, given_value) == normal


@pytest.mark.parametrize(
    ("value", "scheme", "normal"),
    [
        ("https://doi.org/10.1234/x", "doi", "10.1234/x"),
        ("arXiv:1501.00001", "arxiv", "arXiv:1501.00001"),
        ("2001ApJ...563..629L", "ads", "2001ApJ...563..629L"),
        ("978-3-16-148410-0", "isbn", "978-3-16-148410-0"),
        ("https://example.org/x", "url", "https://example.org/x"),
        ("hdl:10013/epic.10033", "handle", "10013/epic.10033"),
        ("grid.5170.3", "grid", "grid.5170.3"),
        ("urn:nbn:de:101:1-201102033592", "urn", "urn:nbn:de:101:1-201102033592"),
        ("RRID:SCR_014641", "rrid", "RRID:SCR_014641"),
    ],
)
def test_schemes_of_works_are_detected(value: str, scheme: str, normal: str) -> None:
    """The scheme of a related work follows from its identifier, which is kept in its normal form."""
    assert identifiers.detect(value) == scheme
    assert identifiers.normal(scheme, value) == normal


@pytest.mark.parametrize(
    "value", ["", "foo", "10.1234/a b", "https://doi.org/10.1/x", "http://[", "x" * 3000]
)
def test_what_is_of_no_scheme(value: str) -> None:
    """Words, broken addresses and what begins like a DOI without being one are of no scheme."""
    assert identifiers.detect(value) is None


@given(st.text(max_size=40))
def test_any_text_may_be_an_identifier(value: str) -> None:
    """No text makes detection raise, and what is detected has a normal form."""
    scheme = identifiers.detect(value)
    assert scheme is None or identifiers.normal(scheme, value)


# ---------------------------------------------------------------- geometries


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "Point", "coordinates": [180, -90]},
        {"type": "Point", "coordinates": [12.5, 41.9, 20]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        {"type": "MultiPoint", "coordinates": [[0, 0]]},
    ],
)
def test_sound_geometries(shape: dict[str, object]) -> None:
    """Geometries of GeoJSON on the globe have no fault."""
    assert geometry.fault(shape) is None


@pytest.mark.parametrize(
    "shape",
    [
        None,
        {"type": "Circle", "coordinates": [0, 0]},
        {"type": ["Point"], "coordinates": [0, 0]},
        {"type": "Point", "coordinates": [181, 0]},
        {"type": "Point", "coordinates": [0, 91]},
        {"type": "Point", "coordinates": [0]},
        {"type": "Point", "coordinates": [True, 0]},
        {"type": "Point"},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [2, 2]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]},
    ],
)
def test_faulty_geometries(shape: object) -> None:
    """Unknown types, positions off the globe, open rings and missing numbers are faults."""
    assert geometry.fault(shape)


# ---------------------------------------------------------------- vocabularies


@pytest.mark.parametrize(
    ("include", "entries", "also"),
    [
        ("resourceType", vocabulary.resource_types, {"Award", "Service"}),
        ("contributorType", vocabulary.contributor_roles, set()),
        ("relationType", vocabulary.relation_types, set()),
        ("relatedIdentifierType", vocabulary.identifier_schemes, set()),
        ("dateType", vocabulary.date_types, set()),
        ("descriptionType", vocabulary.description_types, set()),
        ("titleType", vocabulary.title_types, set()),
    ],
)
def test_lists_are_those_of_datacite(include: str, entries: vocabulary.Vocabulary, also: set[str]) -> None:
    """Each list maps to exactly the words of DataCite's kernel 4.7, but for those that Zenodo has no type for."""
    path = reference("testdata", "datacite", "kernel-4.7", "include", f"datacite-{include}-v4.xsd")
    words = {str(node.get("value")) for node in etree.parse(path).iter("{*}enumeration")}
    assert {entry["datacite"] for entry in entries().values() if "datacite" in entry} | also == words


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("CC-BY-4.0", "cc-by-4.0"),
        (" cc-zero ", "cc0-1.0"),
        ("apache2.0", "apache-2.0"),
        ("gpl-3.0+", "gpl-3.0-or-later"),
        ("other-open", "other-open"),
        ("nonsense", None),
    ],
)
def test_licences_by_any_name(name: str, key: str | None) -> None:
    """Licences are known by SPDX's ids in any case and by the ids of the old site."""
    assert vocabulary.licence_id(name) == key


def test_licence_ids_read_back() -> None:
    """Whatever licence is written in the old words is read back as itself."""
    changed = {
        key for key in vocabulary.licences() if vocabulary.licence_id(vocabulary.legacy_licence(key)) != key
    }
    # SPDX's own deprecated ids are read as what they stand for now.
    assert all(vocabulary.licences()[key].get("deprecated") for key in changed)


@pytest.mark.parametrize(
    "url",
    [
        "https://creativecommons.org/licenses/by/4.0/legalcode",
        "http://creativecommons.org/licenses/by/4.0/",
        "https://www.creativecommons.org/licenses/by/4.0/deed.en",
    ],
)
def test_licences_by_address(url: str) -> None:
    """A licence is known by its address in any of the usual spellings."""
    assert vocabulary.licence_at(url) == "cc-by-4.0"


@pytest.mark.parametrize(("code", "key"), [("de", "deu"), ("ger", "deu"), ("DEU", "deu"), ("xx", None)])
def test_languages_by_any_code(code: str, key: str | None) -> None:
    """Languages are known by two letters and by both kinds of three."""
    assert vocabulary.language_id(code) == key


def test_funders_are_valid() -> None:
    """Every funder's key is a ROR id, and each of its DOIs leads to it."""
    for key, funder in vocabulary.funders().items():
        assert identifiers.normal_person_id("ror", key) == key
        assert {vocabulary.funder_id(doi) for doi in (funder["doi"], *funder.get("also", ()))} == {key}
