"""The loopback interface: what is reached over it, free TCP ports, and ports that an instance keeps from run to run."""

import fcntl
import ipaddress
import json
import socket
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import Unavailable

LOOPBACK = "127.0.0.1"


def http_url(port: int) -> str:
    """What the HTTP server at `port` of this machine is reached by; without a final slash."""
    return f"http://{LOOPBACK}:{port}"


def is_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine alone, whatever a resolver says; False where it has none."""
    return is_loopback_host(urlsplit(url).hostname or "")


def is_loopback_host(host: str) -> bool:
    """As `is_loopback`, of a name or an address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def own_address(url: str) -> str:
    """The address of this machine from which it reaches the host of `url`; nothing is sent there. Raises
    `Unavailable`."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, place = found[0]
        with closing(socket.socket(family, kind, protocol)) as probe:
            probe.connect(place)
            return str(probe.getsockname()[0])
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"no way leads from this machine to {parts.hostname}: {error}",
            remedy="see that the name is right and the network is up",
        ) from error


def free_port() -> int:
    """A port that nobody listens on now."""
    with closing(socket.socket()) as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port


def is_bindable(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `port` now, without sharing it."""
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as listener:
        # As servers do: connections of a server that just stopped linger, and are no reason to move away.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError):
            return False
        return True


def known_port(home: Path, name: str, preferred: int | None = None) -> int:
    """The port that the server called `name` was given last, running now or not; one for its first start if none."""
    with suppress(FileNotFoundError):
        port = _parse((home / "ports.json").read_text()).get(name)
        if port is not None:
            return port
    return remembered_port(home, name, preferred)


def keep_port(home: Path, name: str, port: int) -> int:
    """Remember the port that somebody chose for the server called `name`."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "ports.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        ports = {**_parse(file.read()), name: port}
        file.truncate(0)
        file.write(json.dumps(ports))
    return port


def remembered_port(home: Path, name: str, preferred: int | None = None) -> int:
    """The port of the server called `name` in the instance at `home`, the same as last time if it is free.

    Else `preferred` if that is free, else any. `home/ports.json` (`{name: port}`) keeps the choice; no port
    in it is given to a second name, so servers that start at once do not meet.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "ports.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        ports = _parse(file.read())
        others = {port for owner, port in ports.items() if owner != name}
        port = _first_bindable([ports.get(name), preferred], taken=others)
        if port != ports.get(name):
            file.truncate(0)
            file.write(json.dumps({**ports, name: port}))
        return port


def _first_bindable(candidates: list[int | None], *, taken: set[int]) -> int:
    for port in candidates:
        if port is not None and port not in taken and is_bindable(port):
            return port
    while True:
        found = free_port()
        if found not in taken:
            return found


def _parse(text: str) -> dict[str, int]:
    # A torn file is a forgotten choice, not a reason to fail.
    with suppress(ValueError, AttributeError):
        return {str(name): port for name, port in json.loads(text).items() if isinstance(port, int)}
    return {}
