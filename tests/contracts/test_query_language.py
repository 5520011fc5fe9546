"""Zenodo's query language, in every implementation of `ports.SearchIndex` and without an index."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Rejected
from pipeline.index import matching
from pipeline.index.dates import seconds
from pipeline.index.query import SORTS
from pipeline.ports import SearchIndex, SearchRequest
from tests.contracts.indexes import ids
from tests.index_corpus import CORPUS, NOW


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("sea", [1, 2]),
        ("sea gauge", [1, 2]),
        ("sea AND gauge", [1]),
        ("sea -gauge", [2]),
        ("sea NOT (gauge OR model)", [2]),
        ("NOT sea", [3, 4, 5, 6]),
        ('"sea level"', [1, 2]),
        ('keywords:"sea level rise"', [2]),
        ('"level sea"', []),
        ('"harbour readings"~1', []),
        ('"harbour readings"~2', [1]),
        ('"gauge harbour"~1', [1]),
        ("title:sea", [2]),
        ("title:(tide OR model) AND type:dataset", [1]),
        ("muller", [2]),
        ("MÜLLER", [2]),
        ("creators.name:mull*", [2]),
        ('creators.name:"Marlow, Ida"', [1]),
        ('creators.orcid:"0000-0001-2345-6789"', [1]),
        ("creators.affiliation:pier", [1]),
        ("潮位", [3]),
        ("京", [3]),
        ("潮京", []),
        ("山田", [3]),
        ("doi:10.5072/arc.2", [2]),
        ('doi:"10.5072/ARC.2"', [2]),
        ('"10.5072/arc.2"', [2]),
        ("https://doi.org/10.5072/arc.2", [2]),
        ("doi:10.5072/arc.*", [1, 2, 3, 4, 5, 6]),
        ("related.identifier:10.1000\\/xyz\\(1\\)", [6]),
        ("related.relation:issupplementto", [6]),
        ("conceptrecid:2000", [6]),
        ("recid:(1 OR 3)", [1, 3]),
        ("id:[2 TO 4]", [2, 3, 4]),
        ("id:{2 TO 4}", [3]),
        ("communities:tide-tables", [1, 2]),
        ("communities:tide-tables AND resource_type.type:publication", [2]),
        ("resource_type.subtype:publication-article", [2]),
        ("resource_type.subtype:publication-thesis", [5]),
        ("publication_date:[2024-01-01 TO *]", [1, 4, 5, 6]),
        ("publication_date:2023", [2]),
        ("publication_date:[2021-05 TO 2021-06]", [3]),
        ("publication_date:{2022 TO 2024}", [2]),
        ("created:[2026-01-01T12:02:00Z TO 2026-01-01T12:03:30Z]", [2, 3]),
        ("filename:gauge_01.csv", [1]),
        ("filename:*.csv", [1]),
        ("gauge_01", [1]),
        ("filetype:PDF", [2]),
        ("filesize:200", [1]),
        ("filecount:>=1", [1, 2, 6]),
        ('_files.checksum:"md5:00000000000000000000000000000006"', [6]),
        ("license.identifier:cc-by-4.0", [1]),
        ("license.url:https\\://creativecommons.org/licenses/by/4.0/legalcode", [1]),
        ("language:eng", [1]),
        ("grants.code:871234", [6]),
        ("grants.title:deep", [6]),
        ("journal.title:tides", [2]),
        ("access_right:open", [1, 2, 6]),
        ("access_right:(embargoed OR closed)", [3, 4]),
        ("access.status:metadata-only", [5]),
        ("access_right:open*", [1, 2, 6]),
        ("_exists_:journal.title", [2]),
        ("NOT _exists_:keywords", [3, 4, 5, 6]),
        ("te?e*", []),
        ("t?d*", [1, 2]),
        ("*eview", [2]),
        ("raedings~", [1]),
        ("reedinks~2", [1]),
        ("reedinks~1", []),
        ("owners:5150", [1, 2, 3, 4, 5, 6]),
        ("nosuchfield:tide", []),
        ("nosuchfield:tide OR gauge", [1]),
        ("(", []),
        ('"open gauge', [1]),
        ("title:gauge^5 review", [1, 2]),
    ],
)
def test_the_query_language(corpus: SearchIndex, query: str, found: list[int]) -> None:
    """Each form of Zenodo's query language finds these records and no others."""
    assert found == ids(corpus, query)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SearchRequest("filesize:abc"), "q"),
        (SearchRequest("(" * 50), "q"),
        (SearchRequest(sort="newestactivity"), "sort"),
        (SearchRequest(page=401), "page"),
        (SearchRequest(filters={"colour": ["red"]}), "colour"),
        (SearchRequest(filters={"publication_date": ["x..y"]}), "publication_date"),
        (SearchRequest(facets=("colour",)), "colour"),
    ],
)
def test_what_cannot_be_understood_is_rejected(
    corpus: SearchIndex, request_: SearchRequest, field: str
) -> None:
    """The field at fault is named."""
    with pytest.raises(Rejected) as caught:
        corpus.search(request_)
    assert field == caught.value.field


_PIECES = st.sampled_from(
    [
        *'()[]{}"~^*?\\:+-!/|&.$#@<>= ',
        *(
            " AND ",
            " OR ",
            " NOT ",
            " TO ",
            "title:",
            "doi:10.",
            "created:",
            "filename:",
            "filesize:>",
            "language:",
        ),
        *(
            "access_right:",
            "_exists_:",
            "2024",
            "Ü",
            "東京",
            "a",
            "\u0301",
            "\x00",
            "\ud800",
            "^2",
            "~1",
            "😀",
            "sea level",
        ),
    ]
)


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(), st.lists(_PIECES, max_size=20).map("".join)))
def test_any_text_is_answered_or_rejected(corpus: SearchIndex, text: str) -> None:
    """No query makes the index fail: it answers, or rejects the query."""
    with suppress(Rejected):
        assert corpus.search(SearchRequest(text, facets=("file_type",))).total <= len(CORPUS)


@settings(deadline=None, max_examples=200)
@given(
    st.one_of(st.text(), st.lists(_PIECES, max_size=20).map("".join)),
    st.booleans(),
    st.sampled_from(list(SORTS)),
)
def test_documents_in_no_index_are_found_alike(
    corpus: SearchIndex, text: str, all_versions: bool, sort: str
) -> None:
    """Of the same documents a question finds the same without an index, and where they do not go by how well they match
    also in the same order."""
    asked = SearchRequest(text, all_versions=all_versions, sort=sort)
    with suppress(Rejected):
        found, expected = matching.search(CORPUS, asked, seconds(NOW)).ids, corpus.search(asked).ids
        assert sorted(found) == sorted(expected)
        assert SORTS[sort].key == "" or found == expected


@pytest.mark.parametrize(
    "query",
    [
        *(
            '"sea level"',
            '"level sea"~3',
            '"sea rise"~1',
            "tid*",
            "creators.name:s?lva",
            "tude~1",
            "doi:10.5072*",
        ),
        *("filesize:>10", "created:[2024 TO *]", "_exists_:doi", "NOT coral", "+coral -model", "type:data*"),
        *(
            "access_right:open",
            "access_right:embargoed",
            "filename:data.csv",
            "title:(coral OR tide)",
            "recid:1",
        ),
    ],
)
def test_what_each_part_of_the_language_finds_is_found_without_an_index(
    corpus: SearchIndex, query: str
) -> None:
    """By whatever means records are asked for."""
    asked = SearchRequest(query, all_versions=True)
    found, expected = matching.search(CORPUS, asked, seconds(NOW)), corpus.search(asked)
    assert (found.total, sorted(found.ids)) == (expected.total, sorted(expected.ids))


def test_only_the_latest_version_is_found(corpus: SearchIndex) -> None:
    """Older versions of a work are found with `all_versions` only; the count has them all."""
    assert ids(corpus, "model code") == [6]
    assert ids(corpus, "model code", all_versions=True) == [6, 7]
    assert corpus.count() == 7
