"""The mobile node's states and what moves it between them: the table that mobile_node.py carries out."""

from enum import StrEnum


class RoamingState(StrEnum):
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


class RoamingInput(StrEnum):
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


class RoamingStep(StrEnum):
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


_Row = tuple[RoamingState, tuple[RoamingStep, ...]]

_FROM_ANYWHERE: dict[RoamingInput, _Row] = {
    RoamingInput.FOREIGN: (RoamingState.REGISTERING, (RoamingStep.LEAVE, RoamingStep.REQUEST)),
    RoamingInput.HOME: (RoamingState.DEREGISTERING, (RoamingStep.COME_HOME, RoamingStep.REQUEST)),
    RoamingInput.HOME_UNBOUND: (RoamingState.AT_HOME, (RoamingStep.COME_HOME, RoamingStep.REST)),
    RoamingInput.LOST: (RoamingState.SEARCHING, (RoamingStep.REST, RoamingStep.SOLICIT)),
}

_FROM: dict[RoamingState, dict[RoamingInput, _Row]] = {
    RoamingState.SEARCHING: {RoamingInput.EXPIRY: (RoamingState.SEARCHING, (RoamingStep.DROP,))},
    RoamingState.REGISTERING: {
        RoamingInput.ACCEPTED: (RoamingState.REGISTERED, (RoamingStep.REST, RoamingStep.USE)),
        RoamingInput.CORRECTED: (RoamingState.REGISTERING, (RoamingStep.REPEAT,)),
        RoamingInput.DENIED: (RoamingState.HELD, ()),
        RoamingInput.TIMEOUT: (RoamingState.REGISTERING, (RoamingStep.REPEAT,)),
        RoamingInput.EXPIRY: (RoamingState.REGISTERING, (RoamingStep.DROP,)),
    },
    RoamingState.REGISTERED: {
        RoamingInput.RENEWAL: (RoamingState.RENEWING, (RoamingStep.REQUEST,)),
        RoamingInput.EXPIRY: (RoamingState.REGISTERING, (RoamingStep.DROP, RoamingStep.REQUEST)),
        RoamingInput.WITHDRAWAL: (RoamingState.WITHDRAWING, (RoamingStep.WITHDRAW,)),
    },
    RoamingState.RENEWING: {
        RoamingInput.ACCEPTED: (RoamingState.REGISTERED, (RoamingStep.REST, RoamingStep.USE)),
        RoamingInput.CORRECTED: (RoamingState.RENEWING, (RoamingStep.REPEAT,)),
        RoamingInput.DENIED: (RoamingState.HELD, ()),
        RoamingInput.TIMEOUT: (RoamingState.RENEWING, (RoamingStep.REPEAT,)),
        RoamingInput.EXPIRY: (RoamingState.REGISTERING, (RoamingStep.DROP,)),
        RoamingInput.WITHDRAWAL: (RoamingState.WITHDRAWING, (RoamingStep.WITHDRAW,)),
    },
    RoamingState.HELD: {
        RoamingInput.TIMEOUT: (RoamingState.REGISTERING, (RoamingStep.REPEAT,)),
        RoamingInput.EXPIRY: (RoamingState.HELD, (RoamingStep.DROP,)),
    },
    RoamingState.DEREGISTERING: {
        RoamingInput.ACCEPTED: (RoamingState.AT_HOME, (RoamingStep.REST,)),
        RoamingInput.CORRECTED: (RoamingState.DEREGISTERING, (RoamingStep.REPEAT,)),
        RoamingInput.DENIED: (RoamingState.DEREGISTERING, ()),
        RoamingInput.TIMEOUT: (RoamingState.DEREGISTERING, (RoamingStep.REPEAT,)),
    },
    RoamingState.WITHDRAWING: {
        RoamingInput.ACCEPTED: (RoamingState.WITHDRAWN, (RoamingStep.REST, RoamingStep.DROP)),
        RoamingInput.CORRECTED: (RoamingState.WITHDRAWING, (RoamingStep.REPEAT,)),
        RoamingInput.DENIED: (RoamingState.WITHDRAWING, ()),
        RoamingInput.TIMEOUT: (RoamingState.WITHDRAWING, (RoamingStep.REPEAT,)),
        RoamingInput.EXPIRY: (RoamingState.WITHDRAWN, (RoamingStep.REST, RoamingStep.DROP)),
    },
}

TRANSITIONS: dict[tuple[RoamingState, RoamingInput], _Row] = {
    (state, happened): row
    for state in RoamingState
    for happened, row in (_FROM_ANYWHERE | _FROM.get(state, {})).items()
}
"""State and input -> next state and steps. What isn't here has no effect."""
