"""Uploads a file by every form of `requests` or `httpx`: `upload.py LIBRARY RAW FORM TOKEN FILE`, an answer a line."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import requests


def pieces(path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as content:
        while piece := content.read(100_000):
            yield piece


def by_requests(raw: str, form: str, token: str, path: str) -> Iterator[str]:
    headers, content = {"Authorization": f"Bearer {token}"}, Path(path).read_bytes()
    yield requests.post(raw, data=content, headers=headers, timeout=60).text
    yield requests.post(raw, data=pieces(path), headers=headers, timeout=60).text
    with Path(path).open("rb") as opened:
        yield requests.post(raw, data=opened, headers=headers, timeout=60).text
        opened.seek(0)
        yield requests.post(form, data={"category": "temp"}, files={"file": opened}, headers=headers, timeout=60).text


def by_httpx(raw: str, form: str, token: str, path: str) -> Iterator[str]:
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        yield client.post(raw, content=Path(path).read_bytes()).text
        yield client.post(raw, content=pieces(path)).text
        with Path(path).open("rb") as opened:
            yield client.post(form, data={"category": "temp"}, files={"file": opened}).text
            opened.seek(0)
            named = {"file": ('ä "b".mp4', opened, "video/mp4")}
            yield client.post(form, data={"category": "temp"}, files=named).text


for answer in {"requests": by_requests, "httpx": by_httpx}[sys.argv[1]](*sys.argv[2:]):
    sys.stdout.write(f"{answer}\n")
