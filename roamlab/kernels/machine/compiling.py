"""Compiles Python modules to bytecode that no source belongs to. Run as a program of its own, alone in its interpreter.

Reads lines `SOURCE TAB NAME` from standard input, the file and what tracebacks shall call it; writes to standard output for
each the length of its bytecode file (8 octets, little-endian) and the file. In an interpreter that has done something else
before, the same source can give other bytecode: what was interned already is marshalled in another way.
"""

from __future__ import annotations

import importlib.util
import marshal
import sys

_UNCHECKED = 1  # the bytecode goes by a hash, and nobody looks whether it is the source's (PEP 552)


def main() -> None:
    """Compile what standard input names."""
    head = importlib.util.MAGIC_NUMBER + _UNCHECKED.to_bytes(4, "little")
    for line in sys.stdin.buffer.read().decode().splitlines():
        source, name = line.split("\t")
        with open(source, "rb") as file:  # noqa: PTH123 - without pathlib there is less to have been interned
            text = file.read()
        code = marshal.dumps(compile(text, name, "exec", dont_inherit=True, optimize=0))
        made = head + importlib.util.source_hash(text) + code
        sys.stdout.buffer.write(len(made).to_bytes(8, "little") + made)


if __name__ == "__main__":
    main()
