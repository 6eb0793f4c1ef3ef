"""Runs that several modules of tests look at."""

import pytest

from tests.uml.mobile_ip_runs import Player


@pytest.fixture(scope="session")
def mobile_ip(tmp_path_factory: pytest.TempPathFactory) -> Player:
    """Plays Mobile IP's scenarios, each set of settings once a session."""
    return Player(tmp_path_factory.mktemp("mobile-ip"))
