"""What operators ask: is it up (`/healthz`), and how does it fare (`/metrics`, Prometheus)."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from datetime import datetime
from functools import partial

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.answers import json_answer
from gateway.http.auth import ServicesHere
from gateway.http.methods import READ
from pipeline.catalogue import fixity, outbox, records
from pipeline.catalogue.outbox import Standing
from pipeline.errors import HeadraceError, Unavailable
from pipeline.model import EffectKind
from pipeline.services import Services
from pipeline.store import layout

router = APIRouter()

_LOG = logging.getLogger(__name__)

[_DECLARATION] = layout.DECLARATION
_PROBE_SECONDS = 1.0

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# ---------------------------------------------------------------- health


@router.api_route("/healthz", methods=READ)
def health(request: Request, services: ServicesHere) -> Response:
    """200 when requests can be answered: without the catalogue none can, without the others some can."""
    probes: Mapping[str, Probe] = request.app.state.probes
    parts = {"catalogue": _state(services.catalogue.ping)} | {
        name: probe.state() for name, probe in probes.items()
    }
    is_up = parts["catalogue"] == "ok"
    status = "ok" if set(parts.values()) == {"ok"} else "degraded" if is_up else "unavailable"
    body = {"status": status, "parts": parts}
    return json_answer(request, body, 200 if is_up else 503, {"Cache-Control": "no-store"})


class Probe:
    """Whether a part answers. One that is away is waited for, for seconds or minutes: a thread of its own does that,
    one at a time, and whoever wants to know waits a second."""

    def __init__(self, name: str, ask: Callable[[], object]) -> None:
        self._name, self._ask = name, ask
        self._lock = threading.Lock()
        self._asked: Future[str] | None = None

    def state(self) -> str:
        """`ok`, or why not, in a word."""
        with self._lock:
            if (asked := self._asked) is None or asked.done():
                asked = self._asked = Future()
                # A daemon: no gateway stays because its store is away.
                threading.Thread(
                    target=self._answer, args=(asked,), name=f"{self._name}-probe", daemon=True
                ).start()
        try:
            return asked.result(_PROBE_SECONDS)
        except TimeoutError:
            return Unavailable.code

    def _answer(self, asked: Future[str]) -> None:
        asked.set_result(_state(self._ask))


def probes(services: Services) -> dict[str, Probe]:
    """Of the parts that may not answer, by their names: whether the store still has the root's declaration, and
    whether the index counts."""
    return {
        "store": Probe("store", partial(services.store.size, _DECLARATION)),
        "index": Probe("index", services.index.count),
    }


def _state(probe: Callable[[], object]) -> str:
    # The reason may name hosts: it is for the log of whoever looks at the part, not for the world.
    try:
        probe()
    except HeadraceError as error:
        return error.code
    except Exception:
        _LOG.exception("a part cannot even be asked")
        return "broken"
    return "ok"


# ---------------------------------------------------------------- metrics


@router.api_route("/metrics", methods=READ)
def metrics(request: Request) -> Response:
    registry: CollectorRegistry = request.app.state.metrics
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def registries(services: Services) -> tuple[CollectorRegistry, CollectorRegistry]:
    """(what is shown, where requests are counted). They are one, but for gateways that share a port: whoever asks one
    of them sees what all have counted (PROMETHEUS_MULTIPROC_DIR, Prometheus's client for Python)."""
    counted = CollectorRegistry()
    shown = counted
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        shown = CollectorRegistry()
        MultiProcessCollector(shown)  # type: ignore[no-untyped-call]
    shown.register(CatalogueCollector(services))
    return shown, counted


class CatalogueCollector(Collector):
    """Asks the catalogue when Prometheus asks us."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("headrace_catalogue_up", "Whether the catalogue answers")
        now = self._services.now()
        try:
            with self._services.catalogue.read() as tx:
                published, standing = records.count(tx), outbox.standing(tx, now=now)
                failed, oldest = fixity.alarm(tx)
        except Unavailable:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield GaugeMetricFamily("headrace_records", "Published records", value=published)
        yield from _effects(standing, now)
        yield GaugeMetricFamily(
            "headrace_fixity_failed",
            "Files that are not what they were, or that audits cannot read",
            value=failed,
        )
        yield GaugeMetricFamily(
            "headrace_fixity_age_seconds",
            "Time since the file that was checked longest ago was found right",
            value=(now - (oldest or now)).total_seconds(),
        )


def _effects(standing: list[Standing], now: datetime) -> Iterator[GaugeMetricFamily]:
    known = {one.kind: one for one in standing}
    every = [known.get(kind, Standing(kind)) for kind in EffectKind]
    for name, what, value in _OUTBOX:
        family = GaugeMetricFamily(f"headrace_outbox_{name}", what, labels=["kind"])
        for one in every:
            family.add_metric([one.kind.value], value(one, now))
        yield family


_OUTBOX: tuple[tuple[str, str, Callable[[Standing, datetime], float]], ...] = (
    (
        "waiting",
        "Effects to bring about, with those under way and put off",
        lambda one, _: one.waiting + one.under_way + one.put_off,
    ),
    ("under_way", "Effects that a dispatcher or a run is at work on", lambda one, _: one.under_way),
    ("put_off", "Effects that failed and are tried again later", lambda one, _: one.put_off),
    ("parked", "Effects that wait for a person", lambda one, _: one.parked),
    (
        "age_seconds",
        "Age of the oldest effect that is not parked",
        lambda one, now: (now - (one.oldest or now)).total_seconds(),
    ),
)


class Instrumented:
    """Counts requests and measures their time by the route's template, so that the labels stay few. The time
    ends with the answer's last byte."""

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            "headrace_http_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "headrace_http_request_seconds", "Time to answer requests", ["route"], registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._requests.labels(method, route, str(status)).inc()
            self._seconds.labels(route).observe(time.perf_counter() - begun)
