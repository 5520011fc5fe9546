"""`headrace up` and the parts that it runs, each alone."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from pipeline import wiring
from pipeline.cli.console import operator, say
from pipeline.compute import standalone, tuning
from pipeline.compute.standing import standing_address, standing_command
from pipeline.errors import Unavailable
from pipeline.flows.server import flow_environment, standing_server
from pipeline.running import logs, processes
from pipeline.running.home_lock import only_one
from pipeline.running.loopback import LOOPBACK, http_url, is_bindable, keep_port, remembered_port
from pipeline.running.memory import given_back
from pipeline.running.supervisor import Child, Supervisor
from pipeline.settings import Settings, load_settings

_AWAY = 2.0  # seconds until a store or database that did not answer is asked again


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, help="Address that the gateway listens on.")
@click.option(
    "--port", type=int, default=0, help="Port of the gateway; default 8000, or a free one, remembered."
)
def up(host: str, port: int) -> None:
    """Run the whole instance in the foreground: Prefect, workers, gateway, dispatcher and runner.

    Prints `ready <URL>` when it answers; waits for a store or database that does not. `headrace ingest` works with and
    without it. Ctrl-C stops everything that it started; what was under way goes on next time. One runs at a time for a
    home.

    \b
    Example:
      headrace up --port 8080
    """
    settings = load_settings()
    with only_one(settings.home, by=operator()) as announce:
        code = _run(settings, host, port, announce)
    sys.exit(code)


def _run(settings: Settings, host: str, port: int, announce: Callable[[str], None]) -> int:
    """Until it is stopped; the exit code. `announce` is told where the instance answers."""
    port = _port(settings, port)
    base_url = settings.base_url or http_url(port)
    announce(base_url)
    environment = {
        "HEADRACE_PORT": str(port),
        "HEADRACE_BASE_URL": base_url,
        "HEADRACE_HOME": str(settings.home),
    }
    os.environ.update(environment)
    _await_services(load_settings())
    logs.to_stderr()
    say("starting Prefect, workers, gateway, dispatcher and runner …")
    with standing_server(settings.home, trusted_network=settings.trusted_network) as server:
        environment |= flow_environment(server, settings.home)
        health = f"http://{LOOPBACK if host in ('0.0.0.0', '::') else host}:{port}/healthz"  # noqa: S104
        children = [
            Child("workers", _headrace("worker"), environment, ready=partial(_has_workers, settings.home)),
            *_gateways(settings, host, port, environment, ready=partial(_answers, health)),
            Child("dispatcher", _headrace("dispatch"), environment),
            _runner(environment),
        ]
        if settings.inbox:
            # It needs nobody, and nobody needs it: where it cannot be watched, the others go on.
            inbox = str(Path(settings.inbox).expanduser().absolute())
            children.append(
                Child("inbox", _headrace("watch", inbox), environment, grace=60.0, essential=False)
            )
        supervisor = Supervisor(
            children, settings.home / "logs", on_ready=partial(_ready, base_url, server.ui_url, settings)
        )
        return supervisor.run()


def _await_services(settings: Settings) -> None:
    """Wait until store and database answer. Migrations and the storage root are made here, once, before the parts meet
    over them."""
    told = ""
    while True:
        try:
            with wiring.open_services(settings):
                return
        except Unavailable as away:
            if away.message != told:
                say(f"{away.message}; waiting for it (Ctrl-C ends that)")
            told = away.message
            time.sleep(_AWAY)


def _port(settings: Settings, chosen: int) -> int:
    """The port to listen on, remembered so that every link of the instance has it."""
    if chosen:
        return keep_port(settings.home, wiring.GATEWAY, chosen)
    return settings.port or remembered_port(settings.home, wiring.GATEWAY, wiring.DEFAULT_PORT)


def _ready(base_url: str, ui_url: str, settings: Settings) -> None:
    sys.stdout.write(f"ready {base_url}\n")
    sys.stdout.flush()
    say(f"  pages and API  {base_url}\n  OAI-PMH        {base_url}/oai2d\n  Prefect        {ui_url}")
    say(f"  logs           {settings.home / 'logs'}\nCtrl-C stops it all")


def _gateways(
    settings: Settings,
    host: str,
    port: int,
    environment: Mapping[str, str],
    ready: Callable[[], bool] = lambda: True,
) -> Iterator[Child]:
    """As many as the settings say. Raises `Unavailable` where several cannot have the port."""
    command = _headrace("serve", "--host", host, "--port", str(port), "--no-runner")
    if settings.gateways == 1:
        yield Child("gateway", command, environment, ready=ready)
        return
    # Those that share a port do not mind who has it.
    if not is_bindable(port, host):
        raise Unavailable(
            f"nobody can listen on port {port} of {host}",
            remedy="stop what has the port, or choose another (HEADRACE_PORT)",
        )
    counts = settings.home / "run" / "metrics"
    shutil.rmtree(counts, ignore_errors=True)
    counts.mkdir(parents=True)
    shared = {**environment, "PROMETHEUS_MULTIPROC_DIR": str(counts)}
    for number in range(1, settings.gateways + 1):
        yield Child(f"gateway-{number}", [*command, "--shares-port"], shared, ready=ready)


def _runner(environment: Mapping[str, str]) -> Child:
    # It waits for the runs under way to end in order.
    return Child("runner", _headrace("runner"), environment, grace=40.0, essential=False)


def _headrace(*arguments: str) -> list[str]:
    return processes.python("pipeline", *arguments)


def _has_workers(home: Path) -> bool:
    return standing_address(home) is not None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except OSError:
        return False


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=0, help="Port; default 8000, or a free one, remembered.")
@click.option(
    "--runner/--no-runner",
    "with_runner",
    default=None,
    help="Whether to run the runner beside it; default: where PREFECT_API_URL names a Prefect server.",
)
@click.option("--shares-port", is_flag=True, hidden=True)
def serve(host: str, port: int, with_runner: bool | None, shares_port: bool) -> None:  # noqa: FBT001
    """Run the gateway alone: pages, API and OAI-PMH (`headrace up` runs it with everything else), in as many processes
    as HEADRACE_GATEWAYS says.

    Where PREFECT_API_URL names a Prefect server, the runner is run beside it, for what is begun in that server's pages.
    """
    from gateway.app import serve as serve_gateway

    settings = load_settings()
    port = _port(settings, port)
    os.environ["HEADRACE_PORT"] = str(port)
    runners = (
        [_runner({})] if ("PREFECT_API_URL" in os.environ if with_runner is None else with_runner) else []
    )
    if runners or (settings.gateways > 1 and not shares_port):
        logs.to_stderr()
        children = [*_gateways(settings, host, port, {}), *runners]
        sys.exit(Supervisor(children, settings.home / "logs").run())
    serve_gateway(load_settings(), host=host, port=port, shares_port=shares_port)


@click.command()
def dispatch() -> None:
    """Run the dispatcher alone: preserves, registers, indexes and announces whatever is due."""
    settings = load_settings()
    stop = _stop_event()
    with standing_server(settings.home, trusted_network=settings.trusted_network) as server:
        os.environ.update(flow_environment(server, settings.home))
        from pipeline.flows.deliver import dispatch_forever

        with wiring.open_services(settings) as services, given_back():
            dispatch_forever(services, stop.is_set)


@click.command()
def runner() -> None:
    """Run the runner alone: it registers ingest, retry and upkeep with Prefect, and carries out what is begun in its
    pages. What is under way when it ends goes on with the next one.
    """
    settings = load_settings()
    stop = _stop_event()
    with standing_server(settings.home, trusted_network=settings.trusted_network) as server:
        os.environ.update(flow_environment(server, settings.home))
        from pipeline.flows.runner import run_scheduled

        run_scheduled(settings, stop.is_set)


@click.command()
@click.option("--workers", type=click.IntRange(1, 1000), default=None, help="How many; default: one a CPU.")
@click.option("--scheduler", default="", help="Join this one, tcp://host:port or tls://host:port.")
def worker(workers: int | None, scheduler: str) -> None:
    """Run worker processes for this instance, which every `headrace ingest` on it then uses.

    With --scheduler, workers of an instance that is elsewhere: they share nothing with it but the network, the source
    and the store, whose keys they take from their own environment. They come back when the scheduler does.

    \b
    Example, on each machine that has CPUs to spare:
      headrace worker --scheduler tls://compute.example.org:8786 --workers 16
    """
    settings = load_settings()
    number = workers or len(os.sched_getaffinity(0))
    if scheduler:
        _join(settings, scheduler, number)
    _become(standing_command(number, settings.home))


def _join(settings: Settings, scheduler: str, workers: int) -> NoReturn:
    if not scheduler.startswith(("tcp://", "tls://")):
        raise click.BadParameter(f"{scheduler} is neither tcp://host:port nor tls://host:port")
    wiring.require_trust(scheduler, settings)
    say(f"{workers} workers for {scheduler}")
    _become(standalone.workers_command(scheduler, workers, settings.home / "scratch"))


def _become(command: list[str]) -> NoReturn:
    os.execve(command[0], command, tuning.environment())  # noqa: S606 - our own program


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8786, show_default=True, help="Port.")
@click.option(
    "--tls", is_flag=True, help="Speak TLS, with the certificates in DASK_DISTRIBUTED__COMM__TLS__…."
)
def scheduler(host: str, port: int, tls: bool) -> None:  # noqa: FBT001
    """Run a Dask scheduler with the settings that Headrace wants, for workers on many machines.

    `headrace worker --scheduler` joins it, and `HEADRACE_COMPUTE` names it where collections are ingested. It keeps
    nothing: after a restart workers and runs come back by themselves.
    """
    address = f"{'tls' if tls else 'tcp'}://{f'[{host}]' if ':' in host else host}:{port}"
    wiring.require_trust(address, load_settings())
    say(f"scheduler at {address}")
    _become(standalone.scheduler_command(address))


def _stop_event() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
