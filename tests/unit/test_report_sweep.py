"""Heat maps and curves over what a sweep varied."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from roamlab.errors import BadInput
from roamlab.reports import sweep

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def rows() -> list[dict[str, Any]]:
    """FIG. 9 over gap and delay, three seeds each; the longest gap on the slowest core breaks for one seed."""
    made = []
    for gap in (0.0, 0.5, 2.0):
        for delay in (5.0, 50.0):
            for seed in (1, 2, 3):
                broke = gap == 2.0 and delay == 50.0 and seed == 3
                outage = gap + 0.5 + delay / 100 + seed / 1000
                made.append(
                    {
                        "scenario": "fig09",
                        "gap": gap,
                        "core_delay_ms": delay,
                        "family": 4,
                        "seed": seed,
                        "kernel": "7.3.4",
                        "variant": "",
                        "verdict": "broke" if broke else "survived",
                        "outage_up_s": None if broke else outage,
                        "outage_down_s": None if broke else outage + 0.1,
                        "lower_bound_up_s": gap + 0.4,
                        "lower_bound_down_s": gap + 0.45,
                        "run_dir": f"runs/{gap}-{delay}-{seed}",
                    }
                )
    return made


def save(directory: Path, content: list[dict[str, Any]]) -> Path:
    import pyarrow.parquet

    directory.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(pa.Table.from_pylist(content), directory / sweep.RESULTS)
    return directory


def test_only_what_was_varied_is_mapped(tmp_path: Path) -> None:
    (made,) = sweep.heat_maps(rows(), tmp_path, tmp_path)
    assert (made.down, made.across) == ("gap", "core_delay_ms")
    assert made.rows == (0.0, 0.5, 2.0)
    assert made.columns == (5.0, 50.0)


def test_a_cell_is_the_median_of_its_seeds_and_leads_to_that_run(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "0.0-5.0-2"
    run.mkdir(parents=True)
    (run / "report.html").touch()
    (made,) = sweep.heat_maps(rows(), tmp_path, tmp_path)
    cell = made.cells[0.0, 5.0]
    assert cell.outage_s == pytest.approx(0.652)
    assert cell.link == "runs/0.0-5.0-2/report.html"
    assert (cell.survived, cell.runs) == (3, 3)


def test_a_run_that_is_not_here_is_not_linked_and_one_without_a_report_by_its_directory(
    tmp_path: Path,
) -> None:
    (tmp_path / "runs" / "0.5-5.0-2").mkdir(parents=True)
    (made,) = sweep.heat_maps(rows(), tmp_path, tmp_path)
    assert made.cells[0.0, 5.0].link == ""
    assert made.cells[0.5, 5.0].link == "runs/0.5-5.0-2"


def test_seeds_that_disagree_are_said_to(tmp_path: Path) -> None:
    (made,) = sweep.heat_maps(rows(), tmp_path, tmp_path)
    assert made.cells[2.0, 50.0].verdict == "mixed"
    assert made.cells[2.0, 50.0].survived == 2


def test_variants_have_maps_of_their_own(tmp_path: Path) -> None:
    both = [*rows(), *({**row, "variant": "asconf-lookup-delete"} for row in rows())]
    titles = [made.title for made in sweep.heat_maps(both, tmp_path, tmp_path)]
    assert titles == ["fig09 · 7.3.4", "fig09 · 7.3.4 · asconf-lookup-delete"]


def test_each_varied_number_has_a_curve_each_way() -> None:
    titles = [chart.title for chart in sweep.curves(rows())]
    assert titles == [
        f"fig09 · 7.3.4 · outage {way} over {name}"
        for name in ("gap", "core_delay_ms")
        for way in ("up", "down")
    ]


def test_the_page_has_maps_and_curves(tmp_path: Path) -> None:
    directory = save(tmp_path / "sweep", rows())
    text = sweep.write(directory, directory / "sweep.html").read_text()
    assert "2 of 3 survived" in text
    assert text.count('class="curves"') == 4


def test_curves_that_end_close_together_are_named_below_each_other() -> None:
    close = [{**row, "outage_up_s": row["gap"] + 1 + row["core_delay_ms"] / 1e5} for row in rows()]
    picture = sweep.curves(close)[0].picture
    heights = [float(y) for y in re.findall(r'<text [^>]*y="([0-9.]+)"[^>]*class="name"', picture)]
    assert len(heights) == 2
    assert abs(heights[0] - heights[1]) >= 12  # the height of the letters


def test_a_sweep_of_one_setting_has_a_map_of_one_cell(tmp_path: Path) -> None:
    (made,) = sweep.heat_maps([rows()[0]], tmp_path, tmp_path)
    assert len(made.cells) == 1
    directory = save(tmp_path / "sweep", rows()[:1])
    assert "1 of 1 survived" in sweep.write(directory, directory / "sweep.html").read_text()


def test_no_sweep_and_a_damaged_one_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a sweep"):
        sweep.read(tmp_path)
    (tmp_path / sweep.RESULTS).write_bytes(b"PAR1 nothing")
    with pytest.raises(BadInput, match="cannot be read"):
        sweep.read(tmp_path)
    save(tmp_path, [{"x": 1}])
    with pytest.raises(BadInput, match="no column scenario and no column verdict"):
        sweep.read(tmp_path)
