"""Building, against stock Mininet."""

import shutil

import pytest

from roamlab.network.bench import build_time


@pytest.mark.skipif(
    not all(map(shutil.which, ("mnexec", "ifconfig", "ip"))),
    reason="needs stock Mininet's mnexec, ifconfig and ip",
)
def test_a_host_is_built_several_times_faster_than_by_stock_mininet():
    """A busy machine slows both; the bench proper asks for ten times."""
    assert build_time(10)["ratio"] > 4


@pytest.mark.parametrize("hosts", [1, 251])
def test_more_hosts_than_the_prefix_holds_are_refused(hosts):
    with pytest.raises(ValueError, match="2 to 250"):
        build_time(hosts)
