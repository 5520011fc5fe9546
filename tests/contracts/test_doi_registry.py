"""One suite for every `DoiRegistry`: DataCite's rules of states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from infra.local.datacite import ACCOUNT, registry_url
from pipeline.errors import Unavailable
from pipeline.model import DoiState, JsonObject
from pipeline.pid.datacite import DataCiteRegistry, parse_account
from pipeline.pid.local import LocalRegistry
from pipeline.ports import DoiFault, DoiRegistry, DoiRequest


def _local(request: pytest.FixtureRequest) -> DoiRegistry:
    folder: Path = request.getfixturevalue("tmp_path")
    return LocalRegistry(folder / "new" / "dois.sqlite")


def _datacite(request: pytest.FixtureRequest) -> DoiRegistry:
    url = registry_url(request.getfixturevalue("datacite_url"))
    return DataCiteRegistry(parse_account(url, ACCOUNT.password, ACCOUNT.prefixes[0]))


REGISTRIES: dict[str, Callable[[pytest.FixtureRequest], DoiRegistry]] = {
    "local": _local,
    "datacite": _datacite,
}

METADATA: JsonObject = {
    "creators": [{"name": "Marlow, Ida"}],
    "titles": [{"title": "Tides"}],
    "publisher": {"name": "Archive"},
    "publicationYear": 2026,
    "types": {"resourceTypeGeneral": "Dataset"},
}
WANTED = DoiRequest("10.5072/archive.1", DoiState.FINDABLE, "https://archive.example.org/records/1", METADATA)
STATES = list(DoiState)


@pytest.fixture(params=REGISTRIES)
def registry(request: pytest.FixtureRequest) -> Iterator[DoiRegistry]:
    with closing(REGISTRIES[request.param](request)) as opened:
        yield opened


def state_of(registry: DoiRegistry, doi: str = WANTED.doi) -> DoiState | None:
    seen = registry.get(doi)
    return None if seen is None else seen.state


def put(registry: DoiRegistry, state: DoiState) -> DoiState | None:
    [outcome] = registry.put_many([replace(WANTED, state=state)])
    return outcome.seen


@pytest.mark.parametrize("state", STATES)
def test_a_new_doi_comes_into_any_state(registry: DoiRegistry, state: DoiState) -> None:
    """And is answered as it was put; a registry may say more of it."""
    assert registry.get(WANTED.doi) is None
    assert put(registry, state) is state
    seen = registry.get(WANTED.doi)
    assert seen is not None
    assert (seen.state, seen.url) == (state, WANTED.url)
    for key, value in METADATA.items():
        found = seen.metadata[key]
        assert {**found, **value} == found if isinstance(value, dict) else found == value


@pytest.mark.parametrize(("before", "after"), list(product(STATES, STATES)))
def test_there_is_no_way_back_to_draft(registry: DoiRegistry, before: DoiState, after: DoiState) -> None:
    """Every other change of state is legal; one that is refused says why and changes nothing."""
    put(registry, before)
    is_legal = after is not DoiState.DRAFT or before is DoiState.DRAFT
    [outcome] = registry.put_many([replace(WANTED, state=after)])
    assert (outcome.seen is not None) is is_legal
    assert bool(outcome.reason and outcome.remedy) is not is_legal
    assert (outcome.fault is DoiFault.REFUSED) is not is_legal
    assert state_of(registry) is (after if is_legal else before)


def test_putting_again_brings_it_to_what_is_wanted_now(registry: DoiRegistry) -> None:
    """Target and metadata follow; doing it twice is doing it once."""
    moved = replace(
        WANTED, url="https://archive.example.org/new/1", metadata={**METADATA, "publicationYear": 2027}
    )
    registry.put_many([WANTED])
    for _ in range(2):
        assert registry.put_many([moved])[0].seen is DoiState.FINDABLE
    seen = registry.get(WANTED.doi)
    assert seen is not None
    assert (seen.url, seen.metadata["publicationYear"]) == (moved.url, 2027)


@pytest.mark.parametrize("field", METADATA)
def test_what_is_registered_has_to_be_described(registry: DoiRegistry, field: str) -> None:
    """A draft need not be; the field that is missing is named."""
    bare = replace(WANTED, metadata={name: value for name, value in METADATA.items() if name != field})
    [outcome] = registry.put_many([bare])
    assert (outcome.seen, outcome.fault, bool(outcome.remedy)) == (None, DoiFault.REFUSED, True)
    assert {"types": "ype"}.get(field, field) in outcome.reason
    assert registry.put_many([replace(bare, state=DoiState.DRAFT)])[0].seen is DoiState.DRAFT


def test_what_is_registered_has_a_target(registry: DoiRegistry) -> None:
    """Else it would lead nowhere."""
    [outcome] = registry.put_many([replace(WANTED, url="")])
    assert (outcome.seen, "url" in outcome.reason) == (None, True)


def test_one_refused_request_does_not_stop_the_others(registry: DoiRegistry) -> None:
    """There is one outcome a request, in order."""
    requests = [
        replace(WANTED, doi=f"10.5072/archive.{at}", url="" if at % 3 == 0 else "https://x/")
        for at in range(9)
    ]
    outcomes = registry.put_many(requests)
    assert [one.doi for one in outcomes] == [one.doi for one in requests]
    assert [one.seen is None for one in outcomes] == [at % 3 == 0 for at in range(9)]


def test_names_are_compared_without_regard_to_case(registry: DoiRegistry) -> None:
    """As the DOI system does."""
    registry.put_many([replace(WANTED, doi="10.5072/Archive.A")])
    assert state_of(registry, "10.5072/ARCHIVE.a") is DoiState.FINDABLE


def test_many_may_put_at_once(registry: DoiRegistry) -> None:
    """None of them is lost."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: registry.put_many([replace(WANTED, doi=f"10.5072/a.{at}")]), range(24)))
    assert all(state_of(registry, f"10.5072/a.{at}") is DoiState.FINDABLE for at in range(24))


def test_it_says_what_it_is(registry: DoiRegistry) -> None:
    """In one line, for people."""
    assert registry.describe()
    assert "\n" not in registry.describe()


def test_a_registry_whose_file_went_is_unavailable(tmp_path: Path) -> None:
    """The embedded one says which file it is, and what to look at."""
    with closing(LocalRegistry(tmp_path / "disk" / "dois.sqlite")) as registry:
        (tmp_path / "disk").rename(tmp_path / "unmounted")
        with pytest.raises(Unavailable, match=r"disk/dois\.sqlite") as away:
            registry.get(WANTED.doi)
    assert away.value.remedy
