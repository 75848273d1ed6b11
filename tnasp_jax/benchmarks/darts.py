"""Tables of the DARTS space: three that were measured, two that a surrogate computed.

Each is a csv file with one row a genotype and accuracies in percent. The train target is
the eval target, and splits rank only the rows that were not learnt from
(`splits.draw_split`).
"""

from pathlib import Path
from typing import NamedTuple

from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.benchmarks.table import Table
from tnasp_jax.spaces.darts import DARTS

_ONE = "; learnt and ranked by, never on the same cells"


class File(NamedTuple):
    """A file and what it holds.

    Attributes:
      folder, name: where it lies in the data folder.
      size: for people.
      rows: of the whole file; None if that follows from what was converted.
      genotype: columns whose fields, joined by a comma, are a text of the genotype.
      origin: who made the numbers.
      source: where they are published, to make the file from.
      targets: target -> column and what it holds; the first is learnt and ranked by.
      official: as `table.MissingData` has it.
    """

    folder: str
    name: str
    size: str
    rows: int | None
    genotype: tuple[str, ...]
    origin: str
    source: str
    targets: dict[str, tuple[str, str]]
    official: str | None = None

    @property
    def columns(self) -> list[str]:
        """All columns that it must have."""
        return [*self.genotype, *(column for column, _ in self.targets.values())]


FILES = {
    "darts545": File(
        folder="darts_bench_oncenas",
        name="darts_bench_545.csv",
        size="0.2 MB",
        rows=545,
        genotype=("normal", "reduce"),
        origin="DARTS-Bench of OnceNAS",
        source="data-545.csv of github.com/OnceNAS-Bench/OnceNAS-Bench",
        targets={
            "test_50ep": (
                "test_acc50",
                "CIFAR-10 accuracy on held-out images, 50 epochs, one run",
            ),
            "val_10ep": (
                "valid_acc10",
                "CIFAR-10 accuracy on held-out images, 10 epochs, one run",
            ),
            "train_50ep": (
                "train_acc50",
                "CIFAR-10 training accuracy, 50 epochs, one run",
            ),
            "train_10ep": (
                "train_acc10",
                "CIFAR-10 training accuracy, 10 epochs, one run",
            ),
        },
    ),
    "darts214": File(
        folder="darts_random214_cifar10",
        name="darts_random214_cifar10.csv",
        size="0.1 MB",
        rows=214,
        genotype=("normal", "reduce"),
        origin="NAS Evaluation Is Frustratingly Hard (Yang et al., ICLR 2020)",
        source="github.com/antoyang/NAS-Benchmark, its 214 random architectures",
        targets={
            "test_600ep": (
                "final_test_acc",
                "CIFAR-10 test accuracy after the last of 600 epochs, one run",
            ),
            "best_test_600ep": (
                "best_test_acc",
                "CIFAR-10 test accuracy of the best of 600 epochs, chosen on the test "
                "images, one run",
            ),
        },
    ),
    "nb301": File(
        folder="nasbench301",
        name="nb301_accuracy.csv",
        size="about 5 MB",
        rows=None,
        genotype=("arch",),
        origin="NAS-Bench-301 (Zela et al., ICLR 2022), its own trainings",
        source="nasbench301_full_data, which github.com/automl/nasbench301 links to",
        targets={
            "best_val_100ep": (
                "best_val_acc100",
                "CIFAR-10 validation accuracy of the best of 100 epochs, chosen on the "
                "validation images, mean of an architecture's trainings, mostly one",
            ),
            "test_100ep": (
                "test_acc100",
                "CIFAR-10 test accuracy after the last of 100 epochs, mean of the same "
                "trainings",
            ),
        },
        official="darts",
    ),
    "nb301xgb": File(
        folder="nasbench301_surrogate",
        name="nb301_xgb_1225.csv",
        size="0.3 MB",
        rows=1218,
        genotype=("arch",),
        origin="NAS-Bench-301 (Zela et al., ICLR 2022), in NAS-Bench-Suite-Zero",
        source="zc_nasbench301.json of github.com/automl/NASLib, branch zerocost",
        targets={
            "xgb_val": (
                "xgb_val_acc",
                "surrogate, not measured: CIFAR-10 validation accuracy as the "
                "benchmark's XGBoost model predicts it, with its noise",
            ),
        },
    ),
    "nb301yahpo": File(
        folder="nasbench301_surrogate",
        name="nb301_archs_11221.csv",
        size="1.3 MB",
        rows=11_221,
        genotype=("arch",),
        origin="YAHPO Gym (Pfisterer et al., AutoML 2022), fitted on NAS-Bench-301",
        source="nb301/new_model.onnx of github.com/slds-lmu/yahpo_data at epoch 98",
        targets={
            "yahpo_val": (
                "yahpo_val_acc_e98",
                "surrogate, not measured: CIFAR-10 validation accuracy after 98 epochs "
                "as a neural network predicts it",
            ),
        },
    ),
}
"""Table -> its file."""


def read(name: str, data_dir: str | Path | None = None) -> Table:
    """Reads one of the tables of `FILES`, rows in the order of the file.

    Args:
      name: of the table.
      data_dir: folder that holds the file, with or without the folder that `FILES`
        names; None for the working directory.

    Raises:
      MissingData: if the file is not there.
      ValueError: if it is damaged, naming row and column.
    """
    file = FILES[name]
    return read_file(name, table_lib.locate(data_dir, file.folder, file.name))


def read_file(name: str, path: Path) -> Table:
    """`read` of the file at a path; raises what it raises."""
    file = FILES[name]
    data = table_lib.read_file(path, _remedy(file), file.official)
    columns = table_lib.read_csv(path, data, file.columns, file.rows)
    texts = map(
        ",".join, zip(*(columns[column] for column in file.genotype), strict=True)
    )
    genotypes = table_lib.parse_rows(path, texts, DARTS.parse)
    graphs = DARTS.to_graphs(genotypes)
    main, *_ = file.targets
    return Table(
        name=name,
        space=DARTS,
        graphs=graphs,
        labels={
            target: table_lib.read_percent(path, column, columns[column])
            for target, (column, _) in file.targets.items()
        },
        train_target=main,
        eval_targets=(main,),
        hashes=table_lib.group_ids(graphs),
        texts=lambda row: DARTS.format(genotypes[row]),
        describe={
            target: f"{sentence}, fraction; {file.origin}" + (target == main) * _ONE
            for target, (_, sentence) in file.targets.items()
        },
        sha256=table_lib.sha256(data),
    )


def _remedy(file: File) -> str:
    return (
        f"make the file ({file.size}) from {file.source}: a csv with the columns "
        f"{', '.join(file.columns)}, as docs/darts.md describes it"
    )
