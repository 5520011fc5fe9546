"""Use case: surveying a source. Every record is described and judged here, before any byte of its files is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import metadata
from pipeline.errors import Misconfigured
from pipeline.ingest import manifest
from pipeline.ingest.accession import IngestOptions
from pipeline.ingest.manifest import SurveySummary
from pipeline.ingest.planfile import PlanFile, unpack
from pipeline.ingest.planning import without_date
from pipeline.ingest.sources import Found, OpenTree, Source, is_url, open_source
from pipeline.metadata import FieldProblem
from pipeline.metadata.problems import EMBARGO_OVER
from pipeline.model import Description, JsonObject
from pipeline.pid import doi
from pipeline.services import Services
from pipeline.settings import SourceLocation

_CHECK_EVERY = 1000
_FORMS = "write the description as one JSON object, in the form of Zenodo's metadata or of DataCite JSON"


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A source and what its survey, written into `folder`, found."""

    collection: str
    location: SourceLocation
    folder: Path
    summary: SurveySummary


def located(source: str) -> str:
    """What a person calls a source, as another process finds it."""
    return source if is_url(source) else str(Path(source).absolute())


def open_(locator: str, options: IngestOptions, open_tree: OpenTree) -> Source:
    """Raises `Misconfigured` for a source that is wholly wrong."""
    return open_source(
        locator, open_tree, default_metadata=options.metadata, collection=options.collection or None
    )


def survey(
    services: Services,
    source: Source,
    folder: Path,
    *,
    trust_dois: bool = False,
    checkpoint: Callable[[], None] = lambda: None,
) -> Surveyed:
    """Write the survey of a source into an empty folder. With `trust_dois` records may bring DOIs under our own prefix.
    `checkpoint` is called now and then; what it raises ends the survey."""
    folder.mkdir(parents=True, exist_ok=True)

    def describe(document: object) -> tuple[Description | None, Sequence[FieldProblem]]:
        return _describe(services, document, trust_dois=trust_dois)

    def watched() -> Iterator[Found]:
        for number, found in enumerate(source.survey(describe, folder)):
            if number % _CHECK_EVERY == 0:
                checkpoint()
            yield found

    summary = manifest.write_survey(watched(), folder)
    return Surveyed(source.collection, source.tree.location, folder, summary)


def from_plan(services: Services, source: Source, plan: PlanFile, folder: Path) -> Surveyed:
    """The survey that a plan was made of, written into an empty folder: the source is not looked at. Raises
    `Misconfigured` for a plan of another instance."""
    header = plan.header
    if header.repository != services.repository.id:
        raise Misconfigured(
            f"the plan was made for the repository {header.repository}, this is {services.repository.id}",
            remedy="plan the source with this instance",
        )
    unpack(plan, folder)
    return Surveyed(header.collection, source.tree.location, folder, header.survey)


def _describe(
    services: Services, document: object, *, trust_dois: bool
) -> tuple[Description | None, Sequence[FieldProblem]]:
    """What only planning can judge, which knows what is published, is left open: the date of a record that has none,
    and whether an embargo may be over."""
    reading = metadata.read(document, today=services.now().date())
    problems = [one for one in reading.problems if one.code != EMBARGO_OVER]
    brought = reading.description.doi if reading.description else None
    if brought:
        problems += _faults_of_doi(services, brought, trust_dois=trust_dois)
    is_good = not any(not problem.warning for problem in problems)
    if not is_good or reading.description is None:
        return None, problems
    return (without_date(reading.description) if reading.undated else reading.description), problems


def _faults_of_doi(services: Services, brought: str, *, trust_dois: bool) -> list[FieldProblem]:
    """Why a record may not bring a DOI; one of a form that is given here would be given a second time one day."""
    if not doi.is_own(services.repository, brought):
        return []
    if not trust_dois:
        code, reason = (
            "own-prefix",
            f"{brought} has this repository's own prefix, under which it alone gives names",
        )
        remedy = "Leave the DOI out: the record is given one. If the record had it before it came here: --trust-dois."
    elif doi.is_given_here(services.repository, brought):
        code, reason = (
            "own-name",
            f"{brought} is a name of the kind that this repository itself gives by number",
        )
        remedy = (
            "Leave the DOI out: the record is given one. For a migration choose another HEADRACE_DOI_NAME."
        )
    else:
        return []
    return [FieldProblem("metadata.doi", code, reason, remedy)]


def read_default_metadata(path: Path) -> JsonObject:
    """A metadata document given for records that bring none. Raises `Misconfigured`."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be read: {error.strerror}",
            field="--metadata",
            remedy="name a file that is there and that this user may read",
        ) from error
    except ValueError as error:
        raise Misconfigured(f"{path} is not JSON: {error}", field="--metadata", remedy=_FORMS) from error
    if not isinstance(document, dict):
        raise Misconfigured(f"{path} holds no JSON object", field="--metadata", remedy=_FORMS)
    return document
