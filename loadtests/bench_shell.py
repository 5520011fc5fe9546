"""What one ingest is worth against the commands that it stands for, one after the other: of the figures of
`loadtests.bench`, whose options it takes, those that compare with the shell and with bagit.py.

    python -m loadtests.bench_shell [--short] [--keep]

Wants what `make bench` installs beside this Python, and clamd and clamdscan from the system's packages.
"""

from __future__ import annotations

from loadtests import bench

if __name__ == "__main__":
    bench.main(("shell", "clamdscan", "bagit"))
