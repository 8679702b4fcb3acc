"""The client stands alone: of the server it imports nothing, and it is loaded at once."""

import ast
import subprocess
import sys
from pathlib import Path

import media_analysis.client

HOME = Path(media_analysis.client.__file__).parent
SHOW = "import sys, media_analysis.client{use}\nprint(*sorted({{name.partition(chr(46))[0] for name in sys.modules}}))"


def loaded_by(use: str) -> set[str]:
    shown = subprocess.run([sys.executable, "-c", SHOW.format(use=use)], capture_output=True, text=True, check=True)
    return set(shown.stdout.split())


def test_the_client_imports_the_standard_library_httpx_and_itself() -> None:
    imported = {
        name
        for module in HOME.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    outside = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in outside if not name.startswith("media_analysis.client")} == {"httpx"}


def test_nothing_of_the_server_is_loaded_with_it_and_httpx_only_once_a_client_is_wanted() -> None:
    server = {"fastapi", "starlette", "sqlalchemy", "pydantic", "asyncpg", "structlog", "uvloop"}

    assert loaded_by("") & (server | {"httpx", "asyncio"}) == set()
    assert "httpx" in loaded_by("; media_analysis.client.Client")
    assert loaded_by("; media_analysis.client.Client") & server == set()
