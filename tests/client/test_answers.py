"""What the server says: values, errors in its words, lists page by page, events each once."""

import asyncio
import inspect
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import ClassVar
from uuid import UUID

import pytest

from media_analysis.client import (
    AsyncClient,
    Client,
    Conflict,
    File,
    Invalid,
    NotFound,
    NotUnderstood,
    Problem,
    Unauthorized,
    Unreachable,
    requests,
)
from media_analysis.client.answers import read
from media_analysis.client.events import EventReader
from tests.client.line import line_to
from tests.client.server import Served

FILE = {
    "id": "01900000-0000-7000-8000-000000000001",
    "owner": "alice",
    "category": "uploads",
    "state": "stored",
    "filename": "a.txt",
    "media_type": "text/plain",
    "size_bytes": 1,
    "sha256": None,
    "created_at": "2026-11-30T00:00:00Z",
    "expires_at": None,
}


def test_refusals_are_told_in_the_servers_words(server: Served, alice: Client) -> None:
    file = alice.upload(b"some bytes", filename="a.txt")
    alice.hold_file(file.id, "case 17")

    with pytest.raises(Conflict, match="may not be deleted yet") as held:
        alice.delete_file(file.id)
    with pytest.raises(NotFound, match="no such file"):
        alice.file(UUID(int=7))
    with pytest.raises(Invalid, match=r"query\.category: ") as invalid:
        list(alice.files(category="films"))
    with pytest.raises(Unauthorized), Client(server.url, "mas_nobody") as nobody:
        nobody.session()
    alice.release_file(file.id)

    assert held.value.type == "urn:media-analysis:problem:file_held"
    assert (held.value.title, held.value.status, held.value.facts["rule"]) == ("File held", 409, "hold")
    assert invalid.value.facts["errors"][0]["field"] == "query.category"
    assert alice.delete_file(file.id) is None


def test_a_file_is_changed_listed_page_by_page_and_deleted_by_a_filter(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "PAGE", 2)
    made = [alice.upload(b"x", filename=f"{number}.txt", labels={"event": "evt42"}) for number in range(5)]
    ends_at = datetime(2035, 1, 1, tzinfo=UTC)

    renamed = alice.update_file(made[0].id, filename="at-sea.txt", labels={"camera": "north"}, expires_at=ends_at)
    listed, some = list(alice.files(labels={"event": "evt42"})), list(alice.files(limit=3))
    known = alice.check([(file.sha256 or "", 1) for file in made[:1]] + [("0" * 64, 1)])
    counted = alice.delete_files(labels=["event:evt42", "!camera"])
    deleted = alice.delete_files(labels=["event:evt42", "!camera"], dry_run=False, confirm=counted.needs)

    assert (renamed.filename, renamed.expires_at) == ("at-sea.txt", ends_at)
    assert renamed.labels == {"event": "evt42", "camera": "north"}
    assert [file.id for file in listed] == [file.id for file in reversed(made)]
    assert [file.id for file in some] == [file.id for file in made[:1:-1]]
    assert [one.file_id is None for one in known] == [False, True]
    assert (counted.dry_run, counted.files, deleted.files) == (True, 4, 4)
    assert [file.id for file in alice.files()] == [made[0].id]


def test_a_job_is_followed_over_a_line_that_is_cut(server: Served, alice: Client) -> None:
    film = (Path(__file__).parents[2] / "examples" / "a-day-at-sea.mp4").read_bytes()
    source = alice.upload(film, filename="sea.mp4")
    job = alice.create_job("frames", source_file_ids=[source.id], parameters={"count": 3}, ttl=timedelta(hours=1))

    with line_to(server.url, down_cuts=[500]) as line, server.client(url=line.url) as client:
        events = list(client.job_events(job.id))
    ended = alice.wait_for_job(job.id)

    assert line.cuts == 1
    assert [int(event.id) for event in events] == list(range(1, len(events) + 1))
    assert events[-1].data["status"] == "completed"
    assert (ended.status, ended.is_over) == ("completed", True)
    assert [file.role for file in alice.job_files(job.id, category="frames")] == ["frame"] * 3
    assert [result.kind for result in alice.job_results(job.id)] == ["frames"]
    assert alice.delete_job(job.id).files >= 3


def test_what_happens_is_told_over_a_line_that_is_cut_nothing_twice_and_nothing_left_out(
    server: Served, alice: Client
) -> None:
    with line_to(server.url, down_cuts=[2_500, 5_000]) as line, server.client(url=line.url) as client:
        happening = client.events(types=["file.stored"], labels=["event"], after="0")
        made = [alice.upload(b"x", filename=f"{number}.txt", labels={"event": "evt42"}) for number in range(10)]
        alice.upload(b"x", filename="other.txt")
        told = [next(happening) for _ in made]

    assert line.cuts == 2
    assert [event.data["file_id"] for event in told] == [str(file.id) for file in made]
    assert {event.kind for event in told} == {"file.stored"}


async def test_both_clients_do_the_same(server: Served) -> None:
    def offered(client: type) -> dict[str, str]:
        return {
            name: str(inspect.signature(inspect.unwrap(method)).parameters)
            for name, method in vars(client).items()
            if not name.startswith("_") and name not in {"run", "close"}
        }

    async with AsyncClient(server.url, server.token) as client:
        made = await client.upload(b"some bytes", filename="a.txt")
        listed = [file async for file in client.files()]

    assert listed == [made]
    assert offered(Client) == offered(AsyncClient)
    assert len(offered(Client)) > 20


def opened_files() -> set[str]:
    return {str(link.resolve()) for link in Path("/proc/self/fd").iterdir()}


async def test_what_is_cancelled_lets_go_of_its_file_and_its_connection(server: Served, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(8_000_000))
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    async with AsyncClient(server.url, server.token) as client:
        sending = asyncio.create_task(
            client.upload(path, told=lambda done: loop.call_soon_threadsafe(began.set) if done > 1_000_000 else None)
        )
        await began.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        stored = [file async for file in client.files(state="stored")]

    assert sending.cancelled()
    assert stored == []
    assert str(path) not in opened_files()


def test_who_does_not_answer_is_given_up_after_the_patience_one_has() -> None:
    began = monotonic()

    with (
        pytest.raises(Unreachable, match="cannot be reached"),
        Client("http://127.0.0.1:1", "mas_x", patience_seconds=0.5) as client,
    ):
        client.session()

    assert 0.1 < monotonic() - began < 30


class Busy(BaseHTTPRequestHandler):
    """Answers 503 at first, and then what is no such server's."""

    asked: ClassVar[list[float]] = []
    paths: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(monotonic())
        self.paths.append(self.path)
        self.send_response(503 if len(self.asked) == 1 else 200)
        self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"no")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class calls it
        """Say nothing."""


def test_a_server_that_asks_for_time_gets_it_and_one_of_another_kind_is_told_apart() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as busy:
        Thread(target=busy.serve_forever, daemon=True).start()
        with Client(f"http://127.0.0.1:{busy.server_port}/media/", "mas_x") as client, pytest.raises(NotUnderstood):
            client.session()
        busy.shutdown()

    assert len(Busy.asked) == 2
    assert Busy.asked[1] - Busy.asked[0] >= 1
    assert set(Busy.paths) == {"/media/api/v1/sessions/me"}, "a server may be shown below a path"


def test_what_a_later_server_tells_besides_is_no_error_and_what_is_missing_is() -> None:
    told = read(File, FILE | {"colour": "blue"})

    assert (told.filename, told.document["colour"]) == ("a.txt", "blue")
    for wrong in ({"id": "nobody"}, {"filename": 7}, {"created_at": None}):
        with pytest.raises(NotUnderstood):
            read(File, FILE | wrong)
    with pytest.raises(NotUnderstood):
        read(File, {"id": FILE["id"]})


def test_events_are_put_together_however_their_bytes_come() -> None:
    text = ': hello\r\nretry: 500\n\nid: 1\nevent: status\ndata: {"a":\ndata: "ü"}\n\n: more\n\nid: 2\ndata: 1\n\n'
    text += ": 15 s\nid: 3\n\n"
    stream = text.encode()

    for size in (1, 7, len(stream)):
        reader = EventReader()
        chunks = (stream[start : start + size] for start in range(0, len(stream), size))
        events = [event for chunk in chunks for event in reader.feed(chunk)]
        assert [(event.id, event.kind, event.data) for event in events] == [
            ("1", "status", {"a": "ü"}),
            ("2", "message", 1),
        ]
        assert reader.last_id == "3", "an id alone is where a reader goes on"
        assert list(reader.feed(b"data: 2\nid: 4\n")) == []
        assert reader.last_id == "3", "an event that is cut off was not read"
        assert reader.reconnect_seconds == 0.5


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8000", "ftp://a", "http://", "http://user:secret@a", "http://a?token=secret", "http://a:99999"],
)
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="the server's address") as refused:
        Client(url, "mas_x")

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("token", ["", "mas_x\r\nX-Evil: 1", "mas_ü", "a b"])
def test_a_token_that_is_none_is_refused_without_being_repeated(token: str) -> None:
    with pytest.raises(ValueError, match="the token must be") as refused:
        Client("http://127.0.0.1:1", token)

    assert token == "" or token not in str(refused.value)


def test_a_token_is_in_no_error(server: Served) -> None:
    with pytest.raises(Problem) as refused, Client(server.url, "mas_wrong-token") as client:
        client.session()

    assert "mas_wrong-token" not in f"{refused.value!r}{refused.value.facts}"
