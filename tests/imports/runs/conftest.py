"""Imports of old runs that leave every sum exact."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from media_analysis.cli.import_runs import run_import_of
from media_analysis.imports.runs.outcomes import ImportReport
from media_analysis.imports.runs.terms import ImportRequest
from media_analysis.integrity.reckoning import reckon
from media_analysis.runtime import Runtime

Importing = Callable[..., Awaitable[ImportReport]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Somebody's old runs, outside the store."""
    made = tmp_path / "old"
    made.mkdir()
    return made


@pytest.fixture
def importing(runtime: Runtime) -> Importing:
    """Imports a directory for `alice`; afterwards every sum is the sum of the rows."""

    async def imported(directory: Path, **about: Any) -> ImportReport:
        request = ImportRequest(directory=directory, **{"owner": "alice", "actor": "test", **about})
        report = await run_import_of(runtime).run(request)
        assert (await reckon(runtime.db)).differences == []
        return report

    return imported
