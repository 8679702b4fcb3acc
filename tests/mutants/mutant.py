"""What a planted bug is."""

from dataclasses import dataclass

KILL = "tests/crash/test_kill.py::test_a_service_killed_at_any_moment_keeps_its_promises"
KILL_RETENTION = "tests/crash/test_kill_retention.py::test_a_service_killed_while_it_retains_keeps_its_word"


@dataclass(frozen=True)
class Mutant:
    """A bug: where it is planted, which promise it breaks, and the tests that must turn red."""

    name: str
    promise: int
    file: str
    sound: str
    broken: str
    tests: tuple[str, ...]
