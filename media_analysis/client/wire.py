"""What both clients share: how they reach the server, and what of HTTP they read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import httpx

from media_analysis.client.addresses import address
from media_analysis.client.errors import NotUnderstood, Unreachable
from media_analysis.client.steps import Answer, Request

TIMEOUT_SECONDS: Final = 60.0
"""For a server to take, or to send, anything at all."""
CONNECT_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 60.0
LARGEST_DOCUMENT_BYTES: Final = 64 * 2**20
REFUSED: Final = 400


def options(url: str, token: str, timeout_seconds: float, **transport: Any) -> dict[str, Any]:
    """Return how httpx is to reach a server.

    Raises:
        ValueError: the address is none, or the token cannot be sent.

    """
    return {
        "base_url": address(url),
        "headers": {
            "Authorization": f"Bearer {_sendable(token)}",
            "Accept-Encoding": "identity",  # bytes are counted, and asked for again, as they are stored
            "User-Agent": _agent(),
        },
        "timeout": httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds), pool=None),
        "follow_redirects": False,  # a token is for one server
        **transport,
    }


def made(http: httpx.Client | httpx.AsyncClient, request: Request, content: Any) -> httpx.Request:
    """Return a request as httpx sends it; `content` is its body, bytes or what yields them."""
    headers = dict(request.headers)
    if not isinstance(request.body, bytes):
        headers["Content-Length"] = str(request.body.size_bytes)
    made = http.build_request(
        request.method, request.path, params=request.query or None, headers=headers, content=content or None
    )
    if not request.path.startswith("/"):
        made.headers.pop("Authorization", None)
    return made


def answer_of(response: httpx.Response, content: bytes = b"") -> Answer:
    """Return the head of an answer, and its content where that was read."""
    return Answer(response.status_code, _headers(response), content)


def grown(content: bytearray, chunk: bytes) -> bytearray:
    """Return content with a chunk more.

    Raises:
        NotUnderstood: no document of ours is so large.

    """
    content += chunk
    if len(content) > LARGEST_DOCUMENT_BYTES:
        raise NotUnderstood("the server's answer does not end")
    return content


@contextmanager
def translated() -> Iterator[None]:
    """Raise what goes wrong on the way in words of ours."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
        raise Unreachable(f"the server cannot be reached: {_reason(error)}", is_unsent=True) from error
    except httpx.TimeoutException as error:
        raise Unreachable("the server does not answer in time") from error
    except (httpx.TransportError, httpx.StreamError) as error:
        raise Unreachable(f"the connection broke: {_reason(error)}") from error
    except httpx.DecodingError as error:
        raise NotUnderstood("the server's answer cannot be decoded") from error


def _headers(response: httpx.Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _sendable(token: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("the token must be what was printed when it was made: letters and digits, in one piece")
    return token


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _agent() -> str:
    try:
        return f"media-analysis/{version('media-analysis')}"
    except PackageNotFoundError:
        return "media-analysis"
