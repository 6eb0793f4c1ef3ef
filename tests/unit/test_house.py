"""Rules of the house that no linter knows: one name for one class."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from roamlab.where import PACKAGE


def modules() -> dict[str, Path]:
    """The package's modules by their paths in it, those of the linked folders among them."""
    folders = (path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "course")
    found = [*PACKAGE.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    return {str(path.relative_to(PACKAGE)): path for path in sorted(found)}


@pytest.mark.parametrize("name", ["Association", "Endpoint", "Input", "Place", "State", "Step"])
def test_one_name_is_one_class(name: str) -> None:
    """Each of these words named two to four different things once."""
    found = [
        where
        for where, path in modules().items()
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    assert len(found) <= 1


def test_all_modules_are_looked_at() -> None:
    assert {"lab/lab.py", "experiments/fig09.py", "registry.py"} <= modules().keys()
