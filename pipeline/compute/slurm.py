"""Dask workers in SLURM jobs: a scheduler beside their owner, which jobs join wherever SLURM runs them.

Jobs reach HOME (logs and scratch lie there) and this machine over the network. They and the scheduler speak TLS with
certificates made for the occasion, which lie in `scratch/`, readable to their owner only, while the cluster lives.
"""

import argparse
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pipeline.compute import tuning
from pipeline.compute.owned import owned_cluster, serve
from pipeline.errors import Misconfigured, Unavailable
from pipeline.running.loopback import LOOPBACK

_ANSWER_TIMEOUT = 30  # seconds


@dataclass(frozen=True, slots=True)
class SlurmJobs:
    """What SLURM is asked for: `jobs` jobs, replaced as they end, each with `cores` worker processes that share
    `memory`. Without a `queue` (partition), `account` or `walltime`, those that the site sets. Workers and scheduler
    listen on `interface`, a network interface's name. `directives` are further `#SBATCH` lines. `one_machine`
    says that all jobs run on this machine: a store in a folder knows whose writers live by locks, which network file
    systems keep from other machines."""

    jobs: int = 1
    cores: int = 1
    memory: str = "4GB"
    queue: str = ""
    account: str = ""
    walltime: str = ""
    interface: str = ""
    directives: tuple[str, ...] = ()
    one_machine: bool = False


def parse_slurm(url: str) -> SlurmJobs:
    """`slurm:?queue=long&jobs=8&memory=4GB&directive=--qos=high`: the fields of `SlurmJobs` as a query;
    `one_machine` is `yes` or `no`, each `directive` is one. Raises `Misconfigured`."""
    parts = urlsplit(url)
    try:
        if parts.path:
            raise ValueError(parts.path)
        pairs = parse_qsl(parts.query, strict_parsing=bool(parts.query))
        given = {name: _FORMS[name](value) for name, value in pairs if name != "directive"}
        return SlurmJobs(directives=tuple(_word(v) for name, v in pairs if name == "directive"), **given)
    except (KeyError, ValueError):
        raise Misconfigured(
            f"{url!r} does not say what to ask SLURM for",
            field="HEADRACE_COMPUTE",
            remedy=f"use slurm:?jobs=8&cores=1&memory=4GB; known are {', '.join(_FORMS)} and directive",
        ) from None


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,4}", text):
        raise ValueError(text)
    return int(text)


def _memory(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d*(\.\d+)?[KMGT]i?B", text):
        raise ValueError(text)
    return text


def _word(text: str) -> str:
    # It becomes part of a shell script.
    if not re.fullmatch(r"[\w./:@,=\[\]-]+", text):
        raise ValueError(text)
    return text


def _is_yes(text: str) -> bool:
    return {"yes": True, "no": False}[text]


_FORMS: Mapping[str, Callable[[str], Any]] = {
    "jobs": _number,
    "cores": _number,
    "memory": _memory,
    "queue": _word,
    "account": _word,
    "walltime": _word,
    "interface": _word,
    "one_machine": _is_yes,
}


@contextmanager
def slurm_cluster(url: str, home: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Run a scheduler beside us and submit the jobs; yields the scheduler's address, and what a client needs to speak
    TLS with it, as fields of Dask's `Security`. Raises `Unavailable` where SLURM does not take such jobs."""
    log = home / "logs" / "slurm.log"
    with owned_cluster(__name__, url, str(home.absolute()), log=log) as said:
        yield said["address"], said["tls"]


def describe_partitions(jobs: SlurmJobs) -> str:
    """What SLURM says of the partitions that jobs may go to. Raises `Unavailable`."""
    chosen = ["--partition", jobs.queue] if jobs.queue else []
    try:
        told = subprocess.run(  # noqa: S603 - its arguments went through `_word`
            ["sinfo", "--noheader", "--format", "%P %a, %D nodes %T", *chosen],  # noqa: S607 - where the site has it
            capture_output=True,
            text=True,
            timeout=_ANSWER_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        raise Unavailable(
            f"SLURM does not answer: {reason.strip()}", remedy="see what `sinfo` says on this machine"
        ) from error
    return "; ".join(told.stdout.split("\n")).strip("; ") or "no such partition"


def main() -> None:
    """Run the cluster, say where it is on stdout, and end when stdin does."""
    # Here, because the process that only starts us does not need Dask.
    import dask
    from dask_jobqueue.slurm import SLURMCluster
    from distributed import Security

    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("home", type=Path)
    options = parser.parse_args()
    jobs, security = parse_slurm(options.url), Security.temporary()
    (options.home / "scratch").mkdir(parents=True, exist_ok=True)
    # dask-jobqueue would ask for half an hour; the partition's own limit is what the site wants.
    with (
        dask.config.set({"jobqueue.slurm.walltime": None}),
        SLURMCluster(**_cluster_options(jobs, options.home), security=security) as cluster,
    ):
        _try(cluster.job_script())
        # Adaptive with one number: a job that ends (walltime, a lost node) is replaced.
        cluster.adapt(minimum_jobs=jobs.jobs, maximum_jobs=jobs.jobs)
        tls = {name: getattr(security, name) for name in ("tls_ca_file", "tls_client_cert", "tls_client_key")}
        serve({"address": cluster.scheduler_address, "tls": tls})


def _cluster_options(jobs: SlurmJobs, home: Path) -> dict[str, Any]:
    return {
        "job_name": "headrace",
        "cores": jobs.cores,
        "processes": jobs.cores,
        "memory": jobs.memory,
        "queue": jobs.queue or None,
        "account": jobs.account or None,
        "walltime": jobs.walltime or None,
        "interface": jobs.interface or None,
        "job_extra_directives": list(jobs.directives),
        # A site may start jobs with an empty environment.
        "job_script_prologue": [f"export {name}={value}" for name, value in tuning.variables().items()],
        "worker_command": f"pipeline.compute.workers {jobs.cores}",
        "python": sys.executable,
        "local_directory": str(home / "scratch"),
        "shared_temp_directory": str(home / "scratch"),
        "log_directory": str(home / "logs" / "slurm"),
        "scheduler_options": {"dashboard_address": f"{LOOPBACK}:0"},
        "silence_logs": logging.WARNING,
    }


def _try(script: str) -> None:
    """End where SLURM would refuse the jobs, which would else be waited for in vain."""
    told = subprocess.run(
        ["sbatch", "--test-only"],  # noqa: S607 - where the site has it
        input=script,
        capture_output=True,
        text=True,
        timeout=_ANSWER_TIMEOUT,
        check=False,
    )
    if told.returncode != 0:
        sys.exit(told.stderr)


if __name__ == "__main__":
    main()
