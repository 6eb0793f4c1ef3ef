"""roamlab in pytest: `pytest --roamlab` runs the whole session in a guest, where time is virtual and networks are one's own.

Fixtures: ``lab`` is a network with a mobile node, inside a session with ``--roamlab``; ``roamlab_try`` plays `./lab try` from
an ordinary session, a guest each time. Without a lab kernel their tests are skipped, with the line that gives one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from roamlab import pytest_shares as shares

if TYPE_CHECKING:
    from roamlab.kernels.job import Kernel
    from roamlab.record.result import Result
    from roamlab.runs.command import Request

_INSIDE: Final = "ROAMLAB_INSIDE"
_REPORTS: Final = "ROAMLAB_REPORTS"
"""The file in which a session inside leaves its tests' reports, a JSON object a line."""
_NO_KERNEL: Final = (
    "there is no lab kernel on this machine; get one with `pip install roamlab-kernel` or `roamlab kernel`"
)
_OPTION: Final = "--roamlab"
_session: Final[list[pytest.Session]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add roamlab's options."""
    group = parser.getgroup("roamlab")
    group.addoption(_OPTION, action="store_true", help="run this session in a guest, in virtual time")
    group.addoption("--roamlab-kernel", default="", help="the kernel, as roamlab's --kernel takes it")
    group.addoption("--roamlab-seed", type=int, default=1, help="the seed of everything random in the guest")
    group.addoption("--roamlab-memory", type=int, default=1024, help="the guest's memory in MiB")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line(
        "markers", "roamlab(topology='HomeAndVisited'): the network that the fixture `lab` is built from"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run the session inside instead of here, where that was asked for; its exit status is this session's."""
    if not config.getoption(_OPTION) or os.environ.get(_INSIDE) or config.getoption("help", default=False):
        return None
    if shares.is_shared(config):
        return None  # pytest-xdist's workers have a guest for each test
    kernel = _kernel(config)
    if kernel is None:
        return None  # the tests are collected, and skipped
    import tempfile

    from roamlab.reports.commands import end, pass_on
    from roamlab.runs.command import execute

    words = [word for word in config.invocation_params.args if str(word) != _OPTION]
    request = _request(config, [str(word) for word in words])
    with tempfile.TemporaryDirectory(prefix="roamlab-pytest-") as runs:
        ran = execute(request, kernel, runs=Path(runs), on_said=pass_on)
    end(ran)
    return ran.status


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Run a test of a pytest-xdist worker in a guest of its own; its reports come out of it as if it had run here."""
    config = item.config
    if not shares.is_worker(config) or not config.getoption(_OPTION) or os.environ.get(_INSIDE):
        return None
    kernel = _kernel(config)
    if kernel is None:
        return None
    import tempfile
    from dataclasses import replace

    from roamlab.runs.command import execute

    with tempfile.TemporaryDirectory(prefix="roamlab-pytest-") as place:
        results, runs = Path(place) / "results", Path(place) / "runs"
        results.mkdir()
        request = _request(config, shares.words(config, item))
        request = replace(request, results=results, env={**request.env, _REPORTS: str(results / "reports")})
        ran = execute(request, kernel, runs=runs)
        shares.hand_on(item, shares.read(results, "reports"), ran)
    return True


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Leave a test's report for the worker outside, in a session that it started."""
    if _REPORTS in os.environ and _session:
        shares.leave(_session[0].config, report, Path(os.environ[_REPORTS]))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember the session, whose configuration knows how to write a report down."""
    _session[:] = [session]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what was to run in a guest where there is no kernel for one."""
    if config.getoption(_OPTION) and not os.environ.get(_INSIDE) and _kernel(config) is None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=_NO_KERNEL))


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A network with a mobile node (`roamlab.lab.lab.Lab`), captured in tmp_path, in a session with --roamlab."""
    if not os.environ.get(_INSIDE):
        pytest.skip("the fixture `lab` needs a guest: run pytest with --roamlab")
    from roamlab import topologies
    from roamlab.lab.clock import SystemClock
    from roamlab.lab.site import Site
    from roamlab.record.run_directory import RunDirectory

    marked = request.node.get_closest_marker("roamlab")
    wanted = (marked.kwargs if marked else {}).get("topology", "HomeAndVisited")
    topology = topologies.TOPOLOGIES[wanted]()
    with Site(topology, RunDirectory(tmp_path), SystemClock(), announce_step=lambda _name: None) as site:
        site.asconf = False
        site.directory = Path.cwd()
        yield site.lab


@pytest.fixture
def roamlab_try(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Result]:
    """Play two programs and a move in a guest: ``roamlab_try(cn="nginx", mn="curl http://cn/", at=5, gap=2)``.

    The settings are those of the scenario `programs` (docs/programs.md); gives the run's result.
    """
    kernel = _kernel(request.config)
    if kernel is None:
        pytest.skip(_NO_KERNEL)
    from roamlab.registry import find
    from roamlab.runs import orchestrator

    chosen = find("programs")

    def play(**settings: object) -> Result:
        texts = {"directory": str(Path.cwd()), **{name: _text(value) for name, value in settings.items()}}
        return orchestrator.run(
            chosen,
            chosen.complete(texts),
            seed=request.config.getoption("--roamlab-seed"),
            kernel=kernel,
            runs=tmp_path,
            on_line=lambda _line: None,
        )

    return play


def _kernel(config: pytest.Config) -> Kernel | None:
    """The kernel to use; None where there is no lab kernel and none was named."""
    from roamlab.kernels.choose import lab_kernels, select

    named = config.getoption("--roamlab-kernel")
    return select(named or "uml") if named or lab_kernels() else None


def _request(config: pytest.Config, words: list[str]) -> Request:
    """What is run inside: pytest with these words, which really writes below the root directory."""
    from roamlab.runs.command import Request

    return Request(
        argv=(sys.executable, "-m", "pytest", *words),
        env={_INSIDE: "1", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **_passed_on()},
        kept=config.rootpath,
        seed=config.getoption("--roamlab-seed"),
        memory_mib=config.getoption("--roamlab-memory"),
    )


def _passed_on() -> dict[str, str]:
    """What a test's environment keeps of this one's: what is pytest's own, and where a virtual environment is."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PYTEST_", "VIRTUAL_ENV", "COV_")) and not name.startswith("PYTEST_XDIST")
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
