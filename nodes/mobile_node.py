"""The mobile node: an endpoint whose mobility manager keeps its association's address set in step with its NICs.

The policy is pure (``roamlab/protocols/mobility.py``); this is its shell. What happens to NICs comes from netlink, what the
peer answered from the ASCONF-ACKs that arrive, and requests go out through the SCTP socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import EADDRNOTAVAIL
from ipaddress import ip_address
from socket import socket
from typing import TYPE_CHECKING, Final

from roamlab.agents.acknowledgements import AcknowledgementWatch, Answer
from roamlab.agents.addresses import AddressChange, AddressWatch, LinkChange
from roamlab.agents.agent import now_ns
from roamlab.agents.endpoint import Endpoint
from roamlab.protocols.mobility import AddressRequest, AddressState, Announce, MobilityPolicy, Verb, Wishes
from roamlab.protocols.payload import Direction
from roamlab.protocols.rewriting import OWN_IDS
from roamlab.protocols.sctp.parameters import DeleteIp, SetPrimary
from roamlab.protocols.signals import Decision, SignalPolicy, Thresholds
from roamlab.record import commands
from roamlab.record.events import (
    AddressDown,
    AddressUp,
    AsconfAcknowledged,
    AsconfRequest,
    AsconfUnasked,
    AsconfWay,
    LinkDown,
    LinkUp,
    RadioAttach,
    RadioDecision,
    RadioPrefer,
    RadioRemove,
)
from roamlab.transports import find
from roamlab.transports.association import Association
from roamlab.transports.base import Channel, Keeper

if TYPE_CHECKING:  # what few runs use is imported where it is: imports are a quarter of a short run
    from roamlab.agents.kept_addresses import KeptAddresses
    from roamlab.agents.rewriter import OutgoingRewriter

# Linux tells of a new address before it can be bound: __inet_insert_ifa sends the netlink message first and then has the
# address entered into the local routing table, which bind asks. The manager tries again until it is there.
_BIND_RETRY_NS: Final = 100_000
_BIND_ATTEMPTS: Final = 100
_DECISIONS: Final[dict[Decision, type[RadioDecision]]] = {
    Decision.ATTACH: RadioAttach,
    Decision.PREFER: RadioPrefer,
    Decision.REMOVE: RadioRemove,
}
_SETTLING_NS: Final = 2_000_000
"""How long the manager waits to see whether the old address goes before it asks for a new one from there: what left from an
address that went is lost, and one ASCONF may be out at a time (RFC 5061, 5.1, C1)."""
_SAME_PLACE_NS: Final = 100_000_000
"""A link that is back for so long, with the address that it had, is where it was."""
_LOOPBACK: Final = "lo"


class MobileNode(Endpoint):
    """Connects sessions to a correspondent node and keeps them while its addresses change."""

    direction = Direction.UP

    def __init__(self, name: str, control: socket) -> None:
        super().__init__(name, control)
        self._policy: MobilityPolicy | None = None
        self._association: Association | None = None
        self._keepers: dict[str, Keeper] = {}
        """Who keeps the sessions of other transports, by these."""
        self._further: dict[Association, MobilityPolicy] = {}
        """Managed associations beside the first."""
        self._settling: dict[str, int] = {}
        """Addresses that came while the node had another, and that the manager does not know yet, with their turns."""
        self._configured: dict[str, None] = {}
        """Addresses that are configured now, in the order in which they came."""
        self._rewriter: OutgoingRewriter | None = None
        self._addresses: dict[str, str] = {}
        self._kept: KeptAddresses | None = None
        self._present = ""

    def obey(self, command: commands.Command) -> None:
        """Do what a command says."""
        match command:
            case commands.Watch(family):
                self._watch_nics(family)
            case commands.Manage():
                self._manage(command)
            case commands.Ask(requests):
                self._ask_otherwise(requests)
            case commands.Release(address):
                self._release(address)
            case commands.Prefer(address, family):
                self._prefer(address, family)
            case commands.Radio():
                self._signals = SignalPolicy(
                    command.preferred,
                    Thresholds(command.attach, command.fade, command.hysteresis, command.dwell_ns),
                )
            case commands.Hear(levels):
                self._hear(levels)
            case commands.UseMobileIp():
                from roamlab.agents.mobile_ip_client import MobileIpClient

                self._mobile_ip = MobileIpClient(self, command)
            case commands.AcquireCareOf(nic, address, gateway):
                self._mobile_ip.acquired(nic, address, gateway)
            case commands.Withdraw():
                self._mobile_ip.withdraw()
            case commands.Replay():
                self._mobile_ip.replay()
            case commands.Halt():
                self._mobile_ip.halt()
            case _:
                super().obey(command)

    def _manage(self, command: commands.Manage) -> None:
        if command.transport not in self._keepers:
            keeper = find(command.transport).keeper(self, self._family)
            if keeper is not None:
                self._keepers[command.transport] = keeper
                for address in self._configured:
                    keeper.address_up(address)
        if command.transport in self._keepers:
            return
        way = Announce(command.announce)
        self._policy = MobilityPolicy(way, Wishes(command.set_primary, command.delete))
        self.emit(AsconfWay(way.value))
        if way is Announce.REWRITING:
            from roamlab.agents.kept_addresses import KeptAddresses
            from roamlab.agents.rewriter import OutgoingRewriter

            self._rewriter = OutgoingRewriter(self, self._family)
            self._rewriter.rules.together = command.set_primary
            self._kept = KeptAddresses() if command.set_primary and command.delete else None

    def _watch_nics(self, family: int) -> None:
        addresses = AddressWatch()
        acknowledgements = AcknowledgementWatch(family)
        self._family = family
        self.on_readable(addresses, lambda: self._nics_changed(addresses))
        self.on_readable(acknowledgements, lambda: self._acknowledged(acknowledgements))

    def _ask_otherwise(self, requests: Sequence[commands.Request]) -> None:
        """Ask the peer for requests of a scenario's, in one ASCONF; there must be a rewriter."""
        from roamlab.agents.rewriter import parameter

        assert self._rewriter
        assert self._association
        assert self._policy
        self._rewriter.order([parameter(r.verb, r.address, r.id) for r in requests])
        self._policy.asked_otherwise()
        self._association.set_primary(min(self._association.addresses()))

    def _release(self, address: str) -> None:
        if self._association is None:
            raise ValueError("there is no association to take an address from")
        self._association.delete(address)

    def _prefer(self, address: str, family: int) -> None:
        from roamlab.agents.rewriter import OutgoingRewriter

        self._rewriter = OutgoingRewriter(self, family)
        self._rewriter.rules.prefer = ip_address(address)

    # -- FIG. 8: the radio decides --------------------------------------------------------------------------------

    def _hear(self, levels: dict[str, float]) -> None:
        assert self._policy
        for decision, nic in self._signals.heard(levels, now_ns()):
            self.emit(_DECISIONS[decision](nic, levels))
            if (address := self._addresses.get(nic)) is None:
                continue  # ATTACH of a NIC that gets its address by it
            if decision is Decision.ATTACH:
                self._policy.want(address)
            elif decision is Decision.PREFER:
                self._policy.prefer(address)
            else:
                self._policy.give_up(address)
        self._obey()

    # -- the mobility manager ----------------------------------------------------------------------------------------

    def association_accepted(self, association: Channel) -> None:
        """A peer set one up: its addresses are managed as those of one of the node's own."""
        self.association_up(association)

    def association_up(self, association: Channel) -> None:
        """Tell the policy which addresses the association has."""
        if not isinstance(association, Association):
            for keeper in self._keepers.values():
                keeper.opened(association)
            return
        if self._policy and self._association is not None:
            self._manage_further(association, self._policy)
            return
        self._association = association
        if self._policy:
            self._policy.association_up(association.addresses())
            self._obey()

    def _manage_further(self, association: Association, first: MobilityPolicy) -> None:
        """Manage one more association as the first one: each has an address set, and answers, of its own."""
        policy = self._further[association] = MobilityPolicy(first.announce, first.wishes)
        for address in self._configured:
            policy.address_up(address)
        policy.association_up(association.addresses())
        self._obey()

    def association_down(self, association: Channel) -> None:
        """Forget what was asked for."""
        if association is self._association:
            self._association = None
            if self._policy:
                self._policy.association_down()
            if self._kept is not None:
                for address in self._kept.addresses():
                    self._kept.drop(address)
        elif isinstance(association, Association):
            self._further.pop(association, None)
        else:
            for keeper in self._keepers.values():
                keeper.closed(association)

    def _nics_changed(self, watch: AddressWatch) -> None:
        for change in watch.read():
            if isinstance(change, AddressChange):
                if (":" in change.address) != (self._family == 6) or change.nic == _LOOPBACK:
                    continue
                kind = AddressUp if change.up else AddressDown
                self.emit(kind(change.nic, change.address))
                if change.up:
                    self._addresses[change.nic] = change.address
                    self._configured[change.address] = None
                else:
                    self._configured.pop(change.address, None)
                    self._keep(change.address)
                self._tell_policies(change)
                for keeper in self._keepers.values():
                    (keeper.address_up if change.up else keeper.address_down)(change.address)
            else:
                self.emit(LinkUp(change.nic) if change.up else LinkDown(change.nic))
                self._link_changed(change)
        self._obey()

    def _tell_policies(self, change: AddressChange) -> None:
        """Tell the policies of a change: at once, unless a new address came beside one that may be about to go."""
        address = change.address
        turn = self._settling.pop(address, 0) + 1
        if not change.up:
            for policy in self._policies():
                policy.address_down(address)
        elif self._policy and self._policy.waits_for_others(address):
            self._settling[address] = turn
            self.at(now_ns() + _SETTLING_NS, lambda: self._settled(address, turn))
        else:
            for policy in self._policies():
                policy.address_up(address)

    def _settled(self, address: str, turn: int) -> None:
        if self._settling.get(address) != turn:
            return  # it went again
        del self._settling[address]
        for policy in self._policies():
            policy.address_up(address)
        self._obey()

    def _keep(self, address: str) -> None:
        """Keep the last address of the association, which has gone, for as long as it takes to replace it."""
        if self._kept is not None and self._rewriter and self._policy and self._policy.last(address):
            self._kept.keep(address)
            self._rewriter.hold()

    def _link_changed(self, change: LinkChange) -> None:
        """Keep back what would leave by a link that is gone, where it is the only one."""
        address = self._addresses.get(change.nic, "")
        if self._kept is not None and self._rewriter and self._policy and self._policy.last(address):
            if change.up:
                self.at(now_ns() + _SAME_PLACE_NS, self._rewriter.resume)
            else:
                self._rewriter.hold()

    def _policies(self) -> list[MobilityPolicy]:
        return [*([self._policy] if self._policy else []), *self._further.values()]

    def _acknowledged(self, watch: AcknowledgementWatch) -> None:
        for answer in watch.read():
            said = tuple(f"{c.verb.value} {c.address}" for c in sorted(answer.refused, key=str))
            self.emit(AsconfAcknowledged(said))
            if (policy := self._asked_by(answer)) is not None:
                policy.acknowledged(answer.refused)
            if policy is self._policy:
                self._forget_kept()
        self._obey()

    def _forget_kept(self) -> None:
        """Give up kept addresses that the peer has no more: first the kernel's association, then the node."""
        if self._kept is None or not (self._policy and self._association and self._rewriter):
            return
        for address in self._kept.addresses():
            state = self._policy.state(address)
            if state is AddressState.ABSENT and not self._kept.is_asked(address):
                # The peer granted the DELETE in the one message, of which the kernel knows the ADD alone.
                self._rewriter.order([SetPrimary(0, ip_address(self._present))])
                self._policy.asked_otherwise()
                self._kept.asked(address)
                self._association.delete(address)
            elif state not in (AddressState.ORPHAN, AddressState.RETURNING):
                self._kept.drop(address)
                self._rewriter.replaced(address)

    def _asked_by(self, answer: Answer) -> MobilityPolicy | None:
        """The policy of the association that an answer belongs to."""
        for association, policy in self._further.items():
            try:
                if (association.port, association.peer_port) == (answer.own_port, answer.peer_port):
                    return policy
            except OSError:  # it has ended, and its notification is still to be read
                continue
        return self._policy

    def _obey(self) -> None:
        """Carry out what the policies ask for."""
        if self._policy and self._association:
            self._carry_out(self._association, self._policy)
        for association, policy in self._further.items():
            self._carry_out(association, policy)

    def _carry_out(self, association: Association, policy: MobilityPolicy) -> None:
        while (command := policy.next_command()) is not None:
            self.emit(AsconfRequest(command.verb.value, command.address))
            self._ask(association, policy, command, _BIND_ATTEMPTS)

    def _ask(
        self, association: Association, policy: MobilityPolicy, command: AddressRequest, attempts: int
    ) -> None:
        try:
            self._perform(association, command)
        except OSError as error:
            still = association is self._association or association in self._further
            if error.errno == EADDRNOTAVAIL and attempts > 1 and still:
                self.at(
                    now_ns() + _BIND_RETRY_NS, lambda: self._ask(association, policy, command, attempts - 1)
                )
                return
            self.emit(AsconfUnasked(command.verb.value, command.address, str(error)))
            policy.failed(command)
            self._obey()

    def _perform(self, association: Association, command: AddressRequest) -> None:
        kept = self._kept if self._kept is not None else ()
        match command.verb:
            case Verb.ADD if self._rewriter and command.instead_of in kept:
                association.check_route(command.address)
                association.add(command.address)
                self._present = command.address
                self._rewriter.replaces(command.instead_of, command.address)
            case Verb.DELETE if self._kept is not None and command.address in kept:
                self._kept.asked(command.address)
                association.delete(command.address)
            case Verb.ADD if command.instead_of:
                association.replace(command.instead_of, command.address)
            case Verb.ADD:
                association.add(command.address)
            case Verb.SET_PRIMARY:
                association.set_primary(command.address)
            case Verb.DELETE if self._rewriter and command.address not in association.addresses():
                # The kernel takes it for deleted (roamlab/protocols/rewriting.py); the peer, which refused, has it still.
                self._rewriter.order([DeleteIp(OWN_IDS, ip_address(command.address))])
                association.set_primary(min(association.addresses()))
            case Verb.DELETE:
                association.delete(command.address)
