"""Plants bugs one at a time in a copy and runs the tests that must fail: `scripts/mutants [NAME…]`."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants import MUTANTS
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("media_analysis", "migrations", "tests", "pyproject.toml", "alembic.ini")


def copy_to(directory: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, directory / name)


def passes(directory: Path, tests: tuple[str, ...]) -> bool:
    """Run tests of the copy, which stands first on the import path."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not large", "-p", "no:cacheprovider", *tests]
    ended = subprocess.run(command, cwd=directory, env=None, capture_output=True, text=True, check=False)
    if ended.returncode > 1:
        raise SystemExit(ended.stdout + ended.stderr)
    return ended.returncode == 0


def verdict(directory: Path, mutant: Mutant) -> str:
    """Plant one bug, say what each of its tests made of it, and take it out again."""
    path = directory / "media_analysis" / mutant.file
    sound = path.read_text()
    if sound.count(mutant.sound) != 1:
        return "stale: its text is not there exactly once"
    path.write_text(sound.replace(mutant.sound, mutant.broken))
    try:
        survived = [test for test in mutant.tests if passes(directory, (test,))]
    finally:
        path.write_text(sound)
    return f"survived {', '.join(survived)}" if survived else "killed"


def main() -> int:
    chosen = [mutant for mutant in MUTANTS if not sys.argv[1:] or mutant.name in sys.argv[1:]]
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        directory = Path(name)
        copy_to(directory)
        for mutant in chosen:
            verdicts.append(verdict(directory, mutant))
            print(f"promise {mutant.promise:2}  {mutant.name:65} {verdicts[-1]}", flush=True)  # noqa: T201
    print(f"{verdicts.count('killed')} of {len(verdicts)} killed")  # noqa: T201
    return 0 if all(verdict == "killed" for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
