"""Pages of the manual that are made from the code, or have a part that is, and the dashboard beside them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from scripts.pages import commands, dashboard, decisions, media, settings

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "decisions/README.md": decisions.page,
    "grafana-dashboard.json": dashboard.page,
    "reference/command-line.md": commands.page,
    "reference/media.md": media.page,
    "reference/settings.md": settings.page,
}
"""Each by its place in the manual."""
