"""Planted bugs: a harness counts only once each of them turned it red."""

from tests.mutants import (
    archives,
    clients,
    database,
    events,
    files_and_sweeps,
    jobs,
    labels,
    links,
    matches,
    media,
    moves,
    page,
    renditions,
    replication,
    requests,
    resumable,
    retention,
    webhooks,
)
from tests.mutants.mutant import Mutant

MUTANTS = (
    *files_and_sweeps.MUTANTS,
    *clients.MUTANTS,
    *requests.MUTANTS,
    *retention.MUTANTS,
    *jobs.MUTANTS,
    *media.MUTANTS,
    *archives.MUTANTS,
    *database.MUTANTS,
    *resumable.MUTANTS,
    *labels.MUTANTS,
    *events.MUTANTS,
    *webhooks.MUTANTS,
    *links.MUTANTS,
    *matches.MUTANTS,
    *renditions.MUTANTS,
    *page.MUTANTS,
    *moves.MUTANTS,
    *replication.MUTANTS,
)

__all__ = ["MUTANTS", "Mutant"]
