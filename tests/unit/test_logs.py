"""Logs can be read by programs, and by people who do not trust what others wrote into them."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import security_events
from pipeline.running import logs
from pipeline.security_events import coming_from


def _record(text: str) -> logging.LogRecord:
    record = logging.LogRecord("gateway.x", logging.WARNING, "x.py", 1, "told: %s", (text,), None)
    record.created = datetime(2026, 3, 9, 14, 10, 0, 250_000, tzinfo=UTC).timestamp()
    return record


@given(st.text())
def test_v16_nobody_begins_a_line_of_a_log(text: str) -> None:
    """Whatever is logged: each entry begins with a time, and no other line does."""
    first, *others = logs.Lines().format(_record(text)).splitlines()
    assert first.startswith("2026-03-09T14:10:00.250+00:00 WARNING gateway.x told: ")
    assert all(one.startswith("\t| ") for one in others)
    assert len(others) == text.count("\n")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The log of security events."""
    before = security_events.LOG.handlers[:], security_events.LOG.level, security_events.LOG.propagate
    logs.keep_security_events(tmp_path / "logs")
    yield tmp_path / "logs" / "security.log"
    for handler in set(security_events.LOG.handlers) - set(before[0]):
        handler.close()
    security_events.LOG.handlers[:], security_events.LOG.level, security_events.LOG.propagate = before


def test_v16_a_security_event_is_a_line_of_json(kept: Path) -> None:
    """With time, place, account and what happened; also after the log was moved away."""
    with coming_from("203.0.113.7"):
        name = 'x\n{"event": "signed-in"}\u2028'
        security_events.token_made(by=7, of=7, scopes=["deposit:write"], name=name)
    kept.rename(kept.with_suffix(".1"))
    security_events.signed_out(7)
    [line] = kept.with_suffix(".1").read_bytes().splitlines()
    entry = json.loads(line)
    assert datetime.fromisoformat(entry.pop("time")).utcoffset() == datetime.now(UTC).utcoffset()
    assert entry == {
        "event": "token-made",
        "account": 7,
        "from": "203.0.113.7",
        "of": 7,
        "name": name,
        "scopes": ["deposit:write"],
    }
    assert json.loads(kept.read_bytes())["event"] == "signed-out"


def test_v16_who_is_noted_is_answered_though_the_log_is_not_to_be_had(
    kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing fails; what is not in the log of security events is in the process's own."""
    kept.mkdir()
    security_events.signed_in(7, way=security_events.SignInWay.PASSWORD)
    [said] = [one.getMessage() for one in caplog.records if one.name == logs.__name__]
    assert "not in the log of security events" in said
    assert '"event": "signed-in", "account": 7' in said
