"""Where data are kept when nobody says where: never in the folder somebody happens to be in."""

from functools import cache
from pathlib import Path

import media_analysis


@cache
def checkout() -> Path | None:
    """Return the checkout this runs from, None when it is an installed package."""
    root = Path(media_analysis.__file__).resolve().parents[1]
    return root if (root / "pyproject.toml").is_file() else None


def default_data_dir() -> Path:
    """Return `var` in the checkout, or the user's data folder of the platform."""
    root = checkout()
    if root is not None:
        return root / "var"
    # Imported here because a checkout needs none of it.
    from platformdirs import user_data_path  # noqa: PLC0415

    return user_data_path("media-analysis", appauthor=False)


def data_dir_origin() -> str:
    """Return how `config` names the default."""
    return "default (the user's data folder)" if checkout() is None else "default (the checkout's)"
