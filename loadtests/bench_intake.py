"""What bulk intake into the embedded store comes to: of the figures of `loadtests.bench`, whose options it takes, those
that need no other server.

    python -m loadtests.bench_intake [--short] [--keep]
"""

from __future__ import annotations

from loadtests import bench

if __name__ == "__main__":
    bench.main(("large-local", "small-local", "records", "ingest-memory"))
