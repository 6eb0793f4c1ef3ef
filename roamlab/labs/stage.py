"""The scenario that plays a hand-in's plan. It is roamlab's own code: nothing of the student's runs where this runs."""

from functools import partial

from roamlab.lab.lab import Lab, Session
from roamlab.lab.radio import walked
from roamlab.lab.request_acts import Request
from roamlab.labs import steps as plans
from roamlab.protocols import radio
from roamlab.protocols.mobility import Announce, Verb
from roamlab.protocols.radio import SILENCE
from roamlab.record.events import RadioLevel
from roamlab.registry import Seconds, Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("hand-in", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def hand_in(
    lab: Lab,
    steps: str = "{}",
    end: Seconds = 15.0,
    move: Seconds = 0.0,
    gap: Seconds = 0.0,
    walk: int = 0,
    speed: float = 5.0,
    apart: float = 90.0,
) -> None:
    """Play a plan on a session with a stream both ways; with ``move`` the one NIC roams then, with ``walk`` links fade."""
    plan = plans.decode(steps)
    session = lab.mobile.connect(
        lab.correspondent,
        announce=Announce(plan.announce),
        set_primary=plan.set_primary,
        delete=plan.delete,
        managed=plan.managed,
    )
    lab.at(1.0).start(session.stream(every=0.02))
    for step in plan.steps:
        if step.at < end:
            _set(lab, session, step)
    if move:
        lab.at(move).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    if walk:
        samples = walked(
            ["wlan0", "wlan1"], seed=walk, start_s=2.0, end_s=end - 6.0, speed=speed, apart=apart
        )
        for sample in samples:
            lab.timeline.at(sample.time_s, partial(_sound, lab, sample, plan.steps))
    lab.until(end)


def _set(lab: Lab, session: Session, step: plans.AnyStep) -> None:
    """Set one step on the timeline."""
    at, mobile = lab.at(step.at), lab.mobile
    places = {"wlan0": lab.home, "wlan1": lab.visited}
    match step:
        case plans.Attach(nic=nic, to=to):
            at.attach(mobile, nic, to=getattr(lab, to))
        case plans.Detach(nic=nic):
            at.detach(mobile.nic(nic))
        case plans.Move(nic=nic, to=to, gap=gap):
            at.move(mobile.nic(nic), to=getattr(lab, to), gap=gap)
        case plans.SetPrimary(on=on):
            at.set_primary(session, on=getattr(lab, on))
        case plans.Release(address=address):
            at.release(mobile, address)
        case plans.Ask(wanted=wanted):
            at.ask(mobile, *(Request(Verb[one.verb], one.address) for one in wanted))
        case plans.Prefer(nic=nic):
            lab.timeline.at(step.at, partial(lab.site.route_through, mobile.nic(nic)))
            at.set_primary(session, on=places[nic])
        case plans.Remove(nic=nic):
            at.release(mobile, mobile.address_on(places[nic]))


def _sound(lab: Lab, sample: radio.Sample, steps: tuple[plans.AnyStep, ...]) -> None:
    """Let the links be as the signals are; a second NIC has a link from its first ``attach`` on."""
    lab.record(RadioLevel(dict(sample.levels)))
    there = {"wlan0"} | {s.nic for s in steps if isinstance(s, plans.Attach) and s.at < sample.time_s}
    for nic in sorted(there):
        quality = radio.link(sample.levels.get(nic, SILENCE))
        lab.site.impair(lab.mobile.nic(nic), loss=quality.loss, bw=quality.rate)
