"""The HTTP process: drains before it stops, and gives every request an id that its log lines carry."""

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from media_analysis.app import bind, create_app
from media_analysis.errors import Misconfigured
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from tests.cli.commands import Serving, serving
from tests.conftest import Client, fetch

UPLOAD = "/api/v1/files?category=uploads&filename=slow.bin"
FIRST, LAST = b"first" * 1000, b"last"


class SlowBody:
    """A body that is half sent until it is let go on."""

    def __init__(self) -> None:
        self.half_sent = threading.Event()
        self.go_on = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield FIRST
        self.half_sent.set()
        assert self.go_on.wait(30)
        yield LAST


@pytest.fixture
def service(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[Serving, str]]:
    """A `serve` on this test's database, and its administrator's token."""
    with serving(printed=tmp_path / "printed", **environment) as served:
        served.url()
        yield served, (tmp_path / "var" / "admin-token").read_text().strip()


def refuses_connections(url: str) -> bool:
    """Wait until nobody listens any more."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz", timeout=60)
        except httpx.TransportError:
            return True
        time.sleep(0.02)
    return False


async def test_sigterm_lets_a_request_in_flight_end_and_takes_no_more(
    service: tuple[Serving, str], database: str
) -> None:
    (served, token), body = service, SlowBody()
    url = served.url()

    with ThreadPoolExecutor(1) as thread:
        uploading = thread.submit(lambda: served.request("POST", UPLOAD, token=token, content=body))
        assert body.half_sent.wait(30)
        served.process.send_signal(signal.SIGTERM)
        closed = refuses_connections(url)
        still_running = served.process.poll() is None
        body.go_on.set()
        answer = uploading.result(30)
    exit_code = served.process.wait(30)
    (row,) = await fetch(database, "SELECT state::text, size_bytes FROM media_files")

    assert closed
    assert still_running
    assert answer.status_code == 201
    assert (row["state"], row["size_bytes"]) == ("stored", len(FIRST + LAST))
    assert exit_code == 0


async def test_a_second_signal_waits_for_nobody_and_cleans_up_what_it_cuts_off(
    service: tuple[Serving, str], database: str, settings: Settings
) -> None:
    (served, token), body = service, SlowBody()
    url = served.url()

    with ThreadPoolExecutor(1) as thread:
        uploading = thread.submit(lambda: served.request("POST", UPLOAD, token=token, content=body))
        assert body.half_sent.wait(30)
        served.process.send_signal(signal.SIGTERM)
        assert refuses_connections(url)
        served.process.send_signal(signal.SIGTERM)
        exit_code = served.process.wait(60)
        body.go_on.set()
        is_acknowledged = uploading.exception(30) is None and uploading.result().is_success
    left = await fetch(database, "SELECT state::text FROM media_files")

    assert exit_code == 0
    assert not is_acknowledged
    assert left == []
    assert not any(path.is_file() for path in settings.store_path.rglob("*/*"))


async def test_readiness_says_no_while_draining(runtime: Runtime) -> None:
    app = create_app(runtime)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        before = await http.get("/readyz")
        app.state.draining = True
        draining, alive = await http.get("/readyz"), await http.get("/healthz")

    assert (before.status_code, before.json()["ready"]) == (200, True)
    assert (draining.status_code, draining.json()["checks"]["process"]) == (503, "draining")
    assert alive.status_code == 200


async def test_every_log_line_of_a_request_carries_the_id_its_answer_shows(client: Client, runtime: Runtime) -> None:
    marker = runtime.settings.store_path / ".media-analysis"
    kept = marker.read_text()
    marker.unlink()

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answers = [await client.request("POST", UPLOAD, content=b"refused") for _ in range(2)]
    marker.write_text(kept)

    ids = [answer.headers["x-request-id"] for answer in answers]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert len(set(ids)) == 2
    assert {line["request_id"] for line in logs} == set(ids)
    assert {"request.failed", "request.ended"} <= {line["event"] for line in logs}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("trace-1.A_b", True), ("x" * 64, True), ("x" * 65, False), ("", False), ("a b", False), ('"}', False)],
)
async def test_an_id_the_caller_gives_is_kept_if_it_is_one(client: Client, *, given: str, kept: bool) -> None:
    answer = await client.request("GET", "/healthz", by=None, headers={"X-Request-ID": given})

    assert (answer.headers["x-request-id"] == given) is kept
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.headers["x-request-id"])


async def test_a_served_process_logs_json_without_tokens_or_queries(service: tuple[Serving, str]) -> None:
    served, token = service
    secret_name = "a-name-that-is-nobody-elses-business"

    answers = [
        served.request("POST", f"/api/v1/files?category=uploads&filename={secret_name}", token=token, content=b"x"),
        served.request("GET", "/api/v1/sessions/me", token="mas_not_a_token_at_all"),
    ]
    served.end(signal.SIGTERM)
    lines = [json.loads(line) for line in served.output.splitlines() if line.startswith("{")]

    ended = {line["request_id"]: line["status"] for line in lines if line["event"] == "request.ended"}
    assert ended == {answer.headers["x-request-id"]: answer.status_code for answer in answers}
    assert list(ended.values()) == [201, 401]
    assert token not in served.output
    assert "mas_not" not in served.output
    assert secret_name not in served.output


def test_an_address_that_cannot_be_had_is_refused_with_the_way_out() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        taken.listen()

        with pytest.raises(Misconfigured, match=f"127.0.0.1:{port}.*--port"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_an_address_can_be_a_number_of_either_kind_or_a_name(host: str) -> None:
    with bind(host, 0) as listening:
        assert listening.getsockname()[1] > 0


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"no\.such\.host\.invalid"):
        bind("no.such.host.invalid", 0)
