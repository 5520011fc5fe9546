"""From a metadata document to a `SourceRecord`, with what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from pipeline.display import shown
from pipeline.errors import Rejected
from pipeline.model import JsonObject, Outcome, Problem, SourceRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.ingest.sources.protocol import Describe, Tree

LIMIT = 16 << 20
"""Bytes of one metadata document; more is taken for a mistake."""

NO_METADATA = "Give the record metadata of its own, or a default for all with `--metadata`."


def record_from(key: str, document: object, describe: Describe) -> SourceRecord:
    """The record of a parsed document; rejected, without a description, where more than a warning came up."""
    description, faults = describe(document)
    problems = tuple(
        Problem(
            "",
            key,
            Outcome.WARNED if fault.warning else Outcome.REJECTED,
            fault.code,
            fault.reason,
            fault.field,
            fault.remedy,
        )
        for fault in faults
    )
    rejected = any(problem.outcome is Outcome.REJECTED for problem in problems)
    return SourceRecord(key, None if rejected else description, problems)


def record_without(key: str, code: str, reason: str, remedy: str = NO_METADATA) -> SourceRecord:
    """A record that cannot be described."""
    return SourceRecord(key, None, (Problem("", key, Outcome.REJECTED, code, reason, remedy=remedy),))


def default_record(default: JsonObject | None, describe: Describe) -> Callable[[str], SourceRecord]:
    """Makes records that all have the default metadata, which is read once."""
    if default is None:
        return lambda key: record_without(key, "no-metadata", "the record has no metadata")
    pattern = record_from("", default, describe)
    return lambda key: replace(
        pattern, key=key, problems=tuple(replace(problem, record=key) for problem in pattern.problems)
    )


def record_in_file(tree: Tree, path: str, key: str, describe: Describe) -> SourceRecord:
    """The record that the JSON file `path` describes."""
    try:
        with tree.open_now(path) as file:
            text = file.read_at(0, LIMIT + 1)
        return record_from(key, parsed(text), describe)
    except Rejected as error:
        return record_without(key, error.code, error.message, error.remedy)
    except ValueError as error:
        return record_without(
            key, "metadata-not-json", f"{shown(path)}: {error}", "Write it as one JSON object."
        )


def parsed(text: str | bytes) -> object:
    """The JSON document. Raises `ValueError` with a reason for people (RFC 8259; UTF-8, no NaN)."""
    if len(text) > LIMIT:
        raise ValueError(f"longer than {LIMIT} bytes")
    try:
        document: object = json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    return document


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
