"""Clients that generators make of the document compile, as strictly as their language can, and do what it says."""

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests.api.raw import served
from tests.conftest import Client, fetch
from tests.programs import install_from_npm, installed, required, run

EXAMPLES = Path(__file__).parents[2] / "examples/generated"
PYTHON = (
    *("openapi-generator-cli==7.26.*", "python-dateutil", "six"),
    *("openapi-python-client==0.29.*", "typer<0.28", "ruamel.yaml", "jinja2", "markupsafe"),
)
"""What the service has not, or has in another version; what else they need is here."""
NODE = ("openapi-typescript@7", "openapi-fetch@0.17", "typescript@5", "@types/node@22")
CHECKS = ("--strict", "--noEmitOnError", "--skipLibCheck", "--target", "es2022", "--types", "node")
TSC = ("node_modules/typescript/bin/tsc", *CHECKS)
OPTIONAL = ("--default-non-nullable", "false")
"""What has a default need not be sent."""
LEAN = "skipFormModel=false,apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"
SEEN = {
    "labels": {"event": "evt42"},
    "listed": 1,
    "same": True,
    "content": "some bytes",
    "job": "probe",
    "refused": [404, "file_not_found"],
}
Use = Callable[..., Any]


@pytest.fixture
async def python(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment in which Python knows the generators."""
    pip = (
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--disable-pip-version-check",
    )
    folder = await installed(tmp_path_factory, "Python", [*pip, "--target", ".", *PYTHON])
    return {"PYTHONPATH": str(folder), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture
async def node(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A folder in which node finds what was installed from npm."""
    folder = await install_from_npm(tmp_path_factory, "generators", NODE)
    (tmp_path / "node_modules").symlink_to(folder / "node_modules")
    return tmp_path


@pytest.fixture
async def document(client: Client, tmp_path: Path) -> Path:
    """The document as a file."""
    path = tmp_path / "openapi.json"
    path.write_bytes((await client.request("GET", "/openapi.json", by=None)).content)
    return path


@pytest.fixture
async def use(app: FastAPI, client: Client, database: str, tmp_path: Path) -> AsyncIterator[Use]:
    """Runs a program that uses a client, and looks at what it saw and left."""
    async with served(app) as port:

        async def using(*command: object, **environment: str) -> None:
            address = f"http://127.0.0.1:{port}"
            seen = await run(*command, address, client.tokens["alice"], folder=tmp_path, **environment)
            assert json.loads(seen) == SEEN
            (file,) = await fetch(database, "SELECT filename, size_bytes, state::text FROM media_files")
            assert tuple(file) == ("a.txt", 10, "stored")

        yield using


async def test_openapi_python_client_makes_a_package_that_types_what_is_answered(
    python: Mapping[str, str], document: Path, use: Use, tmp_path: Path
) -> None:
    made, script = tmp_path / "media_client", EXAMPLES / "openapi_python_client.py"
    asked = ("--path", document, "--meta", "none", "--output-path", made)
    path = {**python, "PYTHONPATH": f"{tmp_path}:{python['PYTHONPATH']}"}

    await run(sys.executable, "-m", "openapi_python_client", "generate", *asked, folder=tmp_path, **python)
    checks = ("--strict", "--follow-imports=silent", "--config-file=", "--no-incremental")
    await run(sys.executable, "-m", "mypy", *checks, script, folder=tmp_path, **path)

    described = json.loads(document.read_bytes())  # noqa: ASYNC240 - a small file
    operations = [one for item in described["paths"].values() for one in item.values()]
    left_out = {one["operationId"] for one in operations} - {module.stem for module in made.glob("api/*/*.py")}
    assert left_out == {"create_upload", "append_to_upload"}, "programs that speak tus send pieces"
    await use(sys.executable, script, **path)


async def test_openapi_generator_makes_a_package_for_python(
    python: Mapping[str, str], document: Path, use: Use, tmp_path: Path
) -> None:
    await generate("python", document, tmp_path / "made", python, "--package-name", "media_client")

    await use(
        sys.executable,
        EXAMPLES / "openapi_generator.py",
        PYTHONPATH=f"{tmp_path / 'made'}:{python['PYTHONPATH']}",
    )


async def test_openapi_generator_makes_typescript_that_compiles(
    python: Mapping[str, str], node: Path, document: Path, use: Use
) -> None:
    await generate("typescript-fetch", document, node / "media_client", python)
    shutil.copy(EXAMPLES / "typescript_fetch.ts", node)

    resolved = ("--module", "commonjs", "--moduleResolution", "node10", "--lib", "es2022,dom", "--outDir", "compiled")
    await run("node", *TSC, *resolved, "typescript_fetch.ts", folder=node)

    await use("node", "compiled/typescript_fetch.js")


async def test_openapi_typescript_makes_types_of_every_question_and_answer(
    node: Path, document: Path, use: Use
) -> None:
    await run(
        "node",
        "node_modules/openapi-typescript/bin/cli.js",
        document,
        *OPTIONAL,
        "--output",
        "media_client.ts",
        folder=node,
    )
    shutil.copy(EXAMPLES / "openapi_fetch.mts", node)
    (node / "package.json").write_text('{"type": "module"}')

    await run("node", *TSC, "--module", "nodenext", "openapi_fetch.mts", folder=node)

    await use("node", "openapi_fetch.mjs")


async def generate(language: str, document: Path, made: Path, python: Mapping[str, str], *more: str) -> None:
    """Have openapi-generator make a client, without documents and tests of its own."""
    required("java")
    asked = ("-g", language, "-i", document, "-o", made, "--global-property", LEAN, *more)
    quick = {"JAVA_OPTS": "-XX:TieredStopAtLevel=1"}  # it compiles itself for longer than it runs
    program = "import openapi_generator_cli; openapi_generator_cli.cli()"
    await run(sys.executable, "-c", program, "generate", *asked, folder=document.parent, **python, **quick)
