"""Who may import whom, and how long a module may be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pipeline

_CHECKOUT = Path(pipeline.__file__).resolve().parent.parent


def test_the_layers_hold() -> None:
    """Every contract of `[tool.importlinter]` in pyproject.toml is kept."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=_CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_worker_loads_neither_prefect_nor_a_web_framework() -> None:
    """Nor Dask, unless it is Dask that runs it: importing them takes seconds in each of many processes."""
    program = """
import sys
import pipeline.worker
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=_CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"prefect", "fastapi", "starlette", "uvicorn", "distributed", "gateway"}.isdisjoint(loaded)


def test_a_runner_keeps_no_flow_in_memory() -> None:
    """What it has to know of flows a process of its own finds out, which ends: it would keep 50 MB for that."""
    program = "import sys, pipeline.flows.runner; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=_CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"pipeline.flows.ingest", "pipeline.catalogue", "pyarrow", "sqlalchemy"}.isdisjoint(loaded)


def test_no_module_is_longer_than_600_lines() -> None:
    """What is longer does two things."""
    modules = [path for top in ("pipeline", "gateway") for path in (_CHECKOUT / top).rglob("*.py")]
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    assert {name: length for name, length in lengths.items() if length > 600} == {}


def test_tests_import_no_test_modules() -> None:
    """What several share has a module of its own, where it is looked for."""
    importing = re.compile(r"^\s*(?:from|import) tests\.(?:\w+\.)*test_\w+", re.MULTILINE)
    tests = (_CHECKOUT / "tests").rglob("*.py")
    assert [str(path) for path in tests if importing.search(path.read_text(encoding="utf-8"))] == []
