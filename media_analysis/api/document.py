"""The OpenAPI document: what FastAPI makes of the routes, in words and with facts that clients are generated from."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from media_analysis.api.errors import ProblemRead
from media_analysis.api.uploads import FORM

METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
Operation = dict[str, Any]


def operation_id(route: APIRoute) -> str:
    """Return the name clients call a route by: that of its function, which says what it does to what."""
    return f"head_{route.name}" if route.methods == {"HEAD"} else route.name


def location(description: str) -> Operation:
    """Return the headers of an answer that tells where what it is about can be read."""
    return {"Location": {"description": description, "schema": {"type": "string"}}}


def install_document(app: FastAPI, *, root_path: str = "") -> None:
    """Serve the document with the problems it refers to, and without what is said twice or cannot be sent."""
    app.servers = [{"url": root_path}] if root_path else []
    # The class's own: fastapi-problem has put another on the application, which names schemas that are not there.
    describe = partial(type(app).openapi, app)

    def refined() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = describe()
            document["components"]["schemas"] |= {"Problem": ProblemRead.model_json_schema(), "UploadForm": FORM}
            for operation in _operations(document):
                for parameter in operation.get("parameters", ()):
                    _refine(parameter)
        return describe()

    app.openapi = refined  # type: ignore[method-assign]


def _operations(document: dict[str, Any]) -> Iterator[Operation]:
    for item in document["paths"].values():
        yield from (operation for method, operation in item.items() if method in METHODS)


def _refine(parameter: dict[str, Any]) -> None:
    """Take null out: a parameter that is not wanted is left out of a query. What must be given says so itself.

    A reference stands alone: of one with more beside it some generators make no type.
    """
    schema = parameter["schema"]
    if schema.pop("x-required", False):
        parameter["required"] = True
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema = {**kinds[0], **schema}
    elif kinds:
        schema["anyOf"] = kinds
    parameter["schema"] = {"$ref": schema["$ref"]} if "$ref" in schema else schema
