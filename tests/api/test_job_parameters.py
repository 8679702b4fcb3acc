"""What may be asked of media work: published with its bounds, and refused beyond them by name."""

from collections.abc import Mapping
from typing import Any

import pytest

from media_analysis.analysis.kinds import BUILT_IN
from tests.api.answers import problem_in, refusal
from tests.api.jobs import URL, create
from tests.conftest import Client

Schema = Mapping[str, Any]


async def published(client: Client, kind: str) -> dict[str, Schema]:
    """Return the parameters of a kind as OpenAPI shows them, by name; of those that may be null what they are else."""
    document = (await client.request("GET", "/openapi.json", by=None)).json()
    schemas = document["components"]["schemas"]
    parameters = schemas[BUILT_IN[kind].parameters.__name__]
    assert parameters["additionalProperties"] is False
    return {name: _unwrapped(schema, schemas) for name, schema in parameters.get("properties", {}).items()}


def _unwrapped(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    inner: Schema = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), {})
    reference = schema.get("$ref", "").rpartition("/")[2]
    return {**schemas.get(reference, {}), **inner, **schema}


def _is_bounded(schema: Schema) -> bool:
    match schema["type"]:
        case "integer" | "number":
            lower = "minimum" in schema or "exclusiveMinimum" in schema
            return lower and "maximum" in schema
        case "array":
            return "maxItems" in schema and _is_bounded(schema["items"])
        case "string":
            return "enum" in schema
        case other:
            return bool(other == "boolean")


EDGES: list[tuple[str, str, list[Any], list[Any]]] = [
    ("frames", "every_seconds", [0.000_001, 86_400], [0, -1, 86_400.1, "often"]),
    ("frames", "count", [1, 100_000], [0, 100_001, 1.5]),
    ("frames", "instants", [[0], [10_000_000], [0.5] * 10_000], [[], [-0.1], [10_000_000.1], [0.5] * 10_001, 3]),
    ("frames", "pages", [[1], [5, 2], [1] * 10_000], [[], [0], [1.5], [1] * 10_001, 3]),
    ("frames", "keyframes", [True, False], ["perhaps", 2]),
    ("frames", "scenes", [0.000_1, 1], [0, 1.1]),
    ("frames", "deinterlace", ["auto", "never"], ["always", True, None]),
    ("frames", "max_frames", [1, 100_000], [0, 100_001]),
    ("frames", "format", ["jpeg", "webp", "png"], ["gif", "JPEG", None]),
    ("frames", "quality", [1, 100], [0, 101]),
    ("frames", "max_width", [16, 16_384, None], [15, 16_385]),
    ("frames", "max_height", [16, 16_384, None], [15, 16_385]),
    ("analyze", "columns", [1, 20], [0, 21]),
    ("analyze", "rows", [1, 100, None], [0, 101]),
    ("analyze", "thumbnail_width", [64, 1_024], [63, 1_025]),
    ("analyze", "timestamps", [True, False], ["perhaps"]),
    ("analyze", "header", [True, False], [None]),
    ("analyze", "sheet_format", ["jpeg", "webp", "png"], ["bmp"]),
    ("analyze", "sheet_quality", [1, 100], [0, 101]),
    ("contact_sheet", "instants", [[0], [0.5] * 2_000], [[], [0.5] * 2_001]),
    ("contact_sheet", "every_seconds", [], [1.0]),
    ("preview", "every_seconds", [], [0, -1, "often"]),
    ("preview", "max_tiles", [1, 2_000], [0, 2_001]),
    ("preview", "tile_width", [32, 640], [31, 641]),
    ("preview", "poster_width", [16], [15, 16_385]),
    ("preview", "hover_width", [32, 1_024], [31, 1_025]),
    ("probe", "count", [], [1]),
]


@pytest.mark.parametrize("kind", sorted(BUILT_IN))
async def test_every_parameter_is_described_and_bounded(client: Client, kind: str) -> None:
    parameters = await published(client, kind)

    assert [name for name, schema in parameters.items() if not schema.get("description")] == []
    assert [name for name, schema in parameters.items() if not _is_bounded(schema)] == []


def test_every_parameter_has_its_edges_below() -> None:
    tried = {name for _, name, _, _ in EDGES}

    assert {name for kind in BUILT_IN.values() for name in kind.parameters.model_fields} <= tried


@pytest.mark.parametrize(("kind", "name", "good", "bad"), EDGES, ids=[f"{kind}.{name}" for kind, name, _, _ in EDGES])
async def test_a_parameter_is_taken_up_to_its_bounds_and_refused_beyond_by_name(
    client: Client, kind: str, name: str, good: list[Any], bad: list[Any]
) -> None:
    source = (await client.upload())["id"]
    asked: dict[str, Any] = {"name": "n", "kind": kind, "source_file_ids": [source]}

    for value in good:
        await create(client, **asked, parameters={name: value})
    refused = [await client.request("POST", URL, json={**asked, "parameters": {name: value}}) for value in bad]

    assert {refusal(answer) for answer in refused} == {(422, "invalid_request")} if bad else refused == []
    for answer in refused:
        assert any(f"parameters.{name}" in error["field"] for error in problem_in(answer)["errors"]), answer.text


async def test_the_text_about_the_most_frames_says_whose_they_are(client: Client) -> None:
    said = (await published(client, "analyze"))["max_frames"]["description"]

    assert said.startswith("Of all sources together")
