"""Where a service answers: it says so while it runs, and what else answers there is not taken for it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from uuid import UUID

import httpx
import pytest

from media_analysis.cli.address import address_of, announced, url_of
from media_analysis.cli.doctor import parse_address
from media_analysis.cli.status import describe_service
from media_analysis.diagnosis.check import CheckFailed
from media_analysis.diagnosis.service import ServiceProbe
from media_analysis.errors import InvalidRequest
from media_analysis.settings import Settings, load_settings
from media_analysis.storage.marker import MARKER_NAME

OWN = UUID(int=17)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / MARKER_NAME).write_text(json.dumps({"instance_id": str(OWN)}))
    return load_settings({"data_dir": tmp_path}, environ={}).settings


@contextmanager
def answering(body: str, settings: Settings) -> Iterator[str]:
    """Answer everything so, at the address that the data directory names."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server, announced(settings, server.server_port):
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("host", "reached"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("nas", "nas")],
)
def test_it_is_known_while_the_service_runs_and_as_configured_otherwise(
    settings: Settings, host: str, reached: str
) -> None:
    listening = settings.model_copy(update={"server": settings.server.model_copy(update={"host": host})})

    with announced(listening, 8123):
        during = address_of(settings)
    after = address_of(listening)

    assert (during, after) == (f"http://{reached}:8123", f"http://{reached}:8000")
    assert url_of("::", 8123) == "http://[::]:8123"


def test_the_end_of_one_service_does_not_hide_another(settings: Settings) -> None:
    ending = ExitStack()
    ending.enter_context(announced(settings, 8123))

    with announced(settings, 8124):
        ending.close()
        assert address_of(settings) == "http://127.0.0.1:8124"


@pytest.mark.parametrize("given", ["http://[::1", "localhost:8000", "http://", "http://nas:99999", "ftp://nas", "\x00"])
def test_an_address_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^--address: .* is not an address such as"):
        parse_address(given)


@pytest.mark.parametrize(
    ("body", "foreign"),
    [
        (json.dumps({"ready": True, "instance_id": str(OWN)}), None),
        (json.dumps({"ready": True, "instance_id": str(UUID(int=18))}), "another installation"),
        ("[]", "another program"),
        ("{}", "another program"),
        ("<html>", "another program"),
    ],
)
def test_what_answers_is_asked_whose_it_is(settings: Settings, body: str, foreign: str | None) -> None:
    with answering(body, settings) as address, httpx.Client(base_url=address, trust_env=False) as http:
        told, service = describe_service(settings), ServiceProbe(http, None, OWN)
        if foreign is None:
            assert service.check_alive() == f"answers at {address}"
            assert told == f"ready at {address}"
        else:
            with pytest.raises(CheckFailed, match=foreign):
                service.check_alive()
            assert told == f"it does not run; what answers at {address} is not this installation's"
