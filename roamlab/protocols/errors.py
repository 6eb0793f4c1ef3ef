"""What a decoder may raise."""


class DecodeError(ValueError):
    """Bytes that are not what they should be: cut off, a length that lies, a value that the format forbids.

    The only exception a decoder of `protocols` raises on bad bytes. The message names the format and the field.
    """
