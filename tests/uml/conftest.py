"""Runs that several modules of tests look at, and the user that some are made as."""

from pathlib import Path

import pytest

from tests.elsewhere import as_nobody
from tests.uml.mobile_ip_runs import Player

COMPARED = pytest.StashKey[str]()
"""What test_every_capture.py has compared."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what looks at all runs behind the tests that make them."""
    here = Path(__file__).parent
    looks_back = [item for item in items if item.path.name == "test_every_capture.py"]
    others = [item for item in items if item not in looks_back]
    end = max((n for n, item in enumerate(others, 1) if item.path.is_relative_to(here)), default=0)
    items[:] = [*others[:end], *looks_back, *others[end:]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was compared: captures of tests that were not chosen were not."""
    if COMPARED in config.stash:
        terminalreporter.write_line(f"tshark reads as we do: {config.stash[COMPARED]}")


@pytest.fixture(scope="session")
def more_captures() -> list[Path]:
    """Captures outside run directories, for the comparison with tshark."""
    return []


@pytest.fixture(scope="session")
def mobile_ip(tmp_path_factory: pytest.TempPathFactory) -> Player:
    """Plays Mobile IP's scenarios, each set of settings once a session."""
    return Player(tmp_path_factory.mktemp("mobile-ip"))


@pytest.fixture
def ordinary_user() -> list[str]:
    """What to put before a command to run it as nobody."""
    return [*as_nobody()]
