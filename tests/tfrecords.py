"""Writes TFRecord files without TensorFlow, bit by bit, apart from the code under test."""

import struct


def written(records: list[bytes]) -> bytes:
    """Returns the content of an uncompressed TFRecord file."""
    return b"".join(_framed(struct.pack("<Q", len(record))) + _framed(record) for record in records)


def _framed(content: bytes) -> bytes:
    crc = _crc32c(content)
    return content + struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert _crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C (RFC 3720)
