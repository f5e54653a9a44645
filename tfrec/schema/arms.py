"""Puts users into the arms of an experiment by a salted hash, without pandas, so that a client can do so per request.

The hash is plain SHA-256, so that a shop's Java, PHP or Go code can give the same answer:
`u = first 8 bytes, big-endian, of sha256(salt + ":" + user_id) / 2^64`.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from tfrec.errors import ConfigError

DEFAULT_SHARES: Mapping[str, float] = {"control": 0.5, "treatment": 0.5}


def assign(
    user_ids: Sequence[str] | np.ndarray, *, salt: str, shares: Mapping[str, float] = DEFAULT_SHARES
) -> np.ndarray:
    """Returns each user's arm, `[n]` of the names in `shares`.

    The same user and salt always give the same arm; another salt gives an independent split, so every experiment
    needs its own. Shares that sum to less than 1 leave the rest out (`""`); raising the last arm's share later
    only adds users, and moves no user from arm to arm.

    Args:
        user_ids: pseudonyms.
        salt: the experiment's name.
        shares: arm → share of users.

    Raises:
        ConfigError: empty salt, a share that is not positive, or a sum above 1.
    """
    names = list(shares)
    if not names or not all(isinstance(share, int | float | np.number) for share in shares.values()):
        raise ConfigError(f"`shares` must give each arm a number, such as {dict(DEFAULT_SHARES)}; got {dict(shares)}.")
    edges = np.cumsum(list(shares.values()))
    if not salt:
        raise ConfigError(
            "`salt` must not be empty: it keeps two experiments from sharing one split. Name the experiment."
        )
    if not all(share > 0 for share in shares.values()) or not edges[-1] <= 1 + 1e-9:
        raise ConfigError(f"`shares` must be positive and sum to at most 1; got {dict(shares)}.")
    if edges[-1] > 1 - 1e-9:
        edges[-1] = 1.0
    arms = np.array([*names, ""], dtype=object)
    return arms[np.searchsorted(edges, hash_uniform(user_ids, salt=salt), side="right")].astype(str)


def hash_uniform(user_ids: Sequence[str] | np.ndarray, *, salt: str) -> np.ndarray:
    """Returns `[n]` numbers in [0, 1), uniform over users and fixed for a user and salt."""
    prefix = f"{salt}:".encode()
    digests = b"".join(hashlib.sha256(prefix + str(user).encode()).digest()[:8] for user in user_ids)
    # 53 bits, so that the float never rounds up to 1.
    return (np.frombuffer(digests, dtype=">u8") >> np.uint64(11)).astype(np.float64) / 2.0**53
