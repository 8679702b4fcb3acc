"""Commands as processes of their own: forked by a process that has everything imported, or started afresh."""

from tests.processes.process import DEVNULL, PLAIN, ROOT, Process, link, run, start

__all__ = ["DEVNULL", "PLAIN", "ROOT", "Process", "link", "run", "start"]
