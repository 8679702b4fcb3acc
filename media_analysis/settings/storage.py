"""The branch of the tree about what is stored, where and for how long."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from media_analysis.settings.kinds import Choice, Days, OrNone, Percent, Seconds, Size, Switch, Whole
from media_analysis.settings.links import LinkSettings
from media_analysis.settings.modes import StoreModeSettings
from media_analysis.settings.policy_tests import PolicyTest, PolicyTests
from media_analysis.settings.records import RecordSettings
from media_analysis.settings.remote import OwnStoreUrlLeaf, RemoteSettings
from media_analysis.settings.replica import ReplicaSettings
from media_analysis.settings.retention import (
    GIB,
    KIB,
    MIB,
    Accept,
    EvictionPriority,
    HighWater,
    LowWater,
    MinimumRetention,
    OwnerQuotas,
    Quotas,
    Retention,
    Schedules,
    SharePercent,
)
from media_analysis.settings.section import (
    BudgetLeaf,
    CronLeaf,
    OwnCronLeaf,
    OwnPlaceLeaf,
    OwnSpanLeaf,
    Section,
    ShareLeaf,
    SpanLeaf,
    SwitchLeaf,
)
from media_analysis.settings.texts import WebhookSecret, WebhookUrl
from media_analysis.storage.category import Category
from media_analysis.storage.remote.address import RemoteAddress

MOST_FREE_PERCENT: Final = 50


class CleanupSettings(Section):
    """The sweep."""

    enabled: SwitchLeaf = True
    """Whether the scheduler sweeps at all."""
    dry_run: SwitchLeaf = False
    """Whether sweeps only report what they would delete."""
    batch_size: Annotated[int, Whole(1, 10_000)] = 2000
    """How many files one transaction claims."""
    schedule: CronLeaf = "0 2 * * *"
    """When the categories without a schedule of their own are swept."""
    schedules: Schedules = Schedules()
    run_at_start: SwitchLeaf = True
    """Whether a sweep runs when the service starts."""
    budget_seconds: BudgetLeaf = 3600
    """How long one sweep may run."""
    budget_files: Annotated[int | None, OrNone(Whole(1, 10**12))] = None
    """How many files one sweep may delete, give or take a batch per worker."""
    budget_bytes: Annotated[int | None, OrNone(Size(low=1))] = None
    """How many bytes one sweep may delete, give or take a batch per worker."""
    workers: Annotated[int, Whole(1, 8)] = 3
    """How many batches are deleted at the same time."""
    max_attempts: Annotated[int, Whole(1, 1000)] = 20
    """After how many failures an object becomes a dead letter."""
    use_trash: Annotated[bool | None, OrNone(Switch())] = None
    """Whether what sweeps take, but of temp and clips, lies in the trash first; none is as deletion.strategy says."""
    plan_lifetime: SpanLeaf = timedelta(hours=24)
    """How long a plan can be applied."""

    @property
    def rehearses_because(self) -> str | None:
        """Why nothing is deleted by schedule or pressure, None if it is."""
        if not self.enabled:
            return "storage.cleanup.enabled is false"
        return "storage.cleanup.dry_run is true" if self.dry_run else None

    def schedule_of(self, category: Category) -> str:
        """Return when a category is swept."""
        own = self.schedules.of(category)
        return self.schedule if own is None else own


class BreakerSettings(Section):
    """When a sweep stops and asks first."""

    share_percent: SharePercent = SharePercent()
    min_files: Annotated[int, Whole(0, 10**12)] = 1000
    """Below how many due files neither a share nor the median stops a sweep."""
    median_factor: Annotated[int | None, OrNone(Whole(1, 1_000_000))] = 20
    """How many times the median of the sweeps before it a sweep may take."""
    eviction_share_percent: ShareLeaf = 25
    """The share of a category that pressure evicts within an hour unasked, but in temp and clips; none is any share."""
    clock_jump_seconds: Annotated[float, Seconds(1, 86_400)] = 300
    """How far the clock may jump before it is distrusted."""
    downtime_days: Annotated[int, Days(1, 36_500)] = 14
    """How far the clock may be ahead of the last instant noted before it is distrusted; downtime explains less."""


class PressureSettings(Section):
    """Eviction from what is too full."""

    schedule: CronLeaf = "*/5 * * * *"
    """When categories and the disk are checked for pressure."""


class DiskSettings(Section):
    """When the disk is under pressure."""

    high_water_percent: Annotated[int, Percent(50, 100)] = 90
    """The used share of the disk from which pressure evicts."""
    # Not validated as a default: it gives way to a lower high mark, which only a given value contradicts.
    low_water_percent: Annotated[int, Percent(50, 99)] = Field(default=85, validate_default=False)
    """Down to which used share of the disk pressure evicts."""

    @property
    def low_percent(self) -> int:
        """The share of the disk down to which pressure evicts, always below the high mark."""
        if self.low_water_percent < self.high_water_percent:
            return self.low_water_percent
        return self.high_water_percent - 5

    @field_validator("low_water_percent")
    @classmethod
    def _below_the_high_mark(cls, percent: int, seen: ValidationInfo) -> int:
        high = seen.data.get("high_water_percent", 100)
        if percent >= high:
            raise ValueError(f"not below storage.disk.high_water_percent, which is {high}")
        return percent


class MonitoringSettings(Section):
    """What is alerted, and who is told."""

    reserve_bytes: Annotated[int, Size()] = 256 * MIB
    """The disk space that uploads never fill."""
    alert_threshold_percent: Annotated[int, Percent(1, 100)] = 10
    """The free share of the disk below which the service alerts; nothing is deleted for it."""
    metrics_enabled: SwitchLeaf = True
    """Whether /metrics answers."""
    webhook_url: Annotated[SecretStr | None, OrNone(WebhookUrl())] = None
    """Where alerts and warnings are posted."""
    webhook_secret: Annotated[SecretStr | None, OrNone(WebhookSecret())] = None
    """What they are signed with (Standard Webhooks)."""
    warn_before: OwnSpanLeaf = None
    """How long before their end owners are told of files through the webhook."""

    @field_validator("alert_threshold_percent")
    @classmethod
    def _a_free_share(cls, percent: int) -> int:
        if percent > MOST_FREE_PERCENT:
            raise ValueError(
                f"more than {MOST_FREE_PERCENT}: it is the free share below which the service alerts; from which used "
                "share on the disk evicts is storage.disk.high_water_percent (STORAGE_DISK_HIGH_WATER_PERCENT)"
            )
        return percent


class ScrubSettings(Section):
    """Reading stored objects again to prove that they are what they were."""

    schedule: OwnCronLeaf = "0 4 * * 6"
    """When objects are read again, oldest check first; none is never."""
    bytes_per_second: Annotated[int | None, OrNone(Size(low=1))] = 20 * MIB
    """How fast objects are read again."""
    budget_seconds: BudgetLeaf = 3600
    """How long one scrub may run."""


class UploadSettings(Section):
    """What one upload may take."""

    max_bytes: Annotated[int, Size(low=1)] = 50 * GIB
    """The largest file."""
    lease_seconds: Annotated[float, Seconds(5, 3600)] = 60
    """How long an upload that stopped reporting keeps its row."""
    idle_seconds: Annotated[float, Seconds(1, 3600)] = 30
    """How long the client may send nothing."""
    min_bytes_per_second: Annotated[int, Size()] = KIB
    """How much has to arrive of an upload, measured over a minute of waiting for it; 0 is any."""
    deadline_seconds: Annotated[float, Seconds(1, 2_592_000)] = 86_400
    """How long an upload may take in all."""
    unfinished_seconds: Annotated[float, Seconds(5, 2_592_000)] = 86_400
    """How long a resumable upload is kept after its last byte."""


class StorageSettings(Section):
    """What is stored, where and for how long."""

    base_path: OwnPlaceLeaf = None
    """The store's root; none is the directory store in data_dir."""
    url: OwnStoreUrlLeaf = None
    """Where the store is instead: s3://bucket/prefix, gs://…, az://…, or file:///path as base_path says it."""
    downloads: Annotated[Literal["proxy", "redirect"], Choice(("proxy", "redirect"))] = "proxy"
    """Whether files are sent by the service, or by their bucket, to whose signed addresses programs are redirected."""
    remote: RemoteSettings = RemoteSettings()
    replica: ReplicaSettings = ReplicaSettings()
    modes: StoreModeSettings = StoreModeSettings()
    retention: Retention = Retention()
    minimum_retention: MinimumRetention = MinimumRetention()
    quotas: Quotas = Quotas()
    owner_quotas: OwnerQuotas = OwnerQuotas()
    high_water: HighWater = HighWater()
    low_water: LowWater = LowWater()
    eviction_priority: EvictionPriority = EvictionPriority()
    accept: Accept = Accept()
    cleanup: CleanupSettings = CleanupSettings()
    breaker: BreakerSettings = BreakerSettings()
    pressure: PressureSettings = PressureSettings()
    disk: DiskSettings = DiskSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    scrub: ScrubSettings = ScrubSettings()
    upload: UploadSettings = UploadSettings()
    records: RecordSettings = RecordSettings()
    links: LinkSettings = LinkSettings()
    policy_tests: Annotated[tuple[PolicyTest, ...], PolicyTests()] = ()
    """What the policy must decide about imagined files; a policy that does not is refused."""

    @field_validator("downloads")
    @classmethod
    def _by_a_bucket(cls, downloads: str, seen: ValidationInfo) -> str:
        if downloads == "redirect" and not isinstance(seen.data.get("url"), RemoteAddress):
            raise ValueError("only a bucket sends files itself, and storage.url (STORAGE_URL) names none")
        return downloads
