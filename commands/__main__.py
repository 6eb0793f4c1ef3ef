"""``python -m commands TASK ...`` is what `./lab TASK ...` runs."""

from __future__ import annotations

import sys

from commands.program import main

if __name__ == "__main__":
    main(sys.argv[1:])
