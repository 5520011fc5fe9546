"""How many DOIs a dispatcher registers a second where DataCite answers at once and sets no bound.

    python -m loadtests.bench_dois [--records 1000] [--folder DIR] [--keep]

Against a double of DataCite's REST API on the same cores: each record has two DOIs, its own and its work's. `--keep`
writes docs/performance.json and docs/performance.md. Nothing else should run meanwhile.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr

from infra.local.datacite import ACCOUNT, Control, datacite, registry_url
from infra.local.service import running
from loadtests import filling
from loadtests.figures import Figure
from loadtests.options import options, tell, work_folder
from pipeline import dispatch, wiring
from pipeline.model import EffectKind
from pipeline.settings import Settings

_GOAL = 100.0


def measure(home: Path, records: int) -> tuple[int, float, float]:
    """DOIs that became findable; seconds that it took, and those in which the dispatcher had a core. Raises
    `SystemExit` where not all of them are."""
    with running(datacite(), home / "log") as url, closing(Control(url)) as control:
        settings = Settings(
            home=home,
            base_url="https://archive.example.org",
            dois=registry_url(url),
            dois_password=SecretStr(ACCOUNT.password),
            doi_rate=0,
        )
        with wiring.open_services(settings) as services:
            filling.publish(services, records)
            began, busy = time.perf_counter(), time.process_time()
            dispatch.drain(services, [EffectKind.REGISTER])
            seconds, cpu = time.perf_counter() - began, time.process_time() - busy
        found = sum(state == "findable" for state, _ in control.dois().values())
    if found != 2 * records:
        raise SystemExit(f"{found} of {2 * records} DOIs are findable")
    return found, seconds, cpu


def main() -> None:
    """Measure, print and keep."""
    parser = options("loadtests.bench_dois")
    parser.add_argument("--records", type=int, default=1000)
    chosen = parser.parse_args()
    with work_folder(chosen) as folder:
        number, seconds, cpu = measure(folder, chosen.records)
    taken = Figure(
        name="DOIs registered by one dispatcher",
        value=number / seconds,
        unit="DOIs/s",
        goal=_GOAL,
        better="higher",
        how=f"{number} DOIs at a double of DataCite's REST API on the same cores, without faults and without a bound",
        cache="warm",
        beside={"dispatcher": f"{1000 * cpu / number:.1f} ms of a core each"},
    )
    tell([taken], chosen)


if __name__ == "__main__":
    main()
