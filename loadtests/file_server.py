"""What others serve a file with, to compare the gateway with."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from infra.local.service import Service, running
from pipeline.running.loopback import LOOPBACK, free_port, http_url

_NGINX = """
daemon off; user {user} {group}; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen {host}:{port}; root {root}; }}
}}
"""


@contextmanager
def file_server(file: Path, log: Path) -> Iterator[tuple[str, str]]:
    """What serves the file, its name and where: nginx where it is installed, else the system call that it sends files
    with, in a loop that does nothing else."""
    port = free_port()
    url = f"{http_url(port)}/{file.name}"
    folder = file.parent.parent
    if (nginx := shutil.which("nginx")) is not None:
        settings = folder / "nginx.conf"
        settings.write_text(
            _NGINX.format(
                # Of a superuser it would serve as somebody else, who may not read what is ours.
                user=pwd.getpwuid(os.getuid()).pw_name,
                group=grp.getgrgid(os.getgid()).gr_name,
                folder=folder,
                host=LOOPBACK,
                port=port,
                root=file.parent,
            )
        )
        name, command = "nginx", (nginx, "-p", str(folder), "-c", str(settings))
    else:
        name = "a bare loop of sendfile(2)"
        command = (sys.executable, "-m", "loadtests.file_server", str(file), str(port))
    service = Service(name, command, url, partial(_accepts, port))
    with running(service, log):
        yield name, url


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def serve(file: Path, port: int) -> None:
    """Send the file to whoever asks for anything, one after the other, until the process is ended."""
    with socket.create_server((LOOPBACK, port)) as listening, file.open("rb") as reader:
        while True:
            connection, _ = listening.accept()
            with connection:
                if connection.recv(1 << 16):
                    size = file.stat().st_size
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                    connection.sendfile(reader, 0, size)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
