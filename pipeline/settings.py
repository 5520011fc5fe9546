"""All settings in one place: name, default, meaning. From `HEADRACE_*` in the environment, else from
`headrace.toml` in the working folder; nothing else in the project reads the environment for settings.

Keys of S3 come from `AWS_*`; passwords that stand in URLs are shown redacted (`redacted`), and settings that are
secrets as stars.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from ipaddress import ip_network
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pipeline.errors import Misconfigured
from pipeline.server_url import parse_server_url

DIGEST_ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "xxh3-128")

LEAST_DOI_RATE = 10
"""With fewer not even one at a time would be sure to keep to the rate (`pid.pace`)."""

LEAST_SCAN_WINDOW = 4 << 20
"""Bytes; what windows overlap by must be a small part of them."""

ZENODO_RATES = (
    "guest 133/minute 8000/hour, account 1000/minute 25000/hour, search 30/minute, harvest 30/minute, "
    "sign-in 10/minute"
)
"""Those of Zenodo's own code; what is in force in production is not known."""

_RATE = re.compile("([1-9][0-9]{0,8})/(second|minute|hour|day)")
_PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_COUNTED = ("guest", "account", "search", "harvest", "sign-in")

_DOMAIN = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*(\.[a-zA-Z][a-zA-Z0-9-]*)+")
_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^/?#\s]+@")


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """Where the store is and how it is spoken to; fit to travel to workers and to be logged, for keys of S3 come from
    the environment of whoever opens it. What begins with `s3_` means the setting of that name."""

    url: str
    s3_endpoint: str = ""
    s3_region: str = ""
    s3_path_style: bool = False
    s3_trusted_network: bool = False


@dataclass(frozen=True, slots=True)
class ScannerLocation:
    """Where the virus scanner is and how it is used (`scanner_away`, `scan_window`); fit to travel to workers and to be
    logged. `window` is in bytes."""

    url: str
    away: Literal["wait", "go-on"] = "wait"
    window: int = 64 << 20


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where a tree of files to be ingested is and how it is reached; fit to travel to workers and to be logged, for
    keys come from the environment of whoever opens it. `url` is an absolute path where it is on this machine; what
    begins with `s3_` is said of S3 only."""

    url: str
    s3_endpoint: str = ""
    s3_region: str = ""
    s3_path_style: bool = False
    s3_trusted_network: bool = False
    s3_profile: str = ""
    private_addresses: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """`requests` in any period of so many seconds at most."""

    requests: int
    seconds: int

    def in_words(self) -> str:
        """As Zenodo's API words it: `30 per 1 minute`."""
        [unit] = [name for name, seconds in _PERIODS.items() if seconds == self.seconds]
        return f"{self.requests} per 1 {unit}"


class Settings(BaseSettings):
    """The settings of one instance. Empty strings stand for "inside HOME" or "choose for me"."""

    model_config = SettingsConfigDict(
        env_prefix="HEADRACE_", toml_file="headrace.toml", frozen=True, extra="forbid"
    )

    home: Path = Field(Path("headrace-data"), description="everything that an embedded instance writes")
    store: str = Field("", description="where bytes are kept: file:///folder or s3://bucket/prefix")
    s3_endpoint: str = Field("", description="URL of the S3 server; default Amazon's of the region")
    s3_region: str = Field("", description="region of the bucket; default us-east-1")
    s3_path_style: bool = Field(
        default=False,
        description="bucket in the path of requests, not in the host's name; most servers but Amazon's",
    )
    s3_trusted_network: bool = Field(
        default=False, description="whether S3 may be spoken to over http:// beyond this machine"
    )
    source_s3_endpoint: str = Field(
        "", description="URL of the S3 server that sources s3://… are on; default that of the store"
    )
    source_s3_region: str = Field("", description="region of buckets of sources; default that of the store")
    source_s3_path_style: bool = Field(
        default=False, description="as HEADRACE_S3_PATH_STYLE, of a HEADRACE_SOURCE_S3_ENDPOINT"
    )
    source_s3_profile: str = Field(
        "",
        description="profile of the AWS configuration with the keys for sources; default AWS_ACCESS_KEY_ID …",
    )
    private_addresses: bool = Field(
        default=False,
        description="whether the URLs of a list may lead to addresses that are not of the public internet",
    )
    database: str = Field("", description="the catalogue: sqlite:///file or postgresql+psycopg://…")
    index: str = Field(
        "",
        description="search: file:///folder, opensearch://user@host:9200/alias, or opensearchs://… in TLS",
    )
    full_text: int = Field(
        0,
        ge=0,
        le=1 << 30,
        description="bytes that a file may have whose text is searched, too (plain text, Markdown, HTML, LaTeX, PDF; "
        "of open files only); 0: none",
    )
    index_password: SecretStr = Field(
        SecretStr(""),
        description="password of the user in HEADRACE_INDEX; better in the environment than in a file",
    )
    scanner: str = Field(
        "eicar:", description="virus scanner: eicar:, clamd://host:3310 or clamd:///path/to/its/socket"
    )
    scanner_away: Literal["wait", "go-on"] = Field(
        "wait", description="while the scanner is away: wait, or go on and call files unscanned"
    )
    scan_window: int = Field(
        64 << 20,
        ge=LEAST_SCAN_WINDOW,
        le=(1 << 31) - 1,
        description="bytes that clamd is given at one go at most, fewer where its limits are lower; larger files are "
        "scanned in overlapping windows",
    )
    dois: str = Field(
        "", description="DOI registry: local:///file or datacite://REPOSITORY@api.datacite.org/PREFIX"
    )
    dois_password: SecretStr = Field(
        SecretStr(""),
        description="password of the repository in HEADRACE_DOIS, of all who ask it: dispatch, runner and serve (with "
        "a Prefect server elsewhere), up, ingest, retry, apply, check, dois reconcile; better in the environment than "
        "in a file",
    )
    doi_rate: int = Field(
        500,
        ge=0,
        description="requests to DataCite in any five minutes, by all processes together, 10 at least; 0: no bound",
    )
    reconcile_dois: int = Field(
        2000,
        ge=0,
        description="DOIs that one `headrace dois reconcile` asks DataCite for; 0: none, only what the catalogue knows "
        "is compared",
    )
    mail: str = Field(
        "",
        description="mails: smtp://user@host:587 (STARTTLS), smtps://user@host:465, or files in file:///folder",
    )
    mail_password: SecretStr = Field(
        SecretStr(""),
        description="password of the user in HEADRACE_MAIL; better in the environment than in a file",
    )
    compute: str = Field(
        "local:", description="workers: local:, local:4, inline:, tls://scheduler:8786, slurm:?jobs=8"
    )
    trusted_network: bool = Field(
        default=False,
        description="whether Dask (tcp://), Prefect (http://), clamd, OpenSearch and PostgreSQL may be spoken to "
        "beyond this machine without TLS",
    )
    base_url: str = Field("", description="what every link begins with; default http://127.0.0.1:<port>")
    port: int = Field(
        0, ge=0, le=65535, description="port of the gateway; 0: 8000, or a free one, remembered"
    )
    gateways: int = Field(
        1,
        ge=1,
        le=256,
        description="processes of the gateway that one machine runs, at one port; as many as cores answer most",
    )
    doi_prefix: str = Field(
        "10.5072",
        description="prefix of our DOIs: <prefix>/<name>.<id>; default that in HEADRACE_DOIS, if any",
    )
    doi_name: str = Field("headrace", description="the word after the prefix of our DOIs")
    digests: Annotated[tuple[str, ...], NoDecode] = Field(
        ("md5", "xxh3-128"),
        description="digests besides the root's and declared ones; files of 8 MiB and more get no xxh3-128",
    )
    root_digest: Literal["", "sha256", "sha512"] = Field(
        "", description="of a new storage root; default by CPU"
    )
    repository_name: str = Field("Headrace", description="shown in pages, citations and OAI-PMH")
    repository_id: str = Field(
        "headrace.localdomain", description="a domain name, in OAI and OCFL ids; set once"
    )
    admin_email: str = Field(
        "admin@headrace.localdomain", description="shown in OAI-PMH Identify; sender of mails"
    )
    scan_gate: Literal["none", "serve", "publish"] = Field(
        default_factory=lambda known: (
            "publish" if urlsplit(known.get("scanner", "")).scheme == "clamd" else "none"
        ),
        description="what waits for a virus verdict: publish (records), serve (downloads) or none; default publish "
        "with clamd",
    )
    patience: int = Field(
        600, ge=0, description="seconds that a run waits for what is away while nothing moves"
    )
    bulk_bytes_per_second: int = Field(
        0,
        ge=0,
        description="bytes a second that one ingest reads at most, leaving the rest to others; 0: no bound",
    )
    bulk_workers: int = Field(
        0,
        ge=0,
        description="workers that one ingest keeps busy at most, leaving the rest to others; 0: no bound",
    )
    min_free: int = Field(
        0, ge=0, description="bytes that stay free in the store; 0: 5 % or 2 GB, the smaller"
    )

    oidc_issuer: str = Field(
        "",
        description="identity provider that people sign in with besides (OpenID Connect), such as https://orcid.org",
    )
    oidc_client_id: str = Field("", description="what HEADRACE_OIDC_ISSUER knows this archive by")
    oidc_client_secret: SecretStr = Field(
        SecretStr(""),
        description="the password that goes with HEADRACE_OIDC_CLIENT_ID; better in the environment than in a file",
    )
    oidc_name: str = Field("", description="what the identity provider is called on pages; default its host")
    registration: bool = Field(
        default=False,
        description="whether people may make accounts by themselves, for addresses that they prove to be theirs",
    )
    session_idle_minutes: int = Field(
        120, ge=1, description="minutes without a request after which people have to sign in again"
    )
    session_hours: int = Field(
        12, ge=1, description="hours after which people have to sign in again, whatever they do"
    )
    rate_limits: str = Field(
        "",
        description="requests allowed to each guest and account: off, or of the form "
        f"{ZENODO_RATES}, which is the default but for clients on this machine",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="addresses and networks of proxies that are believed whom they speak for (X-Forwarded-For)",
    )
    json_bytes: int = Field(1 << 20, ge=1024, description="bytes of JSON that one request may bring at most")
    record_bytes: int = Field(
        0,
        ge=0,
        description="bytes that a record deposited over HTTP may have; 0: no bound (Zenodo's: 50000000000)",
    )
    record_files: int = Field(
        0, ge=0, description="files that a record deposited over HTTP may have; 0: no bound (Zenodo's: 100)"
    )
    extra_bytes: int = Field(
        150_000_000_000,
        ge=0,
        description="bytes by which an account may raise, in all, what its own records may have",
    )
    open_uploads: int = Field(
        1000, ge=1, description="uploads in several requests, or in parts, that a draft may have open at once"
    )
    deletion_days: int = Field(
        30, ge=0, description="days after its publication for which the owner of a record may delete it"
    )
    modification_days: int = Field(
        30,
        ge=0,
        description="days after its publication for which the owner of a record may begin to change its files",
    )
    ror: str = Field(
        "",
        description="file of ROR's records, one a line (JSON Lines, schema 2), in which funders and affiliations are "
        "looked up; default a short list",
    )

    inbox: str = Field("", description="folder that `headrace up` watches (`headrace watch`)")
    sweep_after_days: int = Field(
        7,
        ge=0,
        description="age in days of leftovers, referred to by nothing, that `headrace sweep` takes away",
    )

    audit_share: Fraction = Field(
        Fraction(1, 90), gt=0, le=1, description="share of all bytes that audits read a day; 1: no bound"
    )
    audit_after_days: int = Field(
        30, ge=0, description="days since its last check after which `headrace audit` reads a file again"
    )
    audit_bytes: int = Field(0, ge=0, description="bytes that one audit reads at most; 0: no bound")
    rescan_after_days: int = Field(
        30,
        ge=0,
        description="days after which `headrace rescan` scans a clean file again, if signatures changed since",
    )
    rescan_bytes: int = Field(0, ge=0, description="bytes that one rescan reads at most; 0: no bound")

    @field_validator("digests", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(filter(None, value.replace(" ", "").split(","))) if isinstance(value, str) else value

    @field_validator("digests")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in DIGEST_ALGORITHMS]
        if unknown:
            raise ValueError(f"unknown digest {', '.join(unknown)}; known are {', '.join(DIGEST_ALGORITHMS)}")
        if "md5" not in value:
            raise ValueError("md5 must be among them: it is the checksum that Zenodo's API shows")
        return value

    @field_validator("doi_rate")
    @classmethod
    def _doi_rate(cls, value: int) -> int:
        if 0 < value < LEAST_DOI_RATE:
            raise ValueError(f"must be 0 or {LEAST_DOI_RATE} at least")
        return value

    @field_validator("rate_limits")
    @classmethod
    def _rates(cls, value: str) -> str:
        parse_rates(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(one)) for one in value)

    @field_validator("repository_id")
    @classmethod
    def _domain(cls, value: str) -> str:
        # OAI identifiers want a domain of two labels or more, each beginning with a letter (OAI identifier format).
        if not _DOMAIN.fullmatch(value):
            raise ValueError(
                "must be a domain name such as data.example.org, each label beginning with a letter"
            )
        return value

    @field_validator("base_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def model_post_init(self, context: Any) -> None:  # noqa: ARG002
        home = self.home.expanduser().absolute()
        quoted = quote(str(home))
        inside: dict[str, Any] = {
            "home": home,
            "store": self.store or f"file://{quoted}/store",
            "database": self.database or f"sqlite:///{quoted}/catalogue.sqlite",
            "index": self.index or f"file://{quoted}/index",
            "dois": self.dois or f"local://{quoted}/dois.sqlite",
            "mail": self.mail or f"file://{quoted}/mail",
        }
        if "doi_prefix" not in self.model_fields_set and self.dois.startswith("datacite:"):
            named = parse_server_url(self.dois)
            inside["doi_prefix"] = (named and named.path) or self.doi_prefix
        for name, value in inside.items():
            object.__setattr__(self, name, value)

    def rates(self) -> Mapping[str, tuple[Rate, ...]]:
        """What `rate_limits` allows, by what is counted; empty where nothing is."""
        return parse_rates(self.rate_limits or ZENODO_RATES)

    @property
    def spares_loopback(self) -> bool:
        """Whether requests from this machine are not counted: the demo's, and all that come through a proxy here which
        `trusted_proxies` does not name."""
        return not self.rate_limits

    def store_location(self) -> StoreLocation:
        """What a process needs to open the store, besides its own environment."""
        return StoreLocation(
            self.store, self.s3_endpoint, self.s3_region, self.s3_path_style, self.s3_trusted_network
        )

    def scanner_location(self) -> ScannerLocation:
        """What a process needs to open the scanner."""
        return ScannerLocation(self.scanner, self.scanner_away, self.scan_window)

    def source_location(self, url: str) -> SourceLocation:
        """What a process needs to read a source, besides its own environment."""
        if not url.startswith("s3://"):
            return SourceLocation(url, private_addresses=self.private_addresses)
        own = self.source_s3_endpoint
        return SourceLocation(
            url,
            own or self.s3_endpoint,
            self.source_s3_region or self.s3_region,
            self.source_s3_path_style if own else self.s3_path_style,
            self.s3_trusted_network,
            self.source_s3_profile,
            self.private_addresses,
        )


def parse_rates(text: str) -> Mapping[str, tuple[Rate, ...]]:
    """Rates by what is counted, such as `guest 60/minute 2000/hour, search 30/minute`; `off` is none. Raises
    `ValueError`."""
    found: dict[str, tuple[Rate, ...]] = {}
    if text.strip() in ("", "off"):
        return found
    for part in text.split(","):
        counted, _, rates = part.strip().partition(" ")
        matches = [_RATE.fullmatch(one) for one in rates.split()]
        if counted not in _COUNTED or counted in found or not all(matches) or not matches:
            raise ValueError(
                f"{part.strip()!r} is not such as guest 60/minute 2000/hour; counted are {', '.join(_COUNTED)}"
            )
        found[counted] = tuple(Rate(int(one[1]), _PERIODS[one[2]]) for one in matches if one)
    return found


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process. Raises `Misconfigured` naming the setting that is wrong."""
    try:
        return Settings(**overrides)
    except TOMLDecodeError as wrong:
        raise Misconfigured(
            f"headrace.toml is not TOML: {wrong}",
            field="headrace.toml",
            remedy='mend it there, in the working folder: a line sets a name, such as home = "/data/headrace"',
        ) from None
    except ValidationError as wrong:
        first = wrong.errors()[0]
        name = "HEADRACE_" + "_".join(str(part) for part in first["loc"][:1]).upper()
        raise Misconfigured(
            f"{name}: {first['msg'].removeprefix('Value error, ')}",
            field=name,
            remedy=f"set {name} in the environment or in headrace.toml; `headrace check` lists all settings",
        ) from None


def redacted(url: str) -> str:
    """The URL with a password in it replaced, fit for logs, pages and messages."""
    return _PASSWORD.sub(r"\1:***@", url)


def describe_settings(settings: Settings) -> list[tuple[str, str, str]]:
    """(environment name, value fit to be shown, meaning) of every setting."""
    return [
        (f"HEADRACE_{name.upper()}", redacted(str(getattr(settings, name))), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
