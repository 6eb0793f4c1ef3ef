"""Scenarios and topologies in a user's own files: how they are found, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from roamlab import own_files, registry
from roamlab.errors import BadInput
from roamlab.registry import find

MOVE = """
from beside import WHEN
from roamlab.lab.lab import Lab
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


class Far(HomeAndVisited):
    def build(self, *, core_delay_ms: float = 100.0) -> None:
        super().build(core_delay_ms=core_delay_ms)


@scenario("fig09", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def roam(lab: Lab, gap: float = WHEN) -> None:
    \"\"\"A move of one's own.\"\"\"
"""
ANOTHER = """

@scenario("other", topology=Far, expect=Verdict.SURVIVED)
def other(lab: Lab[Far]) -> None:
    \"\"\"Another.\"\"\"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("WHEN = 5.0\n")
    (tmp_path / "mine.py").write_text(MOVE)
    return tmp_path / "mine.py"


def test_a_file_with_one_scenario_needs_no_name(file: Path) -> None:
    found = find(str(file))
    assert (found.name, found.figure, found.summary) == ("fig09", "none", "A move of one's own.")
    assert found.own_parameters()["gap"].default == 5.0
    assert found.reference == f"{file}:fig09"
    assert find(found.reference) == found


def test_it_does_not_displace_the_one_of_the_same_name(file: Path) -> None:
    find(str(file))
    assert find("fig09").file is None
    assert registry.scenarios()["fig09"].figure == "FIG. 9"


def test_of_several_one_is_named(file: Path) -> None:
    file.write_text(MOVE + ANOTHER)
    assert list(own_files.scenarios(str(file))) == ["fig09", "other"]
    assert find(f"{file}:other").name == "other"
    with pytest.raises(BadInput, match=r"declares fig09, other; name one of them: .*mine\.py:fig09"):
        find(str(file))
    with pytest.raises(BadInput, match=r"no scenario 'othr' \(did you mean 'other'\?\)"):
        find(f"{file}:othr")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:\n", r"mine\.py:1: invalid syntax"),
        ("\n\n1 / 0\n", r"mine\.py:3: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(5)\n", r"mine\.py:2: SystemExit"),
        ("import nowhere_to_be_found\n", r"mine\.py:1: ModuleNotFoundError"),
        ("x = 1\n", "declares no scenario"),
        (MOVE.replace("gap:", "seed:"), r"mine\.py:13: fig09 cannot have a parameter 'seed'"),
        (MOVE.replace('"fig09"', '"../up"'), r"mine\.py:13: a scenario's name has letters"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence_with_its_line(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(BadInput, match=words) as raised:
        find(str(file))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read .*none\.py: No such file"):
        find(str(tmp_path / "none.py"))


def test_a_file_that_was_changed_is_read_again(file: Path) -> None:
    find(str(file))
    file.write_text(MOVE.replace("gap: float = WHEN", "gap: float = 7.0"))
    assert find(str(file)).own_parameters()["gap"].default == 7.0


def test_its_hash_is_that_of_the_file_and_what_it_imports_beside_it(file: Path) -> None:
    first = own_files.digest(find(str(file)))
    (file.parent / "unrelated.py").write_text("x = 1\n")
    assert own_files.digest(find(str(file))) == first
    (file.parent / "beside.py").write_text("WHEN = 6.0\n")
    assert own_files.digest(find(str(file))) != first
    assert own_files.digest(find("fig09")) == ""


def test_no_bytecode_is_left_beside_it(file: Path) -> None:
    find(str(file))
    assert not list(file.parent.rglob("*.pyc"))


def test_any_scenario_plays_in_a_topology_of_ones_own(file: Path) -> None:
    found = find("fig09", f"{file}:Far")
    assert found.topology.__name__ == "Far"
    assert found.topology_parameters()["core_delay_ms"].default == 100.0
    assert found.topology_name == f"{file}:Far"
    assert own_files.digest(found)
    assert own_files.bring(found, file.parent, []).shown == (file.parent,)
    assert find("fig09", str(file)).topology is found.topology


def test_a_topology_that_does_not_exist_is_one_sentence(file: Path) -> None:
    with pytest.raises(BadInput, match=r"no topology 'HomeAndVisitd' \(did you mean 'HomeAndVisited'\?\)"):
        find("fig09", "HomeAndVisitd")
    with pytest.raises(BadInput, match=r"has no topology 'Fr'"):
        find("fig09", f"{file}:Fr")


def test_a_file_where_the_inside_has_a_directory_of_its_own_is_copied_with_what_it_imports(
    file: Path, tmp_path: Path
) -> None:
    found, run = find(str(file), f"{file}:Far"), tmp_path / "run"
    shown = own_files.bring(found, run, ["/somewhere"])
    assert shown == own_files.Brought(str(file), f"{file}:Far", (file.parent,))
    assert not run.exists()
    copied = own_files.Brought("own/mine.py", "own/mine.py:Far", ())
    assert own_files.bring(found, run, [str(file.parent)]) == copied
    assert sorted(path.name for path in (run / "own").iterdir()) == ["beside.py", "mine.py"]
    assert own_files.bring(found, run, [], copied=True) == copied


def test_a_run_directory_makes_nothing_be_executed(file: Path) -> None:
    file.write_text("raise SystemExit('executed')\n")
    assert registry.known("fig09", str(file)) is None
    assert registry.known("fig09", "", f"{file}:Far") is None
    assert registry.known("fig09") == find("fig09")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that brings a scenario and a topology."""
    (tmp_path / "brings").mkdir()
    (tmp_path / "brings" / "__init__.py").touch()
    (tmp_path / "brings" / "beside.py").write_text("WHEN = 5.0\n")
    text = MOVE.replace("from beside", "from brings.beside").replace('"fig09"', '"brought"')
    (tmp_path / "brings" / "moves.py").write_text(text)
    described = tmp_path / "brings-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: brings\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        "[roamlab.scenarios]\nmoves = brings.moves\n[roamlab.topologies]\nFar = brings.moves:Far\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_what_an_installed_package_brings_is_found_by_its_name(package: Path) -> None:
    found = find("brought", "Far")
    assert found.reference == "brought"
    assert found.topology_name == "Far"
    assert found.topology.__module__ == "brings.moves"
    assert own_files.digest(found)
    assert own_files.bring(found, package, []) == own_files.Brought("", "Far", (package,))
