"""Where requests seem to come from, and which path they ask for, by what proxies say and who they are."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from media_analysis.api.place import RequestPlace, absolute_address, address
from media_analysis.runtime import Runtime
from media_analysis.settings import load_settings
from media_analysis.settings.web import RESERVED
from tests.api.answers import problem_in
from tests.api.archives import archived_run, read_archive
from tests.api.raw import Speaker
from tests.conftest import Client

ROOT = "/media"
PROXIES = "127.0.0.1, 10.0.0.0/8, 2001:db8::/32"


async def seen(path: str = "/healthz", peer: str = "127.0.0.1", **environ: str) -> Any:
    """Return what an application behind `RequestPlace` is asked; names of headers are in capitals, as of variables."""
    found: dict[str, Any] = {}

    async def note(scope: Scope, _receive: Receive, _send: Send) -> None:
        found.update(scope, address=address("/x"), absolute=absolute_address(scope, "/x"))

    settings = {name: value for name, value in environ.items() if name.startswith("SERVER_")}
    told = {name: value for name, value in environ.items() if name not in settings}
    headers = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in told.items()]
    scope = {"type": "http", "path": path, "raw_path": path.encode(), "scheme": "http", "client": (peer, 5)}
    server = load_settings(environ=settings).settings.server
    await RequestPlace(note, server)(scope | {"headers": [(b"host", b"inside:8000"), *headers]}, _nothing, _nothing)
    return SimpleNamespace(**found)


async def _nothing(*_: object) -> Any:
    return None


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("198.51.100.1:4711", "198.51.100.1"),
        ("2001:db9::1, 2001:db8::7", "2001:db9::1"),
        ("[2001:db9::1]:443", "2001:db9::1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("198.51.100.1, unknown, 10.1.2.3", "10.1.2.3"),
        ("nobody", "127.0.0.1"),
        ("", "127.0.0.1"),
        (",".join(["10.1.2.3"] * 100), "10.1.2.3"),
    ],
)
async def test_the_client_is_the_nearest_hop_that_is_not_trusted(told: str, client: str) -> None:
    found = await seen(SERVER_TRUSTED_PROXIES=PROXIES, X_FORWARDED_FOR=told)

    assert found.client[0] == client


@pytest.mark.parametrize("trusted", ["none", "10.0.0.0/8"])
async def test_whoever_is_not_trusted_is_not_listened_to(trusted: str) -> None:
    lies = {"X_FORWARDED_FOR": "198.51.100.1", "X_FORWARDED_PROTO": "https", "X_FORWARDED_HOST": "evil.example"}

    found = await seen(SERVER_TRUSTED_PROXIES=trusted, FORWARDED="for=198.51.100.1;proto=https", **lies)

    assert found.client == ("127.0.0.1", 5)
    assert found.absolute == "http://inside:8000/x"


@pytest.mark.parametrize(
    ("proto", "host", "absolute"),
    [
        ("https", "media.example.org", "https://media.example.org/media/x"),
        ("http, HTTPS", "a.example, b.example:8443", "https://b.example:8443/media/x"),
        ("https", "[2001:db8::1]:8443", "https://[2001:db8::1]:8443/media/x"),
        ("gopher", "a b", "http://inside:8000/media/x"),
        ("https", "evil.example/x", "https://inside:8000/media/x"),
        ("https", "evil.example@b", "https://inside:8000/media/x"),
        ("", "", "http://inside:8000/media/x"),
    ],
)
async def test_a_trusted_proxy_tells_scheme_and_host(proto: str, host: str, absolute: str) -> None:
    told = {"X_FORWARDED_PROTO": proto, "X_FORWARDED_HOST": host}

    found = await seen(SERVER_TRUSTED_PROXIES=PROXIES, SERVER_ROOT_PATH="/media/", **told)

    assert (found.absolute, found.address) == (absolute, "/media/x")


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/media/api/v1/files", "/api/v1/files"),
        ("/api/v1/files", "/api/v1/files"),
        ("/media", "/"),
        ("/media/", "/"),
        ("/mediation", "/mediation"),
        ("/media/media/api", "/media/api"),
    ],
)
async def test_the_root_path_is_taken_away_once_where_it_is(asked: str, path: str) -> None:
    found = await seen(asked, SERVER_ROOT_PATH="/media")

    assert (found.path, found.raw_path) == (path, path.encode())


async def test_the_root_of_a_request_is_not_that_of_another() -> None:
    await seen(SERVER_ROOT_PATH="/media")

    assert address("/x") == "/x"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"SERVER_ROOT_PATH": ROOT}


async def test_every_address_of_an_archive_is_rooted(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime)
    file = next(iter(run.files.values()))
    archive = f"{ROOT}/api/v1/jobs/{run.id}/archive"

    told = await read_archive(client, run)
    job = (await client.request("GET", f"/api/v1/jobs/{run.id}")).json()
    refused = problem_in(await client.request("GET", f"/api/v1/files/{file.id}/content"))
    explained = (await client.request("GET", f"/api/v1/files/{file.id}/retention")).json()["archive"]
    read = await client.request("GET", f"{ROOT}{explained['content'].removeprefix(ROOT)}")
    asked = await client.request("POST", f"/api/v1/jobs/{run.id}/restore")

    assert set(told["links"].values()) == {
        archive,
        f"{archive}/download",
        *(f"{ROOT}/api/v1/jobs/{run.id}{end}" for end in ("", "/restore")),
    }
    assert job["archive"] == archive
    assert refused["archive"] == explained["content"] == f"{archive}/files/{file.id}/content"
    assert explained["restore"] == f"{ROOT}/api/v1/jobs/{run.id}/restore?file_id={file.id}"
    assert read.status_code == 200
    assert asked.headers["location"] == archive
    assert '"/api/v1/' not in "".join(answer.text for answer in (read, asked))


async def test_the_server_itself_believes_nobody_on_its_machine(speaker: Speaker) -> None:
    with capture_logs() as logs:
        refused = await speaker.say("GET", "/api/v1/files", "X-Forwarded-For: 198.51.100.1", by="mas_wrong")

    assert refused.status == 401
    assert [line["last_from"] for line in logs if line["event"] == "token.rejected"] == ["127.0.0.1"]


async def test_the_roots_that_are_refused_are_those_of_the_service_itself(app: FastAPI) -> None:
    own = {context.path.split("/")[1] for context in iter_route_contexts(app.routes) if context.path}

    assert own - {""} <= {*RESERVED}
