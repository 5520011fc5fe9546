"""zenodo_get: its addresses are literals, so that requests to zenodo.org are sent to the instance in their place."""

import subprocess
import sys
from pathlib import Path

import given

# Runs the command with the one change: where its HTTP client connects to.
COMMAND = """
import httpx2
import given
from zenodo_get.zget import cli
send = httpx2.Client.send
def redirected(client, request, **options):
    if request.url.host == "zenodo.org":
        request.url = httpx2.URL(given.URL).join(request.url.raw_path.decode())
        request.headers["host"] = request.url.netloc.decode()
    return send(client, request, **options)
httpx2.Client.send = redirected
cli()
"""


def zenodo_get(*arguments: str) -> None:
    subprocess.run([sys.executable, "-c", COMMAND, *arguments], check=True)


zenodo_get(given.RECORD, "--output-dir", "all")
given.same({path.name: path.read_bytes() for path in Path("all").iterdir()}, given.FILES)
given.done("download with checksums")

zenodo_get(given.RECORD, "--output-dir", "some", "--glob", "*.csv")
given.same([path.name for path in Path("some").iterdir()], ["gauge.csv"])
given.done("download of some files")

zenodo_get(given.RECORD, "--output-dir", "sums", "--md5")
sums = {
    line.split(maxsplit=1)[1]: line.split()[0] for line in Path("sums/md5sums.txt").read_text().splitlines()
}
given.same(sums, {name: given.md5(content) for name, content in given.FILES.items()})
given.done("list of checksums")

zenodo_get(given.RECORD, "--output-dir", "urls", "--wget", "urls.txt")
given.same(len(Path("urls/urls.txt").read_text().splitlines()), len(given.FILES))
given.done("list of URLs")
