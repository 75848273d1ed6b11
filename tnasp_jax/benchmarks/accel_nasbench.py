"""Accel-NASBench as a table: 5,138 MnasNet-like networks trained on ImageNet.

Ahmad et al., "Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS", DAC
2024. Two files: a csv with one row per network,

    id                           the number of the network, 0 .. 5,137, in order
    block0_e .. block6_se        expansion, kernel, layers, squeeze-and-excitation
    val_top1, val_top5           percent
    macs_m, params_m, latency_*, throughput_*, train_time_s, as in `COSTS`

and default_split.json, the ids of the authors' `train`, `val` and `test` networks. Empty
fields are values that were not measured.

There is one label: what is learnt is what is ranked. The authors' test networks
(`Table.test_rows`) are never drawn for training or validation, and rankings are over them
alone. `macs_m` counts more than multiply-adds: four for every number that a batch norm
puts out, and the poolings. `MNASNET.costs` counts as papers do, up to 14 % less; its
parameters are those of `params_m`.
"""

import json
from pathlib import Path

import numpy as np

from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.benchmarks.splits import Split
from tnasp_jax.benchmarks.table import Table
from tnasp_jax.spaces.chain_text import Architecture
from tnasp_jax.spaces.mnasnet import MNASNET, STAGES

FOLDER, FILE, SPLIT_FILE = (
    "accel_nasbench_imagenet",
    "accel_nasbench.csv",
    "default_split.json",
)
NUM_NETWORKS = 5_138
ORIGIN = "Accel-NASBench (Ahmad et al., DAC 2024)"
SOURCE = "anb_dataset and configs/data_splits of github.com/afzalxo/Accel-NASBench"

_TRAINING = (
    "one seed, trained by the benchmark's shortened scheme, far from full training"
)
_ONE = "; learnt and ranked by, never on the same networks"
TARGETS = {
    "top1": ("val_top1", f"ImageNet validation accuracy, top 1, {_TRAINING}"),
    "top5": ("val_top5", f"ImageNet validation accuracy, top 5, {_TRAINING}"),
}
"""Target -> column and what it holds."""

COSTS = (
    "macs_m",
    "params_m",
    "train_time_s",
    "latency_zcu102",
    "latency_vck190",
    "throughput_a100",
    "throughput_3090",
    "throughput_tpuv2",
    "throughput_tpuv3",
    "throughput_zcu102",
    "throughput_vck190",
)
"""Columns of `Table.costs`: millions, seconds of training, milliseconds of latency,
images a second of throughput."""

_CHOICES = ("e", "k", "l", "se")


def read(data_dir: str | Path | None = None) -> Table:
    """Reads the table "accel", rows in the order of the ids.

    Args:
      data_dir: folder that holds accel_nasbench_imagenet/ with both files, or the files.

    Raises:
      MissingData: if a file is not there.
      ValueError: if one is damaged, naming row and column.
    """
    path = table_lib.locate(data_dir, FOLDER, FILE)
    data = table_lib.read_file(path, _remedy(path))
    blocks = [f"block{stage}_{key}" for key in _CHOICES for stage in range(len(STAGES))]
    targets = [column for column, _ in TARGETS.values()]
    columns = table_lib.read_csv(
        path, data, ["id", *blocks, *targets, *COSTS], NUM_NETWORKS
    )
    if columns["id"] != tuple(map(str, range(NUM_NETWORKS))):
        raise ValueError(f"{path}: id: expected 0 .. {NUM_NETWORKS - 1} in order")
    fields = zip(*(columns[column] for column in blocks), strict=True)
    architectures = table_lib.parse_rows(path, fields, _architecture)
    graphs = MNASNET.to_graphs(architectures)
    split_data, split = _read_split(data_dir)
    return Table(
        name="accel",
        space=MNASNET,
        graphs=graphs,
        labels={
            target: table_lib.read_percent(path, column, columns[column])
            for target, (column, _) in TARGETS.items()
        },
        train_target="top1",
        eval_targets=("top1",),
        hashes=table_lib.group_ids(graphs),
        texts=lambda row: MNASNET.format(architectures[row]),
        describe={
            target: f"{sentence}, fraction; {ORIGIN}" + (target == "top1") * _ONE
            for target, (_, sentence) in TARGETS.items()
        },
        sha256=table_lib.sha256(data + split_data),
        test_rows=split.test_index,
        costs={
            column: table_lib.read_numbers(path, column, columns[column])
            for column in COSTS
        },
    )


def published_split(data_dir: str | Path | None = None) -> Split:
    """The authors' split: 4,100 training, 512 validation and 512 test networks.

    Raises:
      MissingData, ValueError: as `read` does.
    """
    return _read_split(data_dir)[1]


def _read_split(data_dir: str | Path | None) -> tuple[bytes, Split]:
    path = table_lib.locate(data_dir, FOLDER, SPLIT_FILE)
    data = table_lib.read_file(path, _remedy(path))
    try:
        parts = json.loads(data)
        lists = [list(parts[name]) for name in ("train", "val", "test")]
    except (ValueError, KeyError, TypeError, RecursionError):
        lists = [[], [], []]
    ids = [number for part in lists for number in part]
    known = all(type(number) is int and 0 <= number < NUM_NETWORKS for number in ids)
    if not (known and len(set(ids)) == len(ids) and all(lists)):
        raise ValueError(
            f"{path}: expected lists train, val and test of different ids in "
            f"0 .. {NUM_NETWORKS - 1}; the file may be damaged"
        )
    return data, Split(*(np.array(sorted(part), np.int32) for part in lists))


def _architecture(fields: tuple[str, ...]) -> Architecture:
    """That of the columns `block{stage}_{key}`, by key and then stage."""
    values = [int(field) if field.isdecimal() else field for field in fields]
    count = len(STAGES)
    parts = (values[at : at + count] for at in range(0, len(values), count))
    return MNASNET.from_dict(dict(zip(_CHOICES, parts, strict=True)))


def _remedy(path: Path) -> str:
    return f"make the file {path.name} from {SOURCE} as docs/chains.md tells"
