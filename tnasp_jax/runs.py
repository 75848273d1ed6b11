"""Run folders: a trained predictor as one npz and one json.

    run = runs.load("runs/first")
    run.predict(["|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"])

Axis letters: S draws (the members of a seed ensemble), B architectures, N node slots.
"""

import io
import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from tnasp_jax.evaluation import ensemble
from tnasp_jax.graphs import Graphs, pad_batch
from tnasp_jax.predictors import get_predictor
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.spaces import Space, describe, get_space
from tnasp_jax.training.labels import LabelScale

FORMAT = 1
_BLOCK = 4096  # Architectures scored at once.
_FIELDS = ("format", "space", "predictor", "target", "description", "draws", "shapes")


class UnfinishedRun(ValueError):
    """The folder holds a run whose training has not ended."""


class Run:
    """A trained predictor: an ensemble of S draws in the units of accuracy.

    Attributes:
      space: the search space.
      predictor: the network, an (init, apply) pair.
      params: {"network": parameters, "scale": LabelScale}, every leaf [S, ...].
      target: name of the label that was learnt.
      description: what that label is, in a sentence.

    Raises:
      ValueError: for an unknown predictor, and parameters without one leading axis of
        draws.
    """

    def __init__(
        self,
        *,
        space: Space,
        predictor_name: str,
        params: dict[str, Any],
        target: str,
        description: str,
    ):
        _check_draws(params)
        self.space = space
        self.predictor_name = predictor_name
        self.predictor: Predictor = get_predictor(predictor_name, space)
        self.params = params
        self.target = target
        self.description = description
        self._jitted = jax.jit(self.predict_members)
        self._jitted_deviations = jax.jit(self.deviation_members)

    @property
    def draws(self) -> int:
        """S, members of the ensemble."""
        return jax.tree.leaves(self.params)[0].shape[0]

    def predict_fn(self, params: dict[str, Any], graphs: Graphs) -> jax.Array:
        """Accuracy as a fraction, mean over the draws: pure, for a loop of one's own.

        Args:
          params: `run.params`, or a pytree like it.
          graphs: [B] architectures of the run's space.

        Returns:
          [B] float32; NaN for a row that is not a graph.
        """
        return jnp.mean(self.predict_members(params, graphs), axis=0)

    def predict_members(self, params: dict[str, Any], graphs: Graphs) -> jax.Array:
        """Accuracy as a fraction by each draw, [S, B]; pure like `predict_fn`."""

        def member(draw):
            units = self.predictor.apply(draw["network"], graphs)
            return draw["scale"].to_accuracy(units)

        return jax.lax.map(member, params)

    def deviation_members(self, params: dict[str, Any], graphs: Graphs) -> jax.Array:
        """Standard deviation of a label around each draw's prediction, [S, B]; pure.

        Half the way from one deviation below to one above, in accuracy; zero for a
        predictor that knows none.
        """
        if self.predictor.deviation is None:
            return jnp.zeros((self.draws, graphs.ops.shape[0]))
        deviation = self.predictor.deviation

        def member(draw):
            units = self.predictor.apply(draw["network"], graphs)
            spread = deviation(draw["network"], graphs)
            above, below = map(
                draw["scale"].to_accuracy, (units + spread, units - spread)
            )
            return (above - below) / 2

        return jax.lax.map(member, params)

    def predict(
        self, texts: Sequence[str], *, return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predicts the accuracy of architectures given as text.

        Batches are padded to powers of two, and many architectures go in blocks, so
        that few sizes are ever compiled and memory stays flat; a score does not depend
        on the batch that it was in.

        Args:
          texts: B architectures, as `space.parse` reads them.
          return_std: whether to return a standard deviation too: that of a label
            around the prediction where the predictor knows it (`Predictor.deviation`),
            with that of the draws among themselves on top; else the latter alone.

        Returns:
          [B] float32 fractions; with `return_std`, a pair of such arrays.

        Raises:
          ValueError: naming the first bad architecture and its place; for one text, and
            for graphs.
        """
        if isinstance(texts, str):
            raise ValueError("predict: expected a list of architectures, got one text")
        if isinstance(texts, Graphs):
            raise ValueError(
                "predict: expected architectures as texts, got Graphs; "
                "predict_fn(run.params, graphs) takes those"
            )
        architectures = []
        for row, text in enumerate(texts):
            try:
                architectures.append(self.space.parse(text))
            except ValueError as error:
                raise ValueError(f"architecture {row}: {error}") from error
        if not architectures:
            empty = np.zeros(0, np.float32)
            return (empty, empty) if return_std else empty
        graphs = self.space.to_graphs(architectures)
        blocks = range(0, len(architectures), _BLOCK)
        parts = [self._predict(graphs[at : at + _BLOCK], return_std) for at in blocks]
        mean, std = (np.concatenate(each) for each in zip(*parts, strict=True))
        return (mean, std) if return_std else mean

    def _predict(self, graphs: Graphs, with_std: bool) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of one block; the draws' alone if unwanted."""
        count = len(graphs)
        padded = pad_batch(graphs, max(8, 1 << (count - 1).bit_length()))
        mean, std = ensemble(self._jitted(self.params, padded))
        if with_std:
            own = self._jitted_deviations(self.params, padded)
            std = jnp.sqrt(jnp.mean(own**2, 0) + std**2)
        # Cut on the host: on a device each size would be compiled.
        return np.asarray(mean)[:count], np.asarray(std)[:count]


def save(run: Run, folder: str | Path) -> None:
    """Writes `predictor/params.npz` and `predictor/predictor.json` into a folder."""
    home = Path(folder) / "predictor"
    home.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = _flatten(run.params)
    about = {
        "format": FORMAT,
        "space": run.space.name,
        "space_description": describe(run.space),
        "predictor": run.predictor_name,
        "target": run.target,
        "description": run.description,
        "draws": run.draws,
        "shapes": {name: list(leaf.shape) for name, leaf in arrays.items()},
    }
    with replacing(home / "params.npz") as path, open(path, "wb") as file:
        np.savez(file, **arrays)
    write_json(home / "predictor.json", about)


def load(folder: str | Path) -> Run:
    """Loads the predictor of a finished run folder.

    Args:
      folder: of a command's run, or what `save` was given.

    Raises:
      UnfinishedRun: a ValueError, for a run that was cut or is under way.
      ValueError: one sentence each for a folder that is missing or empty, a newer
        format, damaged files, and parameters that do not fit.
    """
    home = Path(folder) / "predictor"
    if not Path(folder).is_dir():
        wrong = "is a file" if Path(folder).exists() else "no such folder"
        raise ValueError(f"{folder}: {wrong}; give the folder of a run")
    if not (home / "predictor.json").is_file():
        if (Path(folder) / "config.json").is_file():
            raise UnfinishedRun(f"{folder}: the run is not finished")
        raise ValueError(f"{folder}: holds no run; give the folder of a finished run")
    about = _read_about(home / "predictor.json")
    arrays = _read_arrays(home / "params.npz")
    space = get_space(about["space"], about.get("space_description"))
    params = _unflatten(arrays)
    stored = {name: list(leaf.shape) for name, leaf in arrays.items()}
    if stored != about["shapes"] or not {"network", "scale"} <= set(params):
        raise ValueError(
            f"{home / 'params.npz'}: arrays differ from those that predictor.json "
            "lists; the two files come from different runs"
        )
    _check_network(about["predictor"], space, params, home)
    return Run(
        space=space,
        predictor_name=about["predictor"],
        params=params,
        target=about["target"],
        description=about["description"],
    )


class replacing:  # noqa: N801 - reads as a verb where it is used
    """`with replacing(path) as temporary`: the file appears whole or not at all."""

    def __init__(self, path: Path):
        self._path = path
        self._temporary = path.with_name(path.name + ".part")

    def __enter__(self) -> Path:
        return self._temporary

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            os.replace(self._temporary, self._path)
        else:
            self._temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes strict JSON (no NaN) in one piece."""
    text = json.dumps(value, indent=1, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n")


def _check_draws(params: dict[str, Any]) -> None:
    found = sorted({np.shape(leaf)[:1] for leaf in jax.tree.leaves(params)})
    if len(found) != 1 or not found[0]:
        sizes = ", ".join(str(size[0]) if size else "none" for size in found)
        raise ValueError(
            "Run: expected params whose leaves all have a leading axis of S draws, got "
            f"{sizes or 'no leaves'}; for one draw add it by leaf[None]"
        )


def _flatten(params: dict[str, Any]) -> dict[str, np.ndarray]:
    scale = {
        name: getattr(params["scale"], name) for name in LabelScale.__dataclass_fields__
    }
    tree = {"network": params["network"], "scale": scale}
    flat = traverse_util.flatten_dict(tree, sep="/")
    arrays = {name: np.asarray(leaf) for name, leaf in flat.items()}
    for name, array in arrays.items():
        # An npz forgets all other types, such as bfloat16.
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"save: {name}: expected numbers that numpy knows, got {array.dtype}; "
                "convert them to float32"
            )
    return arrays


def _unflatten(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    tree = traverse_util.unflatten_dict(arrays, sep="/")
    if set(tree.get("scale", ())) == set(LabelScale.__dataclass_fields__):
        tree["scale"] = LabelScale(**tree["scale"])
    return tree


def _read_about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text())
    except ValueError:
        raise ValueError(f"{path}: not JSON; the file is damaged") from None
    if not isinstance(about, dict) or not isinstance(about.get("format"), int):
        raise ValueError(f"{path}: not a predictor's description")
    if about["format"] > FORMAT:
        raise ValueError(
            f"{path}: format {about['format']} is newer than this tnasp_jax reads "
            f"({FORMAT}); update tnasp_jax"
        )
    missing = [name for name in _FIELDS if name not in about]
    if missing:
        raise ValueError(f"{path}: the field {missing[0]!r} is missing")
    return about


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return dict(file)
    except FileNotFoundError:
        raise ValueError(f"{path}: missing; the run folder is incomplete") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
        raise ValueError(f"{path}: not a whole npz; the file is damaged") from None


def _check_network(name: str, space: Space, params: Params, home: Path) -> None:
    """Compares stored shapes with those that the predictor of that name has."""
    network, slots = params["network"], space.num_nodes
    # Some predictors keep the training cells; the scale has a knot for each.
    count = params["scale"].knots.shape[-1]
    graphs = Graphs(
        ops=np.zeros((count, slots), np.int32),
        adjacency=np.zeros((count, slots, slots), bool),
        mask=np.ones((count, slots), bool),
    )
    expected = jax.eval_shape(
        get_predictor(name, space).init, jax.random.key(0), graphs
    )
    flat: dict[str, Any] = traverse_util.flatten_dict(expected, sep="/")
    stored: dict[str, Any] = traverse_util.flatten_dict(network, sep="/")
    for leaf in sorted(flat.keys() | stored.keys()):
        want = flat[leaf].shape if leaf in flat else None
        have = stored[leaf].shape[1:] if leaf in stored else None
        if want != have:
            raise ValueError(
                f"{home / 'params.npz'}: {leaf} has shape {have}, but predictor "
                f"{name!r} of this tnasp_jax expects {want}"
            )
