"""Whoever opens a transaction may be run again when PostgreSQL rolls it back for the sake of others."""

import ast
from collections.abc import Iterator
from pathlib import Path

import media_analysis

PACKAGE = Path(media_analysis.__file__).parent
OTHERWISE = {
    "archive/archiving.py": "its task is tried again",
    "archive/execution.py": "its task is claimed again",
    "archive/unarchiving.py": "run by whoever calls it",
    "db/database.py": "the clock is read, and whoever opens one of the driver's runs it",
    "db/driver.py": "the same",
    "db/pooling.py": "a number is read",
    "files/damage.py": "noted again at the next look",
    "files/links/claims.py": "run by `Database.retry`",
    "files/upload/idempotency.py": "run by a `retried` method",
    "files/upload/leases.py": "a lease, renewed again in time",
    "files/opening.py": "at the start, before anybody else",
    "files/upload/transactions.py": "run by `Database.retry`",
    "files/service.py": "run by `Database.retry`",
    "deletion/deleter.py": "left to the outbox",
    "retention/duties.py": "the record of a slot, which whoever lives writes again",
    "retention/guard/clock.py": "figures of a pause that stands",
    "retention/holds.py": "run by `Database.retry`",
    "imports/tree/statements.py": "waits for nobody while it holds something",
    "imports/tree/copying.py": "an import, begun again where it stopped",
    "retention/notices/service.py": "duties, done again at the next tick",
    "retention/notices/warnings.py": "duties, done again at the next tick",
    "retention/plans/applying.py": "a plan is applied in batches, each of which may be repeated",
    "retention/pressure/relief.py": "run by a `retried` method that sets the queue back",
    "retention/pressure/service.py": "the record of a sweep",
    "retention/run_expiry.py": "duties, done again at the next tick",
    "retention/restoring.py": "an event alone, which waits for nobody",
    "jobs/result_expiry.py": "run by `Database.retry`",
    "retention/sweep.py": "the record of a sweep",
    "retention/pressure/changes.py": "run by whoever opens the runtime",
    "runtime.py": "run by whoever opens it",
}
"""Modules where some transaction is not in a `retried` method, and why that is well."""


def unprotected(tree: ast.Module) -> Iterator[str]:
    """Name the functions that open a transaction and are not run again."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        opened = any(
            isinstance(node, ast.AsyncWith) and any("transaction()" in ast.unparse(item) for item in node.items)
            for node in ast.walk(function)
        )
        if opened and "retried" not in map(ast.unparse, function.decorator_list):
            yield function.name


def test_every_service_runs_again_what_postgresql_rolled_back_or_says_why_not() -> None:
    found = {
        str(path.relative_to(PACKAGE)): list(unprotected(ast.parse(path.read_text())))
        for path in sorted(PACKAGE.rglob("*.py"))
    }

    assert {name for name, functions in found.items() if functions} == set(OTHERWISE)
