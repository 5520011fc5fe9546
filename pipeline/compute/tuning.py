"""How our Dask schedulers and workers differ from Dask's defaults, and why. Recommended for schedulers of others."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.running import processes

PRELOAD = "pipeline.worker"
"""What units run is loaded before the first of them comes."""

SETTINGS: Mapping[str, Any] = {
    "distributed": {
        # Where many workers start at once.
        "comm": {"timeouts": {"connect": "15s", "tcp": "120s"}},
        "scheduler": {
            # Dask would run the unit of a dead worker again as it was; we send it out with what is known of it now.
            "allowed-failures": 0,
            # Once units were done Dask keeps the others until a worker is free; before that, a second one waits behind
            # each worker's first (`ingest.units.left` heeds that).
            "worker-saturation": 1.0,
        },
        # Results are small: nothing to spill, and a paused worker would never go on.
        "worker": {
            "memory": {"target": False, "spill": False, "pause": False},
            "profile": {"enabled": False},
        },
        # Units keep a worker's interpreter busy for seconds; that is no news. To look every 20 ms, as Dask would, takes
        # a hundredth of a core of each process that has nothing to do.
        "admin": {"tick": {"interval": "1s", "limit": "60s"}, "system-monitor": {"interval": "5s"}},
    }
}


def environment() -> dict[str, str]:
    """The environment of a scheduler or worker process: ours and the settings above, where the operator has not said
    otherwise in `DASK_*`."""
    return processes.environment({name: os.environ.get(name, value) for name, value in variables().items()})


def variables() -> dict[str, str]:
    """The settings as variables of the environment, in Dask's notation."""
    return dict(_variables("DASK", SETTINGS))


def _variables(name: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        inner = f"{name}_{key}" if name == "DASK" else f"{name}__{key}"
        if isinstance(value, Mapping):
            yield from _variables(inner, value)
        else:
            yield inner.upper().replace("-", "_"), str(value)
