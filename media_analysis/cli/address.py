"""Where a service answers: it writes that into its data directory while it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from media_analysis.settings import Settings

NAME: Final = "address"
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens here


def url_of(host: str, port: int) -> str:
    """Return the URL of a place to listen."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def address_of(settings: Settings) -> str:
    """Return where the service of a data directory says it answers, or else is configured to.

    Killed, a service leaves what it said: whoever asks there compares the id of the instance.
    """
    try:
        said = _file(settings).read_text().strip()
    except (OSError, ValueError):
        said = ""
    return said if said.startswith("http://") else _reached(settings.server.host, settings.server.port)


@contextmanager
def announced(settings: Settings, port: int) -> Iterator[None]:
    """Say where the service answers while the block runs."""
    path, address = _file(settings), _reached(settings.server.host, port)
    with suppress(OSError):  # a directory that only this cannot be written to is no reason not to serve
        part = path.with_name(f"{NAME}.{os.getpid()}")
        part.write_text(f"{address}\n")
        part.replace(path)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if path.read_text().strip() == address:  # not that of another service that began meanwhile
                path.unlink()


def _reached(host: str, port: int) -> str:
    return url_of(_EVERYWHERE.get(host, host), port)


def _file(settings: Settings) -> Path:
    return settings.data_dir.resolve() / NAME
