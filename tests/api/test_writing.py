"""What goes out to a client in one piece, and what does not wait for more."""

import asyncio
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import uvloop
from starlette.responses import StreamingResponse
from starlette.routing import Route

from media_analysis.api.writing import JoiningTransport
from media_analysis.storage.reading import FileRegion
from tests.api.raw import PATIENCE, plain_app, served

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Written(asyncio.Transport):
    """Takes down what is written, each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.pieces.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.fixture
async def written() -> Written:
    return Written()


@pytest.fixture
async def joining(written: Written) -> JoiningTransport:
    return JoiningTransport(written, asyncio.get_running_loop())


async def test_a_head_goes_out_with_its_body(written: Written, joining: JoiningTransport) -> None:
    joining.write(HEAD)
    joining.write(b"body")
    joining.write(b"more")
    await asyncio.sleep(0)

    assert written.pieces == [HEAD + b"body", b"more"]


async def test_a_head_without_a_body_goes_out_at_the_loops_next_turn(
    written: Written, joining: JoiningTransport
) -> None:
    joining.write(HEAD)
    held = joining.get_write_buffer_size()
    await asyncio.sleep(0)

    assert held == len(HEAD)
    assert written.pieces == [HEAD]


async def test_a_head_goes_out_before_a_connection_is_closed_but_not_where_it_is_broken_off(
    written: Written, joining: JoiningTransport
) -> None:
    joining.write(HEAD)
    joining.close()

    assert written.pieces == [HEAD]

    joining.write(HEAD)
    joining.abort()
    await asyncio.sleep(0)

    assert written.pieces == [HEAD]


@pytest.mark.parametrize("is_gone_before", [True, False])
def test_a_region_for_a_client_that_leaves_keeps_no_file_open(tmp_path: Path, *, is_gone_before: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")

    async def send() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ours)
        joining = JoiningTransport(transport, loop)
        with theirs, path.open("rb") as file, ThreadPoolExecutor(1) as threads:
            if is_gone_before:
                joining.abort()
            joining.write(FileRegion(file.fileno(), 0, 7, threads))
            joining.abort()
            sending = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*sending, return_exceptions=True)

    uvloop.run(send())

    assert path.resolve() not in {one.resolve() for one in Path("/proc/self/fd").iterdir()}


async def test_the_head_of_an_answer_whose_body_takes_its_time_does_not_wait_for_it() -> None:
    going_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        await going_on.wait()
        yield b"at last"

    app = plain_app()
    app.router.routes.insert(0, Route("/slow", lambda _: StreamingResponse(slowly())))

    async with served(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        going_on.set()
        body = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), PATIENCE)
        writer.close()

    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"at last" in body
