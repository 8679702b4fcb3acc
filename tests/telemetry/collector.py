"""A collector of OpenTelemetry's protocol over HTTP, that keeps what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Recorded:
    """A span as it was sent."""

    trace: str
    id: str
    parent: str
    name: str
    about: dict[str, Any]
    links: list[str]
    """Traces it is linked to."""
    failed: bool
    service: str


@dataclass
class Collector:
    """What came so far."""

    endpoint: str
    spans: list[Recorded] = field(default_factory=list)

    def of(self, trace: str) -> dict[str, Recorded]:
        """Return the spans of a trace by their ids."""
        return {span.id: span for span in self.spans if span.trace == trace}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect while the block lasts."""
    collector = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.spans.extend(_read(ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _read(sent: ExportTraceServiceRequest) -> Iterator[Recorded]:
    for resource in sent.resource_spans:
        (service,) = (one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Recorded(
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    name=span.name,
                    about={one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes},
                    links=[link.trace_id.hex() for link in span.links],
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                    service=service,
                )
