"""The OpenAPI document: complete, valid, and true about problems."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from tests.conftest import Client

OPEN = {"/healthz", "/readyz", "/metrics"}
FREE = OPEN | {"/links/{reference}/{filename}"}
"""What needs no token."""
ADMIN = {
    ("post", "/api/v1/sessions"),
    ("patch", "/api/v1/sessions/{session_id}"),
    ("get", "/api/v1/storage/validate"),
    ("post", "/api/v1/storage/cleanup"),
    ("get", "/api/v1/storage/sweeps"),
    ("get", "/api/v1/storage/sweeps/{sweep_id}"),
    ("post", "/api/v1/storage/sweeps/{sweep_id}/undo"),
    ("post", "/api/v1/storage/pauses"),
    ("get", "/api/v1/storage/pauses"),
    ("post", "/api/v1/storage/pauses/{pause_id}/resume"),
    ("get", "/api/v1/storage/forecast"),
    ("get", "/api/v1/storage/pressure"),
    ("get", "/api/v1/storage/records"),
    ("get", "/api/v1/storage/records/{kind}/export"),
    ("post", "/api/v1/storage/pressure/relieve"),
    ("post", "/api/v1/storage/plans"),
    ("get", "/api/v1/storage/plans"),
    ("get", "/api/v1/storage/plans/{plan_id}"),
    ("get", "/api/v1/storage/plans/{plan_id}/files"),
    ("post", "/api/v1/storage/plans/{plan_id}/apply"),
    ("post", "/api/v1/storage/policies/apply"),
    ("post", "/api/v1/storage/policies/preview"),
    ("get", "/api/v1/audit"),
    ("get", "/api/v1/audit/export"),
    *((method, "/api/v1/links/keys") for method in ("get", "post")),
}
ROUTES = ADMIN | {
    *(("get", path) for path in OPEN),
    ("get", "/api/v1/sessions"),
    ("get", "/api/v1/sessions/me"),
    ("delete", "/api/v1/sessions/{session_id}"),
    ("post", "/api/v1/files"),
    ("get", "/api/v1/files"),
    ("delete", "/api/v1/files"),
    ("post", "/api/v1/files/check"),
    ("get", "/api/v1/files/{file_id}"),
    ("get", "/api/v1/files/{file_id}/content"),
    ("head", "/api/v1/files/{file_id}/content"),
    ("get", "/api/v1/files/{file_id}/frame"),
    ("get", "/api/v1/files/{file_id}/thumbnail"),
    ("patch", "/api/v1/files/{file_id}"),
    ("delete", "/api/v1/files/{file_id}"),
    *((method, "/api/v1/uploads") for method in ("get", "post")),
    *((method, "/api/v1/uploads/{upload_id}") for method in ("get", "head", "patch", "delete")),
    ("get", "/api/v1/storage/stats"),
    ("get", "/api/v1/files/{file_id}/retention"),
    ("get", "/api/v1/jobs/{job_id}/retention"),
    ("get", "/api/v1/jobs/{job_id}"),
    ("get", "/api/v1/jobs/{job_id}/events"),
    ("get", "/api/v1/events"),
    *((method, "/api/v1/webhooks") for method in ("get", "post")),
    *((method, "/api/v1/webhooks/{webhook_id}") for method in ("get", "patch", "delete")),
    *(("post", f"/api/v1/webhooks/{{webhook_id}}/{act}") for act in ("secret", "ping")),
    ("get", "/api/v1/webhooks/{webhook_id}/deliveries"),
    ("post", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"),
    ("get", "/api/v1/jobs/archived"),
    *((method, "/api/v1/jobs/{job_id}/archive") for method in ("get", "post")),
    *(
        (method, f"/api/v1/jobs/{{job_id}}/archive/{part}")
        for method in ("get", "head")
        for part in ("download", "files/{file_id}/content")
    ),
    ("patch", "/api/v1/jobs/{job_id}"),
    ("delete", "/api/v1/jobs/{job_id}"),
    *(
        (method, f"/api/v1/{kind}/{{{kind[:-1]}_id}}/hold")
        for method in ("put", "delete")
        for kind in ("files", "jobs")
    ),
    *(("post", f"/api/v1/{kind}/{{{kind[:-1]}_id}}/restore") for kind in ("files", "jobs")),
    *((method, "/api/v1/jobs") for method in ("get", "post", "delete")),
    *(
        ("post", f"/api/v1/jobs/{{job_id}}/{act}")
        for act in ("cancel", "retry", "heartbeat", "products", "finish", "fail")
    ),
    *(("get", f"/api/v1/jobs/{{job_id}}/{part}") for part in ("files", "results", "events")),
    *((method, "/api/v1/jobs/{job_id}/sources/{position}/content") for method in ("get", "head")),
    ("put", "/api/v1/jobs/{job_id}/results/{kind}"),
    ("post", "/api/v1/jobs/claims"),
    ("post", "/api/v1/files/{file_id}/links"),
    ("post", "/api/v1/uploads/links"),
    ("get", "/api/v1/links"),
    *((method, "/api/v1/links/{link_id}") for method in ("get", "delete")),
    *((method, "/links/{reference}/{filename}") for method in ("get", "head", "put", "post")),
    ("get", "/api/v1/results"),
    *((method, "/api/v1/results/{result_id}") for method in ("get", "patch")),
    ("get", "/api/v1/results/schemas/{kind}"),
    ("get", "/api/v1/deletions"),
    ("get", "/api/v1/storage/policies"),
}


@pytest.fixture
async def document(client: Client) -> dict[str, Any]:
    """The document as clients fetch it."""
    answer = await client.request("GET", "/openapi.json", by=None)
    assert answer.status_code == 200
    fetched: dict[str, Any] = answer.json()
    return fetched


async def test_the_document_describes_every_route(document: dict[str, Any]) -> None:
    operations = {
        (method, path): operation for path, item in document["paths"].items() for method, operation in item.items()
    }

    assert document["openapi"].startswith("3.1")
    assert operations.keys() == ROUTES
    for (method, path), operation in operations.items():
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["tags"], path
        assert operation["responses"], path
        assert bool(operation.get("security")) is (path not in FREE), path
        if path not in FREE:
            assert "401" in operation["responses"], path
        if (method, path) in ADMIN:
            assert "403" in operation["responses"], path
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []
    assert {"upload_file", "list_files", "read_content", "head_read_content", "create_job"} <= set(names)


async def test_the_document_has_the_version_of_the_package(document: dict[str, Any]) -> None:
    package = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert document["info"]["version"] == package["version"]


async def test_every_refusal_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                if status[0] in "45" and path not in OPEN:
                    assert response["content"].keys() == {"application/problem+json"}, (method, path, status)


async def test_every_schema_is_a_valid_schema(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator({**schema, "components": document["components"]})  # also resolves every reference
        assert schema.get("description"), name


async def test_every_reference_is_to_something(document: dict[str, Any]) -> None:
    asked = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)))

    assert asked - document["components"]["schemas"].keys() == set()


async def test_every_body_has_an_example_that_fits_it(document: dict[str, Any]) -> None:
    looked = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                schema = {**content["schema"], "components": document["components"]}
                named = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
                several = [told["value"] for told in content.get("examples", {}).values()]
                examples = several or named.get("examples") or [content["example"]]
                for example in examples:
                    Draft202012Validator(schema).validate(example)
                    looked += 1
                assert "json" not in kind or isinstance(examples[0], dict), (method, path)

    assert looked > 20


async def test_nothing_is_of_type_null_alone_and_no_parameter_takes_it(document: dict[str, Any]) -> None:
    def nulls(part: Any, place: str, parent: str) -> Iterator[str]:
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
            yield from nulls(inner, f"{place}/{key}", str(key) if isinstance(key, str) else parent)
        if isinstance(part, dict) and part.get("type") == "null" and (parent != "anyOf" or "/parameters/" in place):
            yield place

    assert list(nulls(document, "", "")) == []


async def test_nothing_is_there_of_which_generators_make_no_type(document: dict[str, Any]) -> None:
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    schemas = [parameter["schema"] for operation in operations for parameter in operation.get("parameters", ())]
    answers = [answer.get("content", {}) for operation in operations for answer in operation["responses"].values()]
    forms = [
        content["schema"]
        for operation in operations
        for kind, content in operation.get("requestBody", {}).get("content", {}).items()
        if kind == "multipart/form-data"
    ]

    assert [schema for schema in schemas if "$ref" in schema and len(schema) > 1] == []
    assert [content for content in answers if "*/*" in content and "application/octet-stream" not in content] == []
    assert forms == [{"$ref": "#/components/schemas/UploadForm"}]
    assert "code" in document["components"]["schemas"]["Problem"]["required"]


async def test_what_must_be_given_is_said_to_be_required(document: dict[str, Any]) -> None:
    upload = document["paths"]["/api/v1/files"]["post"]
    product = document["paths"]["/api/v1/jobs/{job_id}/products"]["post"]

    required = [
        {parameter["name"] for parameter in operation["parameters"] if parameter.get("required")}
        for operation in (upload, product)
    ]
    assert required == [{"category", "filename"}, {"job_id", "fence", "role", "filename"}]
    assert "x-required" not in str(document)


async def test_an_upload_says_both_ways_it_can_be_sent(document: dict[str, Any]) -> None:
    upload = document["paths"]["/api/v1/files"]["post"]

    assert upload["requestBody"]["content"].keys() == {"application/octet-stream", "*/*", "multipart/form-data"}
    assert {"201", "409", "413", "415", "422", "503", "507"} <= upload["responses"].keys()
    assert {parameter["name"].lower() for parameter in upload["parameters"]} >= {
        "category",
        "filename",
        "idempotency-key",
        "content-digest",
        "digest",
    }
    assert "Location" in upload["responses"]["201"]["headers"]


async def test_a_job_is_asked_for_with_the_parameters_of_its_kind(document: dict[str, Any]) -> None:
    creation = document["paths"]["/api/v1/jobs"]["post"]
    schemas = document["components"]["schemas"]

    requested = creation["requestBody"]["content"]["application/json"]["schema"]
    kinds = requested["discriminator"]["mapping"]
    parameters = {
        kind: schemas[reference.rpartition("/")[2]]["properties"]["parameters"]["$ref"].rpartition("/")[2]
        for kind, reference in kinds.items()
    }
    assert requested["discriminator"]["propertyName"] == "kind"
    assert parameters == {
        "probe": "ProbeOptions",
        "frames": "FrameOptions",
        "contact_sheet": "ContactSheetOptions",
        "analyze": "AnalyzeOptions",
        "preview": "PreviewOptions",
        "external": "ExternalParameters",
    }
    assert schemas["FrameOptions"]["properties"]["quality"]["maximum"] == 100
    assert "Location" in creation["responses"]["202"]["headers"]
    assert creation["responses"]["202"]["content"]["application/json"]["schema"]["$ref"].endswith("/JobRead")


async def test_a_job_comes_back_at_once_or_by_a_task(document: dict[str, Any]) -> None:
    responses = document["paths"]["/api/v1/jobs/{job_id}/restore"]["post"]["responses"]

    told = {
        status: responses[status]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for status in ("200", "202")
    }
    assert told == {"200": "RestorationRead", "202": "ArchiveTaskRead"}
    assert "Location" in responses["202"]["headers"]
    assert {"404", "409", "410", "422", "507"} <= responses.keys()


async def test_content_of_an_archived_file_is_announced_as_a_conflict(document: dict[str, Any]) -> None:
    for path in ("/api/v1/files/{file_id}", "/api/v1/files/{file_id}/content"):
        assert "`file_archived`" in document["paths"][path]["get"]["responses"]["409"]["description"], path


async def test_results_say_where_their_schemas_are(document: dict[str, Any]) -> None:
    described = document["paths"]["/api/v1/results"]["get"]["description"]

    assert "/api/v1/results/schemas/{kind}" in described
    assert "/api/v1/results/schemas/{kind}" in document["paths"]


async def test_the_headers_of_uploads_in_pieces_are_described(client: Client) -> None:
    document = (await client.request("GET", "/openapi.json")).json()
    upload = document["paths"]["/api/v1/uploads/{upload_id}"]

    for method in ("head", "patch", "delete"):
        asked = {parameter["name"]: parameter.get("required") for parameter in upload[method]["parameters"]}
        assert asked["Tus-Resumable"], method
    assert {"Upload-Offset", "Upload-Length", "Upload-Expires"} <= set(upload["head"]["responses"]["200"]["headers"])
    assert {"Upload-Offset", "Location", "File-Id"} <= set(upload["patch"]["responses"]["204"]["headers"])
