"""Traces: what a request had to do with, from its caller to the attempt of the job it asked for."""

import asyncio
import re
import signal
import sys
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from media_analysis import tracing
from media_analysis.db.group import GroupCommit
from media_analysis.errors import InvalidSettings, Misconfigured
from media_analysis.telemetry.traces import OpenTelemetry, chosen_exporter, traces
from media_analysis.tracing import SpanKind
from tests.crash.service import served
from tests.media.images import png
from tests.telemetry.collector import Recorded, collecting

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
ASKED_IN = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


async def test_a_request_its_statements_its_calls_of_the_store_and_the_attempt_of_its_job_are_one_trace(
    environment: dict[str, str],
) -> None:
    picture = png().read_bytes()
    with collecting() as collector:
        async with served(environment, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint) as service:
            http = service.http
            assert http is not None
            stored = await upload(http, picture)
            asked = {"kind": "probe", "name": "n", "source_file_ids": [stored["id"]]}
            job = (await http.post("/jobs", json=asked, headers=ASKED_IN)).raise_for_status().json()
            await until_ended(http, job["id"])
            link = (await http.post(f"/files/{stored['id']}/links", json={})).raise_for_status().json()
            async with httpx.AsyncClient(timeout=60) as anybody:
                assert (await anybody.get(link["url"])).content == picture
            service.running.send_signal(signal.SIGTERM)
            assert await service.wait_for_death() == 0

    spans = collector.of(TRACE)
    names = {span.name for span in spans.values()}
    assert {"POST /api/v1/files", "POST /api/v1/jobs", "attempt probe", "COMMIT"} <= names
    assert {"store create_many", "store sync"} & names or "store put_many" in names
    assert all(span.service == "media-analysis" and is_below_caller(span, spans) for span in spans.values())
    ways = {way(span, spans) for span in spans.values() if span.name in {"INSERT", "WITH", "UPDATE"}}
    assert {"POST /api/v1/files", "POST /api/v1/jobs", "attempt probe"} <= {name for one in ways for name in one}
    told = repr(collector.spans)
    secret = link["url"].rpartition(".")[2]
    token = http.headers["Authorization"].removeprefix("Bearer ")
    assert "/links/" in told
    assert not [one for one in (secret, token, "secret name") if one in told]


async def until_ended(http: httpx.AsyncClient, job_id: str) -> None:
    async with http.stream("GET", f"/jobs/{job_id}/events", headers={"Accept": "text/event-stream"}) as story:
        async for line in story.aiter_lines():
            if "job.completed" in line:
                return


async def upload(http: httpx.AsyncClient, content: bytes) -> dict[str, Any]:
    asked = {"category": "uploads", "filename": "secret name.png"}
    answer = await http.post("/files", params=asked, content=content, headers=ASKED_IN | {"Content-Type": "image/png"})
    stored: dict[str, Any] = answer.raise_for_status().json()
    return stored


def way(span: Recorded, spans: dict[str, Recorded]) -> tuple[str, ...]:
    """Return the names from a span up to its caller's."""
    return (span.name, *way(spans[span.parent], spans)) if span.parent in spans else (span.name,)


def is_below_caller(span: Recorded, spans: dict[str, Recorded]) -> bool:
    return span.parent == CALLER or is_below_caller(spans[span.parent], spans)


async def test_what_several_write_together_is_in_the_trace_of_one_of_them_and_linked_to_those_of_the_others() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    is_open = asyncio.Event()

    async def flush(items: Sequence[int]) -> Sequence[int]:
        await is_open.wait()
        with tracing.span(f"flush of {len(items)}"):
            return items

    group = GroupCommit[int, int](flush)

    async def ask(number: int) -> int:
        with tracing.span(f"request {number}", kind=SpanKind.SERVER):
            return await group.submit(number)

    with tracing.recording(OpenTelemetry(provider)):
        asking = [asyncio.create_task(ask(number)) for number in range(4)]
        await asyncio.sleep(0)
        is_open.set()
        assert await asyncio.gather(*asking) == [0, 1, 2, 3]
    provider.shutdown()

    by_name = {span.name: span for span in kept.get_finished_spans()}
    traces_of = {name: span.context.trace_id for name, span in by_name.items() if span.context is not None}
    (shared,) = [span for span in kept.get_finished_spans() if span.name == "group" and span.links]
    several = next(name for name in by_name if name.startswith("flush of") and name != "flush of 1")
    assert shared.context is not None
    assert traces_of[several] == shared.context.trace_id
    together = {shared.context.trace_id, *(link.context.trace_id for link in shared.links)}
    assert together <= {traces_of[f"request {number}"] for number in range(4)}
    assert len(together) == int(several.rpartition(" ")[2])


async def test_a_collector_that_is_away_keeps_nobody_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")

    async with asyncio.timeout(60), traces("media-analysis"):
        with tracing.span("nobody hears of it", kind=SpanKind.SERVER):
            assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]", tracing.place() or "")

    assert tracing.recorder() is None


@pytest.mark.parametrize(
    ("variables", "exporter"),
    [
        ({}, None),
        ({ENDPOINT: "http://127.0.0.1:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://127.0.0.1:4318"}, None),
        ({"OTEL_SDK_DISABLED": "true", ENDPOINT: "http://127.0.0.1:4318"}, None),
        ({"OTEL_SERVICE_NAME": "media"}, None),
    ],
)
def test_traces_are_off_unless_the_usual_variables_ask_for_them(
    variables: dict[str, str], exporter: str | None
) -> None:
    assert chosen_exporter(variables) == exporter


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin'; it can be otlp, console or none"),
        ({ENDPOINT: "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "sent by http/protobuf alone"),
    ],
)
def test_an_exporter_that_is_not_there_is_refused_with_those_that_are(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidSettings, match=re.escape(sentence)):
        chosen_exporter(variables)


async def test_without_the_packages_that_send_traces_it_is_said_which_extra_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)

    with pytest.raises(Misconfigured, match=re.escape("install media-analysis[otel]")):
        async with traces("media-analysis"):
            pass
