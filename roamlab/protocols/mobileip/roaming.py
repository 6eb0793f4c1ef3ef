"""The mobile node's states and what moves it between them: the table that mobile_node.py carries out."""

from enum import StrEnum


class State(StrEnum):
    """Where the mobile node stands with its home agent."""

    SEARCHING = "searching"
    """no agent heard, soliciting"""
    AT_HOME = "at home"
    """no binding needed"""
    REGISTERING = "registering"
    """a request is out for a new care-of address"""
    REGISTERED = "registered"
    RENEWING = "renewing"
    """registered, with a request out to stay so"""
    HELD = "held"
    """denied; to be asked again after the back-off"""
    DEREGISTERING = "deregistering"
    """at home, a request is out to remove all bindings"""
    WITHDRAWING = "withdrawing"
    """away, a request is out to remove the binding of this care-of address"""
    WITHDRAWN = "withdrawn"
    """away and unregistered, by choice, until the next move"""


class Input(StrEnum):
    """What can happen to the mobile node."""

    FOREIGN = "attached to a foreign network"
    HOME = "attached to the home network, bindings may exist"
    HOME_UNBOUND = "attached to the home network, no binding exists"
    LOST = "nowhere to attach"
    ACCEPTED = "the request was accepted"
    CORRECTED = "the request was denied for what another request can mend"
    DENIED = "the request was denied; the back-off runs on"
    TIMEOUT = "no reply in time"
    RENEWAL = "the registration has to be renewed"
    EXPIRY = "the registration has expired"
    WITHDRAWAL = "the user withdraws the registration"


class Step(StrEnum):
    """What the mobile node does on the way to the next state."""

    LEAVE = "stop answering ARP for the home address"
    COME_HOME = "home routes, answer ARP, gratuitous ARP"
    REQUEST = "send a request, back-off from its start"
    REPEAT = "ask again, back-off doubled: the same if unanswered, a corrected request if denied"
    WITHDRAW = "send a request to remove this care-of address, back-off from its start"
    USE = "route by what was granted"
    DROP = "forget the registration"
    REST = "no request outstanding"
    SOLICIT = "solicit agents"


_Row = tuple[State, tuple[Step, ...]]

_FROM_ANYWHERE: dict[Input, _Row] = {
    Input.FOREIGN: (State.REGISTERING, (Step.LEAVE, Step.REQUEST)),
    Input.HOME: (State.DEREGISTERING, (Step.COME_HOME, Step.REQUEST)),
    Input.HOME_UNBOUND: (State.AT_HOME, (Step.COME_HOME, Step.REST)),
    Input.LOST: (State.SEARCHING, (Step.REST, Step.SOLICIT)),
}

_FROM: dict[State, dict[Input, _Row]] = {
    State.SEARCHING: {Input.EXPIRY: (State.SEARCHING, (Step.DROP,))},
    State.REGISTERING: {
        Input.ACCEPTED: (State.REGISTERED, (Step.REST, Step.USE)),
        Input.CORRECTED: (State.REGISTERING, (Step.REPEAT,)),
        Input.DENIED: (State.HELD, ()),
        Input.TIMEOUT: (State.REGISTERING, (Step.REPEAT,)),
        Input.EXPIRY: (State.REGISTERING, (Step.DROP,)),
    },
    State.REGISTERED: {
        Input.RENEWAL: (State.RENEWING, (Step.REQUEST,)),
        Input.EXPIRY: (State.REGISTERING, (Step.DROP, Step.REQUEST)),
        Input.WITHDRAWAL: (State.WITHDRAWING, (Step.WITHDRAW,)),
    },
    State.RENEWING: {
        Input.ACCEPTED: (State.REGISTERED, (Step.REST, Step.USE)),
        Input.CORRECTED: (State.RENEWING, (Step.REPEAT,)),
        Input.DENIED: (State.HELD, ()),
        Input.TIMEOUT: (State.RENEWING, (Step.REPEAT,)),
        Input.EXPIRY: (State.REGISTERING, (Step.DROP,)),
        Input.WITHDRAWAL: (State.WITHDRAWING, (Step.WITHDRAW,)),
    },
    State.HELD: {
        Input.TIMEOUT: (State.REGISTERING, (Step.REPEAT,)),
        Input.EXPIRY: (State.HELD, (Step.DROP,)),
    },
    State.DEREGISTERING: {
        Input.ACCEPTED: (State.AT_HOME, (Step.REST,)),
        Input.CORRECTED: (State.DEREGISTERING, (Step.REPEAT,)),
        Input.DENIED: (State.DEREGISTERING, ()),
        Input.TIMEOUT: (State.DEREGISTERING, (Step.REPEAT,)),
    },
    State.WITHDRAWING: {
        Input.ACCEPTED: (State.WITHDRAWN, (Step.REST, Step.DROP)),
        Input.CORRECTED: (State.WITHDRAWING, (Step.REPEAT,)),
        Input.DENIED: (State.WITHDRAWING, ()),
        Input.TIMEOUT: (State.WITHDRAWING, (Step.REPEAT,)),
        Input.EXPIRY: (State.WITHDRAWN, (Step.REST, Step.DROP)),
    },
}

TRANSITIONS: dict[tuple[State, Input], _Row] = {
    (state, happened): row
    for state in State
    for happened, row in (_FROM_ANYWHERE | _FROM.get(state, {})).items()
}
"""State and input -> next state and steps. What isn't here has no effect."""
