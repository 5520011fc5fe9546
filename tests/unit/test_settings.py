"""Settings: every one is documented, a wrong one is named, no password is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Misconfigured
from pipeline.settings import (
    Rate,
    Settings,
    SourceLocation,
    StoreLocation,
    describe_settings,
    load_settings,
    redacted,
)


@pytest.fixture(autouse=True)
def _somewhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `headrace.toml` and no variable of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HEADRACE_{name.upper()}", raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("DIGESTS", "md5,crc32"),
        ("DIGESTS", "md5;sha1"),
        ("ROOT_DIGEST", "md5"),
        ("ROOT_DIGEST", "SHA512"),
        ("REPOSITORY_ID", "archive"),
        ("REPOSITORY_ID", "1archive.example.org"),
        ("REPOSITORY_ID", "archive.example.org/path"),
        ("BASE_URL", "archive.example.org"),
        ("BASE_URL", "ftp://archive.example.org"),
        ("SCAN_GATE", "always"),
        ("SCANNER_AWAY", "panic"),
        ("SCAN_WINDOW", "1000000"),
        ("SCAN_WINDOW", "2147483648"),
        ("MIN_FREE", "-1"),
        ("MIN_FREE", "5%"),
        ("RATE_LIMITS", "sixty"),
        ("RATE_LIMITS", "guest"),
        ("RATE_LIMITS", "guest 60"),
        ("RATE_LIMITS", "guest 0/minute"),
        ("RATE_LIMITS", "guest 60/week"),
        ("RATE_LIMITS", "robots 60/minute"),
        ("RATE_LIMITS", "guest 60/minute, guest 2000/hour"),
        ("RATE_LIMITS", "guest 60/minute,"),
        ("TRUSTED_PROXIES", "proxy.example.org"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """In the message, for people, and as the field, for scripts."""
    monkeypatch.setenv(f"HEADRACE_{name}", value)
    with pytest.raises(Misconfigured) as refused:
        load_settings()
    assert refused.value.field == f"HEADRACE_{name}"
    assert refused.value.message.startswith(f"HEADRACE_{name}: ")


@pytest.mark.parametrize(
    ("scanner", "gate", "found"),
    [
        ("eicar:", None, "none"),
        ("clamd://127.0.0.1:3310", None, "publish"),
        ("clamd:///run/clamd.ctl", "none", "none"),
        ("clamd:///run/clamd.ctl", "serve", "serve"),
    ],
)
def test_records_wait_for_verdicts_of_a_scanner_that_gives_them(
    monkeypatch: pytest.MonkeyPatch, scanner: str, gate: str | None, found: str
) -> None:
    """Unless somebody says otherwise."""
    monkeypatch.setenv("HEADRACE_SCANNER", scanner)
    if gate is not None:
        monkeypatch.setenv("HEADRACE_SCAN_GATE", gate)
    assert load_settings().scan_gate == found


def test_an_unknown_name_in_the_file_is_refused() -> None:
    """A setting misspelt would silently not be set."""
    Path("headrace.toml").write_text("stoer = 'file:///x'\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match="HEADRACE_STOER"):
        load_settings()


def test_a_file_that_is_no_toml_is_refused() -> None:
    """And named, with the line that is wrong and how a line looks."""
    Path("headrace.toml").write_text("store = \n", encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"headrace\.toml .* line 1") as refused:
        load_settings()
    assert "home = " in refused.value.remedy


def test_the_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what a caller says before both."""
    Path("headrace.toml").write_text(
        "port = 1\nadmin_email = 'toml@x'\ndoi_name = 'toml'\n", encoding="utf-8"
    )
    monkeypatch.setenv("HEADRACE_PORT", "2")
    monkeypatch.setenv("HEADRACE_ADMIN_EMAIL", "env@x")
    found = load_settings(port=3)
    assert (found.port, found.admin_email, found.doi_name) == (3, "env@x", "toml")


def test_everything_unset_lies_inside_home(tmp_path: Path) -> None:
    """Deleting HOME removes the instance; `~` and relative paths are made absolute."""
    found = load_settings(home=Path("instance"))
    home = tmp_path / "instance"
    assert found.home == home
    assert found.store == f"file://{home}/store"
    assert found.database == f"sqlite:///{home}/catalogue.sqlite"
    assert found.index == f"file://{home}/index"
    assert found.dois == f"local://{home}/dois.sqlite"


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment; blanks do not matter."""
    monkeypatch.setenv("HEADRACE_DIGESTS", "sha256, md5")
    assert load_settings().digests == ("sha256", "md5")
    monkeypatch.setenv("HEADRACE_TRUSTED_PROXIES", "127.0.0.1, 2001:db8::/32,")
    assert load_settings().trusted_proxies == ("127.0.0.1/32", "2001:db8::/32")


def test_rates_are_zenodos_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they count on this machine, too; `off` is none at all."""
    assert load_settings().rates()["guest"] == (Rate(133, 60), Rate(8000, 3600))
    assert load_settings().spares_loopback
    monkeypatch.setenv("HEADRACE_RATE_LIMITS", "guest 5/second  10/day,account 7/hour")
    assert load_settings().rates() == {"guest": (Rate(5, 1), Rate(10, 86_400)), "account": (Rate(7, 3600),)}
    assert not load_settings().spares_loopback
    monkeypatch.setenv("HEADRACE_RATE_LIMITS", "off")
    assert load_settings().rates() == {}


def test_the_base_url_has_no_final_slash() -> None:
    """Paths are joined to it with one."""
    assert (
        load_settings(base_url="https://archive.example.org/data/").base_url
        == "https://archive.example.org/data"
    )


def test_what_travels_to_workers_says_where_the_store_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """And how it is spoken to; keys of S3 are no settings."""
    monkeypatch.setenv("HEADRACE_STORE", "s3://bucket/prefix")
    monkeypatch.setenv("HEADRACE_S3_ENDPOINT", "https://s3.example.org")
    monkeypatch.setenv("HEADRACE_S3_REGION", "eu-central-1")
    monkeypatch.setenv("HEADRACE_S3_PATH_STYLE", "true")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    location = load_settings().store_location()
    assert location == StoreLocation("s3://bucket/prefix", "https://s3.example.org", "eu-central-1", True)
    assert "secret" not in repr(location)


def test_settings_do_not_change() -> None:
    """They are shared by threads and travel to workers."""
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


def test_every_setting_says_what_it_means() -> None:
    """`headrace check` shows name, value and meaning of each."""
    described = describe_settings(load_settings())
    assert [name for name, _, _ in described] == [
        f"HEADRACE_{name.upper()}" for name in Settings.model_fields
    ]
    assert all(len(meaning) > 10 for _, _, meaning in described)


_PLAIN = st.text("abcdefgXYZ0123-_.~%", min_size=1, max_size=12)
_SECRET = st.text("abcdXYZ019!$&'()*+,;=:%-_.~@", min_size=6, max_size=20)


@given(user=_PLAIN | st.just(""), secret=_SECRET, host=_PLAIN)
def test_no_password_in_a_url_is_shown(user: str, secret: str, host: str) -> None:
    """Whatever stands in it, and in the middle of a sentence too."""
    url = f"postgresql+psycopg://{user}:{secret}@{host}:5432/archive?sslmode=require"
    shown = redacted(f"cannot reach {url} now")
    assert shown == f"cannot reach postgresql+psycopg://{user}:***@{host}:5432/archive?sslmode=require now"


@pytest.mark.parametrize(
    "url",
    [
        "file:///data/a:b@c",
        "sqlite:////home/a/catalogue.sqlite",
        "https://user@host/x",
        "http://127.0.0.1:8000/x@y",
        "postgresql+psycopg:///archive?host=/run/postgresql",
    ],
)
def test_a_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    """Redacting takes nothing else."""
    assert redacted(url) == url


def test_passwords_are_redacted_where_settings_are_shown() -> None:
    """A setting's value is fit for logs and pages."""
    shown = describe_settings(load_settings(database="postgresql+psycopg://me:secret@db/archive"))
    assert "secret" not in str(shown)
    assert ("HEADRACE_DATABASE", "postgresql+psycopg://me:***@db/archive") in [one[:2] for one in shown]


def test_sources_on_s3_are_reached_like_the_store_unless_said_otherwise() -> None:
    """One server for both needs no second setting; another server brings its own region and style."""
    store: dict[str, Any] = {
        "s3_endpoint": "https://s3.example.org",
        "s3_region": "eu-1",
        "s3_path_style": True,
    }
    shared = Settings(**store).source_location("s3://cruises/ps122")
    assert (shared.s3_endpoint, shared.s3_region, shared.s3_path_style) == tuple(store.values())
    own = Settings(**store, source_s3_endpoint="https://other.example.org", source_s3_region="us-1")
    other = own.source_location("s3://cruises/ps122")
    assert other.s3_endpoint == "https://other.example.org"
    assert (other.s3_region, other.s3_path_style) == ("us-1", False)
    assert own.source_location("/data") == SourceLocation("/data")


def test_the_prefix_of_our_dois_is_that_of_the_registry() -> None:
    """Unless it is said apart; then wiring tells where both do not agree."""
    dois = "datacite://HEAD.RACE@api.datacite.org/10.14454"
    assert Settings(dois=dois).doi_prefix == "10.14454"
    assert Settings(dois=dois, doi_prefix="10.5072").doi_prefix == "10.5072"
    assert Settings(dois="local:///dois.sqlite").doi_prefix == "10.5072"
