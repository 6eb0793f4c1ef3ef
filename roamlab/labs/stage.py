"""The scenario that plays a hand-in's plan. It is roamlab's own code: nothing of the student's runs where this runs."""

from functools import partial

from roamlab.errors import BadInput
from roamlab.lab.attacks import Attacker, lossless
from roamlab.lab.lab import Lab, Session
from roamlab.lab.mobile_ip import MobileIp, Terms
from roamlab.lab.radio import walked
from roamlab.lab.request_acts import Request
from roamlab.labs import steps as plans
from roamlab.protocols import radio
from roamlab.protocols.mobility import Announce, Verb
from roamlab.protocols.radio import SILENCE
from roamlab.record.events import RadioLevel
from roamlab.registry import REWRITING, Seconds, Verdict, scenario
from roamlab.topologies import HomeAndVisited, Segment, WithAttacker


@scenario(
    "hand-in", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset({"sctp", "ipip"}) | REWRITING
)
def hand_in(
    lab: Lab,
    steps: str = "{}",
    end: Seconds = 15.0,
    move: Seconds = 0.0,
    gap: Seconds = 0.0,
    walk: int = 0,
    speed: float = 5.0,
    apart: float = 90.0,
    gone: Seconds = 0.0,
    dies: Seconds = 0.0,
) -> None:
    """Play a plan on a session with a stream both ways.

    With ``move`` the one NIC roams then, with ``walk`` links fade, at ``gone`` a second NIC, ``wlan1``, goes, and the home
    agent ``dies``.
    """
    plan = plans.decode(steps)
    mobile_ip = _begin(lab, plan, end)
    if gone:
        lab.at(gone).detach(lab.mobile.nic("wlan1"))
    if dies:
        if mobile_ip is None:
            raise BadInput("this lab has Mobile IP: lab.mobile_ip(Terms(...)) comes before the session")
        lab.at(dies).fail(mobile_ip.home_agent)
    if move:
        lab.at(move).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    if walk:
        samples = walked(
            ["wlan0", "wlan1"], seed=walk, start_s=2.0, end_s=end - 6.0, speed=speed, apart=apart
        )
        for sample in samples:
            lab.timeline.at(sample.time_s, partial(_sound, lab, sample, plan.steps))
    lab.until(end)


@scenario("hand-in-attacked", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless)
def hand_in_attacked(lab: Lab, steps: str = "{}", end: Seconds = 12.0, auth: bool = True) -> None:
    """Play a plan on a session with a stream both ways and an attacker, who stands where the plan says."""
    plan = plans.decode(steps)
    if not plan.setup.attacker:
        raise BadInput("this lab has an attacker: Attacker(lab, POSITION) comes before the session")
    if not auth:
        lab.without_auth()
    attacker = Attacker(lab, plan.setup.attacker, concedes=("data", "requests", "denials"))
    _begin(lab, plan, end, attacker)
    lab.until(end)


def _begin(lab: Lab, plan: plans.Steps, end: float, attacker: Attacker | None = None) -> MobileIp | None:
    """Set up the session of a plan, after what goes before it; its steps and its stream are set on the timeline."""
    setup = plan.setup
    if not setup.asconf:
        lab.without_asconf()
    mobile_ip = lab.mobile_ip(Terms(setup.mobile_ip)) if setup.mobile_ip else None
    for nic, segment in setup.nics:
        lab.mobile.attach(nic, _segment(lab, segment))
    for number in setup.addresses:
        lab.correspondent.add_address(number)
    if setup.connect_at:
        for step in plan.steps:
            if step.at < setup.connect_at:
                _set(lab, None, step, attacker)
        lab.until(setup.connect_at)
    if setup.prefers:
        lab.mobile.prefers(setup.prefers)
    caller, peer = (lab.correspondent, lab.mobile) if setup.called else (lab.mobile, lab.correspondent)
    session = caller.connect(
        peer,
        announce=Announce(plan.announce),
        set_primary=plan.set_primary,
        delete=plan.delete,
        managed=plan.managed,
        transport=setup.transport,
        anywhere=setup.anywhere,
    )
    lab.at(setup.connect_at + 1.0).start(session.stream(every=0.02))
    for step in plan.steps:
        if setup.connect_at <= step.at < end:
            _set(lab, session, step, attacker)
    return mobile_ip


def _set(lab: Lab, session: Session | None, step: plans.AnyStep, attacker: Attacker | None) -> None:
    """Set one step on the timeline. Raises BadInput for one that wants a session before there is one."""
    at, mobile = lab.at(step.at), lab.mobile
    places = {"wlan0": lab.home, "wlan1": lab.visited}
    match step:
        case plans.Attach(nic=nic, to=to):
            at.attach(mobile, nic, to=_segment(lab, to))
        case plans.Detach(nic=nic):
            at.detach(mobile.nic(nic))
        case plans.Move(nic=nic, to=to, gap=gap):
            at.move(mobile.nic(nic), to=_segment(lab, to), gap=gap)
        case plans.Reconnect(over=over, to=to, pause=pause) if session:
            at.reconnect(session, over=over, to=_segment(lab, to), pause=pause)
        case plans.Forge(wanted=wanted, source=source, signing=signing) if attacker:
            at.forge(attacker, *map(_request, wanted), source=source, signing=signing)
        case plans.ReplayCookie(source=source) if attacker:
            at.replay_cookie(attacker, source=source)
        case plans.SetPrimary(on=on) if session:
            at.set_primary(session, on=_segment(lab, on))
        case plans.Release(address=address):
            at.release(mobile, address)
        case plans.Ask(wanted=wanted):
            at.ask(mobile, *map(_request, wanted))
        case plans.Prefer(nic=nic) if session:
            lab.timeline.at(step.at, partial(lab.site.route_through, mobile.nic(nic)))
            at.set_primary(session, on=places[nic])
        case plans.Remove(nic=nic):
            at.release(mobile, mobile.address_on(places[nic]))
        case _:
            raise BadInput(f"{step.verb} at {step.at:g} s comes before its session, or without an attacker")


def _segment(lab: Lab, name: str) -> Segment:
    """A segment by its name. Raises BadInput for one that there is not."""
    if name not in lab.site.segments:
        raise BadInput(f"there is no segment {name!r}; there are {', '.join(lab.site.segments)}")
    return lab.site.segments[name]


def _request(wanted: plans.Wanted) -> Request:
    return Request(Verb[wanted.verb], wanted.address)


def _sound(lab: Lab, sample: radio.Sample, steps: tuple[plans.AnyStep, ...]) -> None:
    """Let the links be as the signals are; a second NIC has a link from its first ``attach`` on."""
    lab.record(RadioLevel(dict(sample.levels)))
    there = {"wlan0"} | {s.nic for s in steps if isinstance(s, plans.Attach) and s.at < sample.time_s}
    for nic in sorted(there):
        quality = radio.link(sample.levels.get(nic, SILENCE))
        lab.site.impair(lab.mobile.nic(nic), loss=quality.loss, bw=quality.rate)
