"""`./lab report`: pages of runs that were made before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from roamlab.errors import BadInput
from roamlab.record import ours
from roamlab.record.run_directory import REPORT, VERDICT, RunDirectory
from roamlab.reports import export as exports
from roamlab.reports import matrix as matrices
from roamlab.reports import page
from roamlab.reports import sweep as sweeps
from roamlab.where import COMMAND


def all_runs(root: Path) -> list[Path]:
    """Every run directory of `./lab run` and `./lab demo` below ``root`` that has a verdict."""
    return sorted(found.parent for found in root.glob(f"*/*/{VERDICT}"))


def write(names: Sequence[Path], *, matrix: str = "", sweep: str = "", export: str = "") -> list[Path]:
    """Write what is asked for and return the paths. Raises BadInput for what is no run, or when nothing is asked for."""
    if not names and not sweep:
        raise BadInput(f"name at least one run directory: {COMMAND} report runs/fig09/*")
    runs = [RunDirectory.open(name) for name in names]
    written = [page.write(run) for run in runs]
    if matrix:
        written.append(matrices.write(runs, Path(matrix)))
    if sweep:
        for row in sweeps.read(Path(sweep)):
            cell = RunDirectory((Path(sweep) / str(row.get("run_dir") or "nowhere")).absolute())
            if cell.path.is_dir() and not (cell.path / REPORT).exists():  # another machine may have kept it
                page.write(cell)
        written.append(sweeps.write(Path(sweep), Path(sweep) / "sweep.html"))
    if export:
        for run in runs:
            into = Path(export) / f"{run.path.parent.name}-{run.path.name}"
            written += exports.pictures(run, into)
            for name, table, columns in (
                ("measurements.csv", exports.measurements, exports.COLUMNS),
                ("measures.csv", exports.measures, exports.MEASURES),
            ):
                written.append(into / name)
                ours.save(written[-1], table(run), ",".join(columns))
    return written
