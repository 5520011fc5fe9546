"""Mailer that writes each mail into a file, for an archive without a mail server."""

from __future__ import annotations

import os
from email.message import EmailMessage
from pathlib import Path

from pipeline.durability import flush_folder
from pipeline.errors import Unavailable


class FolderMailer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: EmailMessage) -> None:
        name = f"{message['Message-ID'].strip('<>').rpartition('@')[0]}.eml"
        unfinished = self._folder / f".{name}"
        try:
            # What is in it may let its reader in.
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(message.as_bytes())
                file.flush()
                os.fsync(descriptor)
            unfinished.rename(self._folder / name)
            # Whoever sent it forgets it now.
            flush_folder(self._folder)
        except OSError as error:
            raise Unavailable(
                f"a mail cannot be written into {self._folder}: {error.strerror}",
                remedy="see that the folder can be written to and its disk has room",
            ) from error

    def describe(self) -> str:
        return f"files in {self._folder}; HEADRACE_MAIL names a server to send them by"
