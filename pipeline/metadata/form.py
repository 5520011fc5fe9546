"""A canonical document under construction, which remembers where each of its values was written.

A reader moves values of a foreign document into a `Form`, of whatever type they are; `finish` conforms,
normalises and checks the whole, and names every problem by the field that the depositor wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pipeline.errors import FieldFault
from pipeline.metadata.normalising import normal_custom_fields, normal_metadata, pruned
from pipeline.metadata.problems import IGNORED, INVALID, TOO_SHORT, WRONG_TYPE, FieldProblem
from pipeline.metadata.shape import conform_custom_fields, conform_metadata
from pipeline.metadata.text import clean
from pipeline.metadata.validation import check
from pipeline.model import Access, Description, FilesView, JsonObject

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import date

Path: TypeAlias = tuple[str | int, ...]
Fault = TypeVar("Fault", FieldProblem, FieldFault)


@dataclass(frozen=True, slots=True)
class Reading:
    """A description as it was understood, and everything that is wrong with it, named as in the document.

    `description` is None only where the document is no metadata at all. It holds no value that Zenodo would
    drop: each of those is among the problems, and those that Zenodo says nothing of are `dropped`. `undated` tells that
    the document has no date of publication, and the description today's.
    """

    description: Description | None
    problems: tuple[FieldProblem, ...] = ()
    undated: bool = False
    dropped: tuple[FieldProblem, ...] = ()


@dataclass
class Form:
    """`sources` maps canonical paths (dotted) to the fields of the document that they were read from."""

    document: JsonObject = field(default_factory=lambda: {"metadata": {}, "custom_fields": {}})
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[FieldProblem] = field(default_factory=list)
    access: Access = field(default_factory=Access)
    doi: str | None = None
    communities: tuple[str, ...] = ()
    files: FilesView = field(default_factory=FilesView)
    undated: bool = False

    def put(self, path: Path, value: object, source: str) -> None:
        """Write `value` at `path`, making the objects and lists on the way; None is not written."""
        if value is None:
            return
        node: Any = self.document
        for step, following in pairwise(path):
            node = _enter(node, step, [] if isinstance(following, int) else {})
        _set(node, path[-1], value)
        self.sources[_dotted(path)] = source
        if path[-1] == "id":
            # Where a term of a vocabulary is wrong, the problem is told of the reference as a whole.
            self.sources[_dotted(path[:-1])] = source

    def append(self, path: Path, value: object, source: str) -> Path:
        """Add an entry to the list at `path`; returns the entry's own path."""
        entry = (*path, len(self.get(path) or []))
        self.put(entry, value, source)
        return entry

    def get(self, path: Path) -> Any:
        """What was written at `path`, or None."""
        node: Any = self.document
        for step in path:
            if isinstance(step, int):
                node = node[step] if isinstance(node, list) and step < len(node) else None
            else:
                node = node.get(step) if isinstance(node, dict) else None
        return node

    def name(self, path: Path, source: str) -> None:
        """Let problems at `path` be told of the field `source`, though nothing may come to stand there."""
        self.sources[_dotted(path)] = source

    def problem(self, field_: str, code: str, reason: str, remedy: str = "") -> None:
        self.problems.append(FieldProblem(field_, code, reason, remedy))

    def objects(self, value: object, source: str) -> Iterator[tuple[str, JsonObject]]:
        """The entries of a list of objects, each with its field; reports whatever is not one."""
        if value is None:
            return
        if not isinstance(value, list):
            self.problem(source, WRONG_TYPE, "Not a valid list.", "Write it as a list of objects.")
            return
        for index, entry in enumerate(value):
            if isinstance(entry, dict):
                yield f"{source}.{index}", entry
            else:
                self.problem(f"{source}.{index}", WRONG_TYPE, "Invalid input type.", "Write it as an object.")

    def word(self, value: object, source: str) -> str | None:
        """As `text`, without blanks around it: a code, date, name of a term or identifier."""
        text = self.text(value, source)
        return text and text.strip()

    def text(self, value: object, source: str) -> str | None:
        """`value` as clean text, None where it is absent or empty; reports whatever is not text."""
        if value is None:
            return None
        if not isinstance(value, str):
            self.problem(source, WRONG_TYPE, "Not a valid string.", "Write it as text.")
            return None
        return clean(value) or None


def _enter(node: Any, step: str | int, empty: Any) -> Any:
    if isinstance(node, dict):
        return node.setdefault(step, empty)
    if step == len(node):
        node.append(empty)
    return node[step]


def _set(node: Any, step: str | int, value: object) -> None:
    if isinstance(node, list) and step == len(node):
        node.append(value)
    else:
        node[step] = value


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


# ---------------------------------------------------------------- finishing


def finish(form: Form, *, today: date) -> Reading:
    """The description that a filled form holds, with the problems of reading, shape and content."""
    metadata = conform_metadata(form.document["metadata"])
    custom_fields = conform_custom_fields(form.document["custom_fields"])
    description = Description(
        metadata=normal_metadata(metadata.value),
        custom_fields=normal_custom_fields(custom_fields.value),
        access=form.access,
        doi=form.doi,
        communities=form.communities,
        files=form.files,
    )
    problems = [*form.problems, *_named(form, (*metadata.problems, *custom_fields.problems))]
    checked = list(check(description, today=today))
    spurned = [each for each in checked if _is_dropped(each)]
    misplaced = [each for each in metadata.problems if each.code == WRONG_TYPE and _steps(each)[-1].isdigit()]
    dropped = [each for each in problems if each.code in (IGNORED, INVALID)]
    dropped += _named(form, spurned)
    problems += unreported(_named(form, checked), [each.field for each in problems if not each.warning])
    return Reading(
        _without(description, [*spurned, *misplaced]),
        tuple(dict.fromkeys(problems)),
        form.undated,
        tuple(dict.fromkeys(dropped)),
    )


def unreported(found: Iterable[Fault], fields: Collection[str]) -> Iterator[Fault]:
    """Those that say something new: a list is not missing where an entry of it was refused, nor does it
    miss anything where it was refused itself."""
    told = frozenset(fields)
    around = {parent for field_ in told for parent in _with_parents(field_)}
    for problem in found:
        if problem.field not in around and told.isdisjoint(_with_parents(problem.field)):
            yield problem


def _with_parents(field_: str) -> Iterator[str]:
    while field_:
        yield field_
        field_ = field_.rpartition(".")[0]


def _named(form: Form, problems: tuple[FieldProblem, ...] | list[FieldProblem]) -> Iterator[FieldProblem]:
    for problem in problems:
        yield replace(problem, field=_source(form, problem.field))


def _source(form: Form, canonical: str) -> str:
    """The field of the nearest thing around `canonical` that was read from somewhere."""
    for name in _with_parents(canonical):
        if name in form.sources:
            # An entry of a list that was taken over as it is stands where it stood.
            entry = canonical[len(name) :]
            return form.sources[name] + (entry if entry.removeprefix(".").isdigit() else "")
    return canonical


_DROPPED = frozenset(
    {
        "metadata.title",
        "metadata.description",
        "metadata.publication_date",
        "metadata.additional_descriptions.*.description",
        "metadata.dates.*.date",
        "metadata.languages.*",
        "custom_fields.imprint:imprint.isbn",
        "custom_fields.meeting:meeting.url",
    }
)
"""What Zenodo drops from a draft, where it is not valid, so that the rest can be saved."""


def _is_dropped(problem: FieldProblem) -> bool:
    return problem.code in (INVALID, TOO_SHORT) and _pattern(_steps(problem)) in _DROPPED


def _steps(problem: FieldProblem) -> list[str]:
    return problem.field.split(".")


def _without(description: Description, spurned: list[FieldProblem]) -> Description:
    document = {"metadata": description.metadata, "custom_fields": description.custom_fields}
    # From the end, so that removing an entry does not move those before it.
    for steps in sorted(map(_steps, spurned), key=_place, reverse=True):
        _remove(document, steps)
    return replace(
        description, metadata=pruned(description.metadata), custom_fields=pruned(description.custom_fields)
    )


def _place(steps: list[str]) -> list[tuple[int, str]]:
    return [(int(step) if step.isdigit() else -1, step) for step in steps]


def _pattern(steps: list[str]) -> str:
    return ".".join("*" if step.isdigit() else step for step in steps)


def _remove(document: Any, steps: list[str]) -> None:
    *way, last = steps
    for step in way:
        document = document[int(step)] if isinstance(document, list) else document[step]
    if isinstance(document, list):
        del document[int(last)]
    else:
        del document[last]
