"""NAS-Bench-201's accuracies from its own file or from those of NATS-Bench.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture
Search", ICLR 2020: one file of torch.save, NAME.pth. Dong et al., "NATS-Bench:
Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI 2021: the topology
space is NAS-Bench-201; its results come as one pickle or as a folder with one pickle a
cell and meta.pickle.pbz2, all compressed by bz2. A cell holds, for 12 and for 200 epochs
("less" and "full" in the .pth), the trials of each data set and seed.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tnasp_jax.benchmarks import safe_pickle, torch_file
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

_KEPT = {
    int(epochs) - 1 if part == _TRAIN else f"{part}@{int(epochs) - 1}"
    for epochs, _, part in COLUMNS.values()
}
"""Keys of a .pth's numbers that `COLUMNS` needs; those of all epochs fill the memory."""


def read(
    path: Path, on_read: Callable[[float], object] = lambda share: None
) -> dict[str, list[str]]:
    """The columns of `benchmarks.nasbench201`, as text, in the official order.

    Accuracies of 200 epochs are means over all seeds of the file; those of 12 epochs are
    of the lowest seed. `c10_test_12ep` is left out where the file lacks it: in the first
    version of the .pth, 12 epochs were trained on cifar10-valid alone.

    Args:
      path: of NAS-Bench-201-v1_1-096897.pth or -v1_0-e61699.pth; of
        NATS-tss-v1_0-3ffb9.pickle.pbz2, which is read into memory as a whole; or of the
        folder NATS-tss-v1_0-3ffb9-simple.
      on_read: called with the share that was read, 0 .. 1, of a .pth before its cells.

    Raises:
      ValueError: one line: if a file is damaged, see `safe_pickle.load` and
        `torch_file.load`, or does not hold what it should, naming the cell.
    """
    space = NASBench201()
    texts = [space.format(cell) for cell in space.all_architectures()]
    names = COLUMNS
    if path.is_dir():
        cells = _cells_of_folder(path)
    elif path.suffix == ".pth":
        whole = torch_file.load(path, _KEPT, on_read)
        names, cells = _columns_of_pth(whole), _cells_of_pth(path, whole)
    else:
        cells = _cells_of_file(path, safe_pickle.load(path))
    columns: dict[str, list[str]] = {name: [] for name in ("index", "arch_str", *names)}
    for index, (where, results) in enumerate(cells):
        try:
            values = _accuracies(results, texts[index], names)
        except ValueError as error:
            raise ValueError(f"{where}: cell {index}: {error}") from None
        columns["index"].append(str(index))
        columns["arch_str"].append(texts[index])
        for name, value in values.items():
            columns[name].append(str(round(value, 6)))
        on_read((index + 1) / NUM_CELLS)
    return columns


def _cells_of_file(path: Path, whole: Any) -> Iterator[tuple[Path, Any]]:
    """The results of each cell in order, and the file that holds them."""
    results = whole.get("arch2infos") if isinstance(whole, dict) else None
    if not isinstance(results, dict):
        raise ValueError(f"{path}: no results of NAS-Bench-201: lacks 'arch2infos'")
    for index in range(NUM_CELLS):
        if index not in results:
            raise ValueError(f"{path}: cell {index} is missing")
        yield path, results.pop(index)


def _cells_of_pth(path: Path, whole: Any) -> Iterator[tuple[Path, Any]]:
    """The same, by epochs as NATS-Bench has them."""
    for where, results in _cells_of_file(path, whole):
        if isinstance(results, dict):
            results = {"12": results.get("less"), "200": results.get("full")}
        yield where, results


def _columns_of_pth(whole: Any) -> dict[str, tuple[str, str, str]]:
    """`COLUMNS`, of the first version without the one that it lacks."""
    try:
        trained = whole["arch2infos"][0]["less"]["dataset_seed"]
        lacks = COLUMNS["c10_test_12ep"][1] not in trained
    except (LookupError, TypeError):
        return COLUMNS  # Whatever is wrong is named by its cell.
    return {n: c for n, c in COLUMNS.items() if not (lacks and n == "c10_test_12ep")}


def _cells_of_folder(folder: Path) -> Iterator[tuple[Path, Any]]:
    for index in range(NUM_CELLS):
        names = (f"{index:06d}{_SUFFIX}", f"{index}{_SUFFIX}")
        path = next((folder / n for n in names if (folder / n).is_file()), None)
        if path is None:
            raise ValueError(f"{folder}: cell {index} is missing: no file {names[0]}")
        yield path, safe_pickle.load(path)


def _accuracies(
    results: Any, text: str, columns: Mapping[str, tuple[str, str, str]]
) -> dict[str, float]:
    """Column -> percent.

    Raises:
      ValueError: one sentence.
    """
    values = {}
    for column, (epochs, dataset, part) in columns.items():
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
