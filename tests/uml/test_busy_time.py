"""What the lab kernel's patch busy-time does, and the watchdog for what it cannot help: loops without system calls."""

import subprocess
from pathlib import Path

import pytest

from roamlab.kernels.choose import lab_kernels, select
from roamlab.kernels.job import Kernel
from roamlab.runs.command import Ran, Request, differences, execute

LOOPS = """
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>
static long ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}
int main(void) {
    unsigned int core;
    unsigned long before = __rdtsc();
    long began = ns();
    sleep(3);
    unsigned long slept = __rdtscp(&core) - before;
    printf("%lu %ld\\n", slept / 1000000, (ns() - began) / 1000000);
    for (began = ns(); ns() < began + 1000000000L;) poll(NULL, 0, 0);
    printf("polled\\n");
    for (before = __rdtsc(); __rdtsc() < before + 100000000UL;);
    printf("counted\\n");
    return 0;
}
"""
COMPUTES = """
int main(void) {
    unsigned long x = 1;
    for (volatile unsigned long n = 0; n < N; n++) x = x * 31 + n;
    return x == 42;
}
"""
NOWHERE = "int main(void) { volatile int never = 0; while (!never); return 0; }"


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    for built in lab_kernels():
        if not built.metadata.variant and "busy-time" in built.metadata.patches:
            return select(built.name)
    pytest.skip("there is no lab kernel with busy-time; build it with ./lab kernel")


def program(source: str, folder: Path, *options: str) -> str:
    """A program made of C."""
    made = folder / "program"
    command = ["gcc", "-O1", *options, "-x", "c", "-", "-o", str(made)]
    if subprocess.run(command, input=source.encode(), capture_output=True).returncode:
        pytest.skip("needs gcc, as building a lab kernel does")
    return str(made)


def test_waiting_in_a_loop_ends_and_the_cycle_counter_is_the_virtual_clock(
    kernel: Kernel, tmp_path: Path
) -> None:
    argv = (program(LOOPS, tmp_path),)
    first, again = (execute(Request(argv=argv), kernel, runs=tmp_path / "runs") for _ in range(2))
    assert (first.run_dir / "stdout").read_text() == "3000 3000\npolled\ncounted\n"
    assert differences(first, again) == []


def test_another_jitter_is_another_interleaving_and_repeats(kernel: Kernel, tmp_path: Path) -> None:
    # Two processes that write as fast as they can: in which order, the price of their system calls decides.
    loop = "for i in 1 2 3 4 5 6 7 8; do echo {}; sleep 0.0001; done"
    script = f"({loop.format('a')}) & {loop.format('b')}; wait"

    def said(jitter: int) -> bytes:
        ran = execute(Request(argv=("sh", "-c", script), jitter=jitter), kernel, runs=tmp_path)
        return (ran.run_dir / "stdout").read_bytes()

    first, second, again = said(1), said(2), said(1)
    assert first == again
    assert first != second
    assert sorted(first) == sorted(second)


def test_a_program_may_compute_for_long_and_one_that_gets_nowhere_is_named_with_its_place(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Looks come after a second of CPU instead of ten, so that the computing need not be longer than that.
    monkeypatch.setattr("roamlab.kernels.uml.SpinWatch", _impatient)

    def run(source: str, *options: str) -> Ran:
        argv = (program(source, tmp_path, *options),)
        return execute(Request(argv=argv), kernel, runs=tmp_path / "runs")

    computed = run(COMPUTES, "-DN=6000000000UL")
    assert (computed.status, computed.reason) == (0, "")
    stuck = run(NOWHERE)
    assert stuck.status != 0
    assert "program (process" in stuck.reason
    assert " spins at program+0x" in stuck.reason


def _impatient(mconsole: str) -> object:
    from roamlab.kernels.spin import SpinWatch

    return SpinWatch(mconsole, limit_s=1.0)
