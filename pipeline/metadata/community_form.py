"""What a community says of itself, and its policies, as InvenioRDM's JSON has them (pure; Zenodo's REST API,
communities)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from pipeline.communities.roles import Audience, Policy, ReviewPolicy
from pipeline.errors import FieldFault, InvalidFields, Rejected
from pipeline.metadata import text, vocabulary
from pipeline.model import JsonObject

LONGEST_SLUG = 100
_LONGEST_TITLE = _LONGEST_DESCRIPTION = 250
_LONGEST_HTML = 50_000
_LONGEST_WEBSITE = 2_000
_LONGEST_NAME = 1_000
_MOST_BODIES = 100
_SLUG = re.compile(r"[-\w]+", re.ASCII)
_ROUTES = frozenset({"featured", "new", "search"})
"""Words that stand in addresses where slugs do."""
_MISSING = "Missing data for required field."
_NO_STRING = "Not a valid string."
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Policies:
    members_visibility: Audience = Audience.PUBLIC
    member_policy: Policy = Policy.CLOSED
    record_submission_policy: Policy = Policy.OPEN
    review_policy: ReviewPolicy = ReviewPolicy.CLOSED


@dataclass(frozen=True, slots=True)
class Charter:
    """What the managers of a community write. `kind` is an id of the vocabulary of community types, or ''; `details`
    has what else of `metadata` was given: `website`, `curation_policy` and `page` (sanitised HTML), `organizations`,
    `funding`."""

    slug: str
    title: str
    description: str = ""
    kind: str = ""
    details: JsonObject = field(default_factory=dict)
    policies: Policies = Policies()

    @property
    def words(self) -> str:
        """Where words are looked for, without regard to case."""
        return " ".join((self.slug, self.title, self.description)).casefold()

    def bodies(self) -> set[tuple[str, str]]:
        """(`organization` or `funder`, id or name without regard to case) of all that it names."""
        found = [("organization", one) for one in self.details.get("organizations", ())]
        found += [("funder", one["funder"]) for one in self.details.get("funding", ()) if "funder" in one]
        return {(kind, one[key].casefold()) for kind, one in found for key in ("id", "name") if one.get(key)}


def read(document: object) -> Charter:
    """The charter that a body says. What only answers have is not looked at. Raises `InvalidFields` with all that is
    wrong, `Rejected` for an id that is in no vocabulary."""
    if not isinstance(document, dict):
        raise Rejected("Invalid input type.", field="_schema")
    reader = _Reader()
    metadata = reader.part(document, "metadata")
    access = reader.part(document, "access")
    charter = Charter(
        slug=reader.slug(document.get("slug")),
        title=reader.text(metadata, "metadata.title", _LONGEST_TITLE, required="metadata" in document),
        description=reader.text(metadata, "metadata.description", _LONGEST_DESCRIPTION),
        kind=_kind(metadata.get("type"), reader),
        details=_details(metadata, reader),
        policies=_policies(access, reader, is_given="access" in document),
    )
    reader.finish()
    return charter


def read_slug(value: object) -> str:
    """A new slug by itself. Raises `InvalidFields`."""
    reader = _Reader()
    slug = reader.slug(value)
    reader.finish()
    return slug


def to_json(charter: Charter) -> tuple[JsonObject, JsonObject]:
    """`metadata` and `access` as answers have them."""
    metadata: JsonObject = {"title": charter.title}
    if charter.description:
        metadata["description"] = charter.description
    if charter.kind:
        entry = vocabulary.community_types().get(charter.kind, {})
        metadata["type"] = {"id": charter.kind, "title": {"en": entry.get("title", charter.kind)}}
    policies = charter.policies
    access: JsonObject = {
        "visibility": Audience.PUBLIC.value,
        "members_visibility": policies.members_visibility.value,
        "member_policy": policies.member_policy.value,
        "record_submission_policy": policies.record_submission_policy.value,
        "review_policy": policies.review_policy.value,
    }
    return metadata | charter.details, access


def _policies(access: JsonObject, reader: "_Reader", *, is_given: bool) -> Policies:
    standard = Policies()
    if is_given and "visibility" not in access:
        reader.fault("access.visibility", _MISSING)
    elif access.get("visibility", "public") != "public":
        # As on Zenodo: what a community has is public, or restricted by itself.
        reader.fault("access.visibility", "Must be one of: public.")
    submission = "record_submission_policy" if "record_submission_policy" in access else "record_policy"
    return Policies(
        reader.choice(access, "members_visibility", standard.members_visibility, Audience),
        reader.choice(access, "member_policy", standard.member_policy, Policy),
        reader.choice(access, submission, standard.record_submission_policy, Policy),
        reader.choice(access, "review_policy", standard.review_policy, ReviewPolicy),
    )


def _kind(given: object, reader: "_Reader") -> str:
    if given is None:
        return ""
    name = given.get("id") if isinstance(given, dict) else given
    if not isinstance(name, str):
        reader.fault("metadata.type.id", _NO_STRING)
        return ""
    if name not in vocabulary.community_types():
        raise Rejected(f"Invalid value {name}.")
    return name


def _details(metadata: JsonObject, reader: "_Reader") -> JsonObject:
    website = reader.text(metadata, "metadata.website", _LONGEST_WEBSITE)
    if website and not _is_web_address(website):
        reader.fault("metadata.website", "Not a valid URL.")
    found: JsonObject = {"website": website}
    for name in ("curation_policy", "page"):
        found[name] = text.sanitise(reader.text(metadata, f"metadata.{name}", _LONGEST_HTML))
    found["organizations"] = reader.bodies(metadata, "organizations", _body)
    found["funding"] = reader.bodies(metadata, "funding", _funding)
    return {name: value for name, value in found.items() if value}


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _body(given: object) -> JsonObject | None:
    """An organisation by id or name; None for what is none."""
    if not isinstance(given, dict):
        return None
    kept = {name: given[name] for name in ("id", "name") if given.get(name)}
    right = all(isinstance(value, str) and len(value) <= _LONGEST_NAME for value in kept.values())
    return {name: text.clean(value) for name, value in kept.items()} if kept and right else None


def _funding(given: object) -> JsonObject | None:
    """A funder with or without an award."""
    if not isinstance(given, dict):
        return None
    funder, award = _body(given.get("funder")), _award(given.get("award"))
    if funder is None or (award is None and given.get("award") is not None):
        return None
    return {"funder": funder} | ({"award": award} if award else {})


def _award(given: object) -> JsonObject | None:
    if not isinstance(given, dict):
        return None
    kept = {name: given[name] for name in ("id", "number") if given.get(name)}
    title = given.get("title")
    if isinstance(title, dict) and isinstance(title.get("en"), str):
        kept["title"] = title["en"]
    if not all(isinstance(value, str) and len(value) <= _LONGEST_NAME for value in kept.values()):
        return None
    cleaned: JsonObject = {name: text.clean(value) for name, value in kept.items()}
    return cleaned | ({"title": {"en": cleaned["title"]}} if "title" in cleaned else {})


class _Reader:
    """Takes values out of a body, and collects what is wrong with them."""

    def __init__(self) -> None:
        self._faults: list[FieldFault] = []

    def fault(self, name: str, message: str) -> None:
        self._faults.append(FieldFault(name, (message,)))

    def finish(self) -> None:
        if self._faults:
            raise InvalidFields(tuple(self._faults))

    def part(self, document: Mapping[str, Any], name: str) -> JsonObject:
        value = document.get(name)
        if isinstance(value, dict):
            return value
        self.fault(name, _MISSING if name not in document else "Not a valid object.")
        return {}

    def text(self, metadata: JsonObject, name: str, longest: int, *, required: bool = False) -> str:
        value = metadata.get(name.rpartition(".")[2])
        if value is None or value == "":
            if required:
                self.fault(name, _MISSING)
            return ""
        if not isinstance(value, str):
            self.fault(name, _NO_STRING)
            return ""
        # What is too long is not looked at: composing leaves a quarter of it at the least.
        kept = text.clean(value).strip() if len(value) <= 4 * longest else value
        if len(kept) > longest:
            self.fault(name, f"Longer than maximum length {longest}.")
        elif required and not kept:
            self.fault(name, _MISSING)
        return kept

    def slug(self, value: object) -> str:
        if value is None:
            self.fault("slug", _MISSING)
            return ""
        if not isinstance(value, str):
            self.fault("slug", _NO_STRING)
            return ""
        if not 1 <= len(value) <= LONGEST_SLUG:
            self.fault("slug", f"Length must be between 1 and {LONGEST_SLUG}.")
        elif not _SLUG.fullmatch(value):
            self.fault("slug", "The ID should contain only letters with numbers or dashes.")
        elif is_uuid(value) or value.lower() in _ROUTES:
            self.fault("slug", "This slug is reserved.")
        return value.lower()

    def choice(self, access: JsonObject, name: str, standard: Choice, kinds: type[Choice]) -> Choice:
        value = access.get(name, standard)
        if value in [one.value for one in kinds]:
            return kinds(value)
        self.fault(f"access.{name}", f"Must be one of: {', '.join(kinds)}.")
        return standard

    def bodies(
        self, metadata: JsonObject, name: str, read_one: Callable[[object], JsonObject | None]
    ) -> list[JsonObject]:
        given = metadata.get(name)
        if given is None:
            return []
        if not isinstance(given, list):
            self.fault(f"metadata.{name}", "Not a valid list.")
            return []
        if len(given) > _MOST_BODIES:
            self.fault(f"metadata.{name}", f"Longer than maximum length {_MOST_BODIES}.")
            return []
        found = [read_one(one) for one in given]
        for index, one in enumerate(found):
            if one is None:
                self.fault(f"metadata.{name}.{index}", "An id or a name is needed.")
        return [one for one in found if one is not None]


def is_uuid(name: str) -> bool:
    """Whether the text is a UUID as ids of communities are written."""
    try:
        return str(UUID(name)) == name.lower()
    except ValueError:
        return False
