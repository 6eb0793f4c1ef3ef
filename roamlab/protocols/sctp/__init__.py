"""SCTP on the wire (RFC 9260) with its extensions: AUTH (RFC 4895) and ASCONF (RFC 5061) before all.

    tlv          what chunks, parameters and causes share: type, length, value, padding
    causes       error causes
    parameters   parameters, some of which hold causes
    chunks       chunks, which hold parameters or causes
    packet       the common header, the checksum
    auth         keys and HMACs
    describe     all of it in words

Decoding keeps every type that it does not know as it came (`RawChunk`, `RawParameter`, `RawCause`), and raises
`DecodeError` and nothing else on bad bytes.
"""
