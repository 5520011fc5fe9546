"""Those who take part in tests of communities, in one archive that the tests of a module share."""

import pytest

from gateway.app import create_app
from tests.archive import Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import Depositor, depositor


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> None:
    """Those of the archive that these tests share go on from test to test."""


@pytest.fixture(scope="module")
def ida(lasting: Archive) -> Depositor:
    """Who founds communities."""
    return depositor(lasting, "ida@pier.example")


@pytest.fixture(scope="module")
def bo(lasting: Archive) -> Depositor:
    """Who deposits."""
    return depositor(lasting, "bo@pier.example")


@pytest.fixture(scope="module")
def cy(lasting: Archive) -> Depositor:
    """Who becomes a member."""
    return depositor(lasting, "cy@pier.example")


@pytest.fixture(scope="module")
def root(lasting: Archive) -> Depositor:
    return depositor(lasting, "root@pier.example", admin=True)


@pytest.fixture(scope="module")
def stranger(lasting: Archive) -> Client:
    return Client(create_app(lasting.services))
