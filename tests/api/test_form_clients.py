"""Forms as real clients send them, over a connection: every byte and every name arrives."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.api.conftest import Remains
from tests.api.raw import PATIENCE, served
from tests.conftest import Client

CONTENT = bytes(range(256)) * 4096 + b"\r\n--"
NAME = 'caf\xe9 "1" \N{CLAPPER BOARD}.mp4'
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
async def url(app: FastAPI) -> AsyncIterator[str]:
    async with served(app) as port:
        yield f"http://127.0.0.1:{port}/api/v1/files"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "b.mp4").write_bytes(b"another")
    (tmp_path / "a.mp4").write_bytes(CONTENT)
    return tmp_path / "a.mp4"


async def output(*command: str, content: bytes | None = None) -> Any:
    stdin = None if content is None else asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=stdin, stdout=asyncio.subprocess.PIPE)
    answer, _ = await child.communicate(content)
    return json.loads(answer)


def facts(stored: dict[str, Any]) -> tuple[str, ...]:
    return tuple(stored.get(name, stored.get("detail", "")) for name in ("category", "filename", "sha256"))


CURL = {
    "plain": (["-F", "category=temp", "-F", "file=@{path}"], "a.mp4"),
    "named": (["-F", "category=temp", "-F", f"file=@{{path}};filename={NAME};type=video/mp4"], NAME),
    "quoted": (["-F", "category=temp", "-F", 'file=@"{path}";filename="a\\"b;c.mp4"'], 'a"b;c.mp4'),
    "escaped": (["--form-escape", "-F", "category=temp", "-F", f"file=@{{path}};filename={NAME}"], NAME),
    "typed field": (["-F", "category=temp;type=text/plain; charset=utf-8", "-F", "file=@{path}"], "a.mp4"),
    "as a field": (["--form-string", "category=temp", "-F", "file=<{path}", "-F", "filename=late.mp4"], "late.mp4"),
    "piped": (["-F", "category=temp", "-F", "file=@-;filename=b.mp4"], "b.mp4"),
    "headed": (["-F", "category=temp", "-F", 'file=@{path};headers="X-Note: one"'], "a.mp4"),
    "binary": (["-F", "category=temp", "-F", "file=@{path};encoder=binary"], "a.mp4"),
    "chunked": (["-H", "Transfer-Encoding: chunked", "-F", "category=temp", "-F", "file=@{path}"], "a.mp4"),
    "late": (["-F", "category=temp", "-F", "file=@{path}", "-F", "ttl_seconds=60", "-F", "expires_at="], "a.mp4"),
}
WRONG_CURL = {
    "base64": ["-F", "category=temp", "-F", "file=@{path};encoder=base64"],
    "quoted-printable": ["-F", "category=temp;encoder=quoted-printable", "-F", "file=@{path}"],
    "two in one": ["-F", "category=temp", "-F", "file=@{path},{other}"],
    "two": ["-F", "category=temp", "-F", "file=@{path}", "-F", "file=@{other}"],
}


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
async def test_curl_sends_forms_in_all_its_ways(client: Client, url: str, path: Path, remains: Remains) -> None:
    head = ["curl", "-sS", "-H", f"Authorization: Bearer {client.tokens['alice']}", url]

    async def sent(arguments: list[str]) -> Any:
        named = [part.format(path=path, other=path.with_name("b.mp4")) for part in arguments]
        return await output(*head, *named, content=CONTENT if "file=@-;filename=b.mp4" in named else None)

    stored = {name: facts(await sent(arguments)) for name, (arguments, _) in CURL.items()}
    kept = await remains()
    refused = {name: (await sent(arguments))["code"] for name, arguments in WRONG_CURL.items()}

    assert stored == {name: ("temp", filename, SHA256) for name, (_, filename) in CURL.items()}
    assert refused == dict.fromkeys(WRONG_CURL, "invalid_request")
    assert await remains() == kept


NODE = """
const [url, token, path, name] = process.argv.slice(1);
const form = new FormData();
form.append('category', 'temp');
form.append('ttl_seconds', '');
form.append('file', new Blob([require('fs').readFileSync(path)], {type: 'video/mp4'}), name);
form.append('expires_at', 'never');
fetch(url, {method: 'POST', body: form, headers: {Authorization: `Bearer ${token}`}})
  .then(answer => answer.text()).then(text => console.log(text));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
async def test_a_browsers_form_data_arrives(client: Client, url: str, path: Path) -> None:
    stored = await output("node", "-e", NODE, url, client.tokens["alice"], str(path), NAME)

    assert facts(stored) == ("temp", NAME, SHA256)
    assert stored["expires_at"] is None


async def test_python_clients_send_fields_before_or_after_the_file(client: Client, url: str) -> None:
    requests = pytest.importorskip("requests")
    headers = {"Authorization": f"Bearer {client.tokens['alice']}"}
    fields = {"category": "temp", "ttl_seconds": ""}

    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        by_httpx = await http.post(url, data=fields, files={"file": (NAME, CONTENT, "video/mp4")}, headers=headers)
    by_requests = await asyncio.to_thread(
        requests.post, url, data=fields, files={"file": (NAME, CONTENT)}, headers=headers, timeout=PATIENCE
    )
    unordered = await asyncio.to_thread(
        requests.post,
        f"{url}?category=temp",
        files=[("file", (NAME, CONTENT)), ("ttl_seconds", (None, "60"))],
        headers=headers,
        timeout=PATIENCE,
    )

    answers = [by_httpx.json(), by_requests.json(), unordered.json()]
    assert [facts(answer) for answer in answers] == [("temp", NAME, SHA256)] * 3


DOT_NET = (
    'multipart/form-data; boundary="5f8e-1"',
    (
        b"--5f8e-1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=category\r\n\r\n"
        b"temp\r\n--5f8e-1\r\nContent-Type: video/mp4\r\nContent-Disposition: form-data; name=file; "
        b"filename=\"=?utf-8?B?Y2Fmw6kubXA0?=\"; filename*=utf-8''caf%C3%A9.mp4\r\n\r\n%b\r\n--5f8e-1--\r\n"
    ),
)
APACHE = (
    "multipart/form-data; boundary=Qx_7-Zk; charset=ISO-8859-1",
    (
        b'--Qx_7-Zk\r\nContent-Disposition: form-data; name="category"\r\nContent-Type: text/plain; charset=ISO-8859-1'
        b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\ntemp\r\n"
        b'--Qx_7-Zk\r\nContent-Disposition: form-data; name="filename"\r\nContent-Type: text/plain; charset=ISO-8859-1'
        b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\ncaf\xe9.mp4\r\n"
        b'--Qx_7-Zk\r\nContent-Disposition: form-data; name="file"; filename="caf?.mp4"\r\nContent-Type: video/mp4'
        b"\r\nContent-Transfer-Encoding: binary\r\n\r\n%b\r\n--Qx_7-Zk--\r\n"
    ),
)
MAIL_API = (
    'multipart/form-data; boundary="----=_Part_0_1234.5678"',
    (
        b"\r\n------=_Part_0_1234.5678\r\nContent-Type: text/plain\r\n"
        b'Content-Disposition: form-data; name="category"\r\n\r\ntemp\r\n'
        b"------=_Part_0_1234.5678\r\nContent-Type: video/mp4; name=x\r\nContent-Length: 7\r\n"
        b"Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''caf%C3%A9.mp4\r\n\r\n%b\r\n"
        b"------=_Part_0_1234.5678--"
    ),
)
BROWSER = (
    "multipart/form-data; boundary=----WebKitFormBoundaryAbC",
    (
        b'------WebKitFormBoundaryAbC\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nUTF-8\r\n'
        b'------WebKitFormBoundaryAbC\r\nContent-Disposition: form-data; name="category"\r\n\r\ntemp\r\n'
        b'------WebKitFormBoundaryAbC\r\nContent-Disposition: form-data; name="job_id"\r\n\r\n\r\n'
        b'------WebKitFormBoundaryAbC\r\nContent-Disposition: form-data; name="file"; filename="caf\xc3\xa9.mp4"\r\n'
        b"Content-Type: video/mp4\r\n\r\n%b\r\n------WebKitFormBoundaryAbC--\r\n"
    ),
)


@pytest.mark.parametrize("form", [DOT_NET, APACHE, MAIL_API, BROWSER], ids=["dot net", "apache", "mail api", "browser"])
async def test_forms_are_understood_as_other_clients_spell_them(client: Client, form: tuple[str, bytes]) -> None:
    content_type, body = form

    answer = await client.request(
        "POST", "/api/v1/files", content=body.replace(b"%b", CONTENT), headers={"Content-Type": content_type}
    )

    assert facts(answer.json()) == ("temp", "caf\xe9.mp4", SHA256)
