"""Traces by OpenTelemetry, off unless its usual variables ask for them (`OTEL_…`; docs/operations/traces.md)."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from media_analysis import tracing
from media_analysis.errors import InvalidSettings, Misconfigured
from media_analysis.tracing import About, SpanKind

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

EXTRA: Final = "otel"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN: Final = "http/protobuf"


def chosen_exporter(environment: Mapping[str, str]) -> str | None:
    """Return which exporter the variables ask for, `otlp` or `console`; None where traces are off.

    An endpoint alone asks for `otlp`, as everywhere.

    Raises:
        InvalidSettings: they ask for one that is not there.

    """
    named = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or named == "none":
        return None
    if not named:
        named = "otlp" if any(environment.get(name) for name in _ENDPOINTS) else ""
    if named not in {"", "otlp", "console"}:
        raise InvalidSettings(f"OTEL_TRACES_EXPORTER is {named!r}; it can be otlp, console or none")
    spoken = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _SPOKEN)
    if named == "otlp" and spoken != _SPOKEN:
        raise InvalidSettings(f"OTEL_EXPORTER_OTLP_PROTOCOL is {spoken!r}; traces are sent by {_SPOKEN} alone")
    return named or None


@asynccontextmanager
async def traces(service: str) -> AsyncIterator[None]:
    """Record and send traces of this process while the block lasts, if they are asked for; `service` is its name.

    Raises:
        InvalidSettings: the variables ask for what is not there.
        Misconfigured: the packages that send them are not installed.

    """
    exporter = chosen_exporter(os.environ)
    if exporter is None:
        yield
        return
    provider = _provider(service, exporter)
    try:
        with tracing.recording(OpenTelemetry(provider)):
            yield
    finally:
        await asyncio.to_thread(provider.shutdown)  # what is left is sent, or was for nobody


def _provider(service: str, exporter: str) -> "TracerProvider":
    try:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra, and the time it takes to load
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        sending = _exporter(exporter)
    except ImportError as error:
        raise Misconfigured(f"traces are asked for by OTEL_…: install media-analysis[{EXTRA}]") from error
    named = os.environ.get("OTEL_SERVICE_NAME") or service
    provider = TracerProvider(
        resource=Resource.create({"service.name": named, "service.version": version("media-analysis")}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(sending))
    return provider


def _exporter(name: str) -> "SpanExporter":
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415

        return ConsoleSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter()


class OpenTelemetry:
    """Records spans by a provider of OpenTelemetry's."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._api = trace
        self._tracer = provider.get_tracer("media_analysis", version("media-analysis"))
        self._places = TraceContextTextMapPropagator()

    @contextmanager
    def span(
        self, name: str, about: About, *, kind: SpanKind, parent: str | None, links: Sequence[str]
    ) -> Iterator[tracing.OpenSpan]:
        """Begin a span, as a recorder does; an error that leaves it is told by its type alone."""
        if parent is None and not kind.begins and not self._is_open:
            yield tracing.UNRECORDED
            return
        others = [self._api.get_current_span(self._at(place)).get_span_context() for place in links]
        with self._tracer.start_as_current_span(
            name,
            context=None if parent is None else self._at(parent),
            kind=self._api.SpanKind[kind.name],
            attributes=about,
            links=[self._api.Link(other) for other in others if other.is_valid],
            record_exception=False,
            set_status_on_exception=False,
        ) as begun:
            recorded = _Recorded(begun, self._api.StatusCode.ERROR)
            try:
                yield recorded
            except BaseException as error:
                recorded.tell({"error.type": type(error).__name__}, failed=True)
                raise

    def note(self, name: str, about: About, *, seconds: float, error: BaseException | None) -> None:
        """Add a span that has just ended."""
        if not self._is_open:
            return
        now = time.time_ns()
        started = self._tracer.start_span(
            name, kind=self._api.SpanKind.CLIENT, attributes=about, start_time=now - int(seconds * 1e9)
        )
        if error is not None:
            _Recorded(started, self._api.StatusCode.ERROR).tell({"error.type": type(error).__name__}, failed=True)
        started.end(now)

    @property
    def _is_open(self) -> bool:
        return self._api.get_current_span().get_span_context().is_valid

    def place(self) -> str | None:
        """Return the caller's `traceparent`."""
        carrier: dict[str, str] = {}
        self._places.inject(carrier)
        return carrier.get("traceparent")

    def _at(self, place: str) -> "Context":
        return self._places.extract({"traceparent": place})


class _Recorded:
    def __init__(self, begun: "trace.Span", failed: "trace.StatusCode") -> None:
        self._begun, self._failed = begun, failed

    def tell(self, about: About, *, name: str | None = None, failed: bool = False) -> None:
        """Add what is known by now."""
        self._begun.set_attributes(about)
        if name is not None:
            self._begun.update_name(name)
        if failed:
            self._begun.set_status(self._failed)
