"""What the lab kernel's patch busy-time does: system calls have a price, and the cycle counter is the virtual clock."""

import subprocess
from pathlib import Path

import pytest

from roamlab.kernels.choose import lab_kernels, select
from roamlab.kernels.job import Kernel
from roamlab.runs.command import Request, differences, execute


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    if not lab_kernels():
        pytest.skip("there is no lab kernel; build it with ./lab kernel")
    return select("uml")


def test_waiting_in_a_loop_ends_and_the_cycle_counter_is_the_virtual_clock(
    kernel: Kernel, tmp_path: Path
) -> None:
    source = tmp_path / "loops.c"
    source.write_text(
        """
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
            for (began = ns(); ns() < began + 2000000000L;) poll(NULL, 0, 0);
            printf("waited\\n");
            return 0;
        }
        """
    )
    program = tmp_path / "loops"
    built = subprocess.run(["gcc", "-O1", "-o", program, source], capture_output=True)
    if built.returncode:
        pytest.skip("needs gcc, as building a lab kernel does")
    first, again = (execute(Request(argv=(str(program),)), kernel, runs=tmp_path / "runs") for _ in range(2))
    assert (first.run_dir / "stdout").read_text() == "3000 3000\nwaited\n"
    assert differences(first, again) == []


def test_another_jitter_is_another_interleaving_and_repeats(kernel: Kernel, tmp_path: Path) -> None:
    # Two processes that write as fast as they can: in which order, the price of their system calls decides.
    loop = "for i in 1 2 3 4 5 6 7 8; do echo {}; sleep 0.0001; done"
    script = f"({loop.format('a')}) & {loop.format('b')}; wait"
    prints = {
        jitter: [
            execute(Request(argv=("sh", "-c", script), jitter=jitter), kernel, runs=tmp_path).hashes["stdout"]
            for _ in range(2)
        ]
        for jitter in (1, 2, 3)
    }
    assert all(one == two for one, two in prints.values())
    assert len({one for one, _ in prints.values()}) > 1
