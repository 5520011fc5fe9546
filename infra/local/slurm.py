"""A whole SLURM on this machine, from Debian's packages: munged, slurmctld and slurmd, all their files in a folder."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from infra.local.service import Service, ServiceError, running
from pipeline.running.loopback import LOOPBACK, free_port

CPUS = 4
"""That the node has, whatever the machine has: jobs of tests wait for each other."""

_LONGEST_SOCKET = 107
"""Bytes in the path of a Unix socket (unix(7)); SLURM says nothing of longer ones, and its jobs end at once."""
_ANSWER_SECONDS = 5
_CANCEL_SECONDS = 30


@contextmanager
def slurm(folder: Path) -> Iterator[str]:
    """A SLURM of one node and one partition, `main`, for as long as the block lasts; yields what `SLURM_CONF` takes.
    Jobs that still run at its end are cancelled. Raises `ServiceError` where it is not installed or cannot run."""
    if os.geteuid() != 0:
        raise ServiceError("SLURM's daemons run jobs as their owners, for which they must be started by root")
    longest = folder / "spool" / f"{_host()}_1000000.4294967295"  # a step of a job
    if len(os.fsencode(longest)) > _LONGEST_SOCKET:
        raise ServiceError(f"{folder} is too long a path for SLURM's sockets: choose a shorter one")
    configuration = folder / "slurm.conf"
    configuration.write_text(_configuration(folder))
    with ExitStack() as stack:
        for service in (_munged(folder), _slurmctld(configuration), _slurmd(configuration)):
            stack.enter_context(running(service, folder / "log"))
        stack.callback(_cancel_jobs, configuration)
        yield str(configuration)


def _munged(folder: Path) -> Service:
    key, munge_socket = folder / "munge.key", folder / "munge.socket"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
    files = {"key-file": key, "socket": munge_socket} | {
        f"{kind}-file": folder / f"munge.{kind}" for kind in ("pid", "log", "seed")
    }
    return Service(
        name="munged",
        # Forced, since it wants no folder on the way that others can write to: the temporary one is.
        command=(
            *(_installed("munged", "munge"), "--foreground", "--force"),
            *(f"--{name}={path}" for name, path in files.items()),
        ),
        url=str(munge_socket),
        healthy=lambda: _says("munge", f"--socket={munge_socket}", "--no-input") is not None,
    )


def _slurmctld(configuration: Path) -> Service:
    return Service(
        name="slurmctld",
        command=(_installed("slurmctld", "slurm-wlm"), "-D", "-f", str(configuration)),
        url=str(configuration),
        healthy=lambda: "is UP" in (_says("scontrol", "ping", conf=configuration) or ""),
    )


def _slurmd(configuration: Path) -> Service:
    return Service(
        name="slurmd",
        command=(_installed("slurmd", "slurm-wlm"), "-D", "-f", str(configuration)),
        url=str(configuration),
        healthy=lambda: (_says("sinfo", "-h", "-o", "%T", conf=configuration) or "").strip() == "idle",
    )


def _configuration(folder: Path) -> str:
    for inner in ("state", "spool"):
        (folder / inner).mkdir(exist_ok=True)
    host = _host()
    options = {
        "ClusterName": "headrace",
        "SlurmctldHost": f"{host}({LOOPBACK})",
        "SlurmctldPort": free_port(),
        "SlurmdPort": free_port(),
        "SlurmUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={folder / 'munge.socket'}",
        "CredType": "cred/munge",
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        # Without cgroups, which a container or a virtual machine may not have.
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core",
        "MpiDefault": "none",
        "ReturnToService": 2,
        "KillWait": 5,
        "SchedulerParameters": "batch_sched_delay=0,sched_min_interval=100000",
        "SlurmdParameters": "config_overrides",
    }
    return "".join(f"{name}={value}\n" for name, value in options.items()) + (
        f"NodeName={host} NodeAddr={LOOPBACK} CPUs={CPUS} RealMemory=4096 State=UNKNOWN\n"
        f"PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP\n"
    )


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _cancel_jobs(configuration: Path) -> None:
    # Jobs outlive the daemon that started them.
    _says("scancel", "--user=root", conf=configuration)
    deadline = time.monotonic() + _CANCEL_SECONDS
    while (_says("squeue", "--noheader", conf=configuration) or "").strip():
        if time.monotonic() > deadline:
            raise ServiceError("jobs of SLURM did not end when they were cancelled")
        time.sleep(0.2)


def _installed(command: str, package: str) -> str:
    # Debian has daemons where only root's PATH looks.
    found = shutil.which(command) or shutil.which(command, path="/usr/sbin")
    if found is None:
        raise ServiceError(f"{command} is not installed: `apt-get install {package}`")
    return found


def _says(*command: str, conf: Path | None = None) -> str | None:
    """What a command of SLURM's prints, None where it fails."""
    environment = {**os.environ, "SLURM_CONF": str(conf)} if conf else None
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
