"""Streams of Server-Sent Events (WHATWG HTML section 9.2), taken up where they broke off."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from media_analysis.client.answers import Event
from media_analysis.client.errors import NotUnderstood, Problem, Unreachable, problem_of
from media_analysis.client.requests import API, Api, Id, Labels, Query, document_of, label_texts, pairs, path_id
from media_analysis.client.retrying import REFUSED, Patience, ask, passes
from media_analysis.client.steps import Answer, Emit, Emitting, Open, Read, Request, Wait

OVER: Final = 204
LONGEST_LINE_BYTES: Final = 16 * 2**20
RECONNECT_SECONDS: Final = 2.0


@dataclass
class EventReader:
    """Puts events together from bytes as they come; an id holds until the next one is told, with an event or alone."""

    reconnect_seconds: float = RECONNECT_SECONDS
    last_id: str = ""
    """Behind which a reader goes on."""
    _rest: bytes = b""
    _fields: dict[str, list[str]] = field(default_factory=dict)
    _id: str = ""

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
            self._id = value
        elif name:
            self._fields.setdefault(name, []).append(value)

    def _complete(self) -> Event | None:
        fields, self._fields = self._fields, {}
        self.last_id = self._id  # not before: the event may yet be cut off
        if "data" not in fields:
            return None
        try:
            data = json.loads("\n".join(fields["data"]))
        except ValueError as error:
            raise NotUnderstood("the server sends an event that is no JSON") from error
        return Event(id=self.last_id, kind=fields.get("event", ["message"])[-1], data=data)


def events(
    api: Api,
    *,
    types: Sequence[str] = (),
    category: str | None = None,
    labels: Labels | Iterable[str] | None = None,
    job_id: Id | None = None,
    file_id: Id | None = None,
    owner: str | None = None,
    after: str | None = None,
) -> Emitting[Event]:
    """Iterate over what happens to files and jobs, from now on or behind an event, without an end of its own.

    Now is when the first of them is asked for; `after="0"` begins with the oldest that is kept. `types` are such as
    `file.stored`, `file.*` and `job.completed`. A line that breaks is taken up again: nothing is left out, and nothing
    told twice. An event `reset` says that what comes next is not all, for the server keeps them for so long only.
    """
    patience = api.patience()
    query = pairs(
        type=list(types),
        category=category,
        label=label_texts(labels),
        job_id=None if job_id is None else path_id(job_id),
        file_id=None if file_id is None else path_id(file_id),
        owner=owner,
    )
    if after is None:  # or what happens before the first event is told would be lost with the line
        now = Request("GET", f"{API}/events", query, {"Accept": "application/json"})
        page = document_of((yield from ask(now, patience)))
        after = page.get("last_event_id") if isinstance(page, dict) else None
        if not isinstance(after, str):
            raise NotUnderstood("the server does not say where its events are")
    yield from follow("/events", patience, query, after=after)


def follow(path: str, patience: Patience, query: Query = (), *, after: str | None = None) -> Emitting[Event]:
    """Emit events as they happen, those behind `after` first, until the server says that no more will come."""
    last = after
    while True:
        before = last
        try:
            headers = {"Accept": "text/event-stream", **({} if last is None else {"Last-Event-ID": last})}
            answer: Answer = yield Open(Request("GET", f"{API}{path}", query, headers))
            if answer.status >= REFUSED:
                raise problem_of(answer)
            if answer.status == OVER:
                return
            reader = EventReader()
            while chunk := (yield Read()):
                for event in reader.feed(chunk):
                    last = event.id or last
                    yield Emit(event)
                last = reader.last_id or last
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
