"""Patches, configures and compiles an unpacked source."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from roamlab.kernels.build.errors import BuildError
from roamlab.kernels.build.recipes import Recipe, asked, missing
from roamlab.kernels.build.sources import knows

_COMPILED = re.compile(r"^  (?:CC|AS) ")
# Objects that a build was seen to compile, for the progress; a source with more or fewer only makes it less exact.
_OBJECTS = {6: 950, 7: 930}
# The same source, configuration and compiler give the same binary, whoever builds it and when.
_SAME = {
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01 00:00:00 UTC",
    "KBUILD_BUILD_USER": "roamlab",
    "KBUILD_BUILD_HOST": "roamlab",
    "KBUILD_BUILD_VERSION": "1",
    "LC_ALL": "C",
}
# Programs that no lab kernel is built with, and whose mere presence the configuration would tell in the binary.
_UNUSED = ("RUSTC", "BINDGEN", "PAHOLE")
_TAIL = 15


def patch(tree: Path, patches: Sequence[Path], *, undo: bool = False) -> None:
    """Apply patches, or take them out again; raises BuildError naming the one that does not fit."""
    for file in patches:
        with file.open("rb") as content:
            command = ["patch", "-p1", "--batch", "--quiet", "--reverse" if undo else "--forward"]
            done = subprocess.run(command, cwd=tree, stdin=content, capture_output=True, text=True)
        if done.returncode != 0:
            raise BuildError(f"the patch {file.stem} does not fit this source: {_last(done.stdout)}")


def configure(tree: Path, objects: Path, recipe: Recipe) -> None:
    """Write the configuration; raises BuildError naming every option that was asked for and is not set."""
    objects.mkdir()
    wanted = objects / "asked.config"
    older = [
        f"{name}={value}\n"
        for name, value in asked(recipe.older).items()
        if knows(tree, name.removeprefix("CONFIG_"))
    ]
    config = recipe.config + "".join(older)
    wanted.write_text(config)
    make = [*_make(tree, objects), "-s", "allnoconfig"]
    done = subprocess.run(
        make,
        env=_environment() | {"KCONFIG_ALLCONFIG": str(wanted)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise BuildError(f"the kernel could not be configured: {_last(done.stderr)}")
    left = missing(config, asked((objects / ".config").read_text()))
    if left:
        raise BuildError(
            f"the kernel's configuration refuses {', '.join(left)}: something they depend on is missing"
        )


def build(tree: Path, objects: Path, recipe: Recipe, jobs: int, on_fraction: Callable[[float], None]) -> Path:
    """Compile and strip; gives the binary. Raises BuildError with the compiler's last words."""
    version = int(re.search(r"^VERSION = (\d+)$", (tree / "Makefile").read_text(), re.MULTILINE)[1])  # type: ignore[index]
    expected = _OBJECTS.get(version, _OBJECTS[7])
    # The variant's name stands in uname too: nobody takes one kernel for another.
    local = [f"LOCALVERSION=-{recipe.variant}"] if recipe.variant else ["LOCALVERSION="]
    last: deque[str] = deque(maxlen=_TAIL)
    compiled = 0
    with _running([*_make(tree, objects), f"-j{jobs}", *local, "linux"]) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line.rstrip())
            if _COMPILED.match(line):
                compiled += 1
                on_fraction(min(compiled / expected, 0.99))
    binary = objects / "linux"
    if process.returncode != 0 or not binary.exists():
        raise BuildError("the kernel does not compile:\n" + "\n".join(last))
    subprocess.run(["strip", "--strip-all", str(binary)], check=True, stdin=subprocess.DEVNULL)
    return binary


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process group of its own, which ends with the block."""
    with subprocess.Popen(
        command,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            yield process
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def _make(tree: Path, objects: Path) -> list[str]:
    return ["make", "-C", str(tree), "ARCH=um", f"O={objects}", *(f"{tool}=no-{tool}" for tool in _UNUSED)]


def _environment() -> dict[str, str]:
    """The environment of a build: nothing of ours that would change what it gives."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), **_SAME}


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
