"""The framing of TFRecord: checksums, batches, damage."""

import numpy as np
import pytest

from tests import official_files as official
from tnasp_jax.benchmarks import tfrecord

CHUNKS = [b"", b"a", b"abc", b"abcd", b"abcde", bytes(32), b"123456789", b"x" * 301]


def frames(path, **options):
    return [record for batch in tfrecord.read(path, **options) for record in batch]


def test_checksums_are_those_of_the_definition():
    found = tfrecord.crc32c(CHUNKS)
    assert found.dtype == np.uint32
    assert found.tolist() == [official.crc32c(chunk) for chunk in CHUNKS]
    assert tfrecord.crc32c([b"123456789"]).tolist() == [0xE3069283]
    assert tfrecord.crc32c([]).shape == (0,)


def test_records_come_back_over_the_borders_of_blocks(tmp_path, monkeypatch):
    path = tmp_path / "few.tfrecord"
    data = b"".join(map(official.frame, CHUNKS))
    path.write_bytes(data)
    for size in (7, 64, 1 << 20):
        monkeypatch.setattr(tfrecord, "_BLOCK", size)
        monkeypatch.setattr(tfrecord, "_ROWS", 3)
        blocks = []
        records = frames(path, on_block=blocks.append)
        assert [record.data for record in records] == CHUNKS
        assert [record.number for record in records] == list(range(len(CHUNKS)))
        starts = np.cumsum([0, *(16 + len(chunk) for chunk in CHUNKS[:-1])])
        assert [record.position for record in records] == starts.tolist()
        assert b"".join(blocks) == data


def test_every_flipped_byte_and_every_cut_is_found(tmp_path):
    path = tmp_path / "bad.tfrecord"
    good = official.frame(b"first one") + official.frame(b"second")
    second = len(official.frame(b"first one"))
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 0x10
        path.write_bytes(bad)
        number, start = (0, 0) if place < second else (1, second)
        with pytest.raises(ValueError, match=f"record {number} at byte {start}: its"):
            frames(path)
        path.write_bytes(good[:place])
        if place in (0, second):
            assert len(frames(path)) == (place > 0)
            continue
        with pytest.raises(ValueError, match=f"starts at byte {start}; .*byte {place}"):
            frames(path)


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / "text"
    path.write_text("not a TFRecord at all")
    with pytest.raises(ValueError, match="record 0 at byte 0: its length"):
        frames(path)
    with pytest.raises(ValueError, match="nowhere: cannot be read"):
        frames(tmp_path / "nowhere")
