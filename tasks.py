"""Where invoke finds roamlab's tasks. `./lab --list` shows them, `./lab TASK --help` explains one."""

from roamlab.cli.collection import TASKS as namespace  # noqa: N811 - invoke's name

__all__ = ["namespace"]
