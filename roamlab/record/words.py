"""Every event in words, as the causal chain, the ladder and the terminal show it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from roamlab.record import attack_events as attack
from roamlab.record import events as e
from roamlab.record import mobile_ip_events as mip
from roamlab.record import program_events as program
from roamlab.record.conditions import Condition
from roamlab.record.event import Event
from roamlab.record.mptcp_events import MptcpEndpoint, MptcpFullyEstablished
from roamlab.record.quic_events import QuicMigrated, QuicSecret
from roamlab.record.stimuli import Stimulus


def words(event: Event) -> str:
    """An event in a few words, without its time and node."""
    match event:
        case Stimulus() | Condition():
            return event.words
        case e.NicEvent():
            return _nic(event)
        case e.Notice():
            return _notice(event)
        case mip.MipEvent():
            return _mobile_ip(event)
        case MptcpEndpoint(act, address, refused):
            return f"endpoint {address}: {act}{f', refused: {refused}' if refused else ''}"
        case MptcpFullyEstablished(address):
            return f"subflow from {address} may carry data"
        case QuicMigrated(address, before):
            return f"the connection goes from {before} to {address}"
        case e.LinkUp(nic):
            return f"{nic} up"
        case e.LinkDown(nic):
            return f"{nic} down"
        case e.AddressUp(nic, address):
            return f"{address} on {nic}"
        case e.AddressDown(nic, address):
            return f"{address} off {nic}"
        case e.RadioLevel(levels):
            return levels_in_words(levels)
        case e.RadioAttach(nic, levels):
            return f"{nic} has a good signal: {levels_in_words(levels)}"
        case e.RadioPrefer(nic, levels):
            return f"{nic} has the better signal: {levels_in_words(levels)}"
        case e.RadioRemove(nic, levels):
            return f"the signal of {nic} has faded: {levels_in_words(levels)}"
        case program.ProgramEvent():
            return _program(event)
        case program.OutageAllowed(outage_s):
            return f"an outage may last {outage_s:g} s"
        case program.ProgramsOver():
            return "programs that still run are ended"
        case _:
            return _session(event)


def _program(event: program.ProgramEvent) -> str:
    name = event.program
    match event:
        case program.ProgramStarted():
            return f"{name} starts: {' '.join(event.words)}"
        case program.ProgramReady():
            return f"{name} {event.by}"
        case program.ProgramSaid():
            return f"{name}: {' '.join(event.text.split()) or f'{event.size} octets'}"
        case program.ProgramGiven():
            return f"{name} is given {event.size} octets"
        case program.ProgramEnded():
            how = f"exit status {event.status}" if event.status >= 0 else f"signal {-event.status}"
            return f"{name} ended: {how}" + (" (ended by the lab)" if event.by_lab else "")
        case _:
            return name


def levels_in_words(levels: Mapping[str, float]) -> str:
    """Signal levels (dBm) by NIC."""
    return ", ".join(f"{nic} {level:g} dBm" for nic, level in sorted(levels.items()))


def _session(event: Event) -> str:
    match event:
        case e.RunStart():
            return "the run begins"
        case e.RunEnd(dropped):
            return "the run ends" + (f"; the capture lost {dropped} packets" if dropped else "")
        case e.Expectation(verdict):
            return f"the verdict known for this kernel: {verdict}"
        case e.AgentReady():
            return "agent ready"
        case e.AgentDied(how):
            return f"agent died: {how}"
        case e.SessionStart(session, _, _, every_ns, transport):
            return f"session {session} starts over {transport}, a message every {every_ns / 1e6:g} ms"
        case e.SessionOpened(session):
            return f"session {session} is up"
        case e.SessionDisconnect(session):
            return f"ends the association of session {session}"
        case e.Listening(address, port):
            return f"listens on {address}, port {port}"
        case e.AssociationConnect(_, peer):
            return f"connects to {peer}"
        case e.AssociationEnded():
            return "association ended"
        case e.DataSent(_, direction, number):
            return f"message {number} {direction} sent"
        case e.DataUnsent(_, direction, number):
            return f"message {number} {direction} due, but there is no association to send it on"
        case e.DataReceived(_, direction, number):
            return f"message {number} {direction} delivered"
        case e.PathState(_, address, cwnd, rto_ms, srtt_ms):
            return f"path to {address}: cwnd {cwnd} bytes, RTO {rto_ms} ms, SRTT {srtt_ms} ms"
        case e.KernelState(associations, peers, local):
            return f"{associations} associations, {peers} peer and {local} local addresses"
        case _:
            return _request(event)


def _request(event: Event) -> str:
    match event:
        case e.AsconfWay(way):
            return f"announces new addresses (way {way})"
        case e.AsconfRequest(verb, address):
            return f"asks for {verb} {address}"
        case e.AsconfUnasked(verb, address, error):
            return f"cannot ask for {verb} {address}: {error}"
        case e.AsconfAcknowledged(refused):
            return "acknowledged" + (f", refused: {', '.join(refused)}" if refused else "")
        case e.AsconfRewritten(was, now):
            return f"{was} goes out as {now}"
        case e.AsconfUnchanged(reason):
            return f"a packet went out unchanged: {reason}"
        case attack.AttackStakes(addresses, where, target):
            return f"an attacker targets {target}, to get traffic to {', '.join(addresses)} at {where}"
        case attack.AttackSession(session):
            return f"session {session} is the attacker's own"
        case attack.AttackOverheard(mobile, correspondent, sport, dport):
            return f"overheard {mobile} port {sport} and {correspondent} port {dport}"
        case attack.AttackSent(_, source):
            return f"sent a packet from {source}"
        case attack.AttackUnsent(reason):
            return f"could not attack: {reason}"
        case attack.RawSent(_, port, source):
            return f"sent a packet from {source}, port {port}"
        case attack.CookieEchoed(port, damaged):
            return f"sends a {'damaged ' if damaged else ''}cookie back from port {port}"
        case attack.CookieMissing():
            return "has no cookie to send back"
        case _:
            return by_fields(event)


def _nic(event: e.NicEvent) -> str:
    match event:
        case e.NicConfigure(nic, addresses):
            return f"{nic} gets {', '.join(addresses)}"
        case e.NicDeconfigure(nic, addresses):
            return f"{nic} loses {', '.join(addresses) or 'nothing'}"
        case e.NicDown(nic):
            return f"the link of {nic} goes down"
        case e.NicUp(nic):
            return f"the link of {nic} comes up"
        case e.NicAttach(nic, segment):
            return f"{nic} is added on {segment}"
        case e.NicDetach(nic):
            return f"{nic} is removed"
        case e.NicUnplug(nic, segment):
            return f"{nic} is unplugged from {segment or 'nowhere'}"
        case e.NicPlug(nic, segment):
            return f"{nic} is plugged into {segment}"
        case e.NicMove(nic, segment, before):
            return f"{nic} is moved from {before or 'nowhere'} to {segment}"
        case e.NicImpair(nic, options):
            return f"the link of {nic}: " + ", ".join(f"{k} {_plain(v)}" for k, v in options.items())
        case _:
            return by_fields(event)


def _notice(event: e.Notice) -> str:
    if isinstance(event, QuicSecret):
        return f"reports {event.label}"
    subject, _, what = event.kind.partition(".")
    said = f"{subject} {what}" if what else f"the kernel reports {by_fields(event)}"
    if subject == "path":
        said = {"primary": "primary path"}.get(what, f"path {what}") + f": {event.address}"
    reason = getattr(event, "reason", "")
    return said + (f" (error {event.error}{f': {reason}' if reason else ''})" if event.error else "")


def _mobile_ip(event: mip.MipEvent) -> str:
    match event:
        case mip.MipSecurity(associations):
            return f"{len(associations)} security associations"
        case mip.MipServing(interface, address):
            return f"serves {interface} at {address}"
        case mip.MipTable(rows):
            pairs = ", ".join(f"{row.home_address} at {row.care_of_address}" for row in rows)
            return f"table: {pairs or 'empty'}"
        case mip.MipFailed(action, error):
            return f"{action} failed: {error}"
        case mip.MipDiscarded(source, why):
            return f"drops a message from {source}: {why}"
        case mip.MipRequest(_, care_of):
            return f"asks for a binding at {care_of}"
        case mip.MipReply(home, _, code, lifetime):
            return f"accepts {home} with code {code}, for {lifetime} s"
        case mip.MipDenied(code, home):
            return f"denied with code {code}" + (f": {home}" if home else "")
        case mip.MipRelayed(home, home_agent, code):
            return f"relays the request of {home}" if home_agent else f"relays the reply {code} to {home}"
        case mip.MipRegistered(lifetime, home, care_of):
            at = " at ".join(filter(None, (home, care_of)))
            return f"registered: {at}, for {lifetime} s"
        case mip.MipDeregistered(home, care_of):
            return f"deregistered: {' at '.join(filter(None, (home, care_of)))}"
        case mip.MipExpired(home, care_of):
            return f"expired: {home or care_of}"
        case mip.MipAgentFound(agent, place):
            return f"found the agent {agent}, {place}"
        case mip.MipAgentLost(agent, why):
            return f"lost the agent {agent}: {why}"
        case mip.MipAgentRebooted(agent):
            return f"the agent {agent} has started again"
        case mip.MipState(state, before):
            return f"{before} → {state}"
        case _:
            return by_fields(event)


def by_fields(event: Event) -> str:
    """An event without words of its own, as its fields."""
    return " ".join(f"{name}={_plain(value)}" for name, value in event.details().items())


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
