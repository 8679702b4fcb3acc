"""The reference of the API names every route there is, and no other."""

import re

import httpx

from tests.acceptance.service import DEADLINE_SECONDS
from tests.docs.conftest import Reader
from tests.docs.pages import ROOT

ROUTE = re.compile(r"^\| `(?P<methods>[A-Z, ]+) (?P<path>/\S*)` \|", re.MULTILINE)
OUTSIDE = {"/healthz", "/readyz", "/metrics", "/links/{reference}/{filename}"}


def test_every_route_is_on_the_page(reader: Reader) -> None:
    document = httpx.get(f"http://{reader.address}/openapi.json", timeout=DEADLINE_SECONDS).json()
    served = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}

    page = (ROOT / "docs" / "reference" / "api.md").read_text()
    named = {
        (method, path if path in OUTSIDE else f"/api/v1{path}")
        for methods, path in ROUTE.findall(page)
        for method in methods.split(", ")
    }
    assert named == served
