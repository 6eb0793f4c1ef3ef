"""Understands what a run says: console lines, the control channel, and how it must have ended."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from signal import SIGXFSZ

from roamlab.record.guarded import printable

TAIL_LINES = 20
_STEP = re.compile(r"roamlab: step (\S.*?)\s*$")
_PANIC = re.compile(r"Kernel panic - not syncing: (.*\S)")
# A stack dump would push what matters out of the tail; the console's log has it.
_STACK = re.compile(r"(\[ *\d+\.\d+\] )? (\[<|[0-9a-f]{8,} )")
_TEXT = re.compile(r"(?:\[ *\d+\.\d+\] )?Text: ([0-9a-f]+)-([0-9a-f]+) ([0-9a-f]+) (\S+)")
_TEXTS = 1000  # that are taken note of
_CONTROL = "roamlab: "
_STATUS = re.compile(r"\d{1,3}")
_LINE_LIMIT = 1 << 20


@dataclass(slots=True)
class Progress:
    """How far a run has come, from what it has said so far."""

    step: str = "boot"
    ready: bool = False
    running: bool = False
    again: bool = False
    status: int | None = None
    failed: str = ""
    panic: str = ""
    heard: int = 0
    texts: list[tuple[int, int, int, str]] = field(default_factory=list)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))

    def console_line(self, line: str) -> bool:
        """Take a line of the console; tell whether it is the job's (or a panic's) and to be passed on."""
        self.heard += 1
        text = _TEXT.match(line)
        if text and len(self.texts) < _TEXTS:
            self.texts.append((int(text[1], 16), int(text[2], 16), int(text[3], 16), text[4]))
        if not text and not _STACK.match(line):
            self.tail.append(line)
        if panic := _PANIC.search(line):
            self.panic = self.panic or panic[1]
        if step := _STEP.match(line):
            self.step = step[1]
        # What UML says before its kernel runs is for the console's log only.
        return self.running or bool(self.panic)

    def place(self, address: int) -> str:
        """An address of the program that the guest was asked about: its file and the place in it, or the bare address."""
        for start, end, offset, name in self.texts:
            if start <= address < end:
                return f"{name.rpartition('/')[2]}+{address - start + offset:#x}"
        return f"{address:#x}"

    def control_line(self, line: str) -> bool:
        """Take a line of the control channel; False for one that isn't (the sandbox complaining there)."""
        if not line.startswith(_CONTROL):
            return False
        self.heard += 1
        word, _, rest = line.removeprefix(_CONTROL).partition(" ")
        if word == "ready" and self.ready:
            self.again = True  # the guest was started once more, by itself
        elif word == "ready":
            self.ready, self.step = True, "set-up"
        elif word == "running":
            self.running, self.step = True, "start"
        elif word == "exit" and _STATUS.fullmatch(rest) and int(rest) < 256:
            self.status = int(rest)
        elif word == "failed":
            self.failed = rest
        elif word != "clock":  # which is a sign of life, and nothing else
            return False
        return True

    def verdict(self, returncode: int) -> tuple[int, str]:
        """Say status and reason of a run that nobody outside ended; returncode is its process'."""
        if self.status is not None:
            return self.status, ""
        if self.panic:
            return 1, f"kernel panic at step {self.step}: {self.panic}"
        if self.failed:
            return 1, f"the inside could not be set up: {self.failed}"
        signal = -returncode if returncode < 0 else returncode - 128 if returncode > 128 else 0
        if signal == SIGXFSZ:
            return 128 + signal, f"a file grew beyond what is allowed (ulimit -f) at step {self.step}"
        if signal:
            return 128 + signal, f"the guest was killed by signal {signal} at step {self.step}"
        return 1, f"the guest ended at step {self.step} without an exit status (its own was {returncode})"


@dataclass(slots=True)
class Lines:
    """Cuts a stream of bytes into lines."""

    rest: bytes = b""

    def feed(self, data: bytes) -> list[str]:
        """Add bytes; give the lines that are whole now, without their ends."""
        *whole, self.rest = (self.rest + data).split(b"\n")
        if len(self.rest) > _LINE_LIMIT:  # a line without an end must not fill our memory
            whole, self.rest = [*whole, self.rest], b""
        return [self._text(line) for line in whole]

    def last(self) -> list[str]:
        """Give what is left as a line when the stream has ended."""
        rest, self.rest = self.rest, b""
        return [self._text(rest)] if rest.strip() else []

    @staticmethod
    def _text(line: bytes) -> str:
        return printable(line.rstrip(b"\r").decode("utf-8", "replace"))
