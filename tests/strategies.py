"""Hypothesis strategies for the archive's nouns: valid, of every shape, in every script.

`descriptions()` and `disseminations()` are what other tests build on. Text is already clean, so that what
is drawn is what is read back; it still holds whatever XML, HTML and URLs have to escape.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from pipeline.dissemination import Dissemination, Repository, VersionRef
from pipeline.metadata import vocabulary
from pipeline.metadata.text import clean, plain, sanitise
from pipeline.model import (
    Access,
    Community,
    Description,
    FileEntry,
    FilesAccess,
    Identification,
    JsonObject,
    Record,
    RecordState,
    ScanStatus,
    ScanVerdict,
)
from pipeline.pid.doi import concept_doi, version_doi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

TODAY = date(2026, 3, 9)
"""The day on which everything drawn here is valid."""

REPOSITORY = Repository(
    name="Tidal Archive",
    id="tides.example.org",
    base_url="https://tides.example.org",
    admin_email="keeper@tides.example.org",
    doi_prefix="10.5072",
    doi_name="tides",
)

# ---------------------------------------------------------------- text

_ALPHABET = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"])


@cache
def texts(least: int = 1, most: int = 30) -> SearchStrategy[str]:
    """Clean text of any script, with much that is special in XML, HTML, CSV and URLs."""
    raw = st.text(_ALPHABET | st.sampled_from("<>&\"'\\/%#?;, \n—é中𝒳"), min_size=least, max_size=most)
    return raw.map(clean).map(str.strip).filter(lambda text: len(text) >= least)


@cache
def markup() -> SearchStrategy[str]:
    """Sanitised HTML."""
    wrapped = st.sampled_from(["{}", "<p>{}</p>", "<b>{}</b> & <i>x</i>", "<ul><li>{}</li></ul>", "{}<br>y"])
    whole = st.builds(str.replace, wrapped, st.just("{}"), texts(3, 40))
    return whole.map(sanitise).filter(lambda html: len(plain(html)) >= 3)


@cache
def edtf_dates() -> SearchStrategy[str]:
    """Dates and intervals of EDTF level 0."""
    days = st.dates(date(1, 1, 1), date(9998, 12, 31))
    precise = st.builds(lambda day, length: day.isoformat()[:length], days, st.sampled_from([4, 7, 10]))
    intervals = st.tuples(days, days).map(lambda pair: "/".join(day.isoformat() for day in sorted(pair)))
    return precise | intervals.filter(lambda text: text[:10] != text[11:])


# ---------------------------------------------------------------- people


ORCIDS = ("0000-0002-1694-233X", "0000-0001-2345-6789", "0000-0002-1825-0097")
GNDS = ("170118215", "118540238", "4127793-4")
RORS = ("00k4n6c32", "04wxnsj81", "021nxhr62")


@cache
def _names() -> SearchStrategy[str]:
    return texts(1, 15).map(lambda text: clean(text.replace(",", "")).strip()).filter(bool)


_AFFILIATIONS = st.lists(
    st.fixed_dictionaries({"name": texts()}, optional={"id": st.sampled_from(RORS)}),
    max_size=2,
    unique_by=lambda affiliation: affiliation["name"],
)


@cache
def persons() -> SearchStrategy[JsonObject]:
    """People and organisations as creators and contributors have them."""
    return _persons()


@st.composite
def _persons(draw: DrawFn) -> JsonObject:
    if draw(st.booleans()):
        family, given = draw(_names()), draw(st.just("") | _names())
        who: JsonObject = {"type": "personal", "name": f"{family}, {given}" if given else family}
        who |= {"family_name": family} | ({"given_name": given} if given else {})
        found = {"orcid": draw(st.sampled_from(ORCIDS)), "gnd": draw(st.sampled_from(GNDS))}
    else:
        who = {"type": "organizational", "name": draw(_names())}
        found = {"ror": draw(st.sampled_from(RORS))}
    schemes = draw(st.lists(st.sampled_from(sorted(found)), unique=True))
    if schemes:
        who["identifiers"] = [{"scheme": scheme, "identifier": found[scheme]} for scheme in schemes]
    affiliations = draw(_AFFILIATIONS)
    return {"person_or_org": who} | ({"affiliations": affiliations} if affiliations else {})


# ---------------------------------------------------------------- descriptions


def _id_of(entries: Mapping[str, object]) -> SearchStrategy[JsonObject]:
    return st.sampled_from(sorted(entries)).map(lambda key: {"id": key})


WORKS = (
    {"scheme": "doi", "identifier": "10.1234/föö<1>"},
    {"scheme": "url", "identifier": "https://example.org/a?b=c&d=%20#e"},
    {"scheme": "arxiv", "identifier": "arXiv:1501.00001"},
    {"scheme": "ads", "identifier": "2001ApJ...563..629L"},
    {"scheme": "isbn", "identifier": "978-3-16-148410-0"},
    {"scheme": "issn", "identifier": "1188-1534"},
    {"scheme": "handle", "identifier": "10013/epic.10033"},
    {"scheme": "pmid", "identifier": "12082125"},
    {"scheme": "swh", "identifier": "swh:1:cnt:94a9ed024d3859793618152ea559a168bbcbb5e2"},
    {"scheme": "wikidata", "identifier": "Q42"},
    {"scheme": "urn", "identifier": "urn:nbn:de:101:1-201102033592"},
)
_URLS = st.builds(
    lambda path: "https://example.org/" + path,
    st.text(_ALPHABET, max_size=12).map(lambda t: "".join(t.split())),
).map(clean)


@cache
def _geometries() -> SearchStrategy[JsonObject]:
    positions = st.tuples(st.floats(-180, 180, allow_nan=False), st.floats(-90, 90, allow_nan=False)).map(
        list
    )
    rings = st.lists(positions, min_size=3, max_size=5).map(lambda points: [*points, points[0]])
    return st.one_of(
        positions.map(lambda position: {"type": "Point", "coordinates": position}),
        rings.map(lambda ring: {"type": "Polygon", "coordinates": [ring]}),
        st.lists(positions, min_size=2, max_size=4).map(
            lambda line: {"type": "LineString", "coordinates": line}
        ),
    )


@cache
def _funding() -> SearchStrategy[JsonObject]:
    known = st.sampled_from(sorted(vocabulary.funders())).map(
        lambda key: {"id": key, "name": vocabulary.funders()[key]["title"]}
    )
    other = st.fixed_dictionaries({"name": texts()})
    award = st.fixed_dictionaries(
        {"number": texts(1, 8)}, optional={"title": texts().map(lambda t: {"en": t})}
    )
    return st.fixed_dictionaries({"funder": known | other}, optional={"award": award})


@cache
def _rights() -> SearchStrategy[JsonObject]:
    own = st.fixed_dictionaries({"title": texts().map(lambda title: {"en": title})}, optional={"link": _URLS})
    # Those that Zenodo has an older word for which means another are read as that.
    known = {key: one for key, one in vocabulary.licences().items() if vocabulary.licence_id(key) == key}
    return _id_of(known) | own


def _described(
    key: str, text: SearchStrategy[str], kinds: Mapping[str, object]
) -> SearchStrategy[JsonObject]:
    lang = st.sampled_from(["eng", "deu", "nds"]).map(lambda code: {"id": code})
    return st.fixed_dictionaries({key: text, "type": _id_of(kinds)}, optional={"lang": lang})


@cache
def metadata() -> SearchStrategy[JsonObject]:
    """The canonical `metadata` of a publishable record."""
    some: Any = lambda each: st.lists(each, min_size=1, max_size=3)  # noqa: E731
    contributors = st.builds(
        lambda person, role: person | {"role": role}, persons(), _id_of(vocabulary.contributor_roles())
    )
    related = st.builds(
        lambda work, relation, kind: work | {"relation_type": relation} | kind,
        st.sampled_from(WORKS),
        _id_of(vocabulary.relation_types()),
        st.fixed_dictionaries({}, optional={"resource_type": _id_of(vocabulary.resource_types())}),
    )
    place = st.fixed_dictionaries(
        {"place": texts()}, optional={"description": texts(), "geometry": _geometries()}
    )
    return st.fixed_dictionaries(
        {
            "resource_type": _id_of(vocabulary.resource_types()),
            "title": texts(3, 60),
            "creators": some(persons()),
            "publication_date": edtf_dates(),
        },
        optional={
            "additional_titles": some(_described("title", texts(3), vocabulary.title_types())),
            "contributors": some(contributors),
            "publisher": texts(),
            "description": markup(),
            "additional_descriptions": some(
                _described("description", markup(), vocabulary.description_types())
            ),
            "rights": some(_rights()),
            "copyright": texts(),
            "subjects": some(
                st.fixed_dictionaries(
                    {"subject": texts()}, optional={"scheme": texts(), "identifier": _URLS | texts()}
                )
            ),
            "languages": some(st.sampled_from(["eng", "deu", "nds", "cmn"]).map(lambda code: {"id": code})),
            "dates": some(
                st.fixed_dictionaries(
                    {"date": edtf_dates(), "type": _id_of(vocabulary.date_types())},
                    optional={"description": texts()},
                )
            ),
            "version": texts(),
            "identifiers": some(st.sampled_from(WORKS)),
            "related_identifiers": some(related),
            "sizes": some(texts()),
            "formats": some(texts()),
            "locations": some(place).map(lambda features: {"features": features}),
            "funding": some(_funding()),
            "references": some(texts().map(lambda reference: {"reference": reference})),
        },
    )


@cache
def custom_fields() -> SearchStrategy[JsonObject]:
    """The canonical `custom_fields`."""

    def group(*keys: str, **fixed: SearchStrategy[str]) -> SearchStrategy[JsonObject]:
        fields = dict.fromkeys(keys, texts()) | fixed
        return st.fixed_dictionaries({}, optional=fields).filter(bool)

    return st.fixed_dictionaries(
        {},
        optional={
            "journal:journal": group("title", "volume", "issue", "pages"),
            "meeting:meeting": group("title", "acronym", "dates", "place", "session", url=_URLS),
            "imprint:imprint": group("title", "pages", "place", isbn=st.just("978-3-16-148410-0")),
            "thesis:thesis": group("university"),
            "dwc:family": st.lists(texts(), min_size=1, max_size=2),
            "code:codeRepository": _URLS,
        },
    )


@cache
def accesses() -> SearchStrategy[Access]:
    """Open, restricted, or embargoed beyond `TODAY`."""
    until = st.integers(1, 4000).map(lambda days: TODAY + timedelta(days=days))
    return st.one_of(
        st.just(Access()),
        st.just(Access(FilesAccess.RESTRICTED)),
        until.map(lambda day: Access(FilesAccess.RESTRICTED, day)),
    )


@cache
def descriptions() -> SearchStrategy[Description]:
    """Descriptions that may be published on `TODAY`, in canonical form."""
    return st.builds(
        Description,
        metadata=metadata(),
        custom_fields=custom_fields(),
        access=accesses(),
        communities=st.lists(st.sampled_from(["tides", "sea-level"]), unique=True).map(tuple),
    )


# ---------------------------------------------------------------- records


@cache
def file_entries() -> SearchStrategy[FileEntry]:
    """Files in custody, scanned or not, identified or not."""
    mimes = st.sampled_from(["", "text/csv", "application/xml"])
    return st.builds(
        FileEntry,
        key=file_keys(),
        size=st.integers(0, 2**50),
        digests=st.binary(min_size=16, max_size=16).map(lambda md5: {"md5": md5.hex(), "sha256": "ab" * 32}),
        content=st.just("content"),
        identification=mimes.map(lambda mime: Identification("fmt/101", mime=mime)),
        scan=st.sampled_from(ScanStatus).map(lambda status: ScanVerdict(status, engine="test")),
    )


@cache
def file_keys() -> SearchStrategy[str]:
    """Logical paths, one to three levels deep."""
    part = (
        texts(1, 12)
        .map(lambda text: text.replace("/", "_").replace("\n", " "))
        .filter(lambda text: text not in (".", ".."))
    )
    return st.lists(part, min_size=1, max_size=3).map("/".join)


_FILES = st.lists(file_entries(), unique_by=lambda file: file.key, max_size=3)
_MICROSECONDS = st.integers(0, 10**14)


@st.composite
def disseminations(
    draw: DrawFn, described: SearchStrategy[Description] | None = None, *, external_doi: bool | None = None
) -> Dissemination:
    """A published record with all that outputs need of it: files, sibling versions, communities."""
    description = draw(described if described is not None else descriptions())
    if draw(st.booleans()) if external_doi is None else external_doi:
        description = replace(description, doi="10.1234/tides.of.others")
    concept_id = draw(st.integers(1, 10**9))
    count = 1 if description.doi else draw(st.integers(1, 3))
    version = draw(st.integers(1, count))
    record_id = concept_id + version
    files = tuple(draw(_FILES))
    created = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=draw(_MICROSECONDS))
    record = Record(
        id=record_id,
        concept_id=concept_id,
        version=version,
        revision=draw(st.integers(1, 9)),
        is_latest=version == count,
        state=RecordState.PUBLISHED,
        description=description,
        owner="ida@example.org",
        created=created,
        modified=created + timedelta(microseconds=draw(_MICROSECONDS)),
        file_count=len(files),
        total_bytes=sum(file.size for file in files),
    )
    return Dissemination(
        repository=REPOSITORY,
        record=record,
        doi=description.doi or version_doi(REPOSITORY, record_id),
        concept_doi=None if description.doi else concept_doi(REPOSITORY, concept_id),
        files=files,
        versions=_versions(concept_id, count),
        communities=tuple(
            Community(slug, slug.title(), id=f"id of {slug}") for slug in description.communities
        ),
    )


def _versions(concept_id: int, count: int) -> tuple[VersionRef, ...]:
    return tuple(
        VersionRef(
            record_id=concept_id + version,
            version=version,
            doi=version_doi(REPOSITORY, concept_id + version),
            label=f"{version}.0",
            published="2026-03-09",
            is_latest=version == count,
            state=RecordState.PUBLISHED,
        )
        for version in range(1, count + 1)
    )
