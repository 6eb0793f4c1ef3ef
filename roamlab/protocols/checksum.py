"""CRC32c, the checksum of SCTP (RFC 9260, appendix A), in pure Python, two bytes a step."""

import struct
from functools import cache

_POLYNOMIAL = 0x82F63B78  # Castagnoli's 0x1EDC6F41, bits reversed


@cache
def _table() -> list[int]:
    """The CRC of each 16-bit value; built on first use (some milliseconds)."""
    table = [_shift(byte) for byte in range(256)]
    return [
        table[(table[low] ^ high) & 0xFF] ^ (table[low] >> 8) for high in range(256) for low in range(256)
    ]


def crc32c(data: bytes) -> int:
    """Return the CRC32c of `data` as a 32-bit number; 0xe3069283 for b"123456789".

    SCTP transmits it least significant byte first.
    """
    table = _table()
    crc = 0xFFFFFFFF
    if len(data) % 2:
        crc = _shift(crc ^ data[0])
        data = data[1:]
    for pair in struct.unpack(f"<{len(data) // 2}H", data):
        crc = table[(crc ^ pair) & 0xFFFF] ^ (crc >> 16)
    return crc ^ 0xFFFFFFFF


def _shift(crc: int) -> int:
    """Move one byte through the register, bit by bit."""
    for _ in range(8):
        crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc
