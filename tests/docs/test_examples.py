"""Every example of the README and the manual is typed as its reader types it."""

from pathlib import Path

import pytest

from media_analysis.settings import load_settings
from tests.docs.conftest import Reader
from tests.docs.pages import BY_HAND, CONTAINERS, PAGES, ROOT, SERVICE, Block, blocks_of, commands_of
from tests.docs.typing_pages import PAGE_ADDRESS, SHELL, agrees, complaint, fork_commands, type_commands

LANGUAGES = {"console", "ini", "mermaid", "nginx", "python", "text", "toml", "typescript", "yaml"}
PROGRAMS = {".mts": "typescript", ".py": "python", ".toml": "toml", ".ts": "typescript"}
"""What a fenced block can be; `sh` and `bash` are none, for a console shows what comes of a command."""
STARTED_AFRESH = ROOT / "README.md"
"""The page whose commands import all they need, as everybody's; those of the others are forked with that done."""
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
TYPED = [block for block in BLOCKS if block.language == "console" and not block.mark]


def _pages_with_examples() -> list[Path]:
    return sorted({block.page for block in TYPED})


@pytest.mark.parametrize("page", _pages_with_examples(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_works_when_typed_from_top_to_bottom(page: Path, reader: Reader, tmp_path: Path) -> None:
    commands = [command for block in TYPED if block.page == page for command in commands_of(block)]

    forked = {} if page == STARTED_AFRESH else fork_commands(reader.folder)
    outcomes = type_commands(
        commands,
        folder=reader.folder,
        notes=tmp_path / "typed",
        address=reader.address,
        environment={**reader.environment, **forked},
    )

    wrong = [said for outcome in outcomes if (said := complaint(outcome)) is not None]
    assert wrong == [], "\n\n".join(wrong)
    assert len(outcomes) == len(commands)


def test_the_service_starts_as_the_pages_show(reader: Reader) -> None:
    shown = [(block.place, command) for block in BLOCKS if block.mark == SERVICE for command in commands_of(block)]

    assert {command.typed for _, command in shown} == {"scripts/serve"}
    started = reader.started.replace(reader.address, PAGE_ADDRESS)
    assert [place for place, command in shown if not agrees(command.printed, started)] == [], started


def test_only_what_no_test_can_type_is_left_to_the_reader() -> None:
    left = sorted({(str(block.page.relative_to(ROOT)), block.info) for block in BLOCKS if block.mark == BY_HAND})

    assert left == [
        ("docs/how-to/generated-clients.md", "console by-hand: it installs packages of others"),
        ("docs/how-to/own-kind.md", "console by-hand: it changes the virtual environment"),
        ("docs/operations.md", "console by-hand: it needs a group and an administrator"),
        ("docs/operations.md", "console by-hand: it needs systemd and an administrator"),
        ("docs/operations/containers.md", "console by-hand: it needs two images more"),
        ("docs/operations/object-stores.md", "console by-hand: it needs a bucket"),
        ("docs/operations/replica.md", "console by-hand: it deletes a directory or what is in a bucket"),
        ("docs/operations/replica.md", "console by-hand: it needs a second disk or a bucket"),
        ("docs/operations/scale.md", "console by-hand: it needs a database and a bucket of yours"),
        ("docs/operations/scale.md", "console by-hand: it needs root, an S3 gateway and minutes"),
        ("docs/operations/traces.md", "console by-hand: it needs a collector"),
    ]


def test_every_block_says_what_it_is() -> None:
    marks = {"", BY_HAND, CONTAINERS, SERVICE}
    strange = [
        f"{block.place}: {block.info}"
        for block in BLOCKS
        if block.language not in LANGUAGES or (block.language == "console" and block.mark not in marks)
    ]

    assert strange == []


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "yaml" and not block.mark], ids=lambda block: block.place
)
def test_settings_on_a_page_are_accepted(block: Block, tmp_path: Path) -> None:
    written = tmp_path / "settings.yaml"
    written.write_text(block.text)

    load_settings(environ={}, config=written)


def test_programs_on_a_page_are_the_examples_that_are_tested() -> None:
    examples = [path.read_text() for path in (ROOT / "examples").rglob("*") if path.suffix in PROGRAMS]
    shown = [block for block in BLOCKS if block.language in PROGRAMS.values()]

    assert [block.place for block in shown if not any(block.text in example for example in examples)] == []


def test_the_readme_shows_what_the_other_pages_read_into_the_shell() -> None:
    (shown,) = [block for block in TYPED if block.page.name == "README.md" and "api() {" in block.text]

    read = [line for line in (ROOT / "examples" / SHELL).read_text().splitlines() if not line.startswith("#")]
    assert [command.typed for command in commands_of(shown)] == read
