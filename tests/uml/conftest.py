"""Runs that several modules of tests look at, and the user that some are made as."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.uml.mobile_ip_runs import Player

_REPOSITORY = Path(__file__).resolve().parents[2]
_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture(scope="session")
def mobile_ip(tmp_path_factory: pytest.TempPathFactory) -> Player:
    """Plays Mobile IP's scenarios, each set of settings once a session."""
    return Player(tmp_path_factory.mktemp("mobile-ip"))


@pytest.fixture
def ordinary_user() -> list[str]:
    """What to put before a command to run it as nobody."""
    for flag, path in (("-r", _REPOSITORY / "lab"), ("-x", Path(sys.executable))):
        if subprocess.run([*_NOBODY, "test", flag, str(path)]).returncode:
            pytest.skip("another user can't read this checkout: clone it outside root's home directory")
    return _NOBODY
