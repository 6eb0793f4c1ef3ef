"""`./lab try`: programs that nobody wrote for roamlab, and what becomes of them when the mobile node moves."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from roamlab.kernels.choose import lab_kernels, select
from roamlab.record.result import Result
from roamlab.registry import find
from roamlab.runs import orchestrator
from roamlab.where import ROOT

# Answers each line with the line, over TCP.
ECHO = """python3 -c 'import socket
listening = socket.create_server(("", 7000))
while True:
    peer, _ = listening.accept()
    while data := peer.recv(99):
        peer.sendall(data)'"""
# Says a number each half second, and nothing of its own accord from 3 s to 15 s.
QUIET = """python3 -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in [*range(6), *range(30, 40)]:
    time.sleep(max(0, n / 2 - time.monotonic() + t0)) if n else (t0 := time.monotonic())
    s.sendto(b"%d" % n, ("cn", 7000)); s.recv(99)'"""
ANSWERS = """python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 7000))
while True: s.sendto(*s.recvfrom(99))'"""
FILE = "cut -d' ' -f40,41 /proc/self/stat; head -c 5000000 /dev/zero > /tmp/big; cd /tmp; exec python3 -m http.server 8000"
FETCH = "curl -s --limit-rate 50k -o got http://cn:8000/big"

pytestmark = pytest.mark.skipif(
    not lab_kernels(), reason="there is no lab kernel; build it with ./lab kernel"
)


def play(tmp_path: Path, kernel: str = "uml", **settings: str) -> Result:
    chosen = find("programs")
    return orchestrator.run(
        chosen,
        chosen.complete(settings),
        seed=3,
        kernel=select(kernel),
        runs=tmp_path,
        on_line=lambda _line: None,
    )


def gap(result: Result, direction: str) -> float | None:
    lengths = [o.length_ns for o in result.judgement.outages if o.direction == direction]
    return None if not lengths or lengths[0] is None else lengths[0] / 1e9


def test_a_ping_goes_on_from_the_new_address_and_what_was_lost_is_the_outage(tmp_path: Path) -> None:
    result = play(tmp_path, mn="ping -c 20 cn", at="5.5", gap="3")
    assert (result.judgement.verdict, result.status) == ("survived", 0)
    assert (
        result.judgement.talks[0].text == "ping with cn: the same series of echoes went on at 198.51.100.10"
    )
    # An echo a second, and three of them in a gap of 3 s: four seconds from the last before to the first after.
    assert gap(result, "up") == pytest.approx(4.0, abs=0.2)
    assert [(p.name, p.status) for p in result.judgement.programs] == [("ping", 0)]


def test_a_connection_breaks_and_nobody_notices(tmp_path: Path) -> None:
    result = play(tmp_path, cn=FILE, mn=FETCH, expect="broke")
    assert (result.judgement.verdict, result.status) == ("broke", 0)
    assert [(p.name, p.status) for p in result.judgement.programs] == [("python3", None), ("curl", None)]
    said = (Path(result.run_dir) / "python3.stdout").read_bytes()
    assert said.startswith(b"0 0\n")  # neither the lab's priority nor its policy (SCHED_FIFO)
    assert "curl on mn was still running at the end" in result.judgement.reasons
    assert any("repeated data" in reason and "doubles" in reason for reason in result.judgement.reasons)


def test_a_program_that_tries_again_recovers_and_too_long_an_outage_is_told(tmp_path: Path) -> None:
    again = f"{FETCH} --retry 9 --speed-time 5 -C -"
    result = play(tmp_path, cn=FILE, mn=again, expect="recovered", max_outage="30")
    assert (result.judgement.verdict, result.status) == ("recovered", 0)
    assert "a new connection took over" in result.judgement.talks[0].text
    down = gap(result, "down")
    assert down is not None
    assert 2 < down < 30
    slow = play(
        tmp_path, cn=FILE, mn=again, expect="recovered", max_outage="1.0"
    )  # the same run but for what it is allowed
    assert (slow.judgement.verdict, slow.judgement.talks[0].outcome) == ("broke", "recovered")
    assert f"the outage down lasted {down:.3f} s, more than the 1 s allowed" in slow.judgement.reasons


def test_a_silence_of_the_programs_own_is_no_outage(tmp_path: Path) -> None:
    result = play(tmp_path, cn=ANSWERS, mn=QUIET, ready="7000")
    assert (result.judgement.verdict, result.judgement.outages) == ("survived", [])


def test_a_link_that_goes_and_comes_back_and_a_nic_in_place_of_another(tmp_path: Path) -> None:
    away = play(tmp_path, mn="ping -c 16 cn", do="3 link-down; 6 link-up")
    assert (away.judgement.verdict, away.status) == ("survived", 0)
    assert away.judgement.talks[0].text == "ping with cn: the same series of echoes went on"
    assert gap(away, "up") == pytest.approx(4.0, abs=0.2)
    other = play(tmp_path, mn="ping -c 16 cn", do="3 detach; 6 attach wlan1 to=visited")
    assert (other.judgement.verdict, other.status) == ("survived", 0)
    assert other.judgement.talks[0].text.endswith("went on at 198.51.100.10")


def test_a_link_that_stays_away_breaks_what_runs_and_is_in_the_capture(tmp_path: Path) -> None:
    result = play(tmp_path, mn="ping -c 20 cn", do="3 link-down", wait="20", expect="broke")
    assert (result.judgement.verdict, result.status) == ("broke", 0)
    assert result.judgement.reasons[0] == "ping with cn: nothing came through after the link-down wlan0"


def test_what_programs_write_for_others_to_read_stays_in_the_run_directory(tmp_path: Path) -> None:
    if subprocess.run(["which", "openssl"], capture_output=True).returncode:
        pytest.skip("needs openssl; install it with: apt-get install openssl")
    server = (
        "cd /tmp; openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -subj /CN=cn 2>/dev/null; "
        "exec openssl s_server -accept 4433 -key key -cert cert -rev -quiet"
    )
    client = """python3 -c 'import socket, ssl, time
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
s = context.wrap_socket(socket.create_connection(("cn", 4433)))
for n in range(8): s.sendall(b"%d\\n" % n); s.recv(99); time.sleep(0.5)
open("/run/results/own", "w").write("kept")'"""
    result = play(tmp_path, cn=server, mn=client, ready="4433", do="2 impair delay=0.01", wait="10")
    assert result.judgement.programs[-1].status == 0, result.judgement.reasons
    written = Path(result.run_dir) / "written"
    assert "CLIENT_TRAFFIC_SECRET_0 " in (written / "tls-keys").read_text()
    assert (written / "own").read_text() == "kept"


def test_what_ended_before_the_move_proves_nothing(tmp_path: Path) -> None:
    result = play(
        tmp_path, cn=ECHO, mn="python3 -c 'import socket; socket.create_connection((\"cn\", 7000))'"
    )
    assert (result.judgement.verdict, result.status) == ("invalid", 1)
    assert "python3-2 ended with status 0" in result.judgement.reasons[0]
    server = play(tmp_path, cn="false", mn="ping cn")
    assert (server.judgement.verdict, server.status) == ("invalid", 3)
    assert "false on cn ended with status 1 before it was ready" in server.judgement.reasons[0]


def test_the_command_prints_one_object_with_verdict_outages_and_ends(tmp_path: Path) -> None:
    words = ("try", "--mn", "ping -c 12 cn", "--json", "--no-report", "--at", "3", "--gap", "1")
    done = subprocess.run(
        [sys.executable, "-m", "roamlab.cli", *words],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["verdict"], done.returncode) == ("survived", 0)
    assert told["talks"][0]["outcome"] == "survived"
    assert told["programs"] == [
        {
            "name": "ping",
            "node": "mn",
            "words": "ping -c 12 cn",
            "status": 0,
            "ended_ns": told["programs"][0]["ended_ns"],
        }
    ]
    (run_dir,) = (tmp_path / "runs" / "programs").iterdir()
    assert b"12 packets transmitted" in (run_dir / "ping.stdout").read_bytes()


def test_association_survives_only_with_the_delete_looked_up_by_its_address(tmp_path: Path) -> None:
    if subprocess.run(["which", "socat"], capture_output=True).returncode:
        pytest.skip("needs socat; install it with: apt-get install socat")
    if not any(kernel.metadata.variant == "asconf-lookup-delete" for kernel in lab_kernels()):
        pytest.skip("needs the variant asconf-lookup-delete; build it with ./lab kernel --all")
    programs = {
        "cn": "socat SCTP-LISTEN:7000,fork EXEC:cat",
        "mn": "for i in $(seq 60); do echo $i; sleep 0.5; done | socat - SCTP:cn:7000",
        "auto_asconf": "true",
    }
    mainline = play(tmp_path, expect="broke", **programs)
    mended = play(tmp_path, kernel="asconf-lookup-delete", **programs)
    assert (mainline.judgement.verdict, mended.judgement.verdict) == ("broke", "survived")
    assert mended.judgement.talks[0].text.startswith("SCTP with cn:7000: the same association went on")
