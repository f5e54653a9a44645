"""Turns a user id into its keyed pseudonym, by the standard library alone: back ends need no more to ask with it."""

import hashlib
import hmac

_BYTES = 16  # 128 bits: no two of 10^9 users meet


def pseudonym(text: str, key: bytes) -> str:
    """Returns `HMAC-SHA256(key, text)`, the first 128 bits in hexadecimal (RFC 2104).

    Args:
        text: the id, as it stands in the log.
        key: the secret of the recipe's `[privacy] key_file`.
    """
    return hmac.new(key, text.encode(), hashlib.sha256).digest()[:_BYTES].hex()
