"""What routes need: the services, and who is asking."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any, Final, Protocol, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import Scope

from media_analysis.analysis.control import ControlService
from media_analysis.analysis.external import ExternalService
from media_analysis.analysis.kinds import Kind
from media_analysis.analysis.removal import RemovalService
from media_analysis.api.resources import Access
from media_analysis.archive.suite import Archives
from media_analysis.db.database import Database
from media_analysis.errors import AdminRequired, InvalidRequest, TokenRejected
from media_analysis.files.products import ProductService
from media_analysis.files.service import FileService
from media_analysis.files.uploads import UploadService
from media_analysis.jobs.results import ResultService
from media_analysis.jobs.service import JobService
from media_analysis.jobs.watching import WatchService
from media_analysis.records.service import RecordService
from media_analysis.retention.explain.service import ExplainService
from media_analysis.retention.file_deletion import FileDeletionService
from media_analysis.retention.forecast.service import ForecastService
from media_analysis.retention.guard.pauses import PauseService
from media_analysis.retention.holds import HoldService
from media_analysis.retention.plans.applying import ApplyService
from media_analysis.retention.plans.service import PlanService
from media_analysis.retention.pressure.service import PressureService
from media_analysis.retention.preview import PolicyService
from media_analysis.retention.restoring import RestoreService
from media_analysis.retention.result_expiry import ResultExpiryService
from media_analysis.retention.status import StatusService
from media_analysis.retention.sweep import SweepService
from media_analysis.retention.trail import TrailService
from media_analysis.sessions.admission import Activity, AdmissionService, Admitted
from media_analysis.sessions.models import Role
from media_analysis.sessions.service import Caller as SessionCaller
from media_analysis.sessions.service import SessionService
from media_analysis.storage.store import ObjectStore
from media_analysis.telemetry.metrics import Metrics


class Services(Protocol):
    """The services the routes call; whoever builds the application provides them."""

    @property
    def db(self) -> Database: ...
    @property
    def store(self) -> ObjectStore: ...
    @property
    def files(self) -> FileService: ...
    @property
    def uploads(self) -> UploadService: ...
    @property
    def sessions(self) -> SessionService: ...
    @property
    def admission(self) -> AdmissionService: ...
    @property
    def file_deletions(self) -> FileDeletionService: ...
    @property
    def sweeps(self) -> SweepService: ...
    @property
    def plans(self) -> PlanService: ...
    @property
    def applying(self) -> ApplyService: ...
    @property
    def restoring(self) -> RestoreService: ...
    @property
    def pauses(self) -> PauseService: ...
    @property
    def pressure(self) -> PressureService: ...
    @property
    def status(self) -> StatusService: ...
    @property
    def forecast(self) -> ForecastService: ...
    @property
    def holds(self) -> HoldService: ...
    @property
    def kinds(self) -> Mapping[str, Kind]: ...
    @property
    def control(self) -> ControlService: ...
    @property
    def archives(self) -> Archives: ...
    @property
    def removals(self) -> RemovalService: ...
    @property
    def jobs(self) -> JobService: ...
    @property
    def products(self) -> ProductService: ...
    @property
    def results(self) -> ResultService: ...
    @property
    def result_expiry(self) -> ResultExpiryService: ...
    @property
    def watches(self) -> WatchService: ...
    @property
    def external(self) -> ExternalService: ...
    @property
    def trail(self) -> TrailService: ...

    @property
    def records(self) -> RecordService: ...
    @property
    def explanations(self) -> ExplainService: ...
    @property
    def policies(self) -> PolicyService: ...
    @property
    def metrics(self) -> Metrics: ...


def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


_bearer = HTTPBearer(auto_error=False, description="A session's token, `mas_…`")


async def authenticate(scope: Scope) -> SessionCaller:
    """Return who is asking; the session of a request is looked up once.

    Raises:
        TokenRejected: nobody known.
        InvalidRequest: two say who they are.

    """
    state = scope.setdefault("state", {})
    caller: SessionCaller | None = state.get("caller")
    if caller is None:
        told = Headers(scope=scope).getlist("authorization")
        if len(told) > 1:
            raise InvalidRequest("Authorization", "given twice")
        scheme, _, token = (told[0] if told else "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenRejected
        services = cast("Services", scope["app"].state.services)
        host = scope["client"][0] if scope.get("client") else None
        caller = state["caller"] = await services.admission.authenticate(token.strip(), host)
    return caller


def require_administrator(caller: SessionCaller) -> None:
    """Return if a caller is an administrator.

    Raises:
        AdminRequired: they are not.

    """
    if caller.role is not Role.ADMIN:
        raise AdminRequired


async def _caller(
    request: Request,
    _credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],  # for the document
) -> SessionCaller:
    return await authenticate(request.scope)  # kept with the request: an error tells an administrator more


async def _administrator(caller: Annotated[SessionCaller, Depends(_caller)]) -> SessionCaller:
    require_administrator(caller)
    return caller


def _admitted(activity: Activity) -> Any:
    """Return what holds a request of the caller as under way until the last byte of its answer is out."""

    async def admit(
        services: Annotated[Services, Depends(_services)], caller: Annotated[SessionCaller, Depends(_caller)]
    ) -> AsyncIterator[Admitted]:
        with services.admission.admit(caller, activity) as admitted:
            yield admitted

    return Depends(admit)


ACCESS: Final[Mapping[Callable[..., Any], Access]] = {
    _caller: Access.CALLER,
    _administrator: Access.ADMINISTRATOR,
}
"""What the dependencies of routes ask of a caller."""


Serving = Annotated[Services, Depends(_services)]
Caller = Annotated[SessionCaller, Depends(_caller)]
Administrator = Annotated[SessionCaller, Depends(_administrator)]
Uploading = Annotated[Admitted, _admitted(Activity.UPLOAD)]
Downloading = Annotated[Admitted, _admitted(Activity.DOWNLOAD)]
Streaming = Annotated[Admitted, _admitted(Activity.STREAM)]
