"""Where a service stands, and whom it believes: bad values of that stop the start and say what is allowed."""

import pytest

from media_analysis.settings import load_settings, variables
from media_analysis.settings.names import leaves
from tests.settings.test_settings_refusals import refusal


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SERVER_ROOT_PATH", "media", "not a path"),
        ("SERVER_ROOT_PATH", "/a/../b", "not a path"),
        ("SERVER_ROOT_PATH", "/a b", "not a path"),
        ("SERVER_ROOT_PATH", "/api/media", "where the service itself answers"),
        ("SERVER_TRUSTED_PROXIES", "proxy.example", "not an address"),
        ("SERVER_TRUSTED_PROXIES", "10.0.0.1/8", "its last bits must be 0"),
        ("SERVER_TRUSTED_PROXIES", "127.0.0.1, ::/0", "everybody"),
        ("SERVER_ALLOWED_ORIGINS", "*", "not an origin"),
        ("SERVER_ALLOWED_ORIGINS", "app.example.org", "not an origin"),
        ("SERVER_ALLOWED_ORIGINS", "https://app.example.org/", "not an origin"),
        ("SERVER_ALLOWED_ORIGINS", "https://a@app.example.org", "not an origin"),
        ("SERVER_ALLOWED_ORIGINS", "https://app.example.org:65536", "not a port"),
        ("SERVER_ALLOWED_ORIGINS", "https://a.example,", "not an origin"),
    ],
)
def test_a_bad_place_is_named_quoted_and_told_what_is_allowed(name: str, value: str, reason: str) -> None:
    line = refusal(environ={name: value})

    assert line.startswith(f"{name} (environment) is {value!r}: ")
    assert reason in line
    assert line.endswith(f"; allowed: {leaves()[variables()[name]].kind.allowed}")


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("HTTPS://App.Example.org:443", ("https://app.example.org",)),
        ("http://a.example:80,https://a.example:8443", ("http://a.example", "https://a.example:8443")),
        ("http://[::1]:5173, http://[::1]:5173", ("http://[::1]:5173",)),
        ("none", ()),
    ],
)
def test_origins_are_kept_as_browsers_name_them(told: str, kept: tuple[str, ...]) -> None:
    assert load_settings(environ={"SERVER_ALLOWED_ORIGINS": told}).settings.server.allowed_origins == kept
