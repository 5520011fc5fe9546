"""Zenodo's query language, as its search guide has it, parsed into the tree of `nodes`.

The grammar is that of Lucene's classic query parser, with its rules for AND, OR, NOT, + and -. What
differs, on purpose:

- There are no regular expressions. `/` belongs to them, so that it has to be in quotes or behind a
  backslash as on Zenodo, but for DOIs in their fields and addresses of the web.
- `-` or `+` with a blank after it, and `name: ` with a name that is no field, are punctuation, so that
  pasted titles work; `name:value` with such a name matches nothing, and `a:b:c` is refused, as on Zenodo.
- A word that is more than one in the index (`sea-level`, anything in Chinese) is a phrase.
- Text that is no query (`(`, `"open`, `[2020 TO`) is looked up word by word; operators are no words.
- `_exists_` takes aliases, and objects that hold fields (`pids.doi`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pipeline.errors import Rejected
from pipeline.index import leaves
from pipeline.index.analysis import words
from pipeline.index.fields import EVERYWHERE, fields_within, stored_name
from pipeline.index.nodes import (
    NOTHING,
    Bool,
    Boost,
    Exists,
    Fuzzy,
    MatchAll,
    Phrase,
    Query,
    Term,
    Wildcard,
    every,
    some,
)
from pipeline.index.phrases import is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST: Final = 10_000
"""Characters of a query."""
DEEPEST: Final = 20
"""Parentheses within parentheses."""
MOST_WORDS: Final = 250
"""Each is looked up as many as four times, and OpenSearch looks up 1,024 at once."""
MOST_EXPANSIONS: Final = 16
"""Leaves that an engine compares with its whole dictionary: wildcards and fuzzy words. A phrase whose words may stand
in many ways counts as `_WAYS`."""
_WAYS = 8

_BLANK = re.compile(r"\s+")
_FIELD = re.compile(r"((?:[^\W\d]|_)(?:[\w.-]|\\:)*|\*):")
_OPERATOR = re.compile(r"(AND|OR|NOT)(?=[\s()\"+!-]|$)|(&&)|(\|\|)")
_CONJUNCTION: Mapping[str, str] = {"AND": "AND", "&&": "AND", "OR": "OR", "||": "OR"}
_MODIFIER = re.compile(r"NOT(?=[\s(\"])|[+!-](?=\S)")
_PUNCTUATION = re.compile(r"[+!-]+(?=\s|$)")
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"(?:~(\d{1,4}))?', re.DOTALL)
_RANGE_END = r'"[^"]*"|[^\s"\]}]+'
_RANGE = re.compile(rf"([\[{{])\s*({_RANGE_END})\s+TO\s+({_RANGE_END})\s*([\]}}])")
_COMPARISON = re.compile(r'([<>]=?)("[^"]*"|[^\s()"]+)')
_WORD = re.compile(r'(?:\\.|[^\s()\[\]{}"^~\\/])+', re.DOTALL)
_ADDRESS = re.compile(r'https?\\?://[^\s()\[\]{}"^~\\]+', re.IGNORECASE)
_FUZZY = re.compile(r"~(\d?)(?:\.\d+)?")
_BOOST = re.compile(r"\^(\d{1,4}(?:\.\d{1,4})?)")
_DOI = re.compile(r"10\.[^\s*?]+(?=\s|$)")
_WILD_DOI = re.compile(r'10\.[^\s()\[\]{}"^~\\]+')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_WILD = re.compile(r"(?<!\\)[*?]")
_COLON = re.compile(r"(?<!\\):")
_OPERATORS = re.compile(r"\b(?:AND|OR|NOT|TO)\b")


class _SyntaxError(Exception):
    pass


def parse(text: str) -> Query:
    """The tree of `text`; empty text matches all. Raises `Rejected` (field `q`), and nothing else, for a
    query that cannot be meant (`filesize:abc`) or costs too much."""
    if len(text) > LONGEST:
        raise _rejection(f"longer than {LONGEST} characters")
    # Half of a character (a lone surrogate) stands in no document, and engines take none.
    text = text.encode(errors="ignore").decode()
    if not text.strip():
        return MatchAll()
    try:
        query = _Parser(text).parse()
    except _SyntaxError:
        query = _plain(text)
    _check_cost(query)
    return query


def _rejection(reason: str) -> Rejected:
    return Rejected(f"Invalid query string syntax: {reason}.", field="q")


def _plain(text: str) -> Query:
    found = dict.fromkeys(words(_OPERATORS.sub(" ", text)))
    return some(*(Term(EVERYWHERE, word) for word in found)) if found else NOTHING


def _check_cost(query: Query) -> None:
    count, expansions = _cost(query)
    if count > MOST_WORDS or expansions > MOST_EXPANSIONS:
        raise _rejection(f"at most {MOST_WORDS} words, {MOST_EXPANSIONS} of them with wildcards or '~'")


def _cost(query: Query) -> tuple[int, int]:
    """How many words there are to look up, and how many of them in the whole dictionary."""
    match query:
        case Bool(must, should, must_not):
            costs = [_cost(part) for part in (*must, *should, *must_not)]
            return sum(count for count, _ in costs), sum(expansions for _, expansions in costs)
        case Boost(inner):
            return _cost(inner)
        case Phrase(words=found, slop=slop):
            return len(found), 0 if is_plain(found, slop) else _WAYS
        case Wildcard() | Fuzzy():
            return 1, 1
        case _:
            return 1, 0


@dataclass(frozen=True, slots=True)
class _Clauses:
    """Clauses as they come, by the rules of Lucene's classic parser with OR as its default."""

    must: tuple[Query, ...] = ()
    should: tuple[Query, ...] = ()
    must_not: tuple[Query, ...] = ()
    last_is_optional: bool = False

    def add(self, clause: Query, conjunction: str, modifier: str) -> _Clauses:
        # AND also makes the clause before it required, unless that one is prohibited.
        before = self._require_last() if conjunction == "AND" and self.last_is_optional else self
        if modifier in ("NOT", "!", "-"):
            return replace(before, must_not=(*before.must_not, clause), last_is_optional=False)
        if modifier == "+" or conjunction == "AND":
            return replace(before, must=(*before.must, clause), last_is_optional=False)
        return replace(before, should=(*before.should, clause), last_is_optional=True)

    def _require_last(self) -> _Clauses:
        *others, last = self.should
        return replace(self, must=(*self.must, last), should=tuple(others))

    def query(self) -> Query:
        if not self.must_not:
            if not self.must:
                return some(*self.should) if self.should else NOTHING
            if not self.should:
                return every(*self.must)
        # What is only prohibited means "all but".
        must = self.must if self.must or self.should else (MatchAll(),)
        return Bool(must, self.should, self.must_not)


@dataclass(slots=True)
class _Parser:
    text: str
    at: int = 0
    depth: int = 0
    matched: re.Match[str] = field(init=False)

    def parse(self) -> Query:
        query = self._clauses(EVERYWHERE)
        if self.at < len(self.text):
            raise _SyntaxError
        return query

    def _accept(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self.text, self.at)
        if found is None:
            return False
        self.matched, self.at = found, found.end()
        return True

    def _ended(self) -> bool:
        self._accept(_BLANK)
        return self.at >= len(self.text) or self.text[self.at] == ")"

    def _clauses(self, name: str | None) -> Query:
        """Up to the end or a closing parenthesis, in the field `name` (None: one that does not exist)."""
        clauses, began = _Clauses(), True
        while not self._ended():
            conjunction = "" if began else self._conjunction()
            if self._ended():
                raise _SyntaxError
            began = False
            if not conjunction and self._accept(_PUNCTUATION):
                continue
            modifier = self.matched[0] if self._accept(_MODIFIER) else ""
            self._accept(_BLANK)
            clause = self._clause(name)
            if clause is not None:
                clauses = clauses.add(clause, conjunction, modifier)
        return clauses.query()

    def _conjunction(self) -> str:
        before = self.at
        if self._accept(_OPERATOR) and (conjunction := _CONJUNCTION.get(self.matched[0])):
            self._accept(_BLANK)
            return conjunction
        self.at = before
        return ""

    def _clause(self, name: str | None) -> Query | None:
        """None where there is no word in it (a dash, say): it then says nothing."""
        if self._accept(_OPERATOR):
            raise _SyntaxError
        named, existence = name, False
        if self._field():
            label = self.matched[1].replace("\\:", ":")
            existence = label == "_exists_"
            named = None if existence else _stored(label)
            self._accept(_BLANK)
        query = self._existence() if existence else self._value(named)
        if query == NOTHING and named is not None:
            return None
        return Boost(query, float(self.matched[1])) if self._accept(_BOOST) else query

    def _field(self) -> bool:
        before = self.at
        if not self._accept(_FIELD):
            return False
        label = self.matched[1].replace("\\:", ":")
        rest = self.text[self.at : self.at + 2]
        if label == "_exists_" or _stored(label) or not (rest[:1].strip() == "" or rest == "//"):
            return True
        self.at = before
        return False

    def _existence(self) -> Query:
        if not self._accept(_WORD):
            raise _SyntaxError
        names = fields_within(_unescape(self.matched[0]))
        return some(*map(Exists, names)) if names else NOTHING

    def _value(self, name: str | None) -> Query:
        if self.text.startswith("(", self.at):
            return self._group(name)
        if name in leaves.DOI_FIELDS and self._accept(_DOI):
            return leaves.term(str(name), self._doi())
        if name in leaves.DOI_FIELDS and self._accept(_WILD_DOI):
            return leaves.wildcard(str(name), self.matched[0])
        if self._accept(_QUOTED):
            return _leaf_quoted(name, self.matched)
        if self._accept(_RANGE):
            return _leaf_range(name, self.matched)
        if name != EVERYWHERE and self._accept(_COMPARISON):
            return _leaf_comparison(name, self.matched)
        if self._accept(_ADDRESS):
            return NOTHING if name is None else leaves.term(name, _unescape(self.matched[0]))
        if self.text.startswith("/", self.at):
            raise _rejection("put words with '/' in quotes")
        if self._accept(_WORD):
            return self._word(name, self.matched[0])
        raise _SyntaxError

    def _group(self, name: str | None) -> Query:
        if self.depth == DEEPEST:
            raise _rejection("too many nested parentheses")
        self.at += 1
        self.depth += 1
        query = self._clauses(name)
        if not self.text.startswith(")", self.at):
            raise _SyntaxError
        self.at += 1
        self.depth -= 1
        return query

    def _doi(self) -> str:
        """The DOI just matched, up to a parenthesis that it did not open."""
        opened = 0
        for length, char in enumerate(self.matched[0]):
            opened += (char == "(") - (char == ")")
            if opened < 0:
                self.at = self.matched.start() + length
                return self.matched[0][:length]
        return self.matched[0]

    def _word(self, name: str | None, word: str) -> Query:
        is_fuzzy = self._accept(_FUZZY)
        if name is None and _COLON.search(word):
            raise _rejection("put values with ':' in quotes")
        if name is None:
            return NOTHING
        if is_fuzzy:
            return leaves.fuzzy(name, _unescape(word), int(self.matched[1]) if self.matched[1] else None)
        return leaves.wildcard(name, word) if _WILD.search(word) else leaves.term(name, _unescape(word))


def _stored(label: str) -> str | None:
    return EVERYWHERE if label == "*" else stored_name(label)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)


def _leaf_quoted(name: str | None, match: re.Match[str]) -> Query:
    return NOTHING if name is None else leaves.phrase(name, _unescape(match[1]), slop=int(match[2] or 0))


def _leaf_range(name: str | None, match: re.Match[str]) -> Query:
    if name == EVERYWHERE:
        raise _SyntaxError
    opening, low, high, closing = match.groups()
    return _leaf_between(name, low, high, with_low=opening == "[", with_high=closing == "]")


def _leaf_comparison(name: str | None, match: re.Match[str]) -> Query:
    operator, end = match.groups()
    if operator.startswith(">"):
        return _leaf_between(name, end, "*", with_low=operator == ">=", with_high=True)
    return _leaf_between(name, "*", end, with_low=True, with_high=operator == "<=")


def _leaf_between(name: str | None, low: str, high: str, *, with_low: bool, with_high: bool) -> Query:
    if name is None:
        return NOTHING
    ends = [None if end == "*" else _unescape(end.strip('"')) for end in (low, high)]
    return leaves.between(name, ends[0], ends[1], with_low=with_low, with_high=with_high)


@dataclass(frozen=True, slots=True)
class Order:
    """`key` is a NUMBER field that no two records share a value of, or empty for the score."""

    key: str
    descending: bool = True

    def reversed(self) -> Order:
        return replace(self, descending=not self.descending)


_NEWEST = Order("sort.created")
_PUBLISHED = Order("sort.published")
_BEST = Order("")
_VERSION = Order("sort.version")
_VIEWED = Order("sort.views")
_CONFERENCE = Order("sort.conference", descending=False)
_JOURNAL = Order("sort.journal", descending=False)

SORTS: Final[Mapping[str, Order]] = {
    "bestmatch": _BEST,
    "-bestmatch": _BEST.reversed(),
    "newest": _NEWEST,
    "mostrecent": _NEWEST,
    "oldest": _NEWEST.reversed(),
    "-mostrecent": _NEWEST.reversed(),
    "updated-desc": Order("sort.updated"),
    "updated-asc": Order("sort.updated", descending=False),
    "publication-desc": _PUBLISHED,
    "publication_date": _PUBLISHED,
    "publication-asc": _PUBLISHED.reversed(),
    "-publication_date": _PUBLISHED.reversed(),
    "version": _VERSION,
    "-version": _VERSION.reversed(),
    "mostviewed": _VIEWED,
    "-mostviewed": _VIEWED.reversed(),
    "mostdownloaded": Order("sort.downloads"),
    "conference-desc": _CONFERENCE.reversed(),
    "conference_session": _CONFERENCE,
    "-conference_session": _CONFERENCE.reversed(),
    "journal-desc": _JOURNAL.reversed(),
    "journal": _JOURNAL,
    "-journal": _JOURNAL.reversed(),
}
"""The sort options of Zenodo's REST API, without the four that Zenodo itself refuses (newest- and oldestactivity,
conference-asc, journal-asc)."""


def order(sort: str, *, text: str) -> Order:
    """The order that `sort` names, by default of the best match where there is `text` to match, else of
    the newest. Raises `Rejected` (field `sort`)."""
    name = sort or ("bestmatch" if text.strip() else "newest")
    if name not in SORTS:
        raise Rejected(f"Invalid sort option '{sort[:100]}'.", field="sort")
    return SORTS[name]
