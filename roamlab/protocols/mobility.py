"""The mobile node's mobility policy: what to ask of the correspondent when addresses come and go.

RFC 5061 gives a mobile endpoint three requests: ADD IP, SET PRIMARY and DELETE IP. This module decides which of them to make
and when, from what the node can observe: its links and addresses, the association, and the acknowledgement of each ASCONF.
It performs nothing: commands come out of :meth:`MobilityPolicy.next_command`, and a shell on netlink and a socket
(``nodes/mobile_node.py``) carries them out.

Every address runs through the same small machine, and :data:`TRANSITIONS` is its only truth. There are three ways to announce
a new address on Linux (``announce``):

* ``SOCKET``: the socket is bound to named addresses and the policy asks for every step itself. An address that comes when
  the last one has gone (FIG. 9) is asked for in its place: ADD and DELETE in one ASCONF, which leaves at once. Where the peer
  refuses the DELETE alone, it is asked for again, from the new address, before anything else.
* ``KERNEL``: the socket is bound to the wildcard address with SCTP_AUTO_ASCONF; the kernel sends ADD (with a pending DELETE)
  by itself, half a second after the address came.

* ``REWRITING``: like ``SOCKET``, and all in one ASCONF: ADD, SET PRIMARY and DELETE. Linux never sends a SET PRIMARY with other
  requests, so whoever carries commands out has to put it in behind each ADD (``roamlab/protocols/rewriting.py``).

Such an ASCONF to replace the last address leaves from an address that the association does not know yet. When the peer
refuses a part of what the kernel asked for, the kernel keeps all data back until another ASCONF succeeds; so the policy makes
another request at once. With ``SOCKET`` that is the DELETE: once it is carried out the peer has only the new address to send
to, a round trip earlier than after a SET PRIMARY, and cannot fall back to the old one. With ``KERNEL`` the socket can't ask
for it, and SET PRIMARY is all there is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Announce(Enum):
    """Who puts a new address into an ASCONF."""

    SOCKET = "socket"
    KERNEL = "kernel"
    REWRITING = "rewriting"


class AddressState(Enum):
    """Where one address of the mobile node stands in the association."""

    ABSENT = "absent"  # not configured on any NIC
    SPARE = "spare"  # configured, not part of the association
    ADDING = "adding"  # ADD IP asked for, not acknowledged
    MEMBER = "member"  # part of the association
    PREFERRING = "preferring"  # SET PRIMARY asked for, not acknowledged
    CLEARING = (
        "clearing"  # part of the association; DELETE IP of what it replaces asked for again, not acknowledged
    )
    PRIMARY = "primary"  # the peer was asked to send here, and agreed
    DELETING = "deleting"  # DELETE IP asked for, not acknowledged
    ORPHAN = "orphan"  # no longer configured, still part of the association
    RETURNING = "returning"  # configured again while its DELETE IP is out


class AddressInput(Enum):
    """What can happen to one address."""

    UP = "up"  # configured on a NIC
    BACK = "back"  # the same, while its DELETE IP is out
    DOWN = "down"  # taken off its NIC
    JOINED = "joined"  # was among the association's addresses when it came up
    ACCEPTED = "accepted"  # the ASCONF that spoke of it was acknowledged without a cause
    ALONE = "alone"  # it was added, and the DELETE IP of the last address, which it replaces, was refused
    REFUSED = "refused"  # its request was refused, by the peer or by the socket
    LOST = "lost"  # the association ended
    REPLACED = "replaced"  # another address became primary and this one is to go
    WANTED = "wanted"  # somebody who knows more wants it in the association (FIG. 8)
    CHOSEN = "chosen"  # somebody who knows more prefers it
    FADED = "faded"  # somebody who knows more gives it up
    SUPERSEDED = "superseded"  # another address became primary and this one stays


class PolicyStep(Enum):
    """What the policy does on a transition, in the order listed."""

    ADD = "add"
    PREFER = "prefer"
    CHOOSE = "choose"
    DELETE = "delete"
    RETIRE_OTHERS = "retire others"
    CLEAR = "clear"


S, I = AddressState, AddressInput  # noqa: E741 - the table is to be read as one
TRANSITIONS: Final[dict[tuple[AddressState, AddressInput], tuple[AddressState, tuple[PolicyStep, ...]]]] = {
    (S.ABSENT, I.UP): (S.ADDING, (PolicyStep.ADD,)),
    (S.ABSENT, I.JOINED): (S.MEMBER, ()),
    (S.SPARE, I.JOINED): (S.MEMBER, ()),
    (S.SPARE, I.DOWN): (S.ABSENT, ()),
    (S.SPARE, I.WANTED): (S.ADDING, (PolicyStep.ADD,)),
    (S.MEMBER, I.CHOSEN): (S.PREFERRING, (PolicyStep.CHOOSE,)),
    (S.MEMBER, I.FADED): (S.DELETING, (PolicyStep.DELETE,)),
    (S.PREFERRING, I.FADED): (S.DELETING, (PolicyStep.DELETE,)),
    (S.PRIMARY, I.FADED): (S.DELETING, (PolicyStep.DELETE,)),
    (S.ADDING, I.ACCEPTED): (S.PREFERRING, (PolicyStep.PREFER,)),
    (S.ADDING, I.ALONE): (S.CLEARING, (PolicyStep.CLEAR,)),
    (S.CLEARING, I.ACCEPTED): (S.PRIMARY, (PolicyStep.RETIRE_OTHERS,)),
    (S.CLEARING, I.REFUSED): (S.PREFERRING, (PolicyStep.PREFER,)),
    (S.CLEARING, I.DOWN): (S.ORPHAN, (PolicyStep.DELETE,)),
    (S.CLEARING, I.SUPERSEDED): (S.MEMBER, ()),
    (S.CLEARING, I.REPLACED): (S.DELETING, (PolicyStep.DELETE,)),
    (S.CLEARING, I.FADED): (S.DELETING, (PolicyStep.DELETE,)),
    (S.ADDING, I.REFUSED): (S.SPARE, ()),
    (S.ADDING, I.DOWN): (S.ORPHAN, (PolicyStep.DELETE,)),
    (S.MEMBER, I.DOWN): (S.ORPHAN, (PolicyStep.DELETE,)),
    (S.MEMBER, I.REPLACED): (S.DELETING, (PolicyStep.DELETE,)),
    (S.PREFERRING, I.ACCEPTED): (S.PRIMARY, (PolicyStep.RETIRE_OTHERS,)),
    (S.PREFERRING, I.REFUSED): (S.MEMBER, ()),
    (S.PREFERRING, I.DOWN): (S.ORPHAN, (PolicyStep.DELETE,)),
    (S.PREFERRING, I.SUPERSEDED): (S.MEMBER, ()),
    (S.PRIMARY, I.SUPERSEDED): (S.MEMBER, ()),
    (S.PRIMARY, I.REPLACED): (S.DELETING, (PolicyStep.DELETE,)),
    (S.PRIMARY, I.DOWN): (S.ORPHAN, (PolicyStep.DELETE,)),
    (S.DELETING, I.ACCEPTED): (S.SPARE, ()),
    (S.DELETING, I.REFUSED): (S.MEMBER, ()),
    (S.DELETING, I.DOWN): (S.ORPHAN, ()),
    (S.ORPHAN, I.ACCEPTED): (S.ABSENT, ()),
    (S.ORPHAN, I.REFUSED): (S.ORPHAN, ()),
    (S.ORPHAN, I.UP): (S.MEMBER, ()),
    (S.ORPHAN, I.BACK): (S.RETURNING, ()),
    (S.RETURNING, I.ACCEPTED): (S.ADDING, (PolicyStep.ADD,)),
    (S.RETURNING, I.REFUSED): (S.MEMBER, ()),
    (S.RETURNING, I.DOWN): (S.ORPHAN, ()),
    (S.ORPHAN, I.REPLACED): (S.ORPHAN, (PolicyStep.DELETE,)),
    **{(state, I.LOST): (S.SPARE, ()) for state in S if state not in (S.ABSENT, S.ORPHAN)},
    (S.ORPHAN, I.LOST): (S.ABSENT, ()),
}
"""(state, input) to (next state, steps). An input that a state has no entry for changes nothing."""


class Verb(Enum):
    """The three requests of RFC 5061 that a command can make."""

    ADD = "ADD IP"
    SET_PRIMARY = "SET PRIMARY"
    DELETE = "DELETE IP"


AWAITING: Final[dict[Verb, frozenset[AddressState]]] = {
    Verb.ADD: frozenset({AddressState.ADDING}),
    Verb.SET_PRIMARY: frozenset({AddressState.PREFERRING}),
    Verb.DELETE: frozenset({AddressState.DELETING, AddressState.ORPHAN, AddressState.RETURNING}),
}
"""The states in which an address waits for the answer to a request. An answer that comes in another one is outdated."""


@dataclass(frozen=True, slots=True)
class AddressRequest:
    """One request to make through the socket, for one address (text form).

    An ADD with ``instead_of`` asks in the same ASCONF for the DELETE of that address, which is the association's last.
    """

    verb: Verb
    address: str
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Which steps of FIG. 7 the mobile node takes when an address arrives.

    ``set_primary``: ask the peer to send to the new address; ``delete``: then remove the addresses it replaces.
    """

    set_primary: bool = True
    delete: bool = True


@dataclass(slots=True)
class MobilityPolicy:
    """The policy for one association.

    Feed it what happened (``address_up``, ``address_down``, ``association_up``, ``association_down``,
    ``acknowledged``, ``failed``) and take commands from :meth:`next_command` until it returns None.
    """

    announce: Announce
    wishes: Wishes = field(default_factory=Wishes)
    _states: dict[str, AddressState] = field(default_factory=dict)
    _commands: deque[AddressRequest] = field(default_factory=deque)
    _outstanding: deque[AddressRequest] = field(default_factory=deque)
    _connected: bool = False

    def state(self, address: str) -> AddressState:
        """Where an address stands."""
        return self._states.get(address, AddressState.ABSENT)

    def association_up(self, addresses: frozenset[str]) -> None:
        """The association was set up with these local addresses; others that are configured are announced now."""
        self._connected = True
        spare = [a for a, state in self._states.items() if state is AddressState.SPARE and a not in addresses]
        for address in sorted(addresses):
            self._step(address, AddressInput.JOINED)
        for address in spare:
            self._states[address] = AddressState.ABSENT
            self._step(address, AddressInput.UP)

    def association_down(self) -> None:
        """The association ended: nothing is outstanding any more, and configured addresses are spare."""
        self._connected = False
        self._commands.clear()
        self._outstanding.clear()
        for address in list(self._states):
            self._step(address, AddressInput.LOST)

    def address_up(self, address: str) -> None:
        """An address became usable on a NIC."""
        if self._connected:
            self._step(address, AddressInput.BACK if self._deleting(address) else AddressInput.UP)
        elif self.state(address) is AddressState.ABSENT:
            self._states[address] = AddressState.SPARE

    def address_down(self, address: str) -> None:
        """An address was taken off its NIC."""
        self._step(address, AddressInput.DOWN)

    def want(self, address: str) -> None:
        """Bring an address into the association that was deleted from it, or was refused."""
        if self._connected:
            self._step(address, AddressInput.WANTED)

    def prefer(self, address: str) -> None:
        """Ask the peer to send to an address of the association, whatever the wishes are."""
        self._step(address, AddressInput.CHOSEN)

    def give_up(self, address: str) -> None:
        """Delete an address while it is still configured."""
        self._step(address, AddressInput.FADED)

    def acknowledged(self, refused: frozenset[AddressRequest]) -> None:
        """An ASCONF-ACK arrived; ``refused`` are the requests that it answers with an error cause.

        It answers the oldest command that is out. With none out it answers the kernel's own ASCONF (``KERNEL``),
        which spoke of every address that is being added.
        """
        if self._outstanding:
            self._answered(self._outstanding.popleft(), refused)
            return
        for address, state in list(self._states.items()):
            if state is AddressState.ADDING and AddressRequest(Verb.ADD, address) in refused:
                self._step(address, AddressInput.REFUSED)
            elif state is AddressState.ADDING and not refused and not self._others(address):
                # Nothing else is left that the peer could send to: there is nothing more to ask.
                self._states[address] = AddressState.PRIMARY
            elif state is AddressState.ADDING or (state is AddressState.ORPHAN and not refused):
                self._step(address, AddressInput.ACCEPTED)

    def failed(self, command: AddressRequest) -> None:
        """The socket itself refused a command (an errno, not the peer)."""
        if command in self._outstanding:
            self._outstanding.remove(command)
        self._step(command.address, AddressInput.REFUSED)
        if command.verb is Verb.DELETE:
            self._cleared(refused=True)

    def asked_otherwise(self) -> None:
        """Somebody else asked for something: the next ASCONF-ACK is not about the policy's commands."""
        self._outstanding.append(AddressRequest(Verb.SET_PRIMARY, ""))

    def next_command(self) -> AddressRequest | None:
        """The next request to make, or None. It counts as outstanding until acknowledged or failed."""
        if not self._commands:
            return None
        command = self._commands.popleft()
        self._outstanding.append(command)
        return command

    def last(self, address: str) -> bool:
        """Whether an address is the association's only one."""
        inside = self.state(address) in (
            AddressState.MEMBER,
            AddressState.PREFERRING,
            AddressState.CLEARING,
            AddressState.PRIMARY,
        )
        return inside and not self._others(address)

    def waits_for_others(self, address: str) -> bool:
        """Whether it should be seen first if others stay before a new address is made known to this policy.

        An ASCONF for an address that comes beside others leaves from one of those.
        """
        return self._connected and self.announce is not Announce.KERNEL and bool(self._others(address))

    @property
    def _together(self) -> bool:
        return self.announce is Announce.REWRITING

    def _answered(self, command: AddressRequest, refused: frozenset[AddressRequest]) -> None:
        def answer(verb: Verb, address: str) -> None:
            if self.state(address) in AWAITING[verb]:
                self._step(
                    address,
                    AddressInput.REFUSED
                    if AddressRequest(verb, address) in refused
                    else AddressInput.ACCEPTED,
                )

        if command.instead_of:
            answer(Verb.DELETE, command.instead_of)
        if self._left_alone(command, refused):
            self._step(command.address, AddressInput.ALONE)
            return
        answer(command.verb, command.address)
        if command.verb is Verb.ADD and self._together:
            answer(Verb.SET_PRIMARY, command.address)
        if command.verb is Verb.DELETE:
            self._cleared(refused=AddressRequest(Verb.DELETE, command.address) in refused)

    def _left_alone(self, command: AddressRequest, refused: frozenset[AddressRequest]) -> bool:
        """Whether an address was added in the place of the last one, and that one is still the peer's."""
        return (
            self.announce is Announce.SOCKET
            and self.state(command.instead_of) is AddressState.ORPHAN
            and self.state(command.address) is AddressState.ADDING
            and AddressRequest(Verb.ADD, command.address) not in refused
        )

    def _cleared(self, *, refused: bool) -> None:
        """Go on with an address that waited for the DELETE of the one that it replaces."""
        another = any(state is AddressState.ORPHAN for state in self._states.values())
        for address in [a for a, state in self._states.items() if state is AddressState.CLEARING]:
            self._step(address, AddressInput.REFUSED if refused or another else AddressInput.ACCEPTED)

    def _deleting(self, address: str) -> bool:
        """Whether a DELETE of an address has been asked for, or is about to be."""
        return any(
            c.instead_of == address or (c.verb is Verb.DELETE and c.address == address)
            for c in (*self._commands, *self._outstanding)
        )

    def _replaced(self, address: str) -> str:
        """The address that a new one takes the place of in one ASCONF, or none.

        It is the one that went last, when nothing else is left, and else, for all in one message, the only one there is.
        """
        inside = self._others(address)
        if not inside:
            return next(
                (a for a, state in reversed(self._states.items()) if state is AddressState.ORPHAN), ""
            )
        if self._together and self.wishes.delete and len(inside) == 1:
            self._states[inside[0]] = AddressState.DELETING
            return inside[0]
        return ""

    def _others(self, address: str) -> list[str]:
        """Configured addresses, other than this one, that are part of the association."""
        inside = (AddressState.MEMBER, AddressState.PREFERRING, AddressState.CLEARING, AddressState.PRIMARY)
        return [a for a, state in self._states.items() if a != address and state in inside]

    def _step(self, address: str, happened: AddressInput) -> None:
        entry = TRANSITIONS.get((self.state(address), happened))
        if entry is None:
            return
        self._states.pop(address, None)  # so that they stand in the order of their last change
        self._states[address], steps = entry
        for step in steps:
            self._perform(address, step)

    def _perform(self, address: str, step: PolicyStep) -> None:
        by_kernel = self.announce is Announce.KERNEL
        if step is PolicyStep.ADD and not by_kernel:
            self._commands.append(AddressRequest(Verb.ADD, address, self._replaced(address)))
        elif step is PolicyStep.PREFER:
            if not self.wishes.set_primary:
                self._states[address] = AddressState.MEMBER
            elif not self._together:
                self._commands.append(AddressRequest(Verb.SET_PRIMARY, address))
        elif step is PolicyStep.CHOOSE:
            self._commands.append(AddressRequest(Verb.SET_PRIMARY, address))
        elif step is PolicyStep.DELETE:
            # The kernel deletes by itself what was taken off a NIC; a last address cannot be deleted (RFC 5061, F5).
            if not by_kernel and (self._others(address) or self._announced()):
                self._commands.append(AddressRequest(Verb.DELETE, address))
        elif step is PolicyStep.RETIRE_OTHERS:
            leaving = self.wishes.delete and not by_kernel
            for other in self._others(address):
                self._step(other, AddressInput.REPLACED if leaving else AddressInput.SUPERSEDED)
            self._delete_orphans()
        elif step is PolicyStep.CLEAR:
            self._delete_orphans()

    def _delete_orphans(self) -> None:
        for gone in [a for a, state in self._states.items() if state is AddressState.ORPHAN]:
            if not self._deleting(gone):
                self._step(gone, AddressInput.REPLACED)

    def _announced(self) -> bool:
        return any(state is AddressState.ADDING for state in self._states.values())
