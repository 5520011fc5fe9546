"""The form of a draft for people: the essentials of a description as fields, and back (pure). What a form does not show
stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

from gateway.html.page_forms import TAG, PostedForm, as_markup
from gateway.html.presentation import Link
from pipeline.errors import FieldFault, Rejected
from pipeline.metadata import text, vocabulary
from pipeline.metadata.legacy_form import access_right, is_keyword, legacy_keywords
from pipeline.model import Access, Description, JsonObject

MOST_CREATORS = 300
"""Of a draft with more the form shows none; they stay as they are."""
_SPARE = 3
"""Empty rows for creators: there are more with each saving, and no scripts."""
_KEPT = "kept"
"""In place of a licence's id: several, or one that no list has."""
ACCESS = {
    "open": "Everybody may read the files",
    "embargoed": "Everybody may, from a day on",
    "restricted": "Only I, and whom I share them with",
}
_LABELS = {
    "title": "Title",
    "type": "Type",
    "date": "Date of publication",
    "creators": "Creators",
    "description": "Description",
    "keywords": "Keywords",
    "licence": "Licence",
    "access": "Who may read the files",
    "embargo_date": "Day on which the files open",
    "communities": "Communities",
    "files": "Files",
}
_FIELDS = (
    (r"metadata\.title", "title"),
    (r"metadata\.resource_type", "type"),
    (r"metadata\.publication_date", "date"),
    (r"metadata\.description", "description"),
    (r"metadata\.creators", "creators"),
    (r"metadata\.subjects", "keywords"),
    (r"metadata\.rights", "licence"),
    (r"metadata\.communities", "communities"),
    (r"access\.embargo", "embargo_date"),
    (r"access", "access"),
    (r"files", "files"),
)
_MISSING = "Missing data for required field."
_PLAIN = {"metadata.resource_type": "Choose one.", "files.enabled": "Add a file."}
"""What programs are told in other words."""
_BREAKS = re.compile(r"[\r\n]+")
_CREATOR = re.compile(r"metadata\.creators\.([0-9]+)\.")
_PARAGRAPHS = re.compile(r"(?:\s*<p>(?:[^<]|<br ?/?>)*</p>)*\s*", re.IGNORECASE)
_COMMON_LICENCES = (
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc0-1.0",
    "mit",
    "apache-2.0",
    "bsd-3-clause",
    "gpl-3.0-or-later",
    "odbl-1.0",
)


@dataclass(frozen=True, slots=True)
class Creator:
    """A row of the form. `index` is the place that the creator had when the form was shown, `""` for a new one."""

    name: str = ""
    orcid: str = ""
    affiliation: str = ""
    is_organisation: bool = False
    index: str = ""


@dataclass(frozen=True, slots=True)
class Essentials:
    """What the form says. `creators` is None where it shows none of many, `keywords` where it has no field for them."""

    title: str = ""
    type: str = ""
    date: str = ""
    description: str = ""
    keywords: tuple[str, ...] | None = ()
    licence: str = ""
    access: str = "open"
    embargo_date: str = ""
    embargo_reason: str = ""
    creators: tuple[Creator, ...] | None = ()
    communities: str = ""

    @property
    def rows(self) -> tuple[Creator, ...]:
        """With empty ones to be filled in."""
        return (*(self.creators or ()), *[Creator()] * _SPARE)

    @property
    def slugs(self) -> tuple[str, ...]:
        """Communities by the names that they have in addresses."""
        named = re.split(r"[\s,;]+", self.communities)
        return tuple(dict.fromkeys(filter(None, named)))

    def as_new(self) -> Essentials:
        """The same without a word on what its creators were before."""
        if self.creators is None:
            return self
        return replace(self, creators=tuple(replace(one, index="") for one in self.creators))


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a field of the form (`""`: with something that it does not show)."""

    field: str
    label: str
    text: str


# ---------------------------------------------------------------- a description as a form


def begun(*, today: date, community: str = "") -> Essentials:
    """An empty form."""
    return Essentials(date=today.isoformat(), licence=_COMMON_LICENCES[0], communities=community)


def shown(description: Description) -> Essentials:
    metadata, access = description.metadata, description.access
    creators = metadata.get("creators", [])
    return Essentials(
        title=_line(metadata.get("title", "")),
        type=metadata.get("resource_type", {}).get("id", ""),
        date=metadata.get("publication_date", ""),
        description=_as_text(metadata.get("description", "")),
        keywords=_keywords(metadata),
        licence=_licence(metadata.get("rights", [])),
        access=access_right(access),
        embargo_date=access.embargo_until.isoformat() if access.embargo_until else "",
        embargo_reason=_line(access.embargo_reason),
        creators=tuple(_creator(one, str(index)) for index, one in enumerate(creators))
        if len(creators) <= MOST_CREATORS
        else None,
        communities=", ".join(description.communities),
    )


def _creator(one: JsonObject, index: str) -> Creator:
    who = one.get("person_or_org", {})
    orcids = (each.get("identifier", "") for each in who.get("identifiers", []) if _is_orcid(each))
    return Creator(
        name=_line(who.get("name", "")),
        orcid=next(orcids, ""),
        affiliation=_affiliation(one),
        is_organisation=who.get("type") == "organizational",
        index=index,
    )


def _is_orcid(identifier: JsonObject) -> bool:
    return bool(identifier.get("scheme") == "orcid")


def _affiliation(one: JsonObject) -> str:
    return _line("; ".join(str(each.get("name", "")) for each in one.get("affiliations", [])))


def _keywords(metadata: JsonObject) -> tuple[str, ...]:
    return _lines(map(str, legacy_keywords(metadata)))


def _lines(written: Iterable[str]) -> tuple[str, ...]:
    """Each once."""
    return tuple(dict.fromkeys(filter(None, map(_line, written))))


def _line(written: str) -> str:
    """A text as a field of one line holds it, which has no breaks (HTML, value sanitisation)."""
    return _BREAKS.sub(" ", written).strip()


def _licence(rights: Sequence[JsonObject]) -> str:
    match rights:
        case []:
            return ""
        case [{"id": str(key)}] if key in vocabulary.licences():
            return key
    return _KEPT


def _as_text(markup: str) -> str:
    """Paragraphs as text with empty lines between; other HTML as it is."""
    if not _PARAGRAPHS.fullmatch(markup) and TAG.search(markup):
        return markup
    parts = re.split(r"</p>", markup, flags=re.IGNORECASE)
    return "\n\n".join(filter(None, map(text.plain, parts)))


# ---------------------------------------------------------------- and back


def posted(form: PostedForm) -> Essentials:
    """What somebody filled in. Raises `Rejected` for what no form of ours sends."""
    access = form.text("access")
    if access not in ACCESS:
        raise Rejected("Say who may read the files.", field="access")
    return Essentials(
        title=form.text("title").strip(),
        type=form.text("type"),
        date=form.text("date").strip(),
        # Browsers send a line's end as two characters (HTML, constructing the entry list).
        description=form.text("description").replace("\r\n", "\n").strip(),
        keywords=_lines(form.text("keywords").split("\n")) if "keywords" in form.fields else None,
        licence=form.text("licence"),
        access=access,
        embargo_date=form.text("embargo_date").strip(),
        embargo_reason=form.text("embargo_reason").strip(),
        creators=_rows(form) if "creator_name" in form.fields else None,
        communities=form.text("communities").strip(),
    )


def _rows(form: PostedForm) -> tuple[Creator, ...]:
    columns = [form.chosen(f"creator_{name}") for name in ("name", "orcid", "affiliation", "kind", "index")]
    if len({len(one) for one in columns}) != 1:
        raise Rejected("A creator has a name, an ORCID, an affiliation and a kind.", field="creators")
    rows = (
        Creator(name.strip(), orcid.strip(), affiliation.strip(), kind == "organizational", index)
        for name, orcid, affiliation, kind, index in zip(*columns, strict=True)
    )
    return tuple(one for one in rows if one.name or one.orcid or one.affiliation)


def body(said: Essentials, before: Description) -> JsonObject:
    """The form as the body of a request to InvenioRDM's draft API, with all that it does not show as it was `before`:
    it was filled in while the draft was so."""
    metadata = dict(before.metadata)
    if said.title != _line(before.metadata.get("title", "")):
        metadata["title"] = said.title
    metadata["publication_date"] = said.date
    metadata["resource_type"] = {"id": said.type} if said.type else None
    if said.description != _as_text(str(before.metadata.get("description", ""))).strip():
        metadata["description"] = as_markup(said.description)
    if said.keywords is not None and said.keywords != _keywords(before.metadata):
        metadata["subjects"] = _subjects(said.keywords, before.metadata.get("subjects", []))
    if said.licence != _licence(before.metadata.get("rights", [])):
        metadata["rights"] = [{"id": said.licence}] if said.licence not in ("", _KEPT) else []
    if said.creators is not None:
        metadata["creators"] = [_merged(one, before.metadata.get("creators", [])) for one in said.creators]
    return {
        "metadata": {key: value for key, value in metadata.items() if value not in ("", None, [])},
        "custom_fields": before.custom_fields,
        "access": _access(said, before.access),
    }


def _subjects(keywords: Iterable[str], before: Sequence[JsonObject]) -> list[JsonObject]:
    """Keywords in their new order, behind them the terms of schemes, which the form does not show."""
    known = {_line(str(one["subject"])): one for one in before if is_keyword(one)}
    terms = [one for one in before if not is_keyword(one)]
    return [*(known.get(one, {"subject": one}) for one in keywords), *terms]


def _access(said: Essentials, before: Access) -> JsonObject:
    if said.access != "embargoed":
        return {"record": "public", "files": "public" if said.access == "open" else "restricted"}
    stays = said.embargo_reason == _line(before.embargo_reason)
    reason = before.embargo_reason if stays else said.embargo_reason
    embargo = {"active": True, "until": said.embargo_date or None, "reason": reason or None}
    return {"record": "public", "files": "restricted", "embargo": embargo}


def _merged(row: Creator, before: Sequence[JsonObject]) -> JsonObject:
    """A creator as the row says, with what it does not show of the one who was in its place."""
    known = (
        before[int(row.index)]
        if re.fullmatch("[0-9]{1,4}", row.index) and int(row.index) < len(before)
        else {}
    )
    standing = _creator(known, row.index)
    who: dict[str, Any] = dict(known.get("person_or_org", {}))
    if (row.name, row.is_organisation) != (standing.name, standing.is_organisation) or not known:
        for part in ("family_name", "given_name"):
            who.pop(part, None)
        who |= {"name": row.name, "type": "organizational" if row.is_organisation else "personal"}
    if row.orcid != standing.orcid:
        others = [one for one in who.get("identifiers", []) if not _is_orcid(one)]
        given = [{"scheme": "orcid", "identifier": row.orcid}] if row.orcid else []
        who["identifiers"] = [*given, *others]
    merged = known | {"person_or_org": who}
    if row.affiliation != standing.affiliation:
        merged["affiliations"] = [{"name": row.affiliation}] if row.affiliation else []
    return merged


# ---------------------------------------------------------------- what is wrong


def problems(faults: Iterable[FieldFault], *, of_all: str = "The draft") -> list[Problem]:
    """What drafts and errors tell, in the order of the form; `of_all` is what no field is to blame for."""
    order = {name: place for place, name in enumerate(_LABELS)}
    found = [_problem(one, of_all) for one in faults]
    return sorted(found, key=lambda one: order.get(one.field, len(order)))


def _problem(fault: FieldFault, of_all: str) -> Problem:
    path = fault.field
    field = next((name for pattern, name in _FIELDS if re.match(pattern, path)), "")
    label = _LABELS.get(field) or path.removeprefix("metadata.") or of_all
    if person := _CREATOR.match(path):
        label = f"Creator {int(person[1]) + 1}"
    said = [_PLAIN[path]] if path in _PLAIN else [*fault.messages, fault.remedy]
    if len(said) > 1 and said[-1]:
        # What to do says it, too.
        said = [text for text in said if text != _MISSING]
    return Problem(field, label, " ".join(filter(None, said)))


# ---------------------------------------------------------------- what may be chosen


def types() -> list[tuple[str, list[Link]]]:
    """Groups of resource types, each with its title (`""`: they stand alone); `url` is the id of each."""
    titles = {key: str(one["title"]) for key, one in vocabulary.resource_types().items()}
    groups = []
    for main, keys in groupby(titles, key=lambda key: key.partition("-")[0]):
        entries = [Link(titles[key], key) for key in keys]
        groups.append((titles[main] if len(entries) > 1 else "", entries))
    return groups


def licences(chosen: str) -> list[tuple[str, list[Link]]]:
    """The same of licences."""
    every = {key: str(one["title"]) for key, one in vocabulary.licences().items()}
    others = sorted(
        (key for key, one in vocabulary.licences().items() if not one.get("deprecated") or key == chosen),
        key=lambda key: every[key].casefold(),
    )
    standing = [Link("As it is: it was chosen elsewhere", _KEPT)] if chosen == _KEPT else []
    return [
        ("", [Link("None", ""), *standing]),
        ("Often chosen", [Link(every[key], key) for key in _COMMON_LICENCES]),
        ("All others", [Link(every[key], key) for key in others if key not in _COMMON_LICENCES]),
    ]
