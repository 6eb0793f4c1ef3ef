"""Mobile IPv4 (RFC 5944; reverse tunnelling RFC 3024) without I/O: messages, and the three nodes as state machines.

    advertisement.py, registration.py, extensions.py, codes.py      what stands on the wire
    authentication.py, identification.py                            who said it, and that it is fresh
    home_agent.py    (admission.py, bindings.py)                    the home agent and its mobility binding table
    foreign_agent.py (visitors.py)                                  the foreign agent and its visitor list
    mobile_node.py   (roaming.py, movement.py, registering.py)      the mobile node
    advertiser.py, policy.py, actions.py                            what they share

How a shell drives a machine
----------------------------
Time is an `int`, nanoseconds since 1970 (`CLOCK_REALTIME`, because timestamps in the protocol are compared between
nodes); randomness is a `random.Random`. A shell is a loop around five verbs:

    receive(data, source, destination, now, ...)     a datagram came to UDP port 434
    receive_icmp(data, source, now, ...)             an ICMP message came: type 10 for agents, 9 for a mobile node
    timer() -> int | None                            when to wake up; ask again after every call
    handle_timer(now)                                it is time; calling early or late is harmless
    next_action(), next_event()                      drain both after every call, until None

A mobile node is also told of `link_up`, `link_down` and `care_of_acquired`; a foreign agent of `unreachable`. `link`
arguments are link-layer (MAC) addresses, as a packet socket gives them.

Actions (actions.py) are the whole vocabulary; each is safe to repeat. On Linux:

    SendUdp           UDP socket bound to port 434 on `source`; with `link`, a packet socket or a permanent neighbour
                      entry for the destination, because ARP can't or mustn't find it
    SendIcmp          raw ICMP socket, TTL 1, on `interface`
    AddTunnel         ipip or gre device to the care-of address, host route for the home address into it
    Decapsulate       ipip or gre device without a remote address, local = the care-of address
    AddVisitor        host route and permanent neighbour entry for the home address; `reverse`: a rule that sends what
                      comes from it into a tunnel to the home agent
    ProxyArp          proxy neighbour entry; AnswerArp: arp_ignore or the home address off the NIC's ARP
    GratuitousArp     ARP request and reply for the home address, to the broadcast address
    SetDefaultRoute   default route, source = the home address; RestoreHomeRoute: back to the home network's own

`HomeAgent.bindings()` and `ForeignAgent.visitors()` can be printed at any time. A node that is both home and foreign
agent runs both machines; a request whose home agent is the own address goes to the home agent's.
"""
