"""One home for a table, and one meaning for a name."""

from pathlib import Path
from typing import Final

import pytest

from scripts.survey.classes import find_twice
from scripts.survey.modules import Module, read_modules
from scripts.survey.reads import find_upward_reads, read_layers
from scripts.survey.writes import UNKNOWN, find_models, writers_of

WRITERS: Final = {
    "analysis_jobs": {"jobs"},
    "analysis_places": {"jobs"},
    "analysis_results": {"jobs"},
    "archive_tasks": {"archive"},
    "archived_files": {"files"},
    "audit_events": {"audit"},
    "category_policies": {"policy"},
    "category_usage": {"files"},
    "due_days": {"retention"},
    "duties": {"retention"},
    "event_ends": {"events"},
    "events": {"events"},
    "idempotency_keys": {"files"},
    "resumable_uploads": {"files"},
    "instance": {"db"},
    "job_audit": {"jobs"},
    "job_sources": {"jobs"},
    "ledger": {"files"},
    "link_keys": {"files"},
    "links": {"files"},
    "ledger_days": {"files"},
    "media_files": {"files"},
    "notices": {"retention"},
    "pauses": {"deletion"},
    "plan_files": {"retention"},
    "plans": {"retention"},
    "purges": {"deletion"},
    "record_ends": {"records"},
    "replica_places": {"replication"},
    "replicas": {"replication"},
    "scrubs": {"integrity"},
    "store_copies": {"moves"},
    "store_moves": {"moves"},
    "sweeps": {"retention"},
    "tombstones": {"deletion"},
    "upload_analyses": {"jobs"},
    "user_sessions": {"sessions"},
    "webhook_deliveries": {"webhooks"},
    "webhook_places": {"webhooks"},
    "webhooks": {"webhooks"},
}
"""Who writes each table. Where several do, their statements are still to be gathered where the table's model is."""
ROOT: Final = Path(__file__).parents[2]
WRITTEN_BY_TRIGGERS: Final = {"file_labels", "job_labels", "tombstone_labels", "waiting_jobs"}


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return list(read_modules(ROOT / "media_analysis"))


def of_client(modules: list[Module]) -> list[Module]:
    return [module for module in modules if module.name.startswith("media_analysis.client")]


def test_a_table_is_written_only_where_it_is_said_to_be(modules: list[Module]) -> None:
    # There `DELETE` is a method of HTTP, and no tables are.
    of_http = [*of_client(modules), *(one for one in modules if one.name.startswith("media_analysis.storage.remote"))]
    writers = writers_of([module for module in modules if module not in of_http])

    elsewhere = {table: packages - WRITERS.get(table, set()) for table, packages in writers.items()}
    no_more = {table: packages - writers.get(table, set()) for table, packages in WRITERS.items()}
    assert {table: packages for table, packages in elsewhere.items() if packages} == {}, "write it where its home is"
    assert {table: packages for table, packages in no_more.items() if packages} == {}, "gathered: say so above"


def test_each_table_has_a_writer(modules: list[Module]) -> None:
    assert set(find_models(modules).values()) - WRITTEN_BY_TRIGGERS == set(WRITERS) - {UNKNOWN}


def test_no_statement_reads_a_table_of_a_layer_above(modules: list[Module]) -> None:
    upward = find_upward_reads(modules, read_layers(ROOT / "pyproject.toml"))

    assert [(read.module.name, read.table) for read in upward] == [], "let the layer above give the part it owns"


def test_no_public_class_name_means_two_things(modules: list[Module]) -> None:
    client = of_client(modules)

    assert find_twice([module for module in modules if module not in client]) == {}
    assert find_twice(client) == {}, "its names are those of the programs that use it (decision 43)"
