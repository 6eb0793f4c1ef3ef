"""Our own standard input and output, lent to an interactive job."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_DEFAULT_WINDOW = (24, 80)


@dataclass(frozen=True, slots=True)
class Terminal:
    """A pair of descriptors, and whether a person sits at them."""

    input: int
    output: int
    person: bool

    @classmethod
    @contextmanager
    def of(cls, interactive: bool) -> Iterator[Terminal]:
        """Lend standard input and output; a terminal is raw meanwhile, and as it was afterwards whatever happens."""
        source, sink = 0, 1
        person = interactive and os.isatty(source) and os.isatty(sink)
        if not person:
            yield cls(source, sink, person=False)
            return
        before = termios.tcgetattr(source)
        try:
            tty.setraw(source, termios.TCSADRAIN)  # what was typed ahead stays
            yield cls(source, sink, person=True)
        finally:
            termios.tcsetattr(source, termios.TCSADRAIN, before)

    def write(self, data: bytes) -> None:
        """Show bytes, all of them, in order with what Python itself has printed."""
        sys.stdout.flush()
        while data:
            data = data[os.write(self.output, data) :]


def at_terminal() -> bool:
    """Whether a person sits at both our standard input and output."""
    return os.isatty(0) and os.isatty(1)


def window() -> tuple[int, int]:
    """The terminal's rows and columns."""
    try:
        size = os.get_terminal_size(1)
    except OSError:
        return _DEFAULT_WINDOW
    return size.lines, size.columns
