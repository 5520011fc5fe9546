"""The server's process: `python -m infra.local.datacite_double --port N`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from infra.local.datacite_double.kernel import Kernel
from infra.local.datacite_double.registry import Account, Registry
from infra.local.datacite_double.rest import Server

ACCOUNTS = "DATACITE_DOUBLE_ACCOUNTS"
"""The variable with the accounts, as JSON: passwords do not stand in commands."""


def main() -> int:
    parser = argparse.ArgumentParser("python -m infra.local.datacite_double", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--schema", type=Path, help="DataCite's metadata.xsd of kernel 4; default: only what is mandatory"
    )
    parser.add_argument("--kept", type=Path, help="a file to keep DOIs in; default: they are forgotten")
    options = parser.parse_args()
    accounts = [
        Account(**one | {"prefixes": tuple(one["prefixes"])}) for one in json.loads(os.environ[ACCOUNTS])
    ]
    server = Server(options.port, Registry(accounts, Kernel(options.schema), options.kept))
    # From another thread: the server's own would wait for itself.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(0.1)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
