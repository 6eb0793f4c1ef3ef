"""The public interface as docs/api.md describes it: every name is there, and every example runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import roamlab
from roamlab.kernels.choose import lab_kernels
from roamlab.where import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r'^```python(?: title="([^"]+)")?\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)

needs_lab_kernel = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)


def test_the_page_names_all_that_is_public_and_nothing_else() -> None:
    table = PAGE.partition("|---|---|\n")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(roamlab.__all__)
    assert all(getattr(roamlab, name) is not None for name in roamlab.__all__)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'runs_'"):
        roamlab.runs_  # noqa: B018


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    code = "import sys, roamlab; print([name for name in sys.modules if name.startswith('roamlab.')])"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


@needs_lab_kernel
def test_every_example_of_the_page_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {}
    for number, (title, code) in enumerate(BLOCKS, 1):
        if title:
            (tmp_path / title).write_text(code)
        else:
            exec(compile(code, f"example {number} of docs/api.md", "exec"), names)
    result = names["result"]
    assert isinstance(result, roamlab.Result)
    shown = result._repr_html_()
    assert "survived" in shown
    assert "data:image/svg+xml;base64," in shown
    assert "<script" not in shown
