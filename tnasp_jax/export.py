"""A finished run as one file of bytes that needs JAX and flatbuffers alone.

    data = export.to_bytes(tnasp_jax.load("runs/first"))

    jax.export.deserialize(bytearray(data)).call(ops, adjacency, mask)  # Accuracies.

Axis letters: b architectures, any number of them; N node slots.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from tnasp_jax import runs
from tnasp_jax.graphs import Graphs

FORMAT = 1
PLATFORMS = ("cpu", "cuda", "tpu")
_LOAD = """\
import jax, jax.export  # pip install jax flatbuffers

with open({file}, "rb") as file:
    predict = jax.jit(jax.export.deserialize(bytearray(file.read())).call)
scores = predict(ops, adjacency, mask)  # [b] float32, {target} as a fraction
# ops [b, {slots}] int32, adjacency [b, {slots}, {slots}] bool, mask [b, {slots}] bool"""


def to_bytes(run: runs.Run, *, platforms: Sequence[str] = PLATFORMS) -> bytes:
    """The run's prediction with its parameters baked in, for any batch size.

    What the bytes compute is `Run.predict_fn`: the mean over the draws, in accuracies.
    They are loaded by `jax.export.deserialize(bytearray(data))`, whose `call` takes
    ops [b, N] int32, adjacency [b, N, N] bool and mask [b, N] bool (see `Graphs`) and
    gives [b] float32 fractions; NaN for a row that is not a graph.

    Args:
      run: a finished run.
      platforms: where the bytes are to run, of `PLATFORMS`; none of them need be here.

    Raises:
      ValueError: for other platforms, without the package flatbuffers, and for a
        predictor that cannot be exported.
    """
    check(platforms)
    slots = run.space.num_nodes
    params = jax.tree.map(np.asarray, run.params)

    def predict(ops, adjacency, mask):
        return run.predict_fn(params, Graphs(ops=ops, adjacency=adjacency, mask=mask))

    (batch,) = jax.export.symbolic_shape("b")
    inputs = (
        jax.ShapeDtypeStruct((batch, slots), jnp.int32),
        jax.ShapeDtypeStruct((batch, slots, slots), jnp.bool_),
        jax.ShapeDtypeStruct((batch, slots), jnp.bool_),
    )
    try:
        program = jax.export.export(jax.jit(predict), platforms=platforms)(*inputs)
        return bytes(program.serialize())
    # What JAX says when a shape must be a number, or a callback leaves it.
    except (
        TypeError,
        ValueError,
        NotImplementedError,
        jax.errors.InconclusiveDimensionOperation,
    ) as error:
        reason = str(error).strip().partition("\n")[0].strip()
        raise ValueError(
            f"predictor {run.predictor_name!r} cannot be exported for "
            f"{', '.join(platforms)}: {reason}"
        ) from error


def check(platforms: Sequence[str]) -> None:
    """Whether exporting can work at all; ValueError, one sentence, if not."""
    unknown = [name for name in platforms if name not in PLATFORMS]
    if unknown or not platforms or len(set(platforms)) < len(platforms):
        raise ValueError(
            f"platforms: expected distinct names of {', '.join(PLATFORMS)}, "
            f"got {', '.join(platforms) or 'none'}"
        )
    try:
        import flatbuffers  # noqa: F401 - jax.export writes by it.
    except ImportError:
        raise ValueError(
            "export needs the package flatbuffers; pip install '.[export]' in a clone"
        ) from None


def describe(run: runs.Run, data: bytes, *, file: str = "FILE") -> dict[str, Any]:
    """What a reader of the bytes has to know, as plain values.

    `example` is an architecture of the space as text and as inputs, with the run's own
    score, by which a reader can check what they feed in.

    Args:
      run: the run that was exported.
      data: what `to_bytes` gave.
      file: the name by which they are opened.
    """
    program = jax.export.deserialize(bytearray(data))
    slots = run.space.num_nodes
    return {
        "format": FORMAT,
        "space": run.space.name,
        "num_nodes": slots,
        "ops": {name: number for number, name in enumerate(run.space.ops)},
        "predictor": run.predictor_name,
        "draws": run.draws,
        "target": run.target,
        "description": run.description,
        "units": "fraction",
        "inputs": {
            "ops": f"[b, {slots}] int32, a number of `ops` for each node",
            "adjacency": f"[b, {slots}, {slots}] bool, [i, j] is an edge i -> j, i < j",
            "mask": f"[b, {slots}] bool, true where a slot holds a node",
        },
        "output": "[b] float32, nan for a row that is not a graph",
        "platforms": list(program.platforms),
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "jax": jax.__version__,
        "calling_convention_version": program.calling_convention_version,
        "load": how_to_load(run, file).splitlines(),
        "example": _example(run),
    }


def how_to_load(run: runs.Run, file: str | Path) -> str:
    """Lines of Python that load what `save` wrote into a file."""
    name = json.dumps(str(file), ensure_ascii=False)
    return _LOAD.format(file=name, slots=run.space.num_nodes, target=run.target)


def _example(run: runs.Run) -> dict[str, Any]:
    """One architecture of the space; rows of the matrices as text, to be short."""
    (architecture,) = run.space.sample(jax.random.key(0), 1)
    graphs = run.space.to_graphs([architecture])
    text = run.space.format(architecture)
    (score,) = np.asarray(run.predict([text])).tolist()

    def row(values: np.ndarray) -> str:
        return " ".join(str(int(value)) for value in values)

    return {
        "architecture": text,
        "ops": row(np.asarray(graphs.ops[0])),
        "adjacency": [row(line) for line in np.asarray(graphs.adjacency[0])],
        "mask": row(np.asarray(graphs.mask[0])),
        "score": score,
    }


def save(
    run: runs.Run, path: str | Path, *, platforms: Sequence[str] = PLATFORMS
) -> dict[str, Any]:
    """Writes the bytes of `to_bytes`, and `describe` beside them in PATH.json.

    Both appear whole or not at all; the description last.

    Returns:
      The description.

    Raises:
      ValueError: as `to_bytes` does; OSError if the files cannot be written.
    """
    path = Path(path)
    data = to_bytes(run, platforms=platforms)
    about = describe(run, data, file=path.name)
    json.dumps(about, allow_nan=False)  # Before anything is written.
    with runs.replacing(path) as temporary:
        temporary.write_bytes(data)
    runs.write_json(path.with_name(path.name + ".json"), about)
    return about
