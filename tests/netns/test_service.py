"""NICs in service."""

import pytest

from roamlab.linux.errors import NetworkError
from tests.netns.conftest import reaches, until

HOME4, VISITED4, CN4 = "192.0.2.10", "198.51.100.10", "203.0.113.10"
HOME6, VISITED6, CN6 = "2001:db8:1::a", "2001:db8:2::a", "2001:db8:4::a"


def visit(net, nic):
    segment = net.topo.segments["visited"]
    nic.configure(segment.mobile_addresses(), segment.gateways)


def test_attached_nic_reaches_the_correspondent_beside_the_first(net):
    nic = net.attach("mn", "wlan1", "visited")
    visit(net, nic)
    for own, other in ((HOME4, CN4), (VISITED4, CN4), (HOME6, CN6), (VISITED6, CN6)):
        assert reaches(net["mn"], own, net["cn"], other)


def test_packets_leave_through_the_nic_of_their_source_address(net):
    nic = net.attach("mn", "wlan1", "visited")
    visit(net, nic)
    for source, expected in ((HOME4, "wlan0"), (VISITED4, "wlan1")):
        assert f"dev {expected}" in net["mn"].cmd(f"ip route get {CN4} from {source}")
    for source, expected in ((HOME6, "wlan0"), (VISITED6, "wlan1")):
        assert f"dev {expected}" in net["mn"].cmd(f"ip route get {CN6} from {source}")


def test_default_route_goes_through_the_nic_configured_last(net):
    nic = net.attach("mn", "wlan1", "visited")
    visit(net, nic)
    assert "dev wlan1" in net["mn"].cmd(f"ip route get {CN4}")
    assert "dev wlan1" in net["mn"].cmd(f"ip route get {CN6}")


def test_default_route_falls_back_when_the_newer_nic_is_deconfigured(net):
    nic = net.attach("mn", "wlan1", "visited")
    visit(net, nic)
    nic.deconfigure()
    assert "dev wlan0" in net["mn"].cmd(f"ip route get {CN4}")
    assert reaches(net["mn"], HOME4, net["cn"], CN4)


def test_deconfigured_nic_leaves_no_address_rule_or_route(net):
    before = net["mn"].cmd("ip rule; ip -6 rule; ip route show table all; ip -6 -o addr show scope global")
    nic = net.attach("mn", "wlan1", "visited")
    visit(net, nic)
    nic.deconfigure()
    net.detach(nic)
    after = net["mn"].cmd("ip rule; ip -6 rule; ip route show table all; ip -6 -o addr show scope global")
    assert after == before


def test_ipv6_address_is_usable_at_once(net):
    nic = net.attach("mn", "wlan1", "visited")
    visit(net, nic)
    assert "tentative" not in net["mn"].cmd("ip -6 addr show dev wlan1 scope global")


def test_duplicate_address_detection_can_be_asked_for(net):
    nic = net.attach("mn", "wlan1", "visited")
    nic.configure([f"{VISITED6}/64"], dad=True)
    assert "tentative" in net["mn"].cmd("ip -6 addr show dev wlan1 scope global")
    assert until(lambda: "tentative" not in net["mn"].cmd("ip -6 addr show dev wlan1 scope global"), 5)


def test_detached_nic_is_gone_from_node_and_lab(net):
    nic = net.attach("mn", "wlan1", "visited")
    links = len(net["visited"].cmd("ip -o link").splitlines())
    net.detach(nic)
    assert "wlan1" not in net["mn"].cmd("ip -o link")
    assert len(net["visited"].cmd("ip -o link").splitlines()) == links - 4
    with pytest.raises(NetworkError, match="no NIC wlan1; it has wlan0"):
        net.nic("mn", "wlan1")


def test_unplugged_nic_stays_and_loses_its_carrier(net):
    nic = net.nic("mn", "wlan0")
    net.unplug(nic)
    assert until(lambda: not nic.has_carrier())
    assert nic.isUp()
    assert not reaches(net["mn"], HOME4, net["cn"], CN4, patience_s=0.5)


def test_nic_plugged_in_again_has_its_carrier_and_session_back(net):
    nic = net.nic("mn", "wlan0")
    net.unplug(nic)
    net.plug(nic, "home")
    assert until(nic.has_carrier)
    assert reaches(net["mn"], HOME4, net["cn"], CN4)


def test_moved_nic_is_reachable_on_the_new_segment_at_once(net):
    nic = net.nic("mn", "wlan0")
    net.move(nic, "visited")
    nic.deconfigure()
    visit(net, nic)
    assert reaches(net["mn"], VISITED4, net["cn"], CN4)
    assert reaches(net["mn"], VISITED6, net["cn"], CN6)


def test_moving_back_finds_the_old_segment_as_it_was(net):
    nic = net.nic("mn", "wlan0")
    assert reaches(net["mn"], HOME4, net["cn"], CN4)
    net.move(nic, "visited")
    net.move(nic, "home")
    assert reaches(net["mn"], HOME4, net["cn"], CN4)


def test_host_sees_the_carrier_go_and_come_in_a_move_without_a_gap(net):
    watch = net["mn"].popen(["ip", "monitor", "link"], text=True)
    nic = net.nic("mn", "wlan0")
    assert until(nic.has_carrier)
    # The monitor says nothing when it is ready, so it is asked with changes of another NIC until it answers.
    lo = 0
    while not select_line(watch, 0.1):
        lo ^= 1
        net["mn"].cmd(f"ip link set lo mtu {65000 + lo}")
    net.move(nic, "visited")
    seen = ""
    while "wlan0" not in seen or "NO-CARRIER" not in seen:
        line = select_line(watch, 2.0)
        assert line, f"no loss of carrier was told: {seen}"
        seen += line
    assert until(nic.has_carrier)
    watch.kill()
    watch.communicate()


def select_line(process, seconds):
    import select

    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline() if ready else ""


def test_link_down_takes_the_carrier_and_keeps_the_addresses(net):
    nic = net.nic("mn", "wlan0")
    nic.down()
    assert until(lambda: not nic.has_carrier())
    assert HOME4 in net["mn"].cmd("ip -o addr show dev wlan0")
    nic.up()
    assert until(nic.has_carrier)
    assert reaches(net["mn"], HOME4, net["cn"], CN4)


def test_nic_taken_down_itself_comes_back_with_addresses_and_routes(net):
    nic = net.nic("mn", "wlan0")
    nic.down(admin=True)
    assert not nic.isUp()
    nic.up(admin=True)
    assert until(nic.has_carrier)
    assert reaches(net["mn"], HOME4, net["cn"], CN4)
    assert reaches(net["mn"], HOME6, net["cn"], CN6)


def test_each_change_is_an_event_with_its_time(net, events):
    nic = net.attach("mn", "wlan1", "visited")
    visit(net, nic)
    net.unplug(nic)
    net.plug(nic, "home")
    net.move(nic, "visited")
    nic.down()
    nic.up()
    nic.deconfigure()
    net.detach(nic)
    assert events.kinds() == [
        "nic.attach",
        "nic.configure",
        "nic.unplug",
        "nic.plug",
        "nic.move",
        "nic.down",
        "nic.up",
        "nic.deconfigure",
        "nic.detach",
    ]
    assert {(event.node, event.nic) for event in events} == {("mn", "wlan1")}
    times = [event.t for event in events]
    assert times == sorted(times)
    assert events[4].details() == {"nic": "wlan1", "segment": "visited", "before": "home"}


def test_a_refused_change_is_no_event(net, events):
    with pytest.raises(NetworkError, match="plugged into home already"):
        net.plug(net.nic("mn", "wlan0"), "visited")
    assert not events


def test_plain_link_can_not_be_impaired_in_service(net):
    with pytest.raises(NetworkError, match="wire=True"):
        net.nic("cn").link.impair(delay="5ms")


def test_rate_of_a_wire_is_changed_in_service(net):
    link = net.nic("mn", "wlan0").link
    link.impair(bw=10)
    link.impair(up={"bw": 5}, max_queue_size=20)
    shown = net["home"].cmd(f"tc class show dev w{link._hub}-1; tc class show dev w{link._hub}-2")
    shown += net["home"].cmd("tc qdisc show")
    assert "rate 5Mbit" in shown
    assert "rate 10Mbit" in shown
    assert "limit 20p" in shown
    assert reaches(net["mn"], HOME4, net["cn"], CN4)


@pytest.mark.parametrize(
    "options", [{"loss": 101}, {"delay": "5"}, {"bw": 0}, {"dealy": "5ms"}, {"reorder": 5}]
)
def test_bad_link_parameter_is_refused_before_anything_changes(net, options):
    with pytest.raises(ValueError, match=r"5ms|loss|bw|dealy|reorder"):
        net.nic("mn", "wlan0").link.impair(**options)
