"""The page at /docs, and what a browser may do with any answer."""

import asyncio
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI

from tests.api.raw import served
from tests.browser import find_chromium
from tests.conftest import Client

QUIET = "--no-sandbox --disable-background-networking --disable-component-update --disable-sync --no-first-run"
POLICY = re.compile(r"default-src 'none'; script-src 'self' ('sha256-[A-Za-z0-9+/=]{44}'); .*frame-ancestors 'none'")


async def test_the_reference_page_runs_its_own_scripts_and_no_others(client: Client) -> None:
    page = await client.request("GET", "/docs", by=None)

    policy = POLICY.fullmatch(page.headers["content-security-policy"])
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page.text, re.DOTALL)
    inline = [content for attributes, content in scripts if "src=" not in attributes]
    assert policy is not None
    assert [f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'" for content in inline] == [policy[1]]
    assert re.findall(r"\son\w+=|javascript:", page.text) == []
    assert '"validatorUrl": null' in page.text


SHOWN = ["/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css", "/healthz", "/nowhere", "/api/v1/sessions/me"]


async def test_no_answer_is_guessed_at_or_framed(client: Client) -> None:
    file = await client.upload()
    paths = [*SHOWN, "/api/v1/files", "/api/v1/files/7", f"/api/v1/files/{file['id']}/content"]

    answers = {path: await client.request("GET", path) for path in paths}

    for path, answer in answers.items():
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["x-frame-options"] == "DENY", path
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
        assert "default-src 'none'" in answer.headers["content-security-policy"], path
        assert answer.headers["referrer-policy"] == "no-referrer", path


async def test_an_answer_with_a_token_is_stored_nowhere(client: Client) -> None:
    answer = await client.request("POST", "/api/v1/sessions", by="admin", json={"owner": "carol", "ttl_seconds": 60})

    assert answer.json()["token"].startswith("mas_")
    assert answer.headers["cache-control"] == "no-store"


async def test_the_reference_page_needs_no_other_host(client: Client) -> None:
    page = await client.request("GET", "/docs", by=None)
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert parts
    for part in parts:
        assert part.startswith("/")
        assert (await client.request("GET", part, by=None)).status_code == 200


async def test_a_browser_shows_every_route_and_refuses_nothing_of_the_page(app: FastAPI, tmp_path: Path) -> None:
    async with served(app) as port:
        child = await asyncio.create_subprocess_exec(
            *(
                find_chromium(),
                "--headless",
                *QUIET.split(),
                f"--user-data-dir={tmp_path}",
                "--virtual-time-budget=20000",
            ),
            *("--enable-logging=stderr", "--dump-dom", f"http://127.0.0.1:{port}/docs"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        page, log = await child.communicate()

    assert "opblock-summary" in page.decode()
    assert "/api/v1/files/{file_id}/content" in page.decode().replace("\u200b", "").replace("<wbr>", "")
    assert [line for line in log.decode().splitlines() if "Content Security Policy" in line] == []
