"""Code values of the Registration Reply (RFC 5944, 3.4; 74-76, 79 and 137-139: RFC 3024, 3.4)."""

from enum import IntEnum


class ReplyCode(IntEnum):
    """Why a Registration Reply accepts or denies: 0 and 1 accept, 64-127 and 194 the foreign agent, others the home agent."""

    ACCEPTED = 0
    ACCEPTED_NO_SIMULTANEOUS = 1

    FA_UNSPECIFIED = 64
    FA_PROHIBITED = 65
    FA_RESOURCES = 66
    FA_MOBILE_NODE_AUTHENTICATION = 67
    FA_HOME_AGENT_AUTHENTICATION = 68
    FA_LIFETIME_TOO_LONG = 69
    FA_POORLY_FORMED_REQUEST = 70
    FA_POORLY_FORMED_REPLY = 71
    FA_ENCAPSULATION_UNAVAILABLE = 72
    FA_RESERVED = 73
    FA_REVERSE_TUNNEL_UNAVAILABLE = 74
    FA_REVERSE_TUNNEL_MANDATORY = 75
    FA_TOO_DISTANT = 76
    FA_INVALID_CARE_OF_ADDRESS = 77
    FA_TIMEOUT = 78
    FA_DELIVERY_STYLE = 79
    FA_HOME_NETWORK_UNREACHABLE = 80
    FA_HOME_AGENT_HOST_UNREACHABLE = 81
    FA_HOME_AGENT_PORT_UNREACHABLE = 82
    FA_HOME_AGENT_UNREACHABLE = 88

    HA_UNSPECIFIED = 128
    HA_PROHIBITED = 129
    HA_RESOURCES = 130
    HA_MOBILE_NODE_AUTHENTICATION = 131
    HA_FOREIGN_AGENT_AUTHENTICATION = 132
    HA_IDENTIFICATION_MISMATCH = 133
    HA_POORLY_FORMED_REQUEST = 134
    HA_TOO_MANY_BINDINGS = 135
    HA_UNKNOWN_HOME_AGENT = 136
    HA_REVERSE_TUNNEL_UNAVAILABLE = 137
    HA_REVERSE_TUNNEL_MANDATORY = 138
    HA_ENCAPSULATION_UNAVAILABLE = 139

    FA_INVALID_HOME_AGENT = 194


REPLY_CODE_NAMES: dict[int, str] = {
    0: "registration accepted",
    1: "registration accepted, but simultaneous mobility bindings unsupported",
    64: "reason unspecified",
    65: "administratively prohibited",
    66: "insufficient resources",
    67: "mobile node failed authentication",
    68: "home agent failed authentication",
    69: "requested Lifetime too long",
    70: "poorly formed Request",
    71: "poorly formed Reply",
    72: "requested encapsulation unavailable",
    73: "reserved and unavailable",
    74: "requested reverse tunnel unavailable",
    75: "reverse tunnel is mandatory and 'T' bit not set",
    76: "mobile node too distant",
    77: "invalid care-of address",
    78: "registration timeout",
    79: "delivery style not supported",
    80: "home network unreachable (ICMP error received)",
    81: "home agent host unreachable (ICMP error received)",
    82: "home agent port unreachable (ICMP error received)",
    88: "home agent unreachable (other ICMP error received)",
    128: "reason unspecified",
    129: "administratively prohibited",
    130: "insufficient resources",
    131: "mobile node failed authentication",
    132: "foreign agent failed authentication",
    133: "registration Identification mismatch",
    134: "poorly formed Request",
    135: "too many simultaneous mobility bindings",
    136: "unknown home agent address",
    137: "requested reverse tunnel unavailable",
    138: "reverse tunnel is mandatory and 'T' bit not set",
    139: "requested encapsulation unavailable",
    194: "invalid home agent address",
}


def describe(code: int) -> str:
    """Return who says what in `code`, as in "133 home agent: registration Identification mismatch"."""
    who = "accepted" if code < 64 else "home agent" if from_home_agent(code) else "foreign agent"
    return f"{code} {who}: {REPLY_CODE_NAMES.get(code, 'unassigned')}"


def accepts(code: int) -> bool:
    """Tell whether `code` means that the registration was accepted."""
    return code in (ReplyCode.ACCEPTED, ReplyCode.ACCEPTED_NO_SIMULTANEOUS)


def from_home_agent(code: int) -> bool:
    """Tell whether the home agent is the one who says `code`, so that it must have authenticated it."""
    return accepts(code) or (code >= 128 and code != ReplyCode.FA_INVALID_HOME_AGENT)
