"""Settings become parts; what cannot be used is refused by the name of its setting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import wiring
from pipeline.errors import Misconfigured
from pipeline.settings import StoreLocation, load_settings


@pytest.mark.parametrize(
    ("setting", "open_"),
    [
        ("HEADRACE_STORE", lambda url: wiring.open_store(StoreLocation(url))),
        ("HEADRACE_SCANNER", wiring.open_scanner),
        ("HEADRACE_INDEX", lambda url: wiring.open_index(url, wiring.utc_now)),
        ("HEADRACE_DOIS", wiring.open_registry),
    ],
)
@pytest.mark.parametrize("url", ["gopher://me:secret@host/x", "nonsense", ""])
def test_a_url_of_no_known_kind_names_its_setting(
    setting: str, open_: Callable[[str], object], url: str
) -> None:
    """And says what could stand there; a password in it is not told."""
    with pytest.raises(Misconfigured) as refused:
        open_(url)
    assert refused.value.field == setting
    assert refused.value.remedy
    assert "secret" not in str(refused.value)


def test_workers_elsewhere_need_what_they_can_reach(tmp_path: Path) -> None:
    """A store or a database that is a file on this machine is refused at the start."""
    settings = load_settings(home=tmp_path, compute="tcp://compute.example.org:8786")
    with pytest.raises(Misconfigured) as refused:
        wiring.open_compute(settings)
    assert refused.value.field == "HEADRACE_COMPUTE"
    assert "HEADRACE_STORE" in refused.value.message
    assert "HEADRACE_DATABASE" in refused.value.message


def test_paths_in_urls_may_hold_anything(tmp_path: Path) -> None:
    """What cannot stand in a URL as it is stands there quoted."""
    folder = tmp_path / "a b%c"
    store = wiring.open_store(StoreLocation(f"file://{tmp_path}/a%20b%25c"))
    store.put_many({"key": b"x"})
    store.close()
    assert (folder / "key").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["home", "a b%20c#d?é"])
def test_an_instance_is_made_and_opened_again(tmp_path: Path, name: str) -> None:
    """Everything it writes lies in HOME, whatever that is called; what was settled once stays."""
    settings = load_settings(
        home=tmp_path / name, base_url="https://archive.example.org", root_digest="sha256"
    )
    with wiring.open_services(settings) as services:
        assert services.root_digest == "sha256"
        assert services.repository.base_url == "https://archive.example.org"
    with wiring.open_services(settings.model_copy(update={"root_digest": ""})) as services:
        assert services.root_digest == "sha256"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {"store", "catalogue.sqlite", "dois.sqlite"} <= {path.name for path in (tmp_path / name).iterdir()}
