"""Compute: where units of work run.

| URL | Runs units |
|---|---|
| `inline:` | in the calling process, one by one |
| `local:`, `local:4`, `local:?workers=4` | in worker processes of this machine, one for each CPU by default; \
in those of the instance if it is up |
| `tcp://host:port`, `tls://host:port` | wherever the workers of that Dask scheduler are |
| `slurm:`, `slurm:?queue=long&jobs=8` | in jobs of SLURM (`slurm.SlurmJobs` has the parameters) |
"""

import re
from pathlib import Path

from pipeline.compute.inline import InlineCompute
from pipeline.compute.slurm import parse_slurm
from pipeline.compute.standing import standing_address
from pipeline.errors import Misconfigured
from pipeline.loopback import is_loopback
from pipeline.ports import Compute

_LOCAL = re.compile(r"local:(?:(?:\?workers=)?([1-9]\d{0,3}))?")


def is_elsewhere(url: str) -> bool:
    """Whether units of this compute run where the files of this machine cannot be seen. Raises `Misconfigured` for
    parameters of `slurm:` that are none."""
    if url.startswith("slurm:"):
        return not parse_slurm(url).one_machine
    return url.startswith(("tcp://", "tls://")) and not is_loopback(url)


def open_compute(url: str, home: Path) -> Compute:
    """The compute that `url` names; the caller closes it. Scratch and logs of workers that it starts go below `home`.

    Raises `Misconfigured` for a URL that is not in the table above, `Unavailable` where workers do not start
    or the scheduler does not answer.
    """
    if url == "inline:":
        return InlineCompute()
    local = _LOCAL.fullmatch(url)
    if url.startswith("slurm:"):
        parse_slurm(url)
    elif local is None and not url.startswith(("tcp://", "tls://")):
        raise Misconfigured(
            f"no compute is called {url!r}",
            field="HEADRACE_COMPUTE",
            remedy="use local:, local:<number of workers>, inline:, slurm: or a Dask scheduler tcp://host:port",
        )
    # Importing Dask takes most of a second, which commands that compute nothing need not pay.
    from pipeline.compute.dask import DaskCompute

    if url.startswith("slurm:"):
        return DaskCompute.start_slurm(url, home)
    if local is None:
        return DaskCompute.connect(url)
    if standing := standing_address(home):
        return DaskCompute.connect(standing)
    return DaskCompute.start_local(int(local[1]) if local[1] else None, home)
