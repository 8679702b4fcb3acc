"""A plugin whose kind does, in a child, whatever a test asks for."""

import ctypes
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from media_analysis.analysis.kinds import Kind
from media_analysis.analysis.task import Emitter, Product, Source
from media_analysis.errors import Invalid
from media_analysis.errors.media import CorruptMedia, MediaLimitPassed
from media_analysis.media.options import Limits, Options
from media_analysis.storage.category import Category


class Orders(Options):
    """Which of the acts below, and what with."""

    act: str
    words: tuple[str, ...] = ()
    number: int = 0


class OutOfTune(Invalid):
    """A plugin's own error."""

    code = "out_of_tune"


def act(sources: Sequence[Source], options: Options, limits: Limits, emit: Emitter) -> None:
    del limits
    assert isinstance(options, Orders)
    ACTS[options.act](emit, sources, options)


def frame(ordinal: int) -> Product:
    name = f"{ordinal}.bin"
    return Product(
        role="frame",
        ordinal=ordinal,
        category=Category.FRAMES,
        filename=name,
        media_type="application/octet-stream",
        source=0,
        instant_seconds=ordinal / 2,
    )


def attempt(emit: Emitter, *calls: Callable[[], object]) -> None:
    """Tell how each call ended."""
    outcomes = []
    for call in calls:
        try:
            outcomes.append(repr(call()))
        except OSError as error:
            outcomes.append(type(error).__name__)
    emit.result("outcomes", {"outcomes": outcomes})


def behave(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    emit.progress(0, "reading", done=0, total=2)
    emit.warn("truncated", "it ends in the middle")
    emit.warn("truncated", "it ends in the middle")
    emit.product(frame(0), sources[0].path.read_bytes())
    emit.product(frame(1), b"")
    emit.result("probe", {"title": "a\0b\ud800c", "numbers": [1, 2.5, None, True]}, source=0)
    for step in range(1_000):
        emit.progress(step / 1_000, "working")
    emit.progress(1, "done", done=2, total=2)


def fork_or_die(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    attempt(
        emit,
        os.fork,
        lambda: subprocess.run(["/bin/true"], check=False),
        lambda: os.execv("/bin/true", ["true"]),
        lambda: os.kill(os.getppid(), 0),
        lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
        lambda: os.sched_setaffinity(os.getppid(), {0}),
        lambda: os.sched_setscheduler(os.getppid(), os.SCHED_BATCH, os.sched_param(0)),
        lambda: os.setuid(65534),
    )


def reach_out(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    attempt(
        emit,
        lambda: socket.create_connection(("127.0.0.1", options.number), timeout=1),
        lambda: socket.socket(socket.AF_UNIX),
        socket.socketpair,
        lambda: ctypes.CDLL(None).syscall(425, 1, 0),
    )


def write_about(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    folder = Path(options.words[0])
    attempt(
        emit,
        lambda: (folder / "new").write_bytes(b"new"),
        lambda: (folder / "old").open("ab"),
        (folder / "old").unlink,
        lambda: (folder / "old").rename(folder / "other"),
        lambda: os.truncate(folder / "old", 0),
        lambda: (folder / "old").chmod(0o777),
        (folder / "inner").mkdir,
    )


def read_about(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    attempt(emit, *(Path(word).read_bytes for word in options.words))


def tell_surroundings(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    emit.result(
        "surroundings",
        {
            "environment": dict(os.environ),
            "folder": str(Path.cwd()),
            "descriptors": os.listdir("/proc/self/fd"),  # noqa: PTH208
            "niceness": os.getpriority(os.PRIO_PROCESS, 0),
            "policy": os.sched_getscheduler(0),
            "modules": sorted(sys.modules),
            "group": os.getpgrp() == os.getpid(),
            "users": os.getresuid(),
            "groups": [*os.getresgid(), *os.getgroups()],
        },
    )


def ignore_everything(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    emit.result("process", {"id": os.getpid()})
    while True:
        pass


def fill_memory(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    emit.result("bytes", {"count": len(bytearray(options.number))})


def swallow_memory(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    """Run out of memory as a C++ library does, which ends the program itself."""
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def hoard_memory(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    hoard = []
    while True:
        hoard.append(bytearray(4_096))


def overflow(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    for ordinal in range(10):
        emit.product(frame(ordinal), b"x" * options.number)


def refer(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    """Make a file whose content is the first word, which refers to what is named in it, after another file."""
    emit.product(frame(0), b"first")
    emit.product(replace(frame(1), refers=True), options.words[0].encode())


def scatter(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    """Make a file of every category, then end as ordered."""
    for ordinal, category in enumerate((Category.FRAMES, Category.CONTACT_SHEETS, Category.OUTPUTS, Category.TEMP)):
        emit.product(replace(frame(ordinal), role=category.value, category=category), category.value.encode())
    if options.words:
        time.sleep(0.5)  # the files are on disk by then
        ACTS[options.words[0]](emit, sources, options)


def chatter(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    for line in range(200_000):
        print(f"line {line}", "o" * 40, file=sys.stderr if line % 2 else sys.stdout)
    sys.stdout.flush()
    emit.result("chatter", {"lines": 200_000})
    os._exit(options.number) if options.number else None


def lie(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    """Write to the pipe what no emitter writes."""
    for descriptor in range(3, 32):
        with suppress(OSError):
            os.write(descriptor, bytes.fromhex(options.words[0]))
    time.sleep(60)


def fail(error: BaseException) -> Callable[[Emitter, Sequence[Source], Orders], None]:
    def failing(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
        raise error

    return failing


def tell(*values: object) -> Callable[[Emitter, Sequence[Source], Orders], None]:
    def telling(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
        for value in values:
            emit.result("value", {"value": value})

    return telling


def segfault(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    ctypes.string_at(0)


def divide(emit: Emitter, sources: Sequence[Source], options: Orders) -> None:
    emit.progress(1 // options.number, "dividing")


def nested(depth: int) -> list[object]:
    inner: list[object] = []
    for _ in range(depth):
        inner = [inner]
    return inner


ACTS: dict[str, Callable[[Emitter, Sequence[Source], Orders], None]] = {
    "behave": behave,
    "segfault": segfault,
    "abort": lambda *_: os.abort(),
    "exit": lambda *_: os._exit(3),
    "sys_exit": lambda *_: sys.exit(0),
    "divide": divide,
    "loop": ignore_everything,
    "fill_memory": fill_memory,
    "swallow_memory": swallow_memory,
    "hoard_memory": hoard_memory,
    "fork": fork_or_die,
    "reach_out": reach_out,
    "write": write_about,
    "read": read_about,
    "surroundings": tell_surroundings,
    "overflow": overflow,
    "refer": refer,
    "scatter": scatter,
    "chatter": chatter,
    "lie": lie,
    "corrupt": fail(CorruptMedia("nothing of it decodes")),
    "too_long": fail(MediaLimitPassed("duration_seconds", found=90_000, allowed=86_400)),
    "own_error": fail(OutOfTune("the strings are loose")),
    "not_a_number": tell(float("nan")),
    "not_json": tell({1, 2}),
    "too_deep": tell(nested(2_000)),
    "too_large": tell("x" * 5_000_000),
    "large": tell(["x" * 1_000] * 3_000),
}
KIND = Kind(name="misbehaving", parameters=Orders, task=act, summary="Whatever a test wants")
