"""`python -m gateway`: the gateway alone, by the settings of this process."""

import sys

import click

from gateway.app import serve
from pipeline import wiring
from pipeline.errors import HeadraceError
from pipeline.running.loopback import LOOPBACK
from pipeline.settings import load_settings


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=None, help="Port to listen on; by default that of HEADRACE_PORT.")
def main(host: str, port: int | None) -> None:
    """Serve the archive over HTTP until SIGTERM or Ctrl-C."""
    try:
        settings = load_settings()
        serve(settings, host=host, port=port or wiring.gateway_port(settings))
    except HeadraceError as error:
        sys.exit(f"headrace: {error.message}" + (f"\n{error.remedy}" if error.remedy else ""))


if __name__ == "__main__":
    main()
