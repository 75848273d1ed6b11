"""Random architectures, their scores by a supernet, and a predictor of these scores.

What the pipelines of DARTS and of chains share between a supernet and a search.
"""

import csv
import dataclasses
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from experiments.cells import draws, pipeline, results
from experiments.cells.cell import Cell
from experiments.cells.training import CHECKPOINT_SECONDS
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from tnasp_jax import runs
from tnasp_jax.benchmarks import Table
from tnasp_jax.benchmarks.table import group_ids, sha256
from tnasp_jax.predictors import get_predictor
from tnasp_jax.spaces.base import Space

TARGET = "supernet_val"
MOST_BLOCKS = 1_000  # Draws after which a space counts as exhausted.


class Recipe(Protocol):
    """What a pipeline says of its predictor."""

    @property
    def seed(self) -> int: ...

    @property
    def predictor(self) -> str: ...

    @property
    def folds(self) -> int: ...

    @property
    def epochs(self) -> int | None: ...


def stream(recipe: Recipe, number: int) -> jax.Array:
    """The key of one of the streams of chance that a run has."""
    return jax.random.fold_in(jax.random.key(recipe.seed), number)


def draw(space: Space, key: jax.Array, count: int) -> list:
    """Random architectures, no two of which compute the same.

    Raises:
      UserError: where the space has not so many.
    """
    found: dict[str, Any] = {}
    for block in range(MOST_BLOCKS):
        for each in space.sample(jax.random.fold_in(key, block), count):
            found.setdefault(space.canonical_hash(each), each)
        if len(found) >= count:
            return list(found.values())[:count]
    raise UserError(f"--n_archs={count}: there are not so many architectures")


def score(
    folder: Path,
    space: Space,
    drawn: list,
    chunk: int,
    judge: Callable[[list], np.ndarray],
    quiet: bool,
) -> dict[str, Any]:
    """Scores architectures; the folder gets scores.csv and results.json.

    Meanwhile it holds scores.npz, from which a cut run goes on.

    Args:
      folder: of the stage.
      space: of the architectures.
      drawn: the architectures.
      chunk: how many are scored between two looks at the clock.
      judge: their validation accuracies, [P] fractions.
      quiet: no progress.

    Returns:
      The content of results.json.
    """
    folder.mkdir(exist_ok=True)
    scores, seconds = _begun(folder / "scores.npz")
    began = saved = time.monotonic()
    began -= seconds
    progress = Progress(len(drawn), "scoring architectures", quiet, done=len(scores))
    while len(scores) < len(drawn):
        found = judge(drawn[len(scores) : len(scores) + chunk])
        scores = np.concatenate([scores, found])
        progress.update(len(scores), f"best {100 * scores.max():.2f} %")
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            saved = time.monotonic()
            with runs.replacing(folder / "scores.npz") as path, open(path, "wb") as to:
                np.savez(to, scores=scores, seconds=saved - began)
    _write(folder / "scores.csv", [space.format(each) for each in drawn], scores)
    summary = {
        "n_archs": len(scores),
        "mean": results.number(scores.mean()),
        "std": results.number(scores.std(ddof=1)),
        "lowest": results.number(scores.min()),
        "highest": results.number(scores.max()),
        "seconds": round(time.monotonic() - began, 1),
    }
    runs.write_json(folder / "results.json", summary)
    return summary


def read(folder: Path) -> tuple[list[str], np.ndarray]:
    """Architectures as text and their scores, [n] float32, from scores.csv."""
    with open(folder / "scores.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [text for text, _ in rows], np.array([each for _, each in rows], np.float32)


def table_of(folder: Path, space: Space, description: str) -> Table:
    """The scores of a folder as a table."""
    texts, scores = read(folder)
    graphs = space.to_graphs([space.parse(text) for text in texts])
    return Table(
        name=f"{space.name}_supernet",
        space=space,
        graphs=graphs,
        labels={TARGET: scores},
        train_target=TARGET,
        eval_targets=(TARGET,),
        hashes=group_ids(graphs),
        texts=texts.__getitem__,
        describe={TARGET: f"{description}; no network was trained alone"},
        sha256=sha256((folder / "scores.csv").read_bytes()),
    )


def fit(
    recipe: Recipe, table: Table, folder: Path, flags_text: str, quiet: bool
) -> dict[str, Any]:
    """Trains the predictor on scores; the folder becomes a run folder.

    One network a fold, each ranked on the fold that it did not learn; their mean
    predicts.

    Returns:
      The content of its results.json.
    """
    held_out = len(table) // recipe.folds
    own = get_predictor(recipe.predictor, table.space).recipe
    cell = Cell(
        table=table.name,
        predictor=recipe.predictor,
        self_evolution="off",
        n_train=len(table) - held_out,
        n_val=0,
        n_test=held_out,
        seeds=tuple(range(recipe.folds)),
        train_target=TARGET,
        eval_targets=(TARGET,),
        units="rank",
        fit=dataclasses.replace(own, epochs=recipe.epochs or own.epochs),
        evolution=None,
    )
    return pipeline.run_cell(
        cell,
        table,
        folder,
        flags_text=flags_text,
        argv=sys.argv,
        splits=draws.folds(len(table), recipe.folds, recipe.seed),
        resume=True,
        quiet=quiet,
    )


def about_predictor(recipe: Recipe, run: dict[str, Any]) -> dict[str, Any]:
    """What a pipeline's results.json says of the predictor, from that of its run."""
    return {
        "name": recipe.predictor,
        "n_train": run["n_train"],
        "kendall_tau_heldout": run["kendall_tau_heldout"],
        "target": run["targets"][run["train_target"]],
    }


def told(scored: dict[str, Any], val_images: int) -> str:
    """The scores, for people."""
    return (
        f"{scored['n_archs']:,} random architectures on {val_images:,} validation "
        f"images: {100 * scored['lowest']:.1f} to {100 * scored['highest']:.1f} %"
    )


def _begun(path: Path) -> tuple[np.ndarray, float]:
    """Scores of a run that was cut, and the seconds that they took."""
    if not path.exists():
        return np.zeros(0, np.float32), 0.0
    with np.load(path, allow_pickle=False) as saved:
        return saved["scores"], float(saved["seconds"])


def _write(path: Path, texts: list[str], scores: np.ndarray) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["architecture", TARGET])
    for one, each in zip(texts, scores, strict=True):
        writer.writerow([one, f"{each:.6f}"])
    with runs.replacing(path) as temporary:
        temporary.write_text(text.getvalue())
