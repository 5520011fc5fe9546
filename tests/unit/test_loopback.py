"""Ports of the loopback interface."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import Unavailable
from pipeline.running.loopback import (
    LOOPBACK,
    free_port,
    is_bindable,
    is_loopback,
    own_address,
    remembered_port,
)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:8786", "tls://127.0.0.2:1", "tcp://127.0.0.1"])
def test_this_machine_is_reached_over_the_loopback_interface(url: str) -> None:
    """Who listens where it reaches such a place from, listens for nobody else."""
    assert own_address(url).startswith("127.0.0.")


@pytest.mark.parametrize("url", ["tcp://nowhere.invalid:8786", "tcp://127.0.0.1:many"])
def test_a_place_that_cannot_be_reached_is_unavailable(url: str) -> None:
    """A host that nobody knows, a port that is none."""
    with pytest.raises(Unavailable, match="no way leads"):
        own_address(url)


def test_a_free_port_can_be_listened_on() -> None:
    """A port that is said to be free can be bound at once."""
    with socket.create_server((LOOPBACK, free_port())):
        pass


def test_a_port_in_use_is_not_bindable(listening: int) -> None:
    """A port that somebody listens on is not bindable."""
    assert not is_bindable(listening)


def test_a_port_that_cannot_exist_is_not_bindable() -> None:
    """A number outside the range of ports is not bindable."""
    assert not is_bindable(70_000)


def test_a_port_with_lingering_connections_is_bindable() -> None:
    """A server that closed with clients connected can be started again on its port at once."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)):
            connection, _ = server.accept()
            connection.close()
    assert is_bindable(port)


def test_a_port_is_remembered(tmp_path: Path) -> None:
    """The same name gets the same port again."""
    assert remembered_port(tmp_path, "ui") == remembered_port(tmp_path, "ui")


def test_names_do_not_share_a_port(tmp_path: Path) -> None:
    """Two servers of one instance never get the same port, though neither listens yet."""
    preferred = free_port()
    assert remembered_port(tmp_path, "ui", preferred) == preferred
    assert remembered_port(tmp_path, "gateway", preferred) != preferred


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path, listening: int) -> None:
    """A remembered port that somebody else took is replaced, and the new one is remembered."""
    (tmp_path / "ports.json").write_text(f'{{"ui": {listening}, "other": 1}}')
    port = remembered_port(tmp_path, "ui")
    assert port != listening
    assert remembered_port(tmp_path, "ui") == port


def test_a_preferred_port_in_use_is_passed_over(tmp_path: Path, listening: int) -> None:
    """A preferred port that somebody listens on is not given."""
    assert remembered_port(tmp_path, "gateway", listening) != listening


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"ui": "x"}'])
def test_a_spoilt_memory_is_forgotten(tmp_path: Path, content: str) -> None:
    """A torn or foreign `ports.json` is written anew."""
    (tmp_path / "ports.json").write_text(content)
    assert remembered_port(tmp_path, "ui") == remembered_port(tmp_path, "ui")


def test_many_names_at_once_get_different_ports(tmp_path: Path) -> None:
    """Servers that ask at the same time get different ports, and all are remembered."""
    names = [f"server-{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        ports = list(pool.map(lambda name: remembered_port(tmp_path, name), names))
    assert len(set(ports)) == len(names)
    assert [remembered_port(tmp_path, name) for name in names] == ports


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "[::1]", "localhost", "LOCALHOST"])
def test_this_machine_alone(host: str) -> None:
    """Addresses of the loopback interface, and its name."""
    assert is_loopback(f"tcp://{host}:8786")


@pytest.mark.parametrize(
    "url", ["tcp://10.0.0.1:1", "http://0.0.0.0", "tcp://127.0.0.1.example.org:1", "slurm:", ""]
)
def test_what_others_may_reach(url: str) -> None:
    """Every other host, and what names none."""
    assert not is_loopback(url)
