"""What is wrong with the database, the store or the configuration."""

from pathlib import Path

from media_analysis.errors.kinds import Conflict, Misconfigured, Unavailable


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached, did not answer in time, or takes no changes; `reason` says why it takes none."""

    code = "database_unavailable"

    def __init__(self, reason: str, *, takes_no_changes: bool = False) -> None:
        super().__init__(
            f"the database takes no changes: {reason}; nothing was changed"
            if takes_no_changes
            else "the database does not answer; nothing was changed unless a later read shows it"
        )
        self._reason = reason
        if takes_no_changes:
            self.reason = reason

    @property
    def refusal(self) -> str | None:
        """Why the database takes no changes, None where something else is wrong with it."""
        told: str | None = vars(self).get("reason")
        return told

    def __str__(self) -> str:
        return f"{self.args[0]} ({self._reason})"


class TransactionConflict(DatabaseUnavailable):
    """Other work on the same rows stood in the way of a transaction, as often as it was tried."""

    code = "transaction_conflict"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.args = ("other work on the same rows stood in the way, every time it was tried; nothing was changed",)


class LockBusy(Conflict):
    """Somebody else does for too long what only one may do at a time."""

    code = "lock_busy"

    def __init__(self, busy: str) -> None:
        super().__init__(f"{busy}; what was done so far stays: say it again once that is over")


class StoreUnavailable(Unavailable):
    """The store fails to read or write."""

    code = "store_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("the store does not answer")
        self._reason = reason

    @property
    def reason(self) -> str:
        """What is wrong with it, in words or as the kernel's name of the error; for operators."""
        return self._reason

    def __str__(self) -> str:
        return f"{self.args[0]} ({self._reason})"


class NameRefused(StoreUnavailable):
    """No object of a store can have this name; of others it says nothing."""

    code = "name_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.args = ("no object can have this name there",)


class MarkerMismatch(Unavailable):
    """The store's root does not carry this database's marker, so nothing may be written or deleted there."""

    code = "marker_mismatch"

    def __init__(self, reason: str) -> None:
        super().__init__("the store is not the one this database belongs to")
        self._reason = reason

    @property
    def reason(self) -> str:
        """What is wrong with its marker, and where the store went; for operators."""
        return self._reason

    def __str__(self) -> str:
        return f"{self.args[0]}: {self._reason}"


class SchemaBehind(Misconfigured):
    """The database schema is not the one this version needs."""

    code = "schema_behind"

    def __init__(self, *, current: str | None, needed: str) -> None:
        super().__init__(
            f"the database schema is at {current or 'nothing'}, this version needs {needed}; "
            "run: media-analysis migrate"
        )
        self.current = current
        self.needed = needed


class SchemaInUse(Misconfigured):
    """The schema cannot go back while processes of the service work with it."""

    code = "schema_in_use"

    def __init__(self, connections: int) -> None:
        super().__init__(
            f"{connections} connections of media-analysis have the database open; stop serve, work and commands first"
        )
        self.connections = connections


class DowngradeImpossible(Misconfigured):
    """Something in the database cannot be said in an earlier schema."""

    code = "downgrade_impossible"

    def __init__(self, revision: str, reason: str) -> None:
        super().__init__(f"the database cannot go back to {revision}, and nothing was changed: {reason}")
        self.revision = revision


class DowngradeStopped(Misconfigured):
    """A way back ended before its end; every step that was done stays."""

    code = "downgrade_stopped"

    def __init__(self, revision: str, stopped_at: str, reason: str) -> None:
        super().__init__(
            f"the way back to {revision} stopped at {stopped_at}: {reason}; the same command goes on there"
        )
        self.stopped_at = stopped_at


class UnsafeDatabase(Misconfigured):
    """PostgreSQL is set up to lose acknowledged data."""

    code = "unsafe_database"

    def __init__(self, setting: str, value: str) -> None:
        super().__init__(f"PostgreSQL runs with {setting}={value}, which can lose acknowledged files; turn it on")
        self.setting = setting
        self.value = value


class DatabaseRefused(Misconfigured):
    """PostgreSQL does not let the service in: wrong password, unknown user or no such database."""

    code = "database_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"PostgreSQL does not let the service in: {reason}; check DATABASE_URL")


class TransactionPooler(Misconfigured):
    """A pooler lends a server's session for one transaction at a time, and what we say to a session is lost."""

    code = "transaction_pooler"

    def __init__(self) -> None:
        super().__init__(
            "DATABASE_URL leads to a pooler in transaction mode, where LISTEN, prepared statements and time limits do "
            "not outlast a transaction; give the server's own address, or set the pooler to pool_mode=session"
        )


class EmbeddedServerFailed(Misconfigured):
    """The embedded PostgreSQL cannot be started here."""

    code = "embedded_server_failed"


class NoDataDirectory(Misconfigured):
    """A command was pointed at a directory that no service keeps its data in."""

    code = "no_data_directory"

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(
            f"{directory} is not a data directory of media-analysis: {reason}; name the right one by --data-dir or "
            "MEDIA_ANALYSIS_DATA_DIR, or start `media-analysis serve` there, which alone makes one"
        )


class InvalidSettings(Misconfigured):
    """A setting is unknown or has a value that is not allowed."""

    code = "invalid_settings"


class PolicyMissing(Misconfigured):
    """The database has no retention policy, so nothing can be decided."""

    code = "policy_missing"

    def __init__(self) -> None:
        super().__init__("no retention policy is in force; start the service once")


class SourceUnavailable(Unavailable):
    """A bucket that is imported from cannot be read."""

    code = "source_unavailable"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} cannot be read: {reason}")


class SourceChanged(Conflict):
    """A file outside the store is not what it was a moment ago, so what was read of it may be of two minds."""

    code = "source_changed"

    def __init__(self) -> None:
        super().__init__("the file changed while it was read")


class NotDelivered(Unavailable):
    """Something did not reach a webhook, or nobody knows whether it did."""

    code = "not_delivered"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the webhook did not take it: {reason}")
        self.reason = reason
