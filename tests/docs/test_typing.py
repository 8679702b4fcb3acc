"""The runner itself: a page that lies turns it red."""

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, Command, commands_of
from tests.docs.typing_pages import agrees, complaint, fork_commands, type_commands


def typed(tmp_path: Path, *commands: tuple[str, str]) -> list[str | None]:
    """Type commands with what they should print, and return what is wrong with each that was reached."""
    folder = tmp_path / "folder"
    folder.mkdir()
    outcomes = type_commands(
        [Command("page:1", command, printed) for command, printed in commands],
        folder=folder,
        notes=tmp_path / "notes",
        address="127.0.0.1:1",
        environment={"PATH": "/usr/bin:/bin"},
    )
    return [complaint(outcome) for outcome in outcomes]


def test_commands_share_a_shell(tmp_path: Path) -> None:
    assert typed(tmp_path, ("cd / && word=there", ""), ("echo $PWD $word", "/ there")) == [None, None]


@pytest.mark.parametrize(
    ("command", "printed"),
    [("echo yes", "no"), ("echo yes", ""), ("true", "yes"), ("echo yes; false", "yes"), ("false | cat", "")],
)
def test_what_comes_otherwise_than_shown_is_told(tmp_path: Path, command: str, printed: str) -> None:
    (said,) = typed(tmp_path, (command, printed))

    assert said is not None
    assert said.startswith("page:1: ")


def test_nothing_is_typed_after_a_failure(tmp_path: Path) -> None:
    assert len(typed(tmp_path, ("exit 3", ""), ("echo on", "on"))) == 1


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ('{"a":1, …}', '{"a":1,"b":2}', True),
        ('{"a":1, …}', '{"a":1}', True),
        ('{"a":1,\n "b":2}', '{"a":1,"b":2}', True),
        ('{ … "b":2}', '{"a":1,"b":3}', False),
        ("…\nlast", "first\nlast\nand more", False),
    ],
)
def test_dots_stand_for_what_varies_and_for_nothing_else(expected: str, printed: str, *, same: bool) -> None:
    assert agrees(expected, printed) is same


def test_commands_go_on_behind_a_backslash_and_behind_the_second_prompt() -> None:
    block = Block(ROOT / "page.md", 1, "console", ("$ echo a \\", "    b", "a b", "$ cat <<END", "> c", "> END", "c"))

    assert [(command.typed, command.printed) for command in commands_of(block)] == [
        ("echo a \\\n    b", "a b"),
        ("cat <<END\nc\nEND", "c"),
    ]


def test_a_command_that_is_forked_is_the_one_that_was_typed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".venv").symlink_to(ROOT / ".venv")
    environment = {"PATH": "/usr/bin:/bin"} | fork_commands(folder)
    program = "$OLDPWD/.venv/bin/media-analysis"
    lines = [
        (f"cd {tmp_path} && DELETION_STRATEGY=soft {program} config | grep -o 'soft.*STRATEGY'", "soft … STRATEGY"),
        (f"{program} sweep --nonsense 2>&1 || echo $?", "media-analysis: … --nonsense … 2"),
        (
            f"echo secret > token && {program} login http://127.0.0.1:1 < token 2> said || head -c 15 said",
            "media-analysis:",
        ),
    ]

    outcomes = type_commands(
        [Command("page:1", command, printed) for command, printed in lines],
        folder=folder,
        notes=tmp_path / "notes",
        address="127.0.0.1:1",
        environment=environment,
    )

    assert [complaint(outcome) for outcome in outcomes] == [None] * len(lines)
