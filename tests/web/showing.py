"""Screens as a browser shows them, and names that would be markup if they could."""

import re
from typing import Any, Final

import httpx

MARKUP: Final = "<img src=x onerror=alert(1)>"
AS_TEXT: Final = "&lt;img src=x onerror=alert(1)&gt;"

DUE: Final = "UPDATE media_files SET expires_at = now() - interval '1 s', due_at = now() - interval '1 s'"
"""Lets every file be due now."""


async def shown(browser: httpx.AsyncClient, path: str, *, code: int = 200, **query: Any) -> str:
    """Return a screen as HTML, without its nonce, another each time; fails unless its status is `code`."""
    answer = await browser.get(path, params=query or None, headers={"Accept": "text/html"})
    assert answer.status_code == code, answer.text
    return re.sub(r' nonce="[\w-]{22}"', "", answer.text)
