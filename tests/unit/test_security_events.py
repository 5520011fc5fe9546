"""Who notes security events: use cases, so that no way to what happened is without."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from pipeline import security_events

ROOT = Path(__file__).parents[2]
BY_ENTRY_POINTS = {"refused", "coming_from", "LOG"}
"""What entry points refuse by themselves, where somebody comes from, and where the log is kept."""


def _used(*folders: str) -> set[str]:
    """The names of `security_events` that modules in these folders use."""
    found = set()
    for path in (one for folder in folders for one in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "pipeline.security_events":
                found |= {one.name for one in node.names}
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found |= {node.attr} if node.value.id == "security_events" else set()
    return found


def test_v16_only_use_cases_note_what_happened() -> None:
    """And each event has a use case, or an entry point, that notes it."""
    assert _used("gateway", "pipeline/cli", "pipeline/flows", "pipeline/running") <= BY_ENTRY_POINTS
    functions = inspect.getmembers(security_events, inspect.isfunction)
    events = {
        name for name, one in functions if one.__module__ == security_events.__name__ and name[0] != "_"
    }
    assert events - BY_ENTRY_POINTS <= _used("pipeline/people", "pipeline/communities")
