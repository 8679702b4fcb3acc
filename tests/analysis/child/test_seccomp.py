"""The filter's decisions, on this machine's kernel by another test and here on both by a small interpreter of BPF."""

import errno
import os
import re
import struct
from pathlib import Path

import pytest

from media_analysis.analysis.child import seccomp
from media_analysis.analysis.child.system_calls import ADDRESSED, HIDDEN, LIMITING, OPENING, REFUSED, STARTING, Numbers

PROCESS = 4_321
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
COLUMNS = {"x86_64": 0, "aarch64": 1}
EVERY: dict[str, Numbers] = {
    **REFUSED,
    **HIDDEN,
    **STARTING,
    **ADDRESSED,
    **LIMITING,
    **{name: numbers for name, (numbers, _) in OPENING.items()},
}
REFUSED_WITH_EPERM = seccomp.ERRNO | errno.EPERM
REFUSED_WITH_ENOSYS = seccomp.ERRNO | errno.ENOSYS
on_both = pytest.mark.parametrize("machine", sorted(COLUMNS))


def decision(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Run the filter on one call and return what it says."""
    own = seccomp.ARCHITECTURES[machine][1]
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    call = struct.pack("<IIQ6Q", number, own if architecture is None else architecture, 0, *padded)
    program = list(struct.iter_unpack("=HBBI", seccomp.instructions_for(machine, process=PROCESS)))
    place, loaded = 0, 0
    while True:
        code, then, otherwise, value = program[place]
        place += 1
        if code == seccomp.RETURN:
            return int(value)
        if code == seccomp.LOAD:
            (loaded,) = struct.unpack_from("<I", call, value)
            continue
        tests = {
            seccomp.EQUAL: loaded == value,
            seccomp.AT_LEAST: loaded >= value,
            seccomp.ANY_BIT: bool(loaded & value),
        }
        place += then if tests[code] else otherwise


@on_both
def test_what_is_refused_fails_with_an_error_that_libraries_know(machine: str) -> None:
    numbers = [numbers[COLUMNS[machine]] for numbers in REFUSED.values()]

    answers = {decision(machine, number) for number in numbers if number is not None}

    assert answers == {REFUSED_WITH_EPERM}


@on_both
def test_files_open_for_reading_only(machine: str) -> None:
    number = OPENING["openat"][0][COLUMNS[machine]]
    assert number is not None

    answers = [
        decision(machine, number, 2**32 - 100, 1, flags)
        for flags in (os.O_RDONLY | os.O_CLOEXEC, os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC)
    ]

    assert answers == [seccomp.ALLOW] + [REFUSED_WITH_EPERM] * 4


@on_both
def test_threads_start_and_processes_do_not(machine: str) -> None:
    number = STARTING["clone"][COLUMNS[machine]]
    assert number is not None

    assert decision(machine, number, seccomp.CLONE_THREAD | 0x100) == seccomp.ALLOW
    assert decision(machine, number, 17) == REFUSED_WITH_EPERM


@on_both
def test_a_child_may_signal_itself_alone(machine: str) -> None:
    numbers = [numbers[COLUMNS[machine]] or 0 for numbers in ADDRESSED.values()]

    assert {decision(machine, number, PROCESS) for number in numbers} == {seccomp.ALLOW}
    assert {decision(machine, number, 1) for number in numbers} == {REFUSED_WITH_EPERM}
    assert {decision(machine, number, 2**32 - 1) for number in numbers} == {REFUSED_WITH_EPERM}


@on_both
def test_a_child_may_ask_for_its_own_limits_alone(machine: str) -> None:
    number = LIMITING["prlimit64"][COLUMNS[machine]]
    assert number is not None

    assert decision(machine, number, 0) == seccomp.ALLOW
    assert decision(machine, number, 1) == REFUSED_WITH_EPERM


@on_both
def test_calls_the_filter_cannot_judge_do_not_exist(machine: str) -> None:
    assert {decision(machine, number) for number in (435, 437, 450, 469, 0x40000000)} == {REFUSED_WITH_ENOSYS}


@on_both
def test_another_way_of_calling_is_refused(machine: str) -> None:
    assert decision(machine, 0, architecture=0x40000003) == REFUSED_WITH_EPERM


@on_both
def test_reading_and_waiting_stay_possible(machine: str) -> None:
    harmless = {"x86_64": (0, 1, 3, 9, 11, 202, 228, 231), "aarch64": (63, 64, 57, 222, 215, 98, 113, 94)}

    assert {decision(machine, number) for number in harmless[machine]} == {seccomp.ALLOW}


@on_both
def test_every_number_is_the_one_the_kernel_gave(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("the kernel's headers are not installed")
    lines = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)$", HEADERS[machine].read_text(), re.MULTILINE)
    known = {name: int(number) for name, number in lines}

    ours = {name: numbers[COLUMNS[machine]] for name, numbers in EVERY.items()}

    assert ours == {name: known.get(name) for name in EVERY}
