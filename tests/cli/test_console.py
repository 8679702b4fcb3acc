"""What every command shares: a signal ends it, whatever its threads do."""

import signal
import subprocess
import sys

from tests.cli.commands import clean
from tests.processes.process import ROOT

STUCK = """
import asyncio, threading
from media_analysis.cli.console import at_interruption, run

async def work():
    interrupted = asyncio.Event()
    at_interruption(interrupted.set, within_seconds=0.5)
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
    print("ready", flush=True)
    await interrupted.wait()

run(work())
"""


def test_a_thread_that_never_returns_does_not_outlast_the_command() -> None:
    command = [sys.executable, "-c", STUCK]
    with subprocess.Popen(command, cwd=ROOT, env=clean({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM
    assert b"threads do not end" in complaint
    assert b"threading.py" in complaint, "it says where they are"
