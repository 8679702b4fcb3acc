"""Which tables a transaction locked, in which order; every transaction of the suite keeps one order.

Triggers tell what statements change, those of other triggers and cascades included, in the order in which it happens
(docs/decisions/0014). What is only locked is read from the statement. Nothing is asked of the server for it.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final, Self
from weakref import WeakKeyDictionary, WeakSet

import asyncpg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import Pool

from media_analysis.db.driver import DirectConnection, Statement

LOCK_ORDER: Final = (
    "advisory",
    "instance",
    "category_policies",
    "pauses",
    "plans",
    "sweeps",
    "scrubs",
    "store_moves",
    "store_copies",
    "audit_events",
    "analysis_jobs",
    "resumable_uploads",
    "media_files",
    "idempotency_keys",
    "tombstones",
    "purges",
    "job_sources",
    "analysis_results",
    "event_ends",
    "events",
    "archived_files",
    "job_audit",
    "plan_files",
    "archive_tasks",
    "due_days",
    "analysis_places",
    "upload_analyses",
    "replica_places",
    "replicas",
    "webhook_places",
    "webhooks",
    "webhook_deliveries",
    "notices",
    "user_sessions",
    "link_keys",
    "links",
    "duties",
    "category_usage",
    "ledger",
    "ledger_days",
    "record_ends",
    "waiting_jobs",
)
"""What a transaction may wait for, first to last; the counts that everybody changes are held for the shortest time."""
UPSERTED: Final = frozenset(
    {
        "analysis_places",
        "archive_tasks",
        "category_policies",
        "duties",
        "event_ends",
        "idempotency_keys",
        "instance",
        "job_audit",
        "ledger",
        "ledger_days",
        "notices",
        "record_ends",
        "replica_places",
        "replicas",
        "resumable_uploads",
        "sweeps",
        "upload_analyses",
        "user_sessions",
        "waiting_jobs",
        "webhook_deliveries",
        "webhook_places",
    }
)
"""Where an inserted row may meet another's; all other tables get rows with new ids, which nobody waits for."""
KEPT_BY_TRIGGERS: Final = frozenset({"file_labels", "job_labels", "tombstone_labels"})
"""Whose rows only those change who have locked the file, job or tombstone they are of: nobody waits for them."""
PARENTS: Final = {
    "analysis_results": "analysis_jobs",
    "archived_files": "analysis_jobs",
    "job_sources": "analysis_jobs",
    "links": "link_keys",
    "media_files": "analysis_jobs",
    "webhook_deliveries": "webhooks",
}
"""Whose row an inserted row's foreign key locks, at the end of its statement."""
SAYING: Final = """
    CREATE SCHEMA locks;
    CREATE FUNCTION locks.say() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE change text := TG_OP || ' ' || TG_TABLE_NAME;
    BEGIN
        IF current_setting('locks.said', true) IS DISTINCT FROM change THEN
            PERFORM set_config('locks.said', change, true);
            RAISE NOTICE 'locks %', change;
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$;
    DO $$
    DECLARE named regclass;
    BEGIN
        FOR named IN SELECT oid FROM pg_class
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                AND relname <> 'alembic_version'
        LOOP
            EXECUTE format('CREATE TRIGGER a_lock BEFORE INSERT OR UPDATE OR DELETE ON %s '
                'FOR EACH ROW EXECUTE FUNCTION locks.say()', named);
        END LOOP;
    END $$;
"""
"""What makes a database tell which tables it changes."""
_LOCKING = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE)\b(?:\s+OF\s+(\w+))?(\s+SKIP\s+LOCKED)?")
_CHANGING = re.compile(r"\bINSERT\s+INTO\b|\bDELETE\s+FROM\b|(?<!FOR )(?<!KEY )(?<!DO )\bUPDATE\s+(?!SET\b)\w")
_ADVISORY = re.compile(r"\bpg_advisory_xact_lock\(")
_QUERY = re.compile(r"(\w+) AS (?:MATERIALIZED )?\(")
_NAMED = re.compile(r"(?<!DISTINCT )\b(?:FROM|JOIN)\s+([\w.]+)(?:\s+AS\s+(\w+))?")


def _level(text: str, end: int) -> str:
    """Return the (sub)query a locking clause at `end` belongs to, without what is in brackets inside it."""
    depth, kept = 0, []
    for character in reversed(text[:end]):
        depth += {")": 1, "(": -1}.get(character, 0)
        if depth < 0:
            break
        if depth == 0 and character != "(":
            kept.append(character)
    return "".join(reversed(kept))


@cache
def locked_by(statement: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tables a statement locks without changing them: before what it changes, and after."""
    text = re.sub(r"--[^\n]*", "", statement)
    first_change = _CHANGING.search(text)
    early: list[str] = []
    late: list[str] = []
    if _ADVISORY.search(text):
        early.append("advisory")
    queries = set(_QUERY.findall(text))
    for found in _LOCKING.finditer(text):
        names: dict[str, str] = {alias or name: name for name, alias in _NAMED.findall(_level(text, found.start()))}
        wanted = [str(found[1])] if found[1] else [name for name in names if names[name] not in queries]
        before = first_change is None or found.start() < first_change.start()
        (early if before else late).extend(
            ("?" if found[2] else "") + names.get(name, name).rpartition(".")[2] for name in wanted
        )
    return tuple(early), tuple(late)


def violation_of(order: Sequence[str]) -> str | None:
    """Say what a transaction waited for while it held what comes after; `?` marks locks that are not waited for."""
    ranks = {table: rank for rank, table in enumerate(LOCK_ORDER)}
    held: dict[str, int] = {}
    own: set[str] = set()
    for step in order:
        table = step.lstrip("?+")
        if step.startswith("+") and table not in UPSERTED:
            own.add(table)
        if table in held or table in own or table in KEPT_BY_TRIGGERS:
            continue
        if table not in ranks:
            return f"{table} has no place in the order"
        later = max(held, key=held.__getitem__, default=None)
        if not step.startswith("?") and later is not None and held[later] > ranks[table]:
            return f"{table} is locked after {later}: {' > '.join(order)}"
        held[table] = ranks[table]
    return None


class Recorder:
    """Follows every connection of the process, and keeps the distinct orders its transactions took."""

    def __init__(self) -> None:
        self.orders: set[tuple[str, ...]] = set()
        self._violations: list[str] = []
        self._keys: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        self._under_way: dict[int, list[str]] = {}
        self._late: dict[int, tuple[str, ...]] = {}
        self._owed: dict[int, list[str]] = {}

    def start(self) -> Self:
        event.listen(Pool, "connect", self._connected)
        event.listen(Engine, "before_cursor_execute", self._executing)
        event.listen(Engine, "begin", self._began)
        event.listen(Engine, "commit", self._ended)
        event.listen(Engine, "rollback", self._ended)
        self._follow_driver()
        return self

    def _follow_driver(self) -> None:
        """Follow what is asked of the driver itself; a statement outside a transaction is one."""
        opening, executing = DirectConnection.connected, DirectConnection.execute
        beginning = DirectConnection.transaction
        followed = WeakSet[asyncpg.Connection]()

        async def opened(ours: DirectConnection) -> asyncpg.Connection:
            connection = await opening(ours)
            if connection not in followed:
                followed.add(connection)
                connection.add_log_listener(lambda _connection, told: self._told(id(ours), told.message or ""))
            return connection

        async def execute(ours: DirectConnection, statement: Statement, params: Mapping[str, object]) -> Sequence[Any]:
            is_alone = id(ours) not in self._under_way
            if is_alone:
                self._begin(id(ours))
            self._execute(id(ours), str(statement))
            try:
                return await executing(ours, statement, params)
            finally:
                if is_alone:
                    self._end(id(ours))

        @asynccontextmanager
        async def transaction(ours: DirectConnection, *, durable: bool = True) -> AsyncIterator[DirectConnection]:
            self._begin(id(ours))
            try:
                async with beginning(ours, durable=durable):
                    yield ours
            finally:
                self._end(id(ours))

        for name, ours in {"connected": opened, "execute": execute, "transaction": transaction}.items():
            setattr(DirectConnection, name, ours)

    def take_violations(self) -> list[str]:
        """Return what was locked out of order since this was last asked."""
        found, self._violations = self._violations, []
        return found

    def _connected(self, raw: Any, _record: object) -> None:
        connection = getattr(raw, "driver_connection", None)
        if isinstance(connection, asyncpg.Connection):
            key = id(raw)
            connection.add_log_listener(lambda _connection, told: self._told(key, told.message or ""))

    def _told(self, key: int, message: str) -> None:
        said, _, rest = message.partition(" ")
        if said != "locks":
            return
        act, _, table = rest.partition(" ")
        self._note(key, ("+" if act == "INSERT" else "") + table)
        if act == "INSERT" and table in PARENTS:
            self._owed.setdefault(key, []).append(PARENTS[table])

    def _executing(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        self._execute(self._keys[connection], statement)

    def _execute(self, key: int, statement: str) -> None:
        self._settle(key)
        early, self._late[key] = locked_by(statement)
        for table in early:
            self._note(key, table)

    def _settle(self, key: int) -> None:
        """Note what the last statement locked at its end."""
        for table in (*self._late.pop(key, ()), *self._owed.pop(key, ())):
            self._note(key, table)

    def _note(self, key: int, table: str) -> None:
        order = self._under_way.setdefault(key, [])
        if not order or order[-1] != table:
            order.append(table)

    def _began(self, connection: Connection) -> None:
        key = self._keys[connection] = id(connection.connection.dbapi_connection)
        self._begin(key)

    def _begin(self, key: int) -> None:
        self._under_way[key], self._late[key], self._owed[key] = [], (), []

    def _ended(self, connection: Connection) -> None:
        self._end(self._keys[connection])

    def _end(self, key: int) -> None:
        self._settle(key)
        order = tuple(self._under_way.pop(key, ()))
        if len(order) > 1 and order not in self.orders:
            self.orders.add(order)
            violation = violation_of(order)
            if violation is not None:
                self._violations.append(violation)
