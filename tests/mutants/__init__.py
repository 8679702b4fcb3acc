"""Planted bugs: a harness counts only once each of them turned it red."""

from tests.mutants import archives, clients, database, files_and_sweeps, jobs, retention
from tests.mutants.mutant import Mutant

MUTANTS = (
    *files_and_sweeps.MUTANTS,
    *clients.MUTANTS,
    *retention.MUTANTS,
    *jobs.MUTANTS,
    *archives.MUTANTS,
    *database.MUTANTS,
)

__all__ = ["MUTANTS", "Mutant"]
