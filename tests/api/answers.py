"""Reading answers: what a problem says, after making sure that it is a proper problem, and what tells two apart."""

from typing import Any
from uuid import uuid4

import httpx

from tests.conftest import Client


def problem_in(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem document of an answer (RFC 9457)."""
    assert answer.headers["content-type"] == "application/problem+json", (answer.status_code, answer.text)
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:media-analysis:problem:{problem['code']}"
    assert problem["title"]
    return problem


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and the code of a problem."""
    return answer.status_code, problem_in(answer)["code"]


def without_ids(answer: httpx.Response, *ids: str) -> str:
    """Return the body of an answer with every given id blanked out."""
    text = answer.text
    for known in ids:
        text = text.replace(known, "-")
    return text


async def differences(client: Client, routes: list[tuple[str, str, dict[str, Any]]], foreign: str) -> list[str]:
    """Return the routes whose answer tells a foreign id from an unknown one."""
    found = []
    for method, path, about in routes:
        unknown = str(uuid4())
        theirs = await client.request(method, path.format(id=foreign), **about)
        nobodys = await client.request(method, path.format(id=unknown), **about)
        same_body = without_ids(theirs, foreign) == without_ids(nobodys, unknown)
        silent = {name for name in theirs.headers if name not in nobodys.headers}
        if theirs.status_code != nobodys.status_code or not same_body or silent or theirs.status_code < 400:
            found.append(f"{method} {path}: {theirs.status_code} {theirs.text} / {nobodys.status_code} {nobodys.text}")
    return found
