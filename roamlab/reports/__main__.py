"""Write one picture of a run: ``python -m roamlab.reports figure RUN docs/pictures/fig09.svg``; ladder and timeline as well."""

from __future__ import annotations

import sys
from pathlib import Path

from roamlab.errors import LabError
from roamlab.record import ours
from roamlab.record.run_directory import RunDirectory
from roamlab.reports import story, svg
from roamlab.reports.export import PICTURES, PNG_SIGN, raster


def main(arguments: list[str]) -> int:
    """Draw what is asked for; the target's ending says whether as SVG or as PNG. Return the exit status."""
    if len(arguments) != 3 or arguments[0] not in PICTURES:
        sys.stderr.write(f"usage: python -m roamlab.reports {'|'.join(PICTURES)} RUN FILE.svg|FILE.png\n")
        return 2
    name, run, target = arguments[0], Path(arguments[1]), Path(arguments[2])
    try:
        picture = PICTURES[name](story.read(RunDirectory.open(run)))
        if target.suffix == ".png":
            ours.save(target, raster(picture), PNG_SIGN)
        else:
            ours.save(target, picture, svg.SIGN)
    except LabError as error:
        sys.stderr.write(f"reports: {error}\n")
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
