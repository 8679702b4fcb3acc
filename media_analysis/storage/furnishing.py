"""What lies in the roots of a store from the start: a folder for each category, and a word to whoever looks inside."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from media_analysis.storage.category import Category
from media_analysis.storage.directories import sync_directory
from media_analysis.storage.keys import folder_of
from media_analysis.storage.modes import Modes
from media_analysis.storage.places import Places

README_NAME: Final = "README.txt"
README: Final = """\
This is a store of media-analysis. Each file below it has a row in the service's database, which knows what the file
is for, whose it is and when it goes.

Do not remove, rename or edit anything here by hand; ask the service: media-analysis explain, hold, sweep, pressure.
Files put here by hand are not known: media-analysis import imports them, media-analysis verify lists them.
.media-analysis says which database the store belongs to; without it nothing is written or deleted.

Folders: uploads, frames, contact-sheets, outputs, temp, clips and, unless they have a disk of their own, archives.
"""


def furnish(places: Places) -> None:
    """Make what is missing of the categories' folders and of the README, durably; what is there stays as it is.

    A disk of their own is ready to have the folder of archives moved to it. One that takes no changes is left as it is:
    what is made here is needed by people, not by the service.
    """
    for category in places.categories_beside(folder_of(Category.UPLOADS)):
        _make_folder(places.root / folder_of(category), places.modes)
    for root in places.roots:
        _write_readme(root / README_NAME, places.modes)


def _make_folder(path: Path, modes: Modes) -> None:
    with suppress(OSError):
        path.mkdir(modes.directory)
        path.chmod(modes.directory)
        sync_directory(path.parent)


def _write_readme(path: Path, modes: Modes) -> None:
    with suppress(OSError), path.open("x") as file:
        os.fchmod(file.fileno(), modes.files)
        file.write(README)
        file.flush()
        os.fsync(file.fileno())
        sync_directory(path.parent)
