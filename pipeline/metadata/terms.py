"""The vocabularies as clients of the API look things up in them: types of lists, terms, searching.

Ids of the lists and of what their terms have in `props` are those of InvenioRDM's vocabularies API.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from pipeline.errors import Rejected
from pipeline.metadata import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pipeline.metadata.vocabulary import Entry, Vocabulary

MOST_WORDS = 32
"""Words that one question may have: each is looked for in every term."""

TYPES: Mapping[str, str] = {
    "resourcetypes": "Resource types",
    "licenses": "Licenses",
    "languages": "Languages",
    "creatorsroles": "Creators' roles",
    "contributorsroles": "Contributors' roles",
    "datetypes": "Date types",
    "relationtypes": "Relation types",
    "titletypes": "Title types",
    "descriptiontypes": "Description types",
    "removalreasons": "Removal reasons",
    "communitytypes": "Community types",
    "code:programmingLanguages": "Programming languages",
    "code:developmentStatus": "Development status",
}
"""The lists that are `vocabularies` of the API, with their titles."""

DEPRECATED = "deprecated"
"""The tag of terms that another has come in the place of."""
_RECOMMENDED = frozenset({"cc-by-4.0", "cc0-1.0", "cc-by-sa-4.0", "mit", "apache-2.0", "gpl-3.0-or-later"})
_WORD, _ACCENTS = re.compile(r"\w+"), re.compile("[\u0300-\u036f]+")
_OF_DATA = re.compile("cc-|cc0-|odc-|odbl-|pddl-|other-|notspecified")


@dataclass(frozen=True, slots=True)
class Term:
    """An entry of a list. `also` are other names that it is found by, `tags` what a list may be narrowed to."""

    id: str
    title: str
    props: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    folded_title: str = field(init=False, repr=False)
    names: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Once for all the questions to come: `| name | another name |`, blanks around each word.
        names = " | ".join(_folded(each) for each in (self.id, self.title, *self.also))
        object.__setattr__(self, "names", f"| {names} |")
        object.__setattr__(self, "folded_title", _folded(self.title))


def _folded(text: str) -> str:
    """The words of a text in one form, without case, accents and punctuation."""
    bare = text if text.isascii() else _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return " ".join(_WORD.findall(bare.casefold()))


# ---------------------------------------------------------------- lists


@cache
def of_type(name: str) -> tuple[Term, ...]:
    """The terms of a list of `TYPES`, in its own order. Raises `KeyError` for another name."""
    entries, make = _LISTS[name]
    return tuple(make(key, entry) for key, entry in entries().items())


def _plain(key: str, entry: Entry) -> Term:
    return Term(key, entry["title"])


def _with_datacite(key: str, entry: Entry) -> Term:
    return Term(key, entry["title"], {"datacite": entry["datacite"]})


def _language(key: str, entry: Entry) -> Term:
    return Term(
        key, entry["title"], also=tuple(entry[code] for code in ("two", "bibliographic") if code in entry)
    )


def _licence(key: str, entry: Entry) -> Term:
    software = bool(entry.get("osi"))
    kinds = {
        "recommended": key in _RECOMMENDED,
        "all": True,
        "data": _OF_DATA.match(key),
        "software": software,
        DEPRECATED: entry.get("deprecated"),
    }
    props = {
        "url": entry.get("url", ""),
        "scheme": "spdx" if "spdx" in entry else "",
        "osi_approved": "y" if software else "",
    }
    return Term(key, entry["title"], props, tuple(tag for tag, given in kinds.items() if given))


def _resource_type(key: str, entry: Entry) -> Term:
    main, _, sub = key.partition("-")
    props = {
        "type": main,
        "subtype": key if sub else "",
        "datacite_general": entry["datacite"],
        "datacite_type": "" if entry["title"] == entry["datacite"] else entry["title"],
        "eurepo": f"info:eu-repo/semantics/{entry['eu_repo']}",
        "openaire_type": main if main in ("publication", "dataset", "software") else "other",
        "schema.org": f"https://schema.org/{entry['schema_org']}",
    }
    return Term(key, entry["title"], props, ("depositable", "linkable"))


_LISTS: Mapping[str, tuple[Callable[[], Vocabulary], Callable[[str, Entry], Term]]] = {
    "resourcetypes": (vocabulary.resource_types, _resource_type),
    "licenses": (vocabulary.licences, _licence),
    "languages": (vocabulary.languages, _language),
    "creatorsroles": (vocabulary.contributor_roles, _with_datacite),
    "contributorsroles": (vocabulary.contributor_roles, _with_datacite),
    "datetypes": (vocabulary.date_types, _with_datacite),
    "relationtypes": (vocabulary.relation_types, _with_datacite),
    "titletypes": (vocabulary.title_types, _with_datacite),
    "descriptiontypes": (vocabulary.description_types, _with_datacite),
    "removalreasons": (vocabulary.removal_reasons, _plain),
    "communitytypes": (vocabulary.community_types, _plain),
    "code:programmingLanguages": (vocabulary.programming_languages, _plain),
    "code:developmentStatus": (vocabulary.development_status, _plain),
}


# ---------------------------------------------------------------- searching


def search(
    terms: Sequence[Term], *, q: str = "", suggest: str = "", tags: Iterable[str] = (), sort: str = "title"
) -> list[Term]:
    """The terms that a question finds, in order.

    Each word of `q` has to be one of a term's words, or to begin one where it ends with `*`; `id:` and `title:`
    before a word look there alone. Each word of `suggest` has to begin one. `sort` is `bestmatch`, `title`, `newest` or
    `oldest`: a list's own order, and the reverse, since its terms came at once. Raises `Rejected` (field `q`, `suggest`
    or `sort`).
    """
    asked = [_matcher(word) for word in _words(q, "q")]
    asked += [_beginning(word) for word in _words(suggest, "suggest")]
    asked += [_tagged(tag) for tag in tags]
    found = [each for each in terms if all(fits(each) for fits in asked)]
    return _sorted(found, sort, suggest or q)


def _words(question: str, name: str) -> list[str]:
    words = [word for word in question.split() if word not in ("AND", "*", "*:*")]
    if len(words) > MOST_WORDS:
        raise Rejected(f"A question has {MOST_WORDS} words at most.", field=name)
    return words


def _matcher(word: str) -> Callable[[Term], bool]:
    name, colon, value = word.partition(":")
    if colon and name == "id":
        return lambda term: term.id == value.strip('"')
    if colon and name == "title":
        inner, ending = _folded(value), "" if value.endswith("*") else " "
        return lambda term: f" {inner}{ending}" in f" {term.folded_title} "
    if word.endswith("*"):
        return _beginning(word)
    if not (inner := _folded(word)):
        return lambda _: True
    return lambda term: f" {inner} " in term.names


def _beginning(word: str) -> Callable[[Term], bool]:
    wanted = f" {_folded(word)}"
    return lambda term: wanted in term.names


def _tagged(tag: str) -> Callable[[Term], bool]:
    return lambda term: tag in term.tags


def _sorted(found: list[Term], sort: str, question: str) -> list[Term]:
    match sort:
        case "bestmatch":
            asked = _folded(question)
            return sorted(found, key=lambda term: _distance(term, asked))
        case "title":
            return sorted(found, key=lambda term: (term.folded_title, term.id))
        case "newest":
            return found
        case "oldest":
            return found[::-1]
        case _:
            raise Rejected(f"Invalid sort option '{sort}'.", field="sort")


def _distance(term: Term, asked: str) -> tuple[bool, bool, bool, int, str]:
    """How far a term is from what was asked for: one that has it as a name is nearest, then what begins with it."""
    title, unknown = term.folded_title, f"| {asked} |" not in term.names
    return unknown, DEPRECATED in term.tags, not title.startswith(asked), len(title), title
