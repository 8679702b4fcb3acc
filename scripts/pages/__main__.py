"""`scripts/manual`: write every page that is made from the code; with `--check` only say which are not current."""

import sys

from scripts.pages import DOCS, PAGES

stale = [name for name, page in PAGES.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != page()]
if "--check" in sys.argv and stale:
    sys.exit(f"run scripts/manual: docs/{', docs/'.join(stale)} changed with the code")
for name in stale:
    (DOCS / name).write_text(PAGES[name]())
    print(f"docs/{name}")
