"""TFRecord files: the framing and its checksums, without TensorFlow.

A file is a row of records, each

    uint64 length | uint32 masked CRC-32C of the length | data | uint32 masked CRC-32C

in little-endian order. Axis letters: B records of a batch, W 16-bit words of a record.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

_POLYNOMIAL = 0x82F63B78  # of CRC-32C (Castagnoli), bits reversed
_MASK_DELTA = 0xA282EAD8
_HEAD, _FOOT = 12, 4  # bytes around the data
_BLOCK = 1 << 22  # bytes that are read at once
_LONGEST = 1 << 28  # bytes; a record that claims more is no record of a benchmark
_ROWS = 1024  # records whose checksums are computed together: their words fit a cache


class Record(NamedTuple):
    """The data of a record, and where the record starts.

    Attributes:
      data: the bytes between the checksums.
      number: of the record in the file, from 0.
      position: of the record's first byte in the file.
    """

    data: bytes
    number: int
    position: int


def read(
    path: Path, on_block: Callable[[bytes], object] = lambda block: None
) -> Iterator[list[Record]]:
    """The records of a file in batches, each with both its checksums compared.

    Args:
      path: of the file.
      on_block: called with each block of bytes as it comes, to count or to hash them.

    Raises:
      ValueError: if the file cannot be read or is cut off, or if a checksum is wrong;
        one line with the position of the first byte of the record.
    """
    try:
        with open(path, "rb") as file:
            rest, at, number = b"", 0, 0
            while block := file.read(_BLOCK):
                on_block(block)
                rest += block
                spans, end = _spans(path, rest, at, number)
                yield _checked(path, rest, spans, at, number)
                rest, at, number = rest[end:], at + end, number + len(spans)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    if rest:
        raise ValueError(
            f"{path}: cut off in record {number}, which starts at byte {at}; "
            f"the file ends at byte {at + len(rest)}"
        )


def _spans(
    path: Path, buffer: bytes, at: int, number: int
) -> tuple[list[tuple[int, int]], int]:
    """Start and end of the data of each whole record, and the end of the last one."""
    spans, position = [], 0
    while position + _HEAD <= len(buffer):
        head = buffer[position : position + _HEAD]
        if not _good_head(head):
            raise ValueError(
                f"{path}: record {number + len(spans)} at byte {at + position}: "
                "its length does not match the checksum; the file is damaged or no "
                "TFRecord"
            )
        start = position + _HEAD
        end = start + int.from_bytes(head[:8], "little")
        if end + _FOOT > len(buffer):
            break
        spans.append((start, end))
        position = end + _FOOT
    return spans, position


@functools.lru_cache(4096)  # Records of a benchmark have a few hundred lengths.
def _good_head(head: bytes) -> bool:
    length, checksum = head[:8], head[8:]
    if int.from_bytes(length, "little") > _LONGEST:
        return False
    return int.from_bytes(checksum, "little") == int(masked_crc32c([length])[0])


def _checked(
    path: Path, buffer: bytes, spans: list[tuple[int, int]], at: int, number: int
) -> list[Record]:
    """The records of a buffer.

    Raises:
      ValueError: naming the first one whose data and checksum differ.
    """
    records = [
        Record(buffer[start:end], number + row, at + start - _HEAD)
        for row, (start, end) in enumerate(spans)
    ]
    for first in range(0, len(records), _ROWS):
        part = records[first : first + _ROWS]
        feet = b"".join(
            buffer[end : end + _FOOT] for _, end in spans[first : first + _ROWS]
        )
        wrong = masked_crc32c([record.data for record in part]) != np.frombuffer(
            feet, "<u4"
        )
        if wrong.any():
            bad = part[int(np.argmax(wrong))]
            raise ValueError(
                f"{path}: record {bad.number} at byte {bad.position}: "
                "its data do not match the checksum; the file is damaged"
            )
    return records


def masked_crc32c(chunks: Sequence[bytes]) -> np.ndarray:
    """The checksums that TFRecord stores: rotated by 15 bits, plus a constant.

    Returns:
      [B] uint32.
    """
    crc = crc32c(chunks)
    return (crc >> np.uint32(15) | crc << np.uint32(17)) + np.uint32(_MASK_DELTA)


def crc32c(chunks: Sequence[bytes]) -> np.ndarray:
    """CRC-32C of many chunks of bytes at once.

    A CRC that starts at 0 stays 0 over leading zeros, so chunks of all lengths end in
    one column when zeros stand before them; that it starts at 2^32 - 1 instead is the
    same as inverting the first four bytes.

    Returns:
      [B] uint32.
    """
    sizes = np.array([len(chunk) for chunk in chunks], int)
    width = max(4, int(sizes.max(initial=0)))
    width += width % 2
    padded = b"".join(chunk.rjust(width, b"\0") for chunk in chunks)
    table = np.frombuffer(padded, np.uint8).reshape(len(chunks), width).copy()
    rows, starts = np.arange(len(chunks)), width - sizes
    long = sizes >= 4
    for offset in range(4):
        table[rows[long], starts[long] + offset] ^= 0xFF
    words_WB = np.ascontiguousarray(table.view("<u2").T).astype(np.uint32)
    crc = np.zeros(len(chunks), np.uint32)
    steps = _word_table()
    low = np.uint32(0xFFFF)
    for words_B in words_WB:
        crc = steps[(crc ^ words_B) & low] ^ (crc >> np.uint32(16))
    for row in rows[~long]:
        crc[row] = _slow_crc(chunks[row])
    return crc ^ np.uint32(0xFFFFFFFF)


def _slow_crc(chunk: bytes) -> int:
    """The state after fewer bytes than the state has."""
    table = _byte_table()
    state = 0xFFFFFFFF
    for byte in chunk:
        state = int(table[(state ^ byte) & 0xFF]) ^ state >> 8
    return state


@functools.cache
def _byte_table() -> np.ndarray:
    """[256] uint32, what each byte makes of the state 0."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        odd = (table & 1) * np.uint32(_POLYNOMIAL)
        table = table >> np.uint32(1) ^ odd
    return table


@functools.cache
def _word_table() -> np.ndarray:
    """[65536] uint32, what each pair of bytes makes of the state 0."""
    table = _byte_table()
    words = np.arange(1 << 16, dtype=np.uint32)
    first = table[words & np.uint32(0xFF)]
    second = first ^ words >> np.uint32(8)
    return table[second & np.uint32(0xFF)] ^ first >> np.uint32(8)
