"""All checks of an installation, in the order in which somebody would mend what they find."""

import asyncio
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx

from media_analysis.db.database import open_database
from media_analysis.db.health import describe_server, require_safe_settings
from media_analysis.db.migrations import require_schema
from media_analysis.db.pooling import require_own_sessions
from media_analysis.diagnosis.check import Check, CheckFailed, CheckStatus
from media_analysis.diagnosis.service import ServiceProbe
from media_analysis.errors import DatabaseUnavailable, MarkerMismatch, MediaAnalysisError
from media_analysis.settings import Settings
from media_analysis.settings.postgres import configured_url, database_options
from media_analysis.storage.marker import MARKER_NAME, read_marker
from media_analysis.units import round_size

_OTHERS: Final = 0o077
TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Installation:
    """A data directory, and the address of the service that should run on it."""

    settings: Settings
    address: str

    def check(self) -> Iterator[Check]:
        """Look at everything, one after another; what cannot be asked is skipped."""
        for name, look in (
            ("data directory", check_data_directory),
            ("admin token", check_token),
            ("store", check_store),
            ("disk", check_disk),
            ("database", check_database),
        ):
            yield _checked(name, lambda look=look: look(self.settings))  # type: ignore[misc]
        # No proxy of the environment's: it is asked where it is.
        with httpx.Client(base_url=self.address, timeout=TIMEOUT_SECONDS, trust_env=False) as http:
            yield from self._check_service(ServiceProbe(http, self._token(), self._instance_id()))

    def _check_service(self, service: ServiceProbe) -> Iterator[Check]:
        alive = _checked("service", service.check_alive)
        yield alive
        for name, look, needs_token in (
            ("readiness", service.check_ready, False),
            ("metrics", service.check_metrics, False),
            ("endpoints", service.check_endpoints, True),
            ("storage", service.check_storage, True),
            ("schedule", lambda: service.check_schedule(self.settings), True),
            ("dry run", service.check_dry_run, True),
        ):
            if alive.status is not CheckStatus.OK:
                yield Check(name, CheckStatus.SKIPPED, "the service does not answer")
            elif needs_token and service.token is None:
                yield Check(name, CheckStatus.SKIPPED, "there is no token to ask with")
            else:
                yield _checked(name, look)

    def _token(self) -> str | None:
        try:
            return read_token(self.settings)
        except CheckFailed:
            return None

    def _instance_id(self) -> UUID | None:
        main = self.settings.sites.main
        try:
            marker = read_marker(main) if isinstance(main, Path) else None
        except MarkerMismatch:
            return None
        return None if marker is None else marker.instance_id


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, CheckStatus.OK, look())
    except CheckFailed as failure:
        return Check(name, CheckStatus.FAILED, str(failure), failure.remedy)
    except OSError as error:
        return Check(name, CheckStatus.FAILED, str(error), "run this as the user who runs the service")


def check_database(settings: Settings) -> str:
    """Say which server it is; it must be one that a service starts on."""
    try:
        return asyncio.run(_describe(settings))
    except DatabaseUnavailable as error:
        raise CheckFailed(str(error), "start its server, or mend DATABASE_URL") from error
    except MediaAnalysisError as error:
        raise CheckFailed(str(error)) from error


async def _describe(settings: Settings) -> str:
    url = configured_url(settings)
    if url is None:
        return "embedded, run by serve"
    async with open_database(url, database_options(settings)) as db:
        await require_own_sessions(db)
        async with db.read_only() as session:
            await require_schema(session)
            await require_safe_settings(session)
            return await describe_server(session)


def check_data_directory(settings: Settings) -> str:
    """Say where the data directory is."""
    directory = settings.data_dir.resolve()
    if not directory.is_dir():
        raise CheckFailed(f"{directory} is no directory", "name the right one by --data-dir, or start serve")
    _require_access(directory)
    return str(directory)


def check_token(settings: Settings) -> str:
    """Say where the administrator's token is; nobody else may read it."""
    path = token_file(settings)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        raise CheckFailed(f"{path} is not there", "start serve once, which makes it") from None
    if mode & _OTHERS:
        raise CheckFailed(f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}, or remove it to renew")
    read_token(settings)
    return f"{path}, readable by its owner only"


def check_store(settings: Settings) -> str:
    """Say where objects lie; every folder of theirs on this machine must be writable, and buckets tell the service."""
    sites = settings.sites
    for root in sites.roots:
        if not root.is_dir():
            raise CheckFailed(f"{root} is no directory", "mount its disk, or mend STORAGE_BASE_PATH or --data-dir")
        try:
            marked = read_marker(root)
        except MarkerMismatch as error:
            raise CheckFailed(str(error), f"restore {root / MARKER_NAME} from a backup") from None
        if marked is None:
            remedy = "mount its disk, or restore that file from a backup of this store"
            raise CheckFailed(f"{root} carries no {MARKER_NAME}, so it is no store", remedy)
        for folder in (root, *(path for path in root.iterdir() if path.is_dir() and path.name != "lost+found")):
            _require_access(folder)
    return ", ".join(str(site) for site in (sites.main, sites.archives) if site is not None)


def check_disk(settings: Settings) -> str:
    """Say how much room is left above the reserve."""
    reserve_bytes = settings.storage.monitoring.reserve_bytes
    roots = settings.sites.roots
    if not roots:
        return "no object lies on a disk of this machine"
    free_bytes = min(shutil.disk_usage(root).free for root in roots)
    if free_bytes <= reserve_bytes:
        detail = f"{round_size(free_bytes)} are free, and uploads leave {round_size(reserve_bytes)} alone"
        raise CheckFailed(detail, "free disk space: media-analysis sweep, or pressure --relieve")
    return f"{round_size(free_bytes)} free, {round_size(reserve_bytes)} in reserve"


def token_file(settings: Settings) -> Path:
    """Return where `serve` keeps the administrator's token."""
    return settings.data_dir.resolve() / "admin-token"


def read_token(settings: Settings) -> str:
    """Return the administrator's token."""
    path = token_file(settings)
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CheckFailed(f"{path}: {error.strerror}", "run this as the user who runs the service") from error


def _require_access(directory: Path) -> None:
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        remedy = "run this as the user who runs the service, or give the directory to that user"
        raise CheckFailed(f"{directory} cannot be read and written by this user", remedy)
