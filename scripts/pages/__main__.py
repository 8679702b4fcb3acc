"""`scripts/manual`: write every page that is made from the code."""

from pathlib import Path

from scripts.pages import settings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"

for name, text in (("settings.md", settings.page()),):
    (REFERENCE / name).write_text(text)
    print(f"docs/reference/{name}")
