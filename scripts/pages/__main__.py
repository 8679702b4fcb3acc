"""`scripts/manual`: write every page that is made from the code."""

from scripts.pages import DOCS, PAGES

for name, page in PAGES.items():
    (DOCS / name).write_text(page())
    print(f"docs/{name}")
