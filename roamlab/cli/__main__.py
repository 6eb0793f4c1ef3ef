"""``python -m roamlab.cli TASK ...`` is what `./lab TASK ...` and `roamlab TASK ...` run."""

from __future__ import annotations

import sys

from roamlab.cli.program import main


def run() -> None:
    """Run the task that the command line names."""
    main(sys.argv[1:])


if __name__ == "__main__":
    run()
