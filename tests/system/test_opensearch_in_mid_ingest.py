"""OpenSearch is stopped and started again while an ingest goes on."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra.local.opensearch import opensearch
from infra.local.service import running
from tests.command import Instance, wait_until
from tests.faults import HOLD, Fault, Trap
from tests.instance import write_record

pytestmark = pytest.mark.timeout(600)

AT_SETTLING = Fault("pipeline.catalogue.deposit_files:settle", signal=HOLD)


def test_an_ingest_ends_while_opensearch_is_away_and_search_catches_up(
    home_with_prefect: Path, tmp_path: Path
) -> None:
    """All records are published and the run says so; what search lacks is written once OpenSearch is back, without
    anybody asking for it."""
    for name in ("harbour", "lighthouse"):
        write_record(tmp_path / "tides" / name, {"a.csv": name.encode()})
    node = tmp_path / "node"
    node.mkdir()
    service = opensearch(node)
    port = int(service.url.rpartition(":")[2])
    instance = Instance(home_with_prefect, {"HEADRACE_INDEX": f"opensearch://127.0.0.1:{port}/tides"})
    trap = Trap(tmp_path / "trap", AT_SETTLING)
    with ExitStack() as stack:
        with running(service, node / "log", start_seconds=300):
            ingest = stack.enter_context(
                instance.start("ingest", str(tmp_path / "tides"), "--json", env=trap.environment)
            )
            wait_until(lambda: trap.sprung() is not None, "the first unit")
        trap.let_go()
        ended = ingest.end()
        assert (ended.code, ended.report["records_total"]) == (0, 2), ended.err
        assert "Traceback" not in ended.err
        with running(opensearch(node, port=port), node / "log", start_seconds=300):
            stack.enter_context(instance.start("dispatch"))
            wait_until(
                lambda: verified(instance) == {"records": 2, "documents": 2, "missing_total": 0}, "search"
            )


def verified(instance: Instance) -> dict[str, int]:
    found = json.loads(instance.run("index", "verify", "--json").out)
    return {name: found[name] for name in ("records", "documents", "missing_total")}
