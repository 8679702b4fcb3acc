"""Why an analysis failed, beside what is wrong with its media, and whether another try may help."""

from media_analysis.errors.kinds import Invalid, TooLarge, Unavailable


class TaskFailed(Invalid):
    """A task of a plugin says, in a code of its own, why there is nothing to be had."""

    code = "task_failed"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        # The one error whose code is known only when it happens.
        self.code = code  # type: ignore[misc]


class KindUnknown(Invalid):
    """No built-in kind and no plugin of this machine has that name."""

    code = "kind_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"no analysis of kind {name} is installed here")
        self.kind = name


class OutputRefused(Invalid):
    """A task handed over what cannot be kept: a number that is not finite, a bad name, too much of it."""

    code = "output_refused"


class AnalysisTimedOut(TooLarge):
    """The analysis took longer than it may."""

    code = "analysis_timed_out"

    def __init__(self, *, limit_seconds: float) -> None:
        super().__init__(f"the analysis took longer than {limit_seconds:g} seconds")
        self.limit_seconds = limit_seconds


class AnalysisMemoryPassed(TooLarge):
    """The analysis needs more memory than it may have."""

    code = "analysis_memory_passed"

    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(f"the analysis needs more than {limit_bytes:,} bytes of memory")
        self.limit_bytes = limit_bytes


class AnalysisCrashed(Unavailable):
    """A codec, or the task itself, broke down; the service did not."""

    code = "analysis_crashed"

    def __init__(self, cause: str, *, output: str = "") -> None:
        super().__init__(f"the analysis crashed: {cause}")
        self.cause = cause
        self._output = output

    def __str__(self) -> str:
        # Paths of this machine are for its logs, not for clients.
        return f"{self.args[0]}\n{self._output}" if self._output else str(self.args[0])


class PicturesBusy(Unavailable):
    """So many wait for pictures that another one would wait too long."""

    code = "pictures_busy"

    def __init__(self) -> None:
        super().__init__("too many wait for pictures already; ask again in a moment")
