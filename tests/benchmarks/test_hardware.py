"""Measured latencies: rows of the files, and what is damaged or missing."""

import csv

import numpy as np
import pytest

from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import hardware
from tnasp_jax.spaces import MNASNET, NASBENCH201


def rows(path):
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("device", ["edgegpu", "raspi4", "edgetpu", "pixel3", "fpga"])
def test_cells_have_the_latencies_of_their_rows(device, data_dir):
    found = hardware.read(f"nb201_{device}", data_dir)
    assert found.space.name == NASBENCH201.name and len(found.milliseconds) == 15_625
    for row in rows(data_dir / hardware.FOLDER / hardware.FILE)[::1500]:
        cell = NASBENCH201.from_index(int(row["index"]))
        assert found.milliseconds[cell] == float(row[f"c10_{device}_latency"])


def test_convolutions_take_time(data_dir):
    """All edges 3 x 3 convolutions, against all skips."""
    for name in hardware.NAMES[:6]:
        times = hardware.read(name, data_dir).milliseconds
        slow, fast = (
            times[NASBENCH201.parse(f"|{op}~0|+|{op}~0|{op}~1|+|{op}~0|{op}~1|{op}~2|")]
            for op in ("nor_conv_3x3", "skip_connect")
        )
        assert slow > 1.5 * fast > 0, name


def test_networks_of_accel_have_those_of_their_table(data_dir):
    table = benchmarks.load("accel", data_dir)
    found = hardware.read("accel_vck190", data_dir)
    for row in (0, 77, 5137):
        network = MNASNET.parse(table.texts(row))
        if (table.hashes == table.hashes[row]).sum() == 1:
            assert found.milliseconds[network] == table.costs["latency_vck190"][row]
    assert np.isfinite(list(found.milliseconds.values())).all()


def test_mistakes_are_one_sentence(tmp_path, data_dir):
    with pytest.raises(ValueError, match="did you mean 'nb201_pixel3'"):
        hardware.read("nb201_pixel")
    with pytest.raises(benchmarks.MissingData, match="HW-NAS-Bench"):
        hardware.read("nb201_pixel3", tmp_path)
    whole = (data_dir / hardware.FOLDER / hardware.FILE).read_text().splitlines(True)
    copy = tmp_path / hardware.FILE
    for lines, message in (
        (whole[:-1], "15624"),
        ([*whole[:-1], whole[1]], "index: expected each number of 0 .. 15624 once"),
        ([whole[0].replace("pixel3", "pixel4"), *whole[1:]], "lacks the column"),
        ([*whole[:-1], whole[-1].replace(".", "x")], "expected a number"),
    ):
        copy.write_text("".join(lines))
        with pytest.raises(ValueError, match=message) as caught:
            hardware.read("nb201_pixel3", tmp_path)
        assert len(str(caught.value).splitlines()) == 1
