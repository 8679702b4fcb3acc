"""The tree of settings, with their defaults, kinds and meanings."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from media_analysis.settings.analysis import AnalysisSettings
from media_analysis.settings.archive import ArchiveSettings
from media_analysis.settings.data_dir import default_data_dir
from media_analysis.settings.database_url import DatabaseUrl
from media_analysis.settings.events import EventSettings
from media_analysis.settings.kinds import Choice, Whole
from media_analysis.settings.section import OwnPlaceLeaf, PlaceLeaf, Section, SpanLeaf, TimeoutLeaf
from media_analysis.settings.storage import StorageSettings
from media_analysis.settings.texts import Host
from media_analysis.settings.web import Networks, Origins, RootPath
from media_analysis.settings.webhooks import WebhookSettings
from media_analysis.settings.worker import WorkerSettings
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.sites import Site, Sites


class DeletionSettings(Section):
    """What deleting means."""

    strategy: Annotated[Literal["soft", "hard"], Choice(("soft", "hard"))] = "soft"
    """Whether what is deleted lies in the trash first (soft) or goes at once (hard), as temp and clips always do."""
    trash_retention: SpanLeaf = timedelta(hours=24)
    """How long a file in the trash can be restored."""


class DatabaseSettings(Section):
    """How PostgreSQL is reached."""

    url: Annotated[SecretStr | None, DatabaseUrl()] = None
    """Which server; without one the embedded server is started."""
    password_file: OwnPlaceLeaf = None
    """A file with the password of the user whom url names, and nothing else; read at every start."""
    pool_min: Annotated[int, Whole(1, 1000)] = 5
    """How many connections are made at start."""
    pool_max: Annotated[int, Whole(1, 1000)] = 20
    """How many connections may be open."""
    connect_timeout_seconds: TimeoutLeaf = 3
    """How long connecting may take."""
    command_timeout_seconds: TimeoutLeaf = 10
    """How long the client waits for an answer to a statement."""
    statement_timeout_seconds: TimeoutLeaf = 10
    """How long the server works on a statement."""
    deadline_seconds: TimeoutLeaf = 5
    """How long a request waits for the database, retries included."""

    @field_validator("pool_max")
    @classmethod
    def _not_below_the_minimum(cls, size: int, seen: ValidationInfo) -> int:
        if size < seen.data.get("pool_min", 0):
            raise ValueError(f"less than database.pool_min, which is {seen.data['pool_min']}")
        return size


class ServerSettings(Section):
    """Where HTTP is served."""

    host: Annotated[str, Host()] = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Whole(0, 65_535)] = 8000
    """The port to listen on; 0 takes any free one."""
    processes: Annotated[int, Whole(0, 256)] = 1
    """How many processes `serve` answers with; 0 takes as many as there are cores. They share what is granted below."""
    max_connections: Annotated[int, Whole(1, 1_000_000)] = 8192
    """How many connections clients may have at once; the next ones get 503. Never more than open files allow."""
    max_uploads_per_owner: Annotated[int, Whole(1, 1_000_000)] = 500
    """How many uploads an owner may have under way at once in a `serve`; the next ones get 429."""
    max_downloads_per_owner: Annotated[int, Whole(1, 1_000_000)] = 500
    """How many downloads an owner may have under way at once in a `serve`; the next ones get 429."""
    max_streams_per_owner: Annotated[int, Whole(1, 1_000_000)] = 500
    """How many streams of events an owner may have open at once in a `serve`; the next ones get 429."""
    root_path: Annotated[str, RootPath()] = ""
    """Below which path a proxy shows the service: addresses in answers begin with it. It may take it away."""
    trusted_proxies: Annotated[tuple[str, ...], Networks()] = ()
    """Whose X-Forwarded-For, -Proto and -Host are believed; those of anybody else are ignored."""
    allowed_origins: Annotated[tuple[str, ...], Origins()] = ()
    """Pages of which other origins may use the API in a browser, with a token (CORS)."""


class LoggingSettings(Section):
    """What is logged and how."""

    format: Annotated[Literal["auto", "json", "console"], Choice(("auto", "json", "console"))] = "auto"
    """JSON lines or coloured text; auto is console on a terminal and json elsewhere."""
    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        Choice(("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
    ] = "INFO"
    """The least severe event that is logged."""
    file: OwnPlaceLeaf = None
    """A file that `serve` and `work` log to beside standard error; they open it again after it was rotated."""


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    data_dir: PlaceLeaf = Field(default_factory=default_data_dir)
    """Where the service keeps what it owns; by default the checkout's var, else the user's data folder."""
    storage: StorageSettings = StorageSettings()
    archive: ArchiveSettings = ArchiveSettings()
    deletion: DeletionSettings = DeletionSettings()
    worker: WorkerSettings = WorkerSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    events: EventSettings = EventSettings()
    webhooks: WebhookSettings = WebhookSettings()
    database: DatabaseSettings = DatabaseSettings()
    server: ServerSettings = ServerSettings()
    logging: LoggingSettings = LoggingSettings()

    @property
    def store_path(self) -> Path:
        """Where the store's root lies, or would if it was on a disk."""
        url = self.storage.url
        return self.storage.base_path or (url if isinstance(url, Path) else None) or self.data_dir / "store"

    @property
    def sites(self) -> Sites:
        """Where objects lie, links followed."""
        url, archives = self.storage.url, self.archive.base_path or self.archive.url
        return Sites(
            url if isinstance(url, RemoteAddress) else self.store_path.resolve(),
            archives.resolve() if isinstance(archives, Path) else archives,
            self.storage.modes.resolved(),
        )

    @property
    def replica_site(self) -> Site | None:
        """Where replicas lie, links followed; None where there are none."""
        url = self.storage.replica.url
        return url.resolve() if isinstance(url, Path) else url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - given by pydantic-settings
        init_settings: PydanticBaseSettingsSource,
        *_from_the_process: PydanticBaseSettingsSource,
        **_from_the_process_too: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the layers `load_settings` hands over, strongest first; never the environment behind its back."""
        if not isinstance(init_settings, InitSettingsSource):
            return (init_settings,)
        return (init_settings, *init_settings.init_kwargs.pop("layers", ()))
