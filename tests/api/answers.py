"""Reading answers: what a problem says, after making sure that it is a proper problem."""

from typing import Any

import httpx


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
