"""All checks of an installation, in the order in which somebody would mend what they find."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import httpx

from media_analysis.diagnosis import places
from media_analysis.diagnosis.check import Check, CheckFailed, CheckStatus
from media_analysis.diagnosis.database import check_database
from media_analysis.diagnosis.service import ServiceProbe
from media_analysis.errors import MarkerMismatch
from media_analysis.settings import Settings
from media_analysis.storage.marker import read_marker

TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Installation:
    """A data directory, and the address of the service that should run on it."""

    settings: Settings
    address: str

    def check(self) -> Iterator[Check]:
        """Look at everything, one after another; what cannot be asked is skipped."""
        for name, look in (
            ("data directory", places.check_data_directory),
            ("admin token", places.check_token),
            ("store", places.check_store),
            ("disk", places.check_disk),
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
            return places.read_token(self.settings)
        except CheckFailed:
            return None

    def _instance_id(self) -> UUID | None:
        try:
            return read_marker(self.settings.places.root)
        except MarkerMismatch:
            return None


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, CheckStatus.OK, look())
    except CheckFailed as failure:
        return Check(name, CheckStatus.FAILED, str(failure), failure.remedy)
    except OSError as error:
        return Check(name, CheckStatus.FAILED, str(error), "run this as the user who runs the service")
