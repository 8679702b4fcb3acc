"""Help, version and completion load no part of the service, and `config` only the settings."""

import json
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest

from media_analysis.cli import COMMANDS
from tests.cli.commands import clean, run
from tests.processes import ROOT

PROGRAM = """
import contextlib, io, json, linecache, os, sys
from media_analysis.cli import main

for arguments, environment in json.loads(sys.stdin.read()):
    sys.argv = ["media-analysis", *arguments]
    os.environ.update(environment)
    code, printed = 0, io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            main()
        except SystemExit as end:
            code = end.code
    for name in environment:
        del os.environ[name]
    read = [name for name in linecache.cache if os.path.exists(name)]
    told = {"code": code, "printed": printed.getvalue(), "modules": sorted(sys.modules), "read": read}
    print(json.dumps(told), flush=True)
"""
SERVICE = ("sqlalchemy", "fastapi", "asyncpg", "av", "PIL", "alembic", "apscheduler", "httpx", "media_analysis.runtime")
LIGHT = (*SERVICE, "pydantic_settings", "yaml", "asyncio", "structlog", "media_analysis.settings")


def start(*commands: tuple[list[str], dict[str, str]]) -> list[dict[str, Any]]:
    """Run commands one after the other in one process; return what each printed and what was loaded by then."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(commands),
        cwd=ROOT,
        env=clean({"TERMINAL_WIDTH": "200"}),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def completing(line: str) -> tuple[list[str], dict[str, str]]:
    words = f"media-analysis {line}"
    return [], {
        "_MEDIA_ANALYSIS_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }


def test_help_version_and_completion_load_nothing_of_the_service_and_config_only_the_settings() -> None:
    shown, said, first, second, option, value, leaf, plain, settings = start(
        (["--help"], {}),
        (["--version"], {}),
        completing("jo"),
        completing("job li"),
        completing("job list --sta"),
        completing("sweep --category out"),
        (["archive", "run", "--help"], {}),
        (["sweep", "--help"], {}),
        (["config"], {}),
    )

    assert all(command.name in shown["printed"] for command in COMMANDS)
    assert said["printed"].strip() == f"media-analysis {version('media-analysis')}"
    completed = [each["printed"].split() for each in (first, second, option, value)]
    assert completed == [["job"], ["list"], ["--status"], ["outputs"]]
    assert "--all-due" in leaf["printed"]
    assert all("Exit codes: 0 when it was done; 1 " in each["printed"] for each in (leaf, plain))
    assert set(LIGHT) & set(leaf["modules"]) == set()
    assert "DATABASE_URL" in settings["printed"]
    assert set(SERVICE) & set(settings["modules"]) == set()
    assert settings["read"] == []  # the source says what settings mean, and to read it would double the start


def test_commands_that_ask_a_server_load_nothing_of_it() -> None:
    nobody = {"MEDIA_ANALYSIS_URL": "http://127.0.0.1:1", "MEDIA_ANALYSIS_TOKEN": "no token"}

    asked, sent = start((["ls"], nobody), (["upload", "/nonexistent"], nobody))

    assert (asked["code"], sent["code"]) == (3, 1)
    assert "httpx" in asked["modules"]
    assert {*SERVICE, "structlog", "uvloop", "media_analysis.settings"} & set(sent["modules"]) == {"httpx"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_of_the_list_is_one(command: Any) -> None:
    assert command.load().name == command.name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("hodl",), "No such command 'hodl'. Did you mean 'hold'?; see media-analysis --help"),
        (
            ("job", "list", "--statu", "x"),
            "No such option: --statu (Possible options: --status); see",
        ),
        (("pressure", "--preview", "0"), "Invalid value for '--preview': it should be greater than or equal to 1; see"),
        (("sweep", "--category", "nope"), "Invalid value for '--category': 'nope' is not one of 'uploads', 'frames'"),
        (("explain",), "Missing argument 'ID'; see media-analysis explain --help"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_answered_in_one_sentence(arguments: tuple[str, ...], said: str) -> None:
    refused = run(*arguments)

    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert said in refused.stderr


def test_nothing_at_all_is_answered_with_help() -> None:
    answered = run()

    assert answered.returncode == 2
    assert "Owns media files from upload to deletion." in answered.stdout + answered.stderr
