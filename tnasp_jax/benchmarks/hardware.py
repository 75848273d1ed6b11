"""Latencies of whole networks, measured one by one, beside the tables of accuracies.

NAS-Bench-201's cells on six devices: HW-NAS-Bench (Li et al., ICLR 2021), where the edge
GPU, the Raspberry Pi 4, the Edge TPU and the Pixel 3 were timed, Eyeriss simulated and the
FPGA taken from its design tools. The networks of Accel-NASBench (Ahmad et al., DAC 2024) on
two FPGAs. Unlike the sums of `latency`, they are known of the networks of their table alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tnasp_jax.benchmarks import accel_nasbench
from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.names import unknown
from tnasp_jax.spaces.base import Architecture, Space
from tnasp_jax.spaces.mnasnet import MNASNET
from tnasp_jax.spaces.nasbench201 import NASBENCH201

FOLDER, FILE, NUM_CELLS = "nasbench201", "nb201_hw.csv", 15_625
REMEDY = (
    "bring a csv with the column index, the official number of a cell, and columns like "
    "c10_pixel3_latency, milliseconds, from HW-NAS-Bench"
)

_CELLS = "HW-NAS-Bench (Li et al., ICLR 2021), networks of CIFAR-10"
_NETWORKS = "Accel-NASBench (Ahmad et al., DAC 2024)"
DESCRIBE = {
    "nb201_edgegpu": f"milliseconds on a Jetson TX2 edge GPU; {_CELLS}",
    "nb201_raspi4": f"milliseconds on a Raspberry Pi 4; {_CELLS}",
    "nb201_edgetpu": f"milliseconds on an Edge TPU; {_CELLS}",
    "nb201_pixel3": f"milliseconds on a Google Pixel 3 phone; {_CELLS}",
    "nb201_eyeriss": f"milliseconds on Eyeriss, simulated; {_CELLS}",
    "nb201_fpga": f"milliseconds on an FPGA, by its design tools; {_CELLS}",
    "accel_zcu102": f"milliseconds on a ZCU102 FPGA; {_NETWORKS}",
    "accel_vck190": f"milliseconds on a VCK190 FPGA; {_NETWORKS}",
}
NAMES = tuple(DESCRIBE)


class Hardware(NamedTuple):
    """Latencies of one device.

    Attributes:
      name: one of `NAMES`.
      space: of the networks.
      milliseconds: architecture of the space -> its latency, of those measured; of one
        that was measured twice the later row.
      describe: what was measured, and by whom.
    """

    name: str
    space: Space
    milliseconds: Mapping[Architecture, float]
    describe: str


def read(name: str, data_dir: str | Path | None = None) -> Hardware:
    """Reads the latencies on a device.

    Args:
      name: one of `NAMES`.
      data_dir: folder that holds nasbench201/nb201_hw.csv or the files of the table
        "accel".

    Raises:
      ValueError: for an unknown name, and a file that is damaged, naming row and column.
      MissingData: a ValueError, if the file is not there.
    """
    if name not in NAMES:
        raise ValueError(unknown("latency", name, NAMES))
    table, _, device = name.partition("_")
    if table == "nb201":
        space, found = NASBENCH201, _nasbench201(device, data_dir)
    else:
        made = accel_nasbench.read(data_dir)
        architectures = [MNASNET.parse(made.texts(row)) for row in range(len(made))]
        measured = made.costs[f"latency_{device}"]
        space, found = MNASNET, dict(zip(architectures, measured.tolist(), strict=True))
    known = {cell: value for cell, value in found.items() if np.isfinite(value)}
    return Hardware(name, space, known, DESCRIBE[name])


def _nasbench201(device: str, data_dir: str | Path | None) -> dict[Architecture, float]:
    path = table_lib.locate(data_dir, FOLDER, FILE)
    column = f"c10_{device}_latency"
    data = table_lib.read_file(path, REMEDY)
    columns = table_lib.read_csv(path, data, ["index", column], NUM_CELLS)
    values = table_lib.read_numbers(path, column, columns[column])
    if sorted(columns["index"]) != sorted(map(str, range(NUM_CELLS))):
        raise ValueError(
            f"{path}: index: expected each number of 0 .. {NUM_CELLS - 1} once"
        )
    cells = NASBENCH201.all_architectures()
    return {
        cells[int(index)]: value
        for index, value in zip(columns["index"], values.tolist(), strict=True)
    }
