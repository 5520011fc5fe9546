"""Clients that others wrote for Zenodo and InvenioRDM, against `headrace up`: `make clients`, or
`python -m tests.clients [CLIENT …]`.

Each script `with_<client>.py` runs in an environment that has that client, from the hashed pins of
requirements/clients.txt, and nothing of ours. The last thing printed is a table; the exit code is 1 where one failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipeline.running.loopback import free_port, http_url
from tests.clients.sample import FILES, METADATA, TITLE
from tests.command import Instance, wait_until

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent.parent
_PINS = _ROOT / "requirements" / "clients.txt"
_ENVIRONMENTS = _ROOT / ".venv-clients"
_UV = Path(sys.executable).parent / "uv"
_EMAIL, _OTHER_EMAIL = "ida@example.org", "jo@example.org"
_SECONDS = 180
"""That a script may take."""


@dataclass(frozen=True)
class Client:
    """A distribution on the package index, in the version that is pinned, and the script that runs it."""

    name: str
    version: str
    script: Path


@dataclass(frozen=True)
class Outcome:
    """What a client's script did: the flows that it finished, and whether it ran to its end."""

    client: Client
    flows: tuple[str, ...]
    passed: bool


def clients(wanted: list[str]) -> list[Client]:
    """Those with a script, by name; all of them where none is `wanted`. Raises KeyError for one without a pin."""
    versions = dict(re.findall(r"^([\w.-]+)==([\w.]+)", _PINS.read_text(), re.MULTILINE))
    scripts = {path.stem.removeprefix("with_").replace("_", "-"): path for path in _HERE.glob("with_*.py")}
    return [Client(name, versions[name], scripts[name]) for name in wanted or sorted(scripts)]


def installed(client: Client) -> Path:
    """The Python of the environment that has `client`, made where it is not there yet."""
    folder = _ENVIRONMENTS / f"{client.name}-{client.version}"
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if not complete.exists():
        subprocess.run([_UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        pinned = ("--require-hashes", "--constraints", _PINS, f"{client.name}=={client.version}")
        subprocess.run([_UV, "pip", "install", "--quiet", "--python", python, *pinned], check=True)
        complete.touch()
    return python


@contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """An instance for as long as the block lasts: what scripts are given of it, as their environment."""
    port = free_port()
    url = http_url(port)
    instance = Instance(folder / "home", {"HEADRACE_BASE_URL": url})
    with instance.start("up", "--port", str(port)) as up:
        wait_until(lambda: "ready" in up.said("out") or up.process.poll() is not None, "the instance")
        if up.process.poll() is not None:
            raise SystemExit(f"headrace up: {up.said('err')}")
        token, other = (
            instance.run("token", "create", "--user", email).out.strip() for email in (_EMAIL, _OTHER_EMAIL)
        )
        given = {
            "CLIENTS_URL": url,
            "CLIENTS_TOKEN": token,
            "CLIENTS_OTHER_TOKEN": other,
            "CLIENTS_RECORD": "",
        }
        yield {**given, "CLIENTS_RECORD": _publish(given)}


def _publish(given: dict[str, str]) -> str:
    """The id of the record that all scripts may read, once search and OAI-PMH have it."""
    api, oai = f"{given['CLIENTS_URL']}/api", f"{given['CLIENTS_URL']}/oai2d"
    identifiers = {"verb": "ListIdentifiers", "metadataPrefix": "oai_dc"}
    with httpx.Client(headers={"Authorization": f"Bearer {given['CLIENTS_TOKEN']}"}, timeout=60) as http:
        described = {"metadata": {**METADATA, "title": TITLE}}
        draft = http.post(f"{api}/deposit/depositions", json=described).raise_for_status().json()
        for name, content in FILES.items():
            http.put(f"{draft['links']['bucket']}/{name}", content=content).raise_for_status()
        http.post(draft["links"]["publish"]).raise_for_status()
        found = f"{api}/records?q=recid:{draft['id']}"
        wait_until(lambda: http.get(found).json()["hits"]["total"] == 1, "search")
        wait_until(lambda: f":{draft['id']}<" in http.get(oai, params=identifiers).text, "OAI-PMH")
    return str(draft["id"])


def run(client: Client, given: dict[str, str], folder: Path) -> Outcome:
    """Run the client's script in an empty folder, its home as well. Where it fails, stderr has what it said."""
    folder.mkdir()
    environment = {
        "PATH": f"{installed(client).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": str(_HERE),
        "PYTHONUNBUFFERED": "1",
        **given,
    }
    try:
        ended = subprocess.run(
            [installed(client), client.script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as late:
        said = late.output or b""
        code, out = -1, said.decode() if isinstance(said, bytes) else said
    else:
        code, out = ended.returncode, ended.stdout
    if code:
        sys.stderr.write(f"--- {client.name} {client.version} (exit code {code})\n{out}\n")
    return Outcome(client, tuple(re.findall("^flow: (.*)$", out, re.MULTILINE)), passed=code == 0)


def table(outcomes: list[Outcome]) -> str:
    rows = [("client", "version", "flows", "result")]
    for one in outcomes:
        result = "passed" if one.passed else "FAILED"
        rows.append((one.client.name, one.client.version, "; ".join(one.flows), result))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def main() -> int:
    chosen = clients(sys.argv[1:])
    for client in chosen:
        installed(client)
    with tempfile.TemporaryDirectory(prefix="headrace-clients-") as name, running(Path(name)) as given:
        outcomes = [run(client, given, Path(name, client.name)) for client in chosen]
    sys.stdout.write(table(outcomes) + "\n")
    return 0 if all(one.passed for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
