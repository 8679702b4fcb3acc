"""Streams of Server-Sent Events (WHATWG HTML section 9.2), taken up where they broke off."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from media_analysis.client.answers import Event
from media_analysis.client.errors import NotUnderstood, Problem, Unreachable, problem_of
from media_analysis.client.requests import Value, get
from media_analysis.client.retrying import REFUSED, Patience, passes
from media_analysis.client.steps import Answer, Emit, Emitting, Open, Read, Request, Wait

OVER: Final = 204
LONGEST_LINE_BYTES: Final = 16 * 2**20
RECONNECT_SECONDS: Final = 2.0


@dataclass
class EventReader:
    """Puts events together from bytes as they come; an id holds until the next one is told."""

    reconnect_seconds: float = RECONNECT_SECONDS
    _rest: bytes = b""
    _fields: dict[str, list[str]] = field(default_factory=dict)
    _last_id: str = ""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that these bytes complete.

        Raises:
            NotUnderstood: a line has no end, or an event no JSON.

        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_LINE_BYTES:
            raise NotUnderstood("the server sends an event without an end")
        for line in lines:
            text = line.removesuffix(b"\r").decode(errors="replace")
            if text:
                self._take(text)
            elif (event := self._complete()) is not None:
                yield event

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "retry" and value.isascii() and value.isdigit() and len(value) < 8:  # noqa: PLR2004 - hours
            self.reconnect_seconds = int(value) / 1_000
        elif name == "id":
            self._last_id = value
        elif name:
            self._fields.setdefault(name, []).append(value)

    def _complete(self) -> Event | None:
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        try:
            data = json.loads("\n".join(fields["data"]))
        except ValueError as error:
            raise NotUnderstood("the server sends an event that is no JSON") from error
        return Event(id=self._last_id, kind=fields.get("event", ["message"])[-1], data=data)


def follow(path: str, patience: Patience, *, after: str | None = None, **query: Value) -> Emitting[Event]:
    """Emit events as they happen, those behind `after` first, until the server says that no more will come."""
    last = after
    while True:
        before = last
        try:
            asked = get(path, **query)
            headers = {"Accept": "text/event-stream", **({} if last is None else {"Last-Event-ID": last})}
            answer: Answer = yield Open(Request(asked.method, asked.path, asked.query, headers))
            if answer.status >= REFUSED:
                raise problem_of(answer)
            if answer.status == OVER:
                return
            reader = EventReader()
            while chunk := (yield Read()):
                for event in reader.feed(chunk):
                    last = event.id or last
                    yield Emit(event)
        except (Unreachable, Problem) as error:
            if isinstance(error, Problem) and not passes(error):
                raise
            if last != before:
                patience.renew()
            yield from patience.pause(error)
        else:
            # Ended by the server: it has told everything, or wants the token shown again.
            patience.renew()
            yield Wait(0 if last != before else reader.reconnect_seconds)
