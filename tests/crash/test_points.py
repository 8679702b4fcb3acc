"""No failpoint is left out: each one in the code is in a list of those the tests kill at."""

import ast

from media_analysis.failpoints import failpoint
from tests.cli import test_import, test_import_runs
from tests.crash import points
from tests.test_conventions import MODULES, tree_of


def killed_at() -> set[str]:
    """Return the points at which the ordinary run kills a process."""
    moments = [
        *(
            *points.KILLS,
            *points.RETENTION_KILLS,
            *points.ARCHIVE_KILLS,
            *points.ARCHIVE_TRASH_KILLS,
            *points.JOB_KILLS,
            *points.EXPIRY_KILLS,
        ),
        *(
            *points.POLICY_KILLS,
            *points.QUARANTINE_KILLS,
            *points.SCRUB_KILLS,
            *points.CLUSTER_KILLS,
            *points.RECORD_KILLS,
        ),
        *(moment for _, moment in points.RUN_KILLS),
        *(*test_import.KILLS, *test_import.IN_PLACE, *test_import_runs.KILLS, *test_import_runs.IN_PLACE),
    ]
    return {moment.partition(":")[0] for moment in moments}


def test_every_failpoint_is_killed_at() -> None:
    marked = {
        ast.literal_eval(call.args[0])
        for module in MODULES
        for call in ast.walk(tree_of(module))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == failpoint.__name__
    }

    assert marked == killed_at()
