"""The running service, asked over HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx

from media_analysis.api import API_PATH as API
from media_analysis.diagnosis.check import CheckFailed
from media_analysis.settings import Settings

RULE: Final = "see what the log of the service says"
REMEDY: Final = "start serve, or name the address it printed by --address"
HALTED: Final = timedelta(hours=1)
"""A scheduler begins a sweep every 15 minutes, whatever the categories' schedules."""
MOST_SWEEPS: Final = 500


@dataclass(frozen=True, slots=True)
class ServiceProbe:
    """Asks a service with the administrator's token."""

    http: httpx.Client
    token: str | None
    instance_id: UUID | None
    """Whose service it should be, where that is known."""

    def check_alive(self) -> str:
        """Say where it answers."""
        try:
            said = self._answer("GET", "/readyz").json()["instance_id"]
        except (ValueError, KeyError, TypeError):
            raise CheckFailed(f"another program answers at {self.http.base_url}", REMEDY) from None
        if self.instance_id is not None and said != str(self.instance_id):
            raise CheckFailed(f"the service of another installation answers at {self.http.base_url}", REMEDY)
        return f"answers at {self.http.base_url}"

    def check_ready(self) -> str:
        """Say what it found in order itself."""
        answer = self._answer("GET", "/readyz")
        said = answer.json().get("checks", {})
        wrong = [f"{name}: {state}" for name, state in said.items() if state != "ok" and name != "deletion"]
        if answer.status_code != httpx.codes.OK:
            raise CheckFailed(f"not ready: {'; '.join(wrong)}", RULE)
        return ", ".join(f"{name} {state}" for name, state in said.items())

    def check_metrics(self) -> str:
        """Say how many metrics there are for Prometheus."""
        lines = self._answer("GET", "/metrics").text.splitlines()
        count = sum(1 for line in lines if line.startswith("# TYPE "))
        if not any(line.startswith("storage_free_bytes") for line in lines):
            raise CheckFailed("the figures of storage are missing from /metrics", RULE)
        return f"{count} metrics"

    def check_endpoints(self) -> str:
        """Say as whom the token is known, and that the documented routes are there."""
        caller = self._get(f"{API}/sessions/me")
        if caller.get("role") != "admin":
            raise CheckFailed("the token is not an administrator's", "remove the file and start serve again")
        for path in ("/files", "/jobs", "/results", "/storage/stats", "/deletions"):
            self._get(f"{API}{path}")
        return f"{len(self._get('/openapi.json')['paths'])} routes, known as {caller['owner']}"

    def check_storage(self) -> str:
        """Say what `validate` says."""
        report = self._get(f"{API}/storage/validate")
        if not report["valid"]:
            raise CheckFailed("; ".join(report["messages"]), "see Operations in the manual for what each means")
        return "nothing is wrong"

    def check_schedule(self, settings: Settings) -> str:
        """Say when the last sweep ran, and by which schedule the next will."""
        if not settings.storage.cleanup.enabled:
            return "switched off by STORAGE_CLEANUP_ENABLED"
        sweeps = self._get(f"{API}/storage/sweeps?limit={MOST_SWEEPS}")["items"]
        last = describe_last(sweeps, rehearses=settings.storage.cleanup.dry_run, now=datetime.now(UTC))
        if last is None and settings.storage.cleanup.run_at_start:
            raise CheckFailed("the schedule never ran a sweep, not even at start", RULE)
        last = last or "no sweep yet"
        return f"{last}; by {settings.storage.cleanup.schedule} and the categories' own"

    def check_dry_run(self) -> str:
        """Say what a sweep would take now."""
        outcome = self._get(f"{API}/storage/cleanup?dry_run=true", method="POST")
        if outcome["status"] == "failed":
            raise CheckFailed("the rehearsal of a sweep failed", RULE)
        return f"a sweep would take {outcome['total_files_removed']} files ({outcome['status']})"

    def _get(self, path: str, *, method: str = "GET") -> Any:
        answer = self._answer(method, path)
        if answer.status_code != httpx.codes.OK:
            remedy = "is the service another one's?" if answer.status_code == httpx.codes.UNAUTHORIZED else RULE
            raise CheckFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:200]}", remedy)
        return answer.json()

    def _answer(self, method: str, path: str) -> httpx.Response:
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        try:
            return self.http.request(method, path, headers=headers)
        except httpx.HTTPError as error:
            raise CheckFailed(f"{self.http.base_url} does not answer: {error}", REMEDY) from error


def describe_last(sweeps: Sequence[Mapping[str, Any]], *, rehearses: bool, now: datetime) -> str | None:
    """Return how the schedule's last sweep went, of those that the service lists, newest first; None without one.

    Raises:
        CheckFailed: it is too long ago.

    """
    for sweep in sweeps:
        if sweep["trigger"] in {"schedule", "start"} and sweep["dry_run"] is rehearses:
            told = f"last sweep {sweep['start_time'][:19]} ({sweep['status']})"
            if now - datetime.fromisoformat(sweep["start_time"]) > HALTED:
                raise CheckFailed(f"{told}; the schedule begins one every 15 minutes", RULE)
            return told
    return None
