"""All tasks: what `./lab` and invoke offer."""

from __future__ import annotations

from typing import Final

from invoke import Collection

from roamlab.cli.ci import ci
from roamlab.cli.labs import grade, labs
from roamlab.cli.live import live
from roamlab.cli.look import decode, diff, report, show
from roamlab.cli.machine import box, check, doctor, kernel, test
from roamlab.cli.matrix import matrix
from roamlab.cli.mininet import mininet
from roamlab.cli.play import demo, list_, run, shell
from roamlab.cli.programs import exec_, try_
from roamlab.cli.repeat import bench, prove, replay, sweep, torture

TASKS: Final = Collection(
    *(bench, box, check, ci, decode, demo, diff, doctor, exec_, grade, kernel, labs, list_, live, matrix),
    *(mininet, prove, replay, report, run, shell, show, sweep, test, torture, try_),
)
