"""A real server in a process of its own, and tokens for it."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from media_analysis.client import Client
from tests.cli.commands import serving


@dataclass(frozen=True)
class Served:
    """Where a server answers, and the token of an owner of this test's own."""

    url: str
    admin: str
    owner: str
    token: str = field(repr=False)

    def client(self, *, url: str | None = None, **about: Any) -> Client:
        return Client(url or self.url, self.token, **about)

    def make_token(self, **asked: Any) -> str:
        return make_token(self.url, self.admin, owner=self.owner, **asked)


_NUMBERS = itertools.count(1)


def make_token(url: str, admin: str, **asked: Any) -> str:
    """Return a token for somebody, as an administrator makes it."""
    answer = httpx.post(
        f"{url}/api/v1/sessions", headers={"Authorization": f"Bearer {admin}"}, json={"ttl_seconds": 3600} | asked
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def newcomer(url: str, admin: str) -> Served:
    """Return what somebody new has of a server."""
    owner = f"owner-{next(_NUMBERS)}"
    return Served(url, admin, owner, make_token(url, admin, owner=owner))


@contextmanager
def running_server(environment: dict[str, str], printed: Path) -> Iterator[tuple[str, str]]:
    """Yield the address and the administrator's token of a server that does not sweep by itself."""
    with serving(printed=printed, **{"STORAGE_CLEANUP_ENABLED": "false"} | environment) as service:
        url = service.url()
        yield url, (Path(environment["MEDIA_ANALYSIS_DATA_DIR"]) / "admin-token").read_text().strip()
        service.process.terminate()
        service.process.wait(60)
