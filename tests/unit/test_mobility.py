"""The mobility policy, in memory."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from roamlab.protocols.mobility import AddressRequest, AddressState, Announce, MobilityPolicy, Verb, Wishes

A, B, X = "192.0.2.10", "198.51.100.20", "203.0.113.30"
ACCEPTED: frozenset[AddressRequest] = frozenset()


def connected(announce: Announce, wishes: Wishes | None = None) -> MobilityPolicy:
    policy = MobilityPolicy(announce, wishes or Wishes())
    policy.address_up(A)
    policy.association_up(frozenset({A}))
    return policy


def take(policy: MobilityPolicy) -> list[AddressRequest]:
    return list(iter(policy.next_command, None))


def answer_all(policy: MobilityPolicy) -> list[AddressRequest]:
    """Every command the policy makes while the peer accepts each."""
    said: list[AddressRequest] = []
    while (command := policy.next_command()) is not None:
        said.append(command)
        policy.acknowledged(ACCEPTED)
    return said


def test_a_new_nic_is_added_preferred_and_replaces_the_first() -> None:
    """FIG. 7: ADD, SET PRIMARY, DELETE, one at a time, each behind the acknowledgement of the one before."""
    policy = connected(Announce.SOCKET)
    policy.address_up(B)
    assert take(policy) == [AddressRequest(Verb.ADD, B)]
    policy.acknowledged(ACCEPTED)
    assert take(policy) == [AddressRequest(Verb.SET_PRIMARY, B)]
    policy.acknowledged(ACCEPTED)
    assert take(policy) == [AddressRequest(Verb.DELETE, A)]
    policy.acknowledged(ACCEPTED)
    assert policy.state(B) is AddressState.PRIMARY
    assert policy.state(A) is AddressState.SPARE


@pytest.mark.parametrize(
    ("wishes", "verbs"),
    [
        (Wishes(set_primary=False, delete=False), [Verb.ADD]),
        (Wishes(set_primary=True, delete=False), [Verb.ADD, Verb.SET_PRIMARY]),
        (Wishes(set_primary=True, delete=True), [Verb.ADD, Verb.SET_PRIMARY, Verb.DELETE]),
    ],
)
def test_wishes_say_how_far_fig_7_goes(wishes: Wishes, verbs: list[Verb]) -> None:
    policy = connected(Announce.SOCKET, wishes)
    policy.address_up(B)
    assert [command.verb for command in answer_all(policy)] == verbs


def test_a_refused_add_is_not_preferred() -> None:
    policy = connected(Announce.SOCKET)
    policy.address_up(B)
    take(policy)
    policy.acknowledged(frozenset({AddressRequest(Verb.ADD, B)}))
    assert take(policy) == []
    assert policy.state(B) is AddressState.SPARE
    assert policy.state(A) is AddressState.MEMBER


def test_a_roam_that_the_peer_accepts_needs_nothing_more() -> None:
    """FIG. 9 on a kernel without the regression: the kernel's ASCONF does it all."""
    policy = connected(Announce.KERNEL)
    policy.address_down(A)
    policy.address_up(X)
    assert take(policy) == []
    policy.acknowledged(ACCEPTED)
    assert take(policy) == []
    assert policy.state(X) is AddressState.PRIMARY
    assert policy.state(A) is AddressState.ABSENT


def test_a_roam_whose_delete_is_refused_asks_for_set_primary_at_once() -> None:
    """FIG. 9 on a kernel with the regression: data flows again only after another ASCONF succeeded."""
    policy = connected(Announce.KERNEL)
    policy.address_down(A)
    policy.address_up(X)
    policy.acknowledged(frozenset({AddressRequest(Verb.DELETE, A)}))
    assert take(policy) == [AddressRequest(Verb.SET_PRIMARY, X)]
    policy.acknowledged(ACCEPTED)
    assert policy.state(X) is AddressState.PRIMARY


def test_a_second_nic_is_preferred_after_the_kernel_added_it() -> None:
    policy = connected(Announce.KERNEL)
    policy.address_up(B)
    policy.acknowledged(ACCEPTED)
    assert take(policy) == [AddressRequest(Verb.SET_PRIMARY, B)]


def test_a_lost_nic_is_deleted_when_another_address_remains() -> None:
    policy = connected(Announce.SOCKET, Wishes(set_primary=True, delete=False))
    policy.address_up(B)
    answer_all(policy)
    policy.address_down(A)
    assert take(policy) == [AddressRequest(Verb.DELETE, A)]


def test_the_last_address_is_never_deleted() -> None:
    """RFC 5061, 5.3 F5."""
    policy = connected(Announce.SOCKET)
    policy.address_down(A)
    assert take(policy) == []


def test_a_socket_that_refuses_a_command_leaves_the_others_in_step() -> None:
    policy = connected(Announce.SOCKET)
    policy.address_up(B)
    (add,) = take(policy)
    policy.failed(add)
    assert policy.state(B) is AddressState.SPARE
    policy.address_down(B)
    policy.address_up(B)
    assert take(policy) == [add]


def test_an_address_known_before_the_association_is_announced_when_it_comes_up() -> None:
    policy = MobilityPolicy(Announce.SOCKET)
    policy.address_up(A)
    policy.address_up(B)
    assert take(policy) == []
    policy.association_up(frozenset({A}))
    assert take(policy) == [AddressRequest(Verb.ADD, B)]


def test_nothing_is_outstanding_after_the_association_ended() -> None:
    policy = connected(Announce.SOCKET)
    policy.address_up(B)
    policy.association_down()
    assert take(policy) == []
    policy.association_up(frozenset({B}))
    assert take(policy) == [AddressRequest(Verb.ADD, A)]


def test_an_address_that_comes_after_the_last_one_went_takes_its_place() -> None:
    """FIG. 9 through the socket: one ASCONF with ADD X and DELETE A."""
    policy = connected(Announce.SOCKET)
    policy.address_down(A)
    policy.address_up(X)
    assert take(policy) == [AddressRequest(Verb.ADD, X, instead_of=A)]
    policy.acknowledged(ACCEPTED)
    assert take(policy) == [AddressRequest(Verb.SET_PRIMARY, X)]
    policy.acknowledged(ACCEPTED)
    assert take(policy) == []
    assert (policy.state(X), policy.state(A)) == (AddressState.PRIMARY, AddressState.ABSENT)


def test_a_delete_that_was_refused_on_the_way_is_asked_for_again_from_the_new_address() -> None:
    """The regression of FIG. 9: a correspondent keeps the address that its peer was found by."""
    policy = connected(Announce.SOCKET)
    policy.address_down(A)
    policy.address_up(X)
    take(policy)
    policy.acknowledged(frozenset({AddressRequest(Verb.DELETE, A)}))
    assert take(policy) == [AddressRequest(Verb.DELETE, A)]
    policy.acknowledged(ACCEPTED)
    assert take(policy) == []
    assert (policy.state(X), policy.state(A)) == (AddressState.PRIMARY, AddressState.ABSENT)


@pytest.mark.parametrize("by_the_peer", [True, False])
def test_a_delete_that_is_refused_again_is_followed_by_set_primary(by_the_peer: bool) -> None:
    """Data must flow, and any request that succeeds lets it."""
    policy = connected(Announce.SOCKET)
    policy.address_down(A)
    policy.address_up(X)
    take(policy)
    refused = frozenset({AddressRequest(Verb.DELETE, A)})
    policy.acknowledged(refused)
    (again,) = take(policy)
    policy.acknowledged(refused) if by_the_peer else policy.failed(again)
    assert take(policy) == [AddressRequest(Verb.SET_PRIMARY, X)]
    policy.acknowledged(ACCEPTED)
    assert policy.state(X) is AddressState.PRIMARY


def test_it_can_go_back_to_where_it_came_from() -> None:
    policy = connected(Announce.SOCKET)
    for here, there in [(A, X), (X, A), (A, X)]:
        policy.address_down(here)
        policy.address_up(there)
        assert answer_all(policy) == [
            AddressRequest(Verb.ADD, there, here),
            AddressRequest(Verb.SET_PRIMARY, there),
        ]


def test_one_message_makes_the_new_address_primary_at_its_first_acknowledgement() -> None:
    """FIG. 9's one message: what was put into it is not asked for again."""
    policy = connected(Announce.REWRITING)
    policy.address_down(A)
    policy.address_up(X)
    assert answer_all(policy) == [AddressRequest(Verb.ADD, X, instead_of=A)]
    assert (policy.state(X), policy.state(A)) == (AddressState.PRIMARY, AddressState.ABSENT)


def test_one_message_replaces_an_address_that_is_still_there() -> None:
    """FIG. 7 in one message: ADD, SET PRIMARY and DELETE while both NICs are up."""
    policy = connected(Announce.REWRITING)
    policy.address_up(B)
    assert answer_all(policy) == [AddressRequest(Verb.ADD, B, instead_of=A)]
    assert (policy.state(B), policy.state(A)) == (AddressState.PRIMARY, AddressState.SPARE)


def test_one_message_without_a_delete_keeps_both_addresses() -> None:
    policy = connected(Announce.REWRITING, Wishes(delete=False))
    policy.address_up(B)
    assert answer_all(policy) == [AddressRequest(Verb.ADD, B)]
    assert (policy.state(B), policy.state(A)) == (AddressState.PRIMARY, AddressState.MEMBER)


def test_a_set_primary_that_was_refused_in_one_message_leaves_a_member() -> None:
    policy = connected(Announce.REWRITING, Wishes(delete=False))
    policy.address_up(B)
    take(policy)
    policy.acknowledged(frozenset({AddressRequest(Verb.SET_PRIMARY, B)}))
    assert policy.state(B) is AddressState.MEMBER


def test_signals_bring_an_address_in_choose_it_and_give_up_the_other() -> None:
    """FIG. 8: each step when somebody who hears the radio says so."""
    policy = connected(Announce.SOCKET, Wishes(set_primary=False, delete=False))
    policy.address_up(B)
    assert answer_all(policy) == [AddressRequest(Verb.ADD, B)]
    policy.prefer(B)
    assert answer_all(policy) == [AddressRequest(Verb.SET_PRIMARY, B)]
    policy.give_up(A)
    assert answer_all(policy) == [AddressRequest(Verb.DELETE, A)]
    assert (policy.state(B), policy.state(A)) == (AddressState.PRIMARY, AddressState.SPARE)
    policy.want(A)
    assert answer_all(policy) == [AddressRequest(Verb.ADD, A)]


def test_the_last_address_is_the_only_one_that_the_association_has() -> None:
    policy = connected(Announce.REWRITING)
    assert policy.last(A)
    assert not policy.last(X)
    policy.address_up(B)
    answer_all(policy)
    assert policy.last(B)
    policy.address_down(B)
    assert not policy.last(B)


class Wandering(RuleBasedStateMachine):
    """Addresses come and go while the peer answers late; the invariants hold whatever the order."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = connected(Announce.SOCKET)
        self.configured = {A}
        self.out: list[AddressRequest] = []
        self.members = {A}

    @rule(address=st.sampled_from([A, B, X]))
    def come(self, address: str) -> None:
        if address not in self.configured:
            self.configured.add(address)
            self.policy.address_up(address)

    @rule(address=st.sampled_from([A, B, X]))
    def go(self, address: str) -> None:
        if address in self.configured:
            self.configured.remove(address)
            self.policy.address_down(address)

    @rule()
    def ask(self) -> None:
        self.out += take(self.policy)

    @precondition(lambda self: self.out)
    @rule(refuse=st.sampled_from(["nothing", "everything", "what is replaced"]))
    def answer(self, refuse: str) -> None:
        command = self.out.pop(0)
        last = self.members == {command.address}
        accepted = refuse != "everything" and not (command.verb is Verb.DELETE and last)  # RFC 5061, 5.3 F7
        refused = set() if accepted else {AddressRequest(command.verb, command.address)}
        if accepted and command.verb is Verb.DELETE:
            self.members.discard(command.address)
        if accepted and command.verb is Verb.ADD:
            self.members.add(command.address)
        if command.instead_of:
            if accepted and refuse == "nothing":
                self.members.discard(command.instead_of)
            else:
                refused.add(AddressRequest(Verb.DELETE, command.instead_of))
        self.policy.acknowledged(frozenset(refused))

    @invariant()
    def only_members_are_preferred(self) -> None:
        for address in (A, B, X):
            if self.policy.state(address) in (
                AddressState.PREFERRING,
                AddressState.CLEARING,
                AddressState.PRIMARY,
            ):
                assert address in self.members

    @invariant()
    def one_primary_at_most(self) -> None:
        states = [self.policy.state(a) for a in (A, B, X)]
        assert states.count(AddressState.PRIMARY) <= 1


TestWandering = Wandering.TestCase
TestWandering.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
