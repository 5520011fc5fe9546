"""gitlab2zenodo, for CI jobs of GitLab: its addresses are literals, set anew on each deposit that it makes."""

import contextlib
import io
import json
import sys

import given
import requests
from gitlab2zenodo import deposit
from gitlab2zenodo.main import g2z_command, g2z_meta_command

make = deposit.ZenodoDeposit.__init__


def redirected(self: deposit.ZenodoDeposit, *arguments: object, **options: object) -> None:
    make(self, *arguments, **options)
    self.zenodo_url = f"{given.API}/deposit/depositions"


deposit.ZenodoDeposit.__init__ = redirected


def command(run: object, *arguments: str) -> str:
    sys.argv = [sys.argv[0], "--token", given.TOKEN, *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        run()
    return out.getvalue()


(metadata := given.file(".zenodo.json")).write_text(json.dumps(given.METADATA))
archive = given.file("release.zip", b"PK\x05\x06" + bytes(18))
first = command(g2z_command, "--metadata", str(metadata), "--publish", str(archive)).strip()
record = requests.get(f"{given.API}/records/{first}", timeout=60).json()
given.same((record["title"], record["files"][0]["key"]), (given.METADATA["title"], "release.zip"))
given.done("deposit and publish")

# The command looks for the work among all depositions; a newer one of another work is not to be taken for it.
signed = {"access_token": given.TOKEN}
requests.post(f"{given.API}/deposit/depositions", params=signed, json={}, timeout=60).raise_for_status()
changed = given.file("release-2.zip", b"PK\x05\x06" + bytes(18))
command(
    g2z_command, "--id", first, "--version", "2.0", "--metadata", str(metadata), "--publish", str(changed)
)
latest = requests.get(f"{given.API}/records/{record['conceptrecid']}", timeout=60).json()
given.same([entry["key"] for entry in latest["files"]], ["release-2.zip"])
given.same(latest["metadata"]["version"], "2.0")
given.done("new version")

given.same(given.METADATA["title"] in command(g2z_meta_command, "--id", record["conceptrecid"]), True)
given.done("metadata by concept id")
