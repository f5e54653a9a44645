"""Reads and writes TFRecord files without TensorFlow."""

import struct
from collections.abc import Iterator
from pathlib import Path

from tfrec.errors import ServingError

_DATA_LOSS = 15


def read_tfrecords(path: Path) -> Iterator[bytes]:
    """Yields the records of an uncompressed TFRecord file.

    Raises:
        ServingError: DATA_LOSS, it is damaged, or no such file at all; with TF Serving's words for a warm-up file.
    """
    content = path.read_bytes()
    start = 0
    while start < len(content):
        head = content[start : start + 12]
        length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else 0
        end = start + 12 + length
        if (
            len(head) < 12
            or end + 4 > len(content)
            or struct.unpack("<I", head[8:])[0] != _masked_crc32c(head[:8])
            or struct.unpack("<I", content[end : end + 4])[0] != _masked_crc32c(content[start + 12 : end])
        ):
            raise ServingError(
                f"corrupted record at {start} (Is this even a TFRecord file?). Please verify your warmup data is in "
                f"TFRecord format. File: {path}",
                code=_DATA_LOSS,
            )
        yield content[start + 12 : end]
        start = end + 4


def as_tfrecord(record: bytes) -> bytes:
    """Returns a record as TFRecord files hold it: length (uint64), its masked CRC, the record, its masked CRC."""
    length = struct.pack("<Q", len(record))
    return length + struct.pack("<I", _masked_crc32c(length)) + record + struct.pack("<I", _masked_crc32c(record))


def _crc32c_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc32c_table()


def _masked_crc32c(content: bytes) -> int:
    """Returns the CRC-32C of `content`, rotated and offset as TFRecord files store it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
