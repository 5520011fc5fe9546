"""Zenodo's query language, as its search guide has it."""

from calendar import timegm

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Rejected
from pipeline.index.analysis import fold, words
from pipeline.index.disclosure import as_of
from pipeline.index.fields import ALIASES, EVERYWHERE, FIELDS
from pipeline.index.leaves import LONGEST_PATTERN, MOST_STARS
from pipeline.index.nodes import (
    NOTHING,
    Bool,
    Boost,
    Exists,
    Fuzzy,
    MatchAll,
    Phrase,
    Query,
    Range,
    Term,
    Wildcard,
)
from pipeline.index.query import DEEPEST, LONGEST, MOST_EXPANSIONS, MOST_WORDS, SORTS, Order, order, parse

TITLE = "metadata.title"
A, B, C = (Term(EVERYWHERE, word) for word in "abc")


def second(*moment: int) -> int:
    return timegm((*moment, *(0,) * (6 - len(moment))))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", MatchAll()),
        ("a", A),
        ("a b", Bool(should=(A, B))),
        ("a OR b || c", Bool(should=(A, B, C))),
        ("a AND b && c", Bool(must=(A, B, C))),
        ("a AND b OR c", Bool(must=(A, B), should=(C,))),
        ("+a b -c", Bool(must=(A,), should=(B,), must_not=(C,))),
        ("a AND NOT b", Bool(must=(A,), must_not=(B,))),
        ("a !b", Bool(should=(A,), must_not=(B,))),
        ("NOT a", Bool(must=(MatchAll(),), must_not=(A,))),
        ("(a b) AND c", Bool(must=(Bool(should=(A, B)), C))),
        ("and or not", Bool(should=tuple(Term(EVERYWHERE, word) for word in ("and", "or", "not")))),
    ],
)
def test_boolean_operators(text: str, meant: Query) -> None:
    """Words are optional by default; AND, OR, NOT, + and - follow the rules of Lucene's classic parser."""
    assert meant == parse(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("title:Sea", Term(TITLE, "sea")),
        ('title:"Sea Level"', Phrase(TITLE, ("sea", "level"))),
        ('"a b"~3', Phrase(EVERYWHERE, ("a", "b"), 3)),
        ("sea-level", Phrase(EVERYWHERE, ("sea", "level"))),
        ("title:(sea AND rise)", Bool(must=(Term(TITLE, "sea"), Term(TITLE, "rise")))),
        ("title:(sea type:dataset)", Bool(should=(Term(TITLE, "sea"), parse("type:dataset")))),
        ("recid:7654321", Term("id", 7654321)),
        ("resource_type.subtype:publication-thesis", parse("resource_type.subtype:publication-dissertation")),
        ("access_right:closed", Term("access.status", "restricted")),
        (r"custom_fields.journal\:journal.title:tides", parse("journal.title:tides")),
        ("te?t*", Wildcard(EVERYWHERE, "te?t*")),
        ("title:Müll*", Wildcard(TITLE, "mull*")),
        ("filename:*.csv", Term("files.entries.key", "csv")),
        (r"te\*t", Phrase(EVERYWHERE, ("te", "t"))),
        ("*", MatchAll()),
        ("*:*", MatchAll()),
        ("title:*", Exists(TITLE)),
        ("_exists_:doi", Exists("pids.doi.identifier")),
        ("_exists_:pids.doi.identifier", Exists("pids.doi.identifier")),
        ("_exists_:pids.doi", Exists("pids.doi.identifier")),
        (
            "_exists_:custom_fields.thesis:thesis",
            Exists("custom_fields.thesis:thesis.university"),
        ),
        (r"10.5281\/zenodo.5", Phrase(EVERYWHERE, ("10", "5281", "zenodo", "5"))),
        (
            "license.url:https://spdx.org/licenses/MIT",
            Term("metadata.rights.props.url", "https://spdx.org/licenses/mit"),
        ),
        ("roam~", Fuzzy(EVERYWHERE, "roam", 1)),
        ("roam~2", Fuzzy(EVERYWHERE, "roam", 2)),
        ("title:sea^3", Boost(Term(TITLE, "sea"), 3.0)),
        ("filesize:[10 TO 20}", Range("files.totalbytes", 10, 19)),
        ("filesize:>10", Range("files.totalbytes", 11, None)),
        ("filesize:[* TO *]", Exists("files.totalbytes")),
    ],
)
def test_clauses(text: str, meant: Query) -> None:
    """Each kind of clause names the stored field and holds folded words or numbers."""
    assert meant == parse(text)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("created:2026", second(2026, 1, 1), second(2027, 1, 1) - 1),
        ("created:[2026-01 TO 2026-02]", second(2026, 1, 1), second(2026, 3, 1) - 1),
        ("created:{2026-01-01 TO 2026-01-31}", second(2026, 1, 2), second(2026, 1, 31) - 1),
        ('created:["2026-01-01T10:00:00Z" TO *]', second(2026, 1, 1, 10), None),
        ("created:[2026-01-01T10:00:00+01:00 TO *]", second(2026, 1, 1, 9), None),
    ],
)
def test_dates_cover_their_unit(text: str, low: int, high: int | None) -> None:
    """A date in a range stands for its whole year, month or day."""
    assert Range("created", low, high) == parse(text)


def test_a_publication_date_overlaps() -> None:
    """A record whose publication date is an interval is found by every range that touches it."""
    name = "metadata.publication_date"
    ends = (
        Range(f"{name}.first", None, second(2025, 1, 1) - 1),
        Range(f"{name}.last", second(2024, 1, 1), None),
    )
    assert Bool(must=ends) == parse("publication_date:2024")


@pytest.mark.parametrize(
    ("text", "doi"),
    [
        ("doi:10.5281/zenodo.5", "10.5281/zenodo.5"),
        ('doi:"10.5281/Zenodo.5"', "10.5281/zenodo.5"),
        ('doi:"https://doi.org/10.5281/zenodo.5"', "10.5281/zenodo.5"),
        ("(doi:10.1000/a(b)c:d)", "10.1000/a(b)c:d"),
    ],
)
def test_dois_need_no_quotes(text: str, doi: str) -> None:
    """What begins with `10.` after a DOI field is one value, whatever characters it has."""
    assert Term("pids.doi.identifier", doi) == parse(text)


@pytest.mark.parametrize("text", ['"10.5281/zenodo.5"', "https://doi.org/10.5281/zenodo.5"])
def test_a_pasted_doi_is_looked_for_as_such(text: str) -> None:
    """A quoted DOI without a field name, or a link to it, is a phrase."""
    assert Phrase(EVERYWHERE, ("10", "5281", "zenodo", "5")) == parse(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"open tide', ["open", "tide"]),
        ("[2020 TO open", ["2020", "open"]),
        ("tide AND gauge OR", ["tide", "gauge"]),
        ("tide) gauge", ["tide", "gauge"]),
        ("a [1] b", ["a", "1", "b"]),
        ("Tides: a review - part 2", ["tides", "a", "review", "part", "2"]),
    ],
)
def test_what_is_no_query_is_text(text: str, found: list[str]) -> None:
    """Text that cannot be parsed, as pasted titles often cannot, is looked up word by word."""
    assert Bool(should=tuple(Term(EVERYWHERE, word) for word in found)) == parse(text)


@pytest.mark.parametrize("text", ["(", "AND", "-", '""', "...", "nosuchfield:tide", "_exists_:nosuchfield"])
def test_nothing_to_look_for_finds_nothing(text: str) -> None:
    """Without a word, or in a field that does not exist, there is nothing to find."""
    assert parse(text) == NOTHING


def test_a_clause_without_words_says_nothing() -> None:
    """A dash between words neither requires nor excludes anything."""
    assert parse("a AND b") == parse("a AND -- AND b")


@pytest.mark.parametrize(
    "text",
    [
        "filesize:abc",
        "filesize:1*",
        "10.5281/zenodo.5",
        "foo/bar",
        "foo / bar",
        "/joh?n/",
        "title:a/b",
        "a:b:c",
        "created:[x TO y]",
        "created:yesterday",
        "title:[a TO b]",
        "recid:5~",
        "(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1),
        "a" * (LONGEST + 1),
        " ".join(f"w{number}" for number in range(MOST_WORDS + 1)),
        " ".join(f"w{number}*" for number in range(MOST_EXPANSIONS + 1)),
        "*a?????",
        "filename:a*????b?",
        "*a" * (MOST_STARS + 1),
        "doi:10." + "a" * LONGEST_PATTERN + "*",
        '"a b c"~9',
        '"a a"~99',
        '"a b c"~2 "b c d"~2 "c d e"~2',
    ],
)
def test_what_cannot_be_meant_is_rejected(text: str) -> None:
    """A value that its field cannot have, or a query that costs too much, is the user's to mend."""
    with pytest.raises(Rejected, match="Invalid query string syntax") as caught:
        parse(text)
    assert caught.value.field == "q"


_PIECES = st.sampled_from(
    [
        *'()[]{}"~^*?\\:+-!/ ',
        *(" AND ", " OR ", " NOT ", " TO ", "&&", "||", "title:", "doi:10.", "created:", "filesize:"),
        *(
            "access_right:",
            "_exists_:",
            "2024-02-30",
            "Ü",
            "東京",
            "a",
            "\u0301",
            "\x00",
            "\ud800",
            "^2",
            "~1",
            ">=",
            "//",
        ),
    ]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(_PIECES, max_size=40).map("".join)))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    """No string makes the parser raise anything but `Rejected` for field `q`, and what it returns names
    stored fields only and can be put in time."""
    assert _fields(as_of(_parsed(text), 0)) <= {*FIELDS, EVERYWHERE}


def _parsed(text: str) -> Query:
    try:
        return parse(text)
    except Rejected as error:
        return NOTHING if error.field == "q" else Term(error.field, "is not the query")


def _fields(query: Query) -> set[str]:
    match query:
        case Bool(must, should, must_not):
            return {name for part in (*must, *should, *must_not) for name in _fields(part)}
        case Boost(inner):
            return _fields(inner)
        case MatchAll():
            return set()
        case leaf:
            return {leaf.field}


@settings(deadline=None)
@given(st.text())
def test_folding_is_stable(text: str) -> None:
    """Words that were folded once stay as they are: documents and questions meet in the same form."""
    assert words(text) == words(" ".join(words(text)))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("MÜLLER", "muller"),
        ("Straße", "strasse"),
        ("Łódź", "lodz"),
        ("ﬁne", "fine"),
        ("Ærø", "aero"),
        ("が", "が"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    """Case, accents, strokes and compatibility forms go; marks that make another letter stay."""
    assert folded == fold(text)


def test_every_alias_names_a_stored_field() -> None:
    """No alias of the contract leads nowhere."""
    assert set(ALIASES.values()) <= set(FIELDS)


def test_sorts() -> None:
    """The default is the best match with words and the newest without; `-` and `publication_date` mean
    what they mean on Zenodo."""
    assert order("", text="tide") == SORTS["bestmatch"] == Order("")
    assert order("", text=" ") == SORTS["newest"] == SORTS["mostrecent"]
    assert order("publication_date", text="") == Order("sort.published", descending=True)
    assert order("-publication_date", text="") == Order("sort.published", descending=False)


@pytest.mark.parametrize("name", ["newestactivity", "conference-asc", "journal-asc", "title", "-newest"])
def test_an_unknown_sort_is_rejected(name: str) -> None:
    """Zenodo's own refusals are kept, with its words."""
    with pytest.raises(Rejected, match=f"Invalid sort option '{name}'") as caught:
        order(name, text="")
    assert caught.value.field == "sort"
