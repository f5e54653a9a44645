"""Writes and reads TFRecord files without TensorFlow, bit by bit, apart from the code under test."""

import struct
from pathlib import Path


def written(records: list[bytes]) -> bytes:
    """Returns the content of an uncompressed TFRecord file."""
    return b"".join(_framed(struct.pack("<Q", len(record))) + _framed(record) for record in records)


def read(path: Path) -> list[bytes]:
    """Returns the records of a file that `written` could have made."""
    content, records, start = path.read_bytes(), [], 0
    while start < len(content):
        (length,) = struct.unpack("<Q", content[start : start + 8])
        records.append(content[start + 12 : start + 12 + length])
        start += 12 + length + 4
    assert written(records) == content
    return records


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
