"""The index of decisions, made from their headings."""

from pathlib import Path
from typing import Final

DECISIONS: Final = Path(__file__).parents[2] / "docs" / "decisions"
_HEAD: Final = """\
# Decisions

What outlives a commit: context, decision and consequences of each in a page. The index is made by `scripts/manual`.

"""


def page() -> str:
    """Return the index, in the order in which decisions were taken."""
    return _HEAD + "".join(_line(decision) for decision in sorted(DECISIONS.glob("0*.md")))


def _line(decision: Path) -> str:
    number, _, title = decision.read_text().splitlines()[0].removeprefix("# ").partition(". ")
    return f"{number}. [{title}]({decision.name})\n"
