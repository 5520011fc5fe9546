"""Settings become parts; what cannot be used is refused by the name of its setting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import wiring
from pipeline.errors import Misconfigured, Unavailable
from pipeline.settings import ScannerLocation, StoreLocation, load_settings


@pytest.mark.parametrize(
    ("setting", "open_"),
    [
        ("HEADRACE_STORE", lambda url: wiring.open_store(StoreLocation(url))),
        ("HEADRACE_SCANNER", lambda url: wiring.open_scanner(ScannerLocation(url))),
        ("HEADRACE_INDEX", lambda url: wiring.open_index(load_settings(index=url or "x:"), wiring.utc_now)),
        ("HEADRACE_DOIS", lambda url: wiring.open_registry(load_settings(dois=url or "x:"))),
        ("HEADRACE_MAIL", lambda url: wiring.open_mailer(load_settings(mail=url or "x:"))),
        ("HEADRACE_COMPUTE", lambda url: wiring.open_compute(load_settings(compute=url))),
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


@pytest.mark.parametrize("compute", ["tls://compute.example.org:8786", "slurm:?jobs=2"])
def test_workers_elsewhere_need_what_they_can_reach(compute: str, tmp_path: Path) -> None:
    """A store or a database that is a file on this machine is refused at the start, before anything is made."""
    settings = load_settings(home=tmp_path, compute=compute)
    with pytest.raises(Misconfigured) as refused:
        wiring.open_compute(settings)
    with pytest.raises(Misconfigured, match="HEADRACE_STORE"), wiring.open_services(settings):
        pytest.fail("it was opened")
    assert list(tmp_path.iterdir()) == []
    assert refused.value.field == "HEADRACE_COMPUTE"
    assert "HEADRACE_STORE" in refused.value.message
    assert "HEADRACE_DATABASE" in refused.value.message


@pytest.mark.parametrize(
    "compute", ["local:", "inline:", "tcp://127.0.0.1:8786", "tls://[::1]:8786", "slurm:?one_machine=yes"]
)
def test_workers_that_see_our_files_may_use_them(compute: str, tmp_path: Path) -> None:
    """On this machine, and in SLURM jobs that the operator says run on it, store and database may be files."""
    wiring.require_reach(load_settings(home=tmp_path, compute=compute))


@pytest.mark.parametrize("host", ["compute.example.org", "10.1.2.3", "127.0.0.1.example.org", "0.0.0.0"])
def test_a_scheduler_that_strangers_reach_needs_tls(host: str, tmp_path: Path) -> None:
    """Beyond this machine Dask is spoken to over TLS, or where the operator trusts the network."""
    wiring.require_trust(f"tls://{host}:8786", load_settings(home=tmp_path))
    wiring.require_trust(f"tcp://{host}:8786", load_settings(home=tmp_path, trusted_network=True))
    with pytest.raises(Misconfigured, match="could run code") as refused:
        wiring.require_trust(f"tcp://{host}:8786", load_settings(home=tmp_path))
    assert "HEADRACE_TRUSTED_NETWORK" in refused.value.remedy


@pytest.mark.parametrize("host", ["scanner.example.org:3310", "10.1.2.3", "127.0.0.1.example.org"])
def test_files_are_not_sent_over_strange_networks_to_be_scanned(host: str, tmp_path: Path) -> None:
    """clamd's protocol has neither secrecy nor proof of who answers: beyond this machine the operator has to trust the
    network."""
    with (
        pytest.raises(Misconfigured, match="unencrypted") as refused,
        wiring.open_services(load_settings(home=tmp_path, scanner=f"clamd://{host}")),
    ):
        pytest.fail("it was opened")
    assert list(tmp_path.iterdir()) == []
    assert "HEADRACE_TRUSTED_NETWORK" in refused.value.remedy


@pytest.mark.parametrize("host", ["search.example.org:9200", "10.1.2.3", "127.0.0.1.example.org"])
def test_search_is_not_left_to_strange_networks(host: str, tmp_path: Path) -> None:
    """Without TLS whoever answers in the place of OpenSearch decides what is found, and hears the password."""
    with (
        pytest.raises(Misconfigured, match="unencrypted") as refused,
        wiring.open_services(load_settings(home=tmp_path, index=f"opensearch://{host}/archive")),
    ):
        pytest.fail("it was opened")
    assert list(tmp_path.iterdir()) == []
    assert "opensearchs://" in refused.value.remedy


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://a:secret@db.pier.example/x",
        "postgresql+psycopg://a:secret@10.1.2.3:5432/x?sslmode=require",
        "postgresql+psycopg://a:secret@10.1.2.3/x?sslmode=prefer",
        "postgresql+psycopg://a:secret@/x?host=db.pier.example",
        "postgresql+psycopg://a:secret@/x?host=/run/postgresql,db.pier.example",
        "postgresql+psycopg://a:secret@localhost/x?hostaddr=203.0.113.5",
        "postgresql+psycopg://a:secret@/x?service=pier",
        "postgresql+psycopg://a:secret@10.1.2.3/x?sslmode=verify-ca",
        "postgresql+psycopg://a:secret@10.1.2.3/x?sslmode=verify-ca&sslrootcert=system",
        "postgresql+psycopg://a:secret@10.1.2.3/x?sslmode=verify-ca&sslrootcert=/nowhere/ca.pem",
    ],
)
def test_a_database_elsewhere_is_spoken_to_in_tls_alone(url: str, tmp_path: Path) -> None:
    """With a server that proves its name, or that it is of a CA of the operator's; or the operator trusts the network.
    Wherever in the URL PostgreSQL's client takes its host from."""
    with (
        pytest.raises(Misconfigured, match="in TLS") as refused,
        wiring.open_services(load_settings(home=tmp_path, database=url)),
    ):
        pytest.fail("it was opened")
    assert refused.value.field == "HEADRACE_DATABASE"
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("host", "name", "value"),
    [
        ("", "PGHOST", "db.pier.example"),
        ("", "PGHOSTADDR", "203.0.113.5"),
        ("localhost", "PGHOSTADDR", "203.0.113.5"),
        ("localhost", "PGSERVICE", "pier"),
    ],
)
def test_a_database_that_the_environment_leads_elsewhere_needs_tls(
    host: str, name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the URL does not say, PostgreSQL's client takes from there."""
    monkeypatch.setenv(name, value)
    with (
        pytest.raises(Misconfigured, match="in TLS"),
        wiring.open_services(load_settings(home=tmp_path, database=f"postgresql+psycopg://a@{host}/x")),
    ):
        pytest.fail("it was opened")


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("postgresql+psycopg://a@127.0.0.1:1/x?connect_timeout=1", False),
        ("postgresql+psycopg://a@localhost:1/x?connect_timeout=1", False),
        ("postgresql+psycopg://a@[::1]:1/x?hostaddr=::1&connect_timeout=1", False),
        ("postgresql+psycopg://a@localhost:1/x?hostaddr=127.0.0.1&connect_timeout=1", False),
        ("postgresql+psycopg://a@/x?host=/nowhere&connect_timeout=1", False),
        ("postgresql+psycopg://a@db.invalid/x?sslmode=verify-full&connect_timeout=1", False),
        (
            f"postgresql+psycopg://a@db.invalid/x?sslmode=verify-ca&sslrootcert={__file__}&connect_timeout=1",
            False,
        ),
        ("postgresql+psycopg://a@db.invalid/x?connect_timeout=1", True),
    ],
)
def test_a_database_that_may_be_spoken_to_is(url: str, trusted: bool, tmp_path: Path) -> None:
    """Here there is none."""
    with (
        pytest.raises(Unavailable),
        wiring.open_services(load_settings(home=tmp_path, database=url, trusted_network=trusted)),
    ):
        pytest.fail("it was opened")


@pytest.mark.parametrize(
    ("scanner", "trusted"),
    [("clamd://127.0.0.1:3310", False), ("clamd:///run/clamd.ctl", False), ("clamd://10.1.2.3", True)],
)
def test_an_instance_opens_without_its_scanner(scanner: str, trusted: bool, tmp_path: Path) -> None:
    """Pages are served, and records published, while clamd is away."""
    with wiring.open_services(
        load_settings(home=tmp_path, scanner=scanner, trusted_network=trusted)
    ) as services:
        assert services.scanner.gives_clean


def test_a_store_on_s3_wants_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment; the message says which."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(Misconfigured) as refused:
        wiring.open_store(StoreLocation("s3://bucket/prefix"))
    assert refused.value.field == "AWS_ACCESS_KEY_ID"


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
