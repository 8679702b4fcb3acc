"""What obstore says when a request fails, in our own words: never with an address, a body or a credential."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from media_analysis.errors import DiskFull, MediaAnalysisError, ObjectMissing, StoreUnavailable

_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>|\(code: (\w{1,64})\)")
_FULL: Final = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"})
_INSUFFICIENT_STORAGE: Final = "507"
_NOT_SATISFIABLE: Final = "416"
_TIMED_OUT: Final = ("operation timed out", "TimedOut", "kind: Timeout")
_REASONS: Final[Mapping[type[Exception], str]] = {
    AlreadyExistsError: "the name is taken",
    InvalidPathError: "the bucket holds a name that is no path",
    ValueError: "the name is none that the bucket takes",
}
_UNREACHED: Final = {
    "its certificate is not trusted": ("InvalidCertificate", "CERTIFICATE_VERIFY_FAILED"),
    "it does not speak TLS": ("InvalidMessage", "WRONG_VERSION_NUMBER"),
    "its host has no address": ("dns error", "Errno -2", "Errno -3", "Errno -5"),
    "nothing listens there": ("ConnectionRefused", "Errno 111", "All connection attempts failed"),
}
"""What keeps a connection from coming about, by the words of obstore and of httpx."""
_MACHINE: Final = re.compile(
    r"://(?:169\.254\.\d+\.\d+|[^/\s]+/latest/(?:api/token|meta-data/)|metadata\.google\.internal)"
)
"""Where obstore asks the machine it runs on for keys, if none are told."""
AGAIN: Final = frozenset({429, 500, 502, 503, 504})
"""What a bucket answers to requests of our own that may take it a moment later."""
_NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound"})
_NO_OBJECT: Final = frozenset({"NoSuchUpload", *_NO_BUCKET})
"""What else is missing: the parts of an object, once it was put together and the answer to that was lost."""


@contextmanager
def translated(key: str = "") -> Iterator[None]:
    """Turn what a request for an object fails with into our own errors.

    Raises:
        ObjectMissing: the bucket has no such object.
        DiskFull: its quota leaves no room.
        StoreUnavailable: whatever else; its reason is short.

    """
    try:
        yield
    except (BaseError, FileNotFoundError, ValueError, httpx.HTTPError) as error:
        raise translate(error, key) from None  # what it was carries addresses, and may carry more


def translate(error: Exception, key: str = "") -> MediaAnalysisError:
    """Return our own error for what obstore or httpx said."""
    told = str(error)
    status, code = _status(told), _code(told)
    if code in _FULL or status == _INSUFFICIENT_STORAGE:
        return DiskFull()
    if is_absent(error):
        return ObjectMissing(key)
    return StoreUnavailable(_reason(error, told, status, code))


def failure_of(answer: httpx.Response) -> MediaAnalysisError:
    """Return our own error for an answer that is no success."""
    return translate(httpx.HTTPError(f"status code: {answer.status_code} {answer.text}"))


def is_absent(error: Exception) -> bool:
    """Say whether an object is not there, in a bucket that is."""
    return isinstance(error, FileNotFoundError) and _code(str(error)) not in _NO_OBJECT


def nothing_there(error: BaseError) -> memoryview:
    """Return the bytes of a range that begins where an object has ended; whatever else it is, is raised again."""
    if _status(str(error)) == _NOT_SATISFIABLE:
        return memoryview(b"")
    raise error


def _reason(error: Exception, told: str, status: str, code: str) -> str:
    answer = " ".join(filter(None, (status, code)))
    if _MACHINE.search(told):
        return "no keys are told, and this machine gives none"
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or status in {"401", "403"}:
        return f"the bucket refuses us: {answer}"
    if isinstance(error, httpx.TimeoutException) or any(word in told for word in _TIMED_OUT):
        return "the bucket did not answer in time"
    if code in _NO_BUCKET:
        return "the bucket does not exist"
    if answer:
        return f"the bucket answered {answer}"
    return _REASONS.get(type(error)) or ": ".join(filter(None, ("the bucket cannot be reached", _unreached(told))))


def _unreached(told: str) -> str:
    return next((reason for reason, words in _UNREACHED.items() if any(word in told for word in words)), "")


def _status(told: str) -> str:
    found = _STATUS.search(told)
    return "" if found is None else found[1]


def _code(told: str) -> str:
    found = _CODE.search(told)
    return "" if found is None else found[1] or found[2]
