"""What SLURM is asked for, read from HEADRACE_COMPUTE."""

from __future__ import annotations

import pytest

from pipeline.compute.slurm import SlurmJobs, parse_slurm


@pytest.mark.parametrize(
    ("url", "jobs"),
    [
        ("slurm:", SlurmJobs()),
        ("slurm:?", SlurmJobs()),
        ("slurm:?queue=long&jobs=8&memory=4GB", SlurmJobs(jobs=8, memory="4GB", queue="long")),
        ("slurm:?walltime=1-00:00:00&interface=ib0", SlurmJobs(walltime="1-00:00:00", interface="ib0")),
        (
            "slurm:?directive=--qos=high&directive=--constraint=[ssd]",
            SlurmJobs(directives=("--qos=high", "--constraint=[ssd]")),
        ),
        (
            "slurm:?account=archive&cores=4&one_machine=yes",
            SlurmJobs(account="archive", cores=4, one_machine=True),
        ),
    ],
)
def test_parameters_are_a_query(url: str, jobs: SlurmJobs) -> None:
    """Each parameter has its place; what is not said is left to the site."""
    assert parse_slurm(url) == jobs
