"""The pages of the manual as their reader sees them: fenced blocks, commands with what they print, links, anchors."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "examples/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
BY_HAND: Final = "by-hand"
"""Marks a console block that no test can type; the reason follows."""
SERVICE: Final = "service"
"""Marks a console block of the terminal in which the service runs."""
CONTAINERS: Final = "containers"
"""Marks a console block that needs a container engine: `tests/containers` types it."""
_FENCE: Final = re.compile(r"(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)")
_LINK: Final = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING: Final = re.compile(r"#{1,6} +(?P<text>.+?) *#*")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    info: str
    lines: tuple[str, ...]

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def mark(self) -> str:
        """What stands behind the language, without the reason."""
        return self.info.partition(" ")[2].partition(":")[0].strip()

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


@dataclass(frozen=True, slots=True)
class Command:
    """What a reader types at one prompt, and what the page says comes of it."""

    place: str
    typed: str
    printed: str


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page from top to bottom; one that is not closed is a fault of the page."""
    found: list[Block] = []
    opened: re.Match[str] | None = None
    within: list[str] = []
    start = 0
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        fence = _FENCE.fullmatch(line)
        if opened is None and fence is not None:
            opened, start, within = fence, number, []
        elif opened is not None and line.strip() == opened["ticks"]:
            found.append(Block(page, start, opened["info"].strip(), tuple(within)))
            opened = None
        elif opened is not None:
            within.append(line.removeprefix(opened["indent"]))
    assert opened is None, f"{page}:{start}: the block is never closed"
    return found


def heading_above(block: Block) -> str:
    """Return the text of the last heading above a block."""
    above = block.page.read_text().splitlines()[: block.line]
    return next(heading["text"] for line in reversed(above) if (heading := _HEADING.fullmatch(line)) is not None)


def commands_of(block: Block) -> Iterator[Command]:
    """Yield the commands of a console block: `$ ` begins one, a backslash or `> ` goes on with it."""
    place, typed, printed = "", list[str](), list[str]()
    for number, line in enumerate(block.lines, start=block.line + 1):
        if line.startswith("$ "):
            if typed:
                yield Command(place, "\n".join(typed), "\n".join(printed))
            place, typed, printed = f"{block.page.relative_to(ROOT)}:{number}", [line[2:]], []
        elif typed and not printed and (typed[-1].endswith("\\") or line.startswith("> ")):
            typed.append(line.removeprefix("> "))
        else:
            assert typed, f"{block.page}:{number}: something is printed before anything was typed"
            printed.append(line)
    if typed:
        yield Command(place, "\n".join(typed), "\n".join(printed))


def prose_of(page: Path) -> str:
    """Return a page without its fenced blocks and its code spans."""
    kept: list[str] = []
    ticks = ""
    for line in page.read_text().splitlines():
        fence = _FENCE.fullmatch(line)
        if fence is not None and ticks in {"", fence["ticks"]}:
            ticks = "" if ticks else fence["ticks"]
        elif not ticks:
            kept.append(line)
    return re.sub(r"`[^`]*`", lambda code: "`" * len(code[0]), "\n".join(kept))


def links_of(page: Path) -> list[str]:
    """Return where the links and pictures of a page lead."""
    return [link["target"] for link in _LINK.finditer(prose_of(page))]


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that a page's headings have on GitHub."""
    found: dict[str, int] = {}
    anchors: set[str] = set()
    inside = False
    for line in page.read_text().splitlines():
        if _FENCE.fullmatch(line):
            inside = not inside
        heading = None if inside else _HEADING.fullmatch(line)
        if heading is None:
            continue
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"])
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        count = found.get(slug, 0)
        found[slug] = count + 1
        anchors.add(f"{slug}-{count}" if count else slug)
    return anchors
