"""THE one place: URL scheme → implementation; what is opened, in which order, and closed again.

What only some commands need is imported where it is opened: a worker opens a store and a scanner, and would spend
seconds on loading database and index.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from pipeline.dissemination import Repository
from pipeline.errors import Misconfigured, Unavailable
from pipeline.ingest.eicar import EicarScanner
from pipeline.ingest.sources.names import archive_kind
from pipeline.ingest.sources.trees.archive import ArchiveTree
from pipeline.ingest.sources.trees.local import LocalTree
from pipeline.ingest.sources.trees.mixed import MixedTree
from pipeline.running import leaseholders
from pipeline.running.loopback import is_loopback, is_loopback_host, known_port
from pipeline.services import Services
from pipeline.store.local import LocalStore
from pipeline.store.root import open_root

if TYPE_CHECKING:
    from pipeline.catalogue import Catalogue
    from pipeline.ingest.sources import OpenTree, Tree
    from pipeline.ports import (
        Clock,
        Compute,
        DoiRegistry,
        IdentityProvider,
        Mailer,
        ObjectStore,
        Scanner,
        SearchIndex,
    )
    from pipeline.settings import ScannerLocation, Settings, SourceLocation, StoreLocation

GATEWAY = "gateway"
DEFAULT_PORT = 8000


def utc_now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def open_services(settings: Settings, *, now: Clock = utc_now) -> Iterator[Services]:
    """The parts of an instance. Raises `Misconfigured` where a setting cannot be used, `Unavailable` where a server
    does not answer."""
    from pipeline.catalogue.engine import open_catalogue

    scanner = open_scanner(settings.scanner_location())
    _require_verdicts(settings, scanner)
    _require_privacy(settings)
    _require_private_database(settings)
    _require_private_index(settings)
    require_trust(settings.compute, settings)
    require_reach(settings)
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_store(settings.store_location())))
        root_digest = open_root(store, settings.repository_id, settings.root_digest or None, now=now())
        catalogue = stack.enter_context(closing(open_catalogue(settings.database)))
        registry = stack.enter_context(closing(open_registry(settings)))
        index = stack.enter_context(closing(open_index(settings, now)))
        leaseholder = stack.enter_context(leaseholders.leaseholder(settings.home))
        _bury_the_dead(settings.home, catalogue)
        stack.callback(_take_leave, catalogue, leaseholder)
        yield Services(
            settings=settings,
            repository=repository(settings),
            root_digest=root_digest,
            catalogue=catalogue,
            store=store,
            scanner=scanner,
            index=index,
            registry=registry,
            mailer=open_mailer(settings),
            identities=open_identities(settings),
            now=now,
            leaseholder=leaseholder,
        )


def _require_verdicts(settings: Settings, scanner: Scanner) -> None:
    if settings.scan_gate != "none" and not scanner.gives_clean:
        raise Misconfigured(
            f"HEADRACE_SCAN_GATE: {settings.scan_gate} waits for a clean verdict, "
            "which the scanner of HEADRACE_SCANNER never gives",
            field="HEADRACE_SCAN_GATE",
            remedy="use another scanner, or set HEADRACE_SCAN_GATE to none",
        )


def _require_privacy(settings: Settings) -> None:
    """clamd is sent every byte as it is, and whoever can answer in its place can call anything clean."""
    from pipeline.settings import redacted

    place = urlsplit(settings.scanner)
    is_elsewhere = place.scheme == "clamd" and place.netloc and not is_loopback(settings.scanner)
    if is_elsewhere and not settings.trusted_network:
        raise Misconfigured(
            f"files would go to {redacted(settings.scanner)} unencrypted, and its answers could be forged",
            field="HEADRACE_SCANNER",
            remedy="run clamd on this machine, reach it through a tunnel, or, where nobody else is in the network, "
            "set HEADRACE_TRUSTED_NETWORK=yes",
        )


def _require_private_index(settings: Settings) -> None:
    """Whoever can answer in the place of OpenSearch decides what people find, and hears its password."""
    from pipeline.settings import redacted

    is_plain = urlsplit(settings.index).scheme == "opensearch" and not is_loopback(settings.index)
    if is_plain and not settings.trusted_network:
        raise Misconfigured(
            f"{redacted(settings.index)} would be spoken to unencrypted, and its answers could be forged",
            field="HEADRACE_INDEX",
            remedy="use opensearchs:// or, where nobody else is in the network, set HEADRACE_TRUSTED_NETWORK=yes",
        )


def _require_private_database(settings: Settings) -> None:
    """The catalogue has everything but files: beyond this machine it is spoken to in TLS alone, with a server that
    proves its name, or that it is of a CA of the operator's, unless nobody else is in the network."""
    from pipeline.settings import redacted

    if settings.trusted_network or not settings.database.startswith("postgresql"):
        return
    if _is_database_elsewhere(settings.database) and not _is_database_verified(settings.database):
        raise Misconfigured(
            f"nothing makes sure that {redacted(settings.database)} is spoken to in TLS, and is who it says",
            field="HEADRACE_DATABASE",
            remedy="add ?sslmode=verify-full (and sslrootcert=, where its certificate is of a CA of yours), or, where "
            "nobody else is in the network, set HEADRACE_TRUSTED_NETWORK=yes",
        )


def _is_database_elsewhere(url: str) -> bool:
    """Whether PostgreSQL's client may go beyond this machine for it: it takes hosts from the query, and, for all that
    the URL leaves out, from a service's file and the environment (libpq, parameter key words)."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    if "service" in asked or os.environ.get("PGSERVICE"):
        return True
    named = asked.get("host") or [parts.hostname or os.environ.get("PGHOST", "")]
    numbered = asked.get("hostaddr") or [os.environ.get("PGHOSTADDR", "")]
    hosts = [host for each in (*named, *numbered) for host in each.split(",") if host]
    return not all(host.startswith("/") or is_loopback_host(_without_port(host)) for host in hosts)


def _without_port(host: str) -> str:
    return host if host.count(":") > 1 else host.partition(":")[0]


def _is_database_verified(url: str) -> bool:
    """Whether the server is told from any other. That its certificate is of some CA says so where nobody else gets one
    from that."""
    asked = parse_qs(urlsplit(url).query)
    mode, authority = asked.get("sslmode", [""])[-1], asked.get("sslrootcert", [""])[-1]
    return mode == "verify-full" or (
        mode == "verify-ca" and authority != "system" and Path(authority).is_file()
    )


def _bury_the_dead(home: Path, catalogue: Catalogue) -> None:
    """Free what processes of this instance held when they were killed: nobody waits for their leases to end."""
    for name in leaseholders.departed(home):
        _release(catalogue, name)
        leaseholders.forget(home, name)


def _take_leave(catalogue: Catalogue, leaseholder: str) -> None:
    with suppress(Unavailable):  # then they end by time
        _release(catalogue, leaseholder)


def _release(catalogue: Catalogue, leaseholder: str) -> None:
    from pipeline.catalogue import leases

    with catalogue.write() as tx:
        leases.release(tx, leaseholder)


def repository(settings: Settings) -> Repository:
    """Who publishes; the port of the base URL is chosen at the first call and remembered in HOME."""
    return Repository(
        name=settings.repository_name,
        id=settings.repository_id,
        base_url=settings.base_url or f"http://127.0.0.1:{gateway_port(settings)}",
        admin_email=settings.admin_email,
        doi_prefix=settings.doi_prefix,
        doi_name=settings.doi_name,
    )


def gateway_port(settings: Settings) -> int:
    """The port that the gateway has or will have."""
    return settings.port or known_port(settings.home, GATEWAY, DEFAULT_PORT)


def open_store(location: StoreLocation) -> ObjectStore:
    match urlsplit(location.url).scheme:
        case "file":
            return LocalStore(_path(location.url))
        case "s3":
            from pipeline.store.s3.store import S3Store

            return S3Store(location)
    raise _unknown("HEADRACE_STORE", location.url, "file:///folder or s3://bucket/prefix")


def open_scanner(location: ScannerLocation) -> Scanner:
    """Nothing is asked of a server yet."""
    match urlsplit(location.url).scheme:
        case "eicar":
            return EicarScanner()
        case "clamd":
            from pipeline.ingest.clamd import ClamdScanner

            return ClamdScanner(location, utc_now)
    raise _unknown(
        "HEADRACE_SCANNER", location.url, "eicar:, clamd://host:3310 or clamd:///path/to/its/socket"
    )


def trees(settings: Settings) -> OpenTree:
    """Opens the files of sources for an instance."""
    return lambda url: open_tree(settings.source_location(url))


def open_tree(location: SourceLocation) -> Tree:
    """The files of a source. Raises `Misconfigured` where they cannot be reached so."""
    from pipeline.settings import redacted

    @cache
    def open_web() -> Tree:
        from pipeline.ingest.sources.trees.http import HttpTree

        return HttpTree(location)

    if location.url.startswith("/"):
        path = Path(location.url)
        if archive_kind(path.name) and not path.is_dir():
            return ArchiveTree(location, LocalTree(replace(location, url=str(path.parent))), path.name)
        return MixedTree(LocalTree(location), open_web)
    if location.url.startswith("s3://"):
        from pipeline.ingest.sources.trees.s3 import S3Tree

        prefix, _, name = location.url.rpartition("/")
        if archive_kind(name):
            return ArchiveTree(location, S3Tree(replace(location, url=prefix)), name)
        return MixedTree(S3Tree(location), open_web)
    if urlsplit(location.url).scheme in ("http", "https"):
        return open_web()
    raise Misconfigured(
        f"{redacted(location.url)} is no place that can be ingested from",
        remedy="name a folder or a file of this machine, s3://bucket/prefix, or the URL of a manifest",
    )


def open_index(settings: Settings, now: Clock) -> SearchIndex:
    """Nothing is asked of a server yet."""
    match urlsplit(settings.index).scheme:
        case "file":
            from pipeline.index.embedded import EmbeddedIndex

            return EmbeddedIndex(_path(settings.index), now)
        case "opensearch" | "opensearchs":
            from pipeline.index.opensearch import OpenSearchIndex
            from pipeline.index.opensearch_server import parse_server

            return OpenSearchIndex(
                parse_server(settings.index, settings.index_password.get_secret_value()), now
            )
    raise _unknown(
        "HEADRACE_INDEX", settings.index, "file:///folder, opensearch://host:9200/alias or opensearchs://…"
    )


def open_registry(settings: Settings) -> DoiRegistry:
    """Nothing is asked of a server yet. Raises `Misconfigured`."""
    match urlsplit(settings.dois).scheme:
        case "local":
            from pipeline.pid.local import LocalRegistry

            return LocalRegistry(_path(settings.dois))
        case "datacite":
            from pipeline.pid.datacite import DataCiteRegistry, parse_account

            password = settings.dois_password.get_secret_value()
            return DataCiteRegistry(parse_account(settings.dois, password, settings.doi_prefix))
    raise _unknown(
        "HEADRACE_DOIS", settings.dois, "local:///file or datacite://REPOSITORY@api.datacite.org/PREFIX"
    )


def open_mailer(settings: Settings) -> Mailer:
    """Nothing is asked of a server yet. Raises `Misconfigured`."""
    match urlsplit(settings.mail).scheme:
        case "file":
            from pipeline.mail.folder import FolderMailer

            return FolderMailer(_path(settings.mail))
        case "smtp" | "smtps":
            from pipeline.mail.smtp import SmtpMailer, parse_server

            return SmtpMailer(parse_server(settings.mail, settings.mail_password.get_secret_value()))
    raise _unknown(
        "HEADRACE_MAIL", settings.mail, "smtp://user@host:587, smtps://user@host or file:///folder"
    )


def open_identities(settings: Settings) -> IdentityProvider | None:
    """None where people sign in with passwords alone. The provider is not asked yet. Raises `Misconfigured`."""
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        raise Misconfigured(
            "HEADRACE_OIDC_ISSUER is set, HEADRACE_OIDC_CLIENT_ID is not",
            field="HEADRACE_OIDC_CLIENT_ID",
            remedy="register this archive with the identity provider, and set it to the client id that it gives",
        )
    from pipeline.people.oidc import OidcProvider

    secret = settings.oidc_client_secret.get_secret_value()
    return OidcProvider(settings.oidc_issuer, settings.oidc_client_id, secret, settings.oidc_name)


def open_compute(settings: Settings) -> Compute:
    """Workers for bulk work, whose scratch and logs go below HOME where they are started for it. Raises `Misconfigured`
    where they could not reach what they need, or strangers could reach them; `Unavailable` where they do not start or
    their scheduler does not answer."""
    require_trust(settings.compute, settings)
    require_reach(settings)
    match urlsplit(settings.compute).scheme:
        case "inline" if settings.compute == "inline:":
            from pipeline.compute.inline import InlineCompute

            return InlineCompute()
        case "local":
            from pipeline.compute.dask import DaskCompute

            return DaskCompute.on_this_machine(settings.compute, settings.home)
        case "slurm":
            from pipeline.compute.dask import DaskCompute

            return DaskCompute.start_slurm(settings.compute, settings.home)
        case "tcp" | "tls" if urlsplit(settings.compute).netloc:
            from pipeline.compute.dask import DaskCompute

            return DaskCompute.connect(settings.compute)
    raise _unknown(
        "HEADRACE_COMPUTE",
        settings.compute,
        "local:, local:<number of workers>, inline:, slurm: or a Dask scheduler tls://host:port",
    )


def require_trust(scheduler: str, settings: Settings) -> None:
    """A Dask scheduler runs any code that it is sent: it is spoken to on this machine, over TLS, or in a network that
    the operator trusts. Raises `Misconfigured`."""
    from pipeline.settings import redacted

    if urlsplit(scheduler).scheme == "tcp" and not is_loopback(scheduler) and not settings.trusted_network:
        raise Misconfigured(
            f"whoever reaches {redacted(scheduler)} could run code as its workers",
            field="HEADRACE_COMPUTE",
            remedy="use tls:// with certificates in DASK_DISTRIBUTED__COMM__TLS__…, or, where nobody else is in the "
            "network, set HEADRACE_TRUSTED_NETWORK=yes",
        )


def require_reach(settings: Settings) -> None:
    """Workers elsewhere need a store and a database that are reached from there. Raises `Misconfigured`."""
    from pipeline.settings import redacted

    if not _is_elsewhere(settings.compute):
        return
    private = [
        name
        for name, value in (("HEADRACE_STORE", settings.store), ("HEADRACE_DATABASE", settings.database))
        if urlsplit(value).scheme in ("file", "sqlite")
    ]
    if private:
        raise Misconfigured(
            f"workers of {redacted(settings.compute)} cannot share {' and '.join(private)}, "
            "which are files on this machine",
            field="HEADRACE_COMPUTE",
            remedy="use local: workers, or a store and a database that other machines reach; "
            "slurm:?one_machine=yes where every job runs on this machine",
        )


def _is_elsewhere(compute: str) -> bool:
    """Whether its units run where the files of this machine cannot be seen. Raises `Misconfigured` for parameters of
    `slurm:` that are none."""
    if urlsplit(compute).scheme == "slurm":
        from pipeline.compute.slurm import parse_slurm

        return not parse_slurm(compute).one_machine
    return urlsplit(compute).scheme in ("tcp", "tls") and not is_loopback(compute)


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _unknown(setting: str, url: str, known: str) -> Misconfigured:
    from pipeline.settings import redacted

    return Misconfigured(
        f"{setting}: {redacted(url)} is not of a kind that is known here",
        field=setting,
        remedy=f"use {known}, or leave it unset for the embedded default",
    )
