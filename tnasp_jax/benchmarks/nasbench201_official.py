"""NAS-Bench-201's accuracies from the files of NATS-Bench.

Dong et al., "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and
Size", TPAMI 2021. The topology space is NAS-Bench-201; its results come as one pickle
or as a folder with one pickle a cell and meta.pickle.pbz2, all compressed by bz2. A cell
holds, for 12 and for 200 epochs, the trials of each data set and seed.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tnasp_jax.benchmarks import safe_pickle
from tnasp_jax.benchmarks.nasbench201 import NUM_CELLS
from tnasp_jax.spaces.nasbench201 import NASBench201

_SUFFIX = ".pickle.pbz2"
_TRAIN = "train"
COLUMNS = {
    "c10v_train_acc": ("200", "cifar10-valid", _TRAIN),
    "c10v_val_acc": ("200", "cifar10-valid", "x-valid"),
    "c10v_test_acc": ("200", "cifar10-valid", "ori-test"),
    "c10_test_acc": ("200", "cifar10", "ori-test"),
    "c10_val_12ep": ("12", "cifar10-valid", "x-valid"),
    "c10_test_12ep": ("12", "cifar10", "ori-test"),
}
"""Column -> epochs, data set and part of it; after the last epoch, in percent."""


def read(
    path: Path, on_cell: Callable[[int], object] = lambda done: None
) -> dict[str, list[str]]:
    """The columns of `benchmarks.nasbench201`, as text, in the official order.

    Accuracies of 200 epochs are means over all seeds of the file; those of 12 epochs are
    of the lowest seed.

    Args:
      path: of NATS-tss-v1_0-3ffb9.pickle.pbz2, which is read into memory as a whole, or
        of the folder NATS-tss-v1_0-3ffb9-simple.
      on_cell: called with the number of cells done.

    Raises:
      ValueError: one line: if a file is damaged, see `safe_pickle.load`, or does not
        hold what it should, naming the cell.
    """
    space = NASBench201()
    texts = [space.format(cell) for cell in space.all_architectures()]
    cells = _cells_of_folder(path) if path.is_dir() else _cells_of_file(path)
    columns: dict[str, list[str]] = {name: [] for name in ("index", "arch_str")}
    columns |= {name: [] for name in COLUMNS}
    for index, (where, results) in enumerate(cells):
        try:
            values = _accuracies(results, texts[index])
        except ValueError as error:
            raise ValueError(f"{where}: cell {index}: {error}") from None
        columns["index"].append(str(index))
        columns["arch_str"].append(texts[index])
        for name, value in values.items():
            columns[name].append(str(round(value, 6)))
        on_cell(index + 1)
    return columns


def _cells_of_file(path: Path) -> Iterator[tuple[Path, Any]]:
    """The results of each cell in order, and the file that holds them."""
    whole = safe_pickle.load(path)
    results = whole.get("arch2infos") if isinstance(whole, dict) else None
    if not isinstance(results, dict):
        raise ValueError(f"{path}: no results of NATS-Bench: lacks 'arch2infos'")
    for index in range(NUM_CELLS):
        if index not in results:
            raise ValueError(f"{path}: cell {index} is missing")
        yield path, results.pop(index)


def _cells_of_folder(folder: Path) -> Iterator[tuple[Path, Any]]:
    for index in range(NUM_CELLS):
        names = (f"{index:06d}{_SUFFIX}", f"{index}{_SUFFIX}")
        path = next((folder / n for n in names if (folder / n).is_file()), None)
        if path is None:
            raise ValueError(f"{folder}: cell {index} is missing: no file {names[0]}")
        yield path, safe_pickle.load(path)


def _accuracies(results: Any, text: str) -> dict[str, float]:
    """Column -> percent.

    Raises:
      ValueError: one sentence.
    """
    values = {}
    for column, (epochs, dataset, part) in COLUMNS.items():
        try:
            about = results[epochs]
            if about["arch_str"] != text:
                raise ValueError(f"expected {text}, got {about['arch_str']!r}")
            seeds = sorted(about["dataset_seed"][dataset])
            trials = [about["all_results"][dataset, seed] for seed in seeds]
            if epochs == "12":
                trials = trials[:1]
            found = [_last(trial, part) for trial in trials]
            values[column] = sum(found) / len(found)
        except (LookupError, TypeError, AttributeError, ZeroDivisionError):
            raise ValueError(
                f"no accuracy of {part} after {epochs} epochs on {dataset}"
            ) from None
        if not 0 <= values[column] <= 100:
            raise ValueError(
                f"{column}: expected percent in 0 .. 100, got {values[column]:g}"
            )
    return values


def _last(trial: Mapping[str, Any], part: str) -> float:
    """The accuracy of a part of the data after the last epoch, in percent."""
    last = trial["epochs"] - 1
    if part == _TRAIN:
        return float(trial["train_acc1es"][last])
    return float(trial["eval_acc1es"][f"{part}@{last}"])
