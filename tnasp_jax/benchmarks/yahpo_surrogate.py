"""A surrogate of NAS-Bench-301: accuracies that a small network predicts, none measured.

Pfisterer, Schneider, Moosbauer, Binder and Bischl, "YAHPO Gym", AutoML 2022, fitted it on
the trainings of Zela et al., "Surrogate NAS Benchmarks" (NAS-Bench-301), ICLR 2022. It
reads a DARTS genotype and a number of epochs. An operation or pair of inputs is a vector
of its own in each of 34 places; a linear map, a network of two and one of four hidden
layers read them all, and a sigmoid of their sum is the accuracy. Letters: B architectures.

    surrogate = yahpo_surrogate.read(data_dir)
    graphs = surrogate.space.to_graphs(surrogate.space.sample(key, 1000))
    accuracies = jax.jit(surrogate.apply)(surrogate.params, graphs)  # [B]
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.benchmarks import messages
from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.benchmarks.messages import Field
from tnasp_jax.benchmarks.surrogate import Params, Surrogate
from tnasp_jax.graphs import Graphs, check_shapes, is_valid
from tnasp_jax.spaces.darts import DARTS, edges_of
from tnasp_jax.spaces.darts_genotypes import (
    NUM_EDGES,
    NUM_INPUTS,
    NUM_NODES,
    OPERATIONS,
)

NAME = "nb301yahpo_surrogate"
FOLDER, FILE = "nasbench301_surrogate", "yahpo_nb301_model.onnx"
EPOCHS = 98
"""Of the trainings whose accuracy is asked, the most that the surrogate knows."""

OPERATION_CODES = tuple(1 + sorted(OPERATIONS).index(op) for op in OPERATIONS)
"""Of each operation; 0 stands for an edge that is not there."""

CHOOSING = range(NUM_INPUTS + 1, NUM_INPUTS + NUM_NODES)
"""Nodes that read two of several; the first node has no choice."""

NUM_EDGES_POSSIBLE = sum(range(NUM_INPUTS, NUM_INPUTS + NUM_NODES))  # In a cell.
EPOCHS_UNIT = 52.0  # The network reads epochs divided by this.
ACCURACY = 0  # Of its two outputs; the other is a running time.
FLOAT32 = jax.lax.Precision.HIGHEST

_MESSAGES = {
    "Tensor": {
        "dims": Field(1, "int64", repeated=True),
        "data_type": Field(2, "int32"),
        "name": Field(8, "string"),
        "raw_data": Field(9, "bytes"),
    },
    "Graph": {"initializer": Field(5, "Tensor", repeated=True)},
    "Model": {"graph": Field(7, "Graph")},
}
"""What of an ONNX file holds the weights."""

_FLOAT = 1  # The data type of ONNX that is float32.
_BRANCHES = {
    "wide": ("wide.0",),
    "deep": ("deep.0.1", "deep.1.1", "deep.2.0"),
    "deeper": ("deeper.0.1", "deeper.1.1", "deeper.2.1", "deeper.3.1", "deeper.4.0"),
}
"""Branch -> names of its layers in the file."""


def read(data_dir: str | Path | None = None) -> Surrogate:
    """Reads the surrogate.

    Args:
      data_dir: folder that holds nasbench301_surrogate/ with the file, or the file; None
        for the working directory.

    Raises:
      MissingData: if the file is not there.
      ValueError: if it is damaged, in one line; without the package `protobuf`.
    """
    path = table_lib.locate(data_dir, FOLDER, FILE)
    data = table_lib.read_file(
        path,
        "fetch nb301/new_model.onnx of "
        f"github.com/slds-lmu/yahpo_data and call it {FILE}",
    )
    return Surrogate(
        name=NAME,
        space=DARTS,
        target="yahpo_val_surrogate",
        params=_params(path, _arrays(path, data)),
        apply=_apply,
        describe="surrogate, not measured: CIFAR-10 validation accuracy after "
        f"{EPOCHS} epochs, fraction, as a neural network predicts it; YAHPO Gym "
        "(Pfisterer et al., AutoML 2022), fitted on NAS-Bench-301",
        sha256=table_lib.sha256(data),
    )


def codes(graphs: Graphs) -> tuple[jax.Array, jax.Array]:
    """What the surrogate reads of genotypes; jittable.

    Of each cell the operation of each possible edge, 0 where none is, edges ordered by
    node and then by input; then, of each node with a choice, which pair of inputs it
    has, counted from 1 in lexicographic order.

    Args:
      graphs: [B, 30] of the space DARTS.

    Returns:
      [B, 34] int32: 14 edges of the normal cell, 14 of the reduction cell, 3 and 3
      pairs; and [B] bool, whether the surrogate knows the genotype, one without `none`.
    """
    check_shapes(graphs, DARTS.num_nodes)
    ops, sources = edges_of(graphs)
    known = is_valid(graphs, len(DARTS.ops)) & jnp.all(ops >= 0, axis=(1, 2))
    values = jnp.asarray(OPERATION_CODES)[jnp.clip(ops, 0, len(OPERATIONS) - 1)]
    nodes = NUM_INPUTS + np.arange(NUM_EDGES) // 2
    offsets = nodes * (nodes - 1) // 2 - 1  # Possible edges of the nodes before.
    places = jax.nn.one_hot(
        sources + offsets[None, None], NUM_EDGES_POSSIBLE, dtype=jnp.int32
    )
    edges = jnp.sum(values[..., None] * places, axis=2)  # [B, 2, 14]
    pairs = []
    for node in CHOOSING:
        low, high = (sources[..., 2 * (node - NUM_INPUTS) + k] for k in range(2))
        pairs.append(1 + low * (2 * node - low - 1) // 2 + high - low - 1)
    batch = ops.shape[0]
    both = [edges.reshape(batch, -1), jnp.stack(pairs, axis=2).reshape(batch, -1)]
    return jnp.concatenate(both, axis=1).astype(jnp.int32), known


def _apply(params: Params, graphs: Graphs) -> jax.Array:
    found, known = codes(graphs)
    tables = [params[f"embedding.{place}"] for place in range(found.shape[1])]
    vectors = [table[found[:, place]] for place, table in enumerate(tables)]
    epochs = jnp.full((found.shape[0], 1), EPOCHS / EPOCHS_UNIT, jnp.float32)
    inputs = jnp.concatenate([*vectors, epochs], axis=1)
    total = jnp.zeros(found.shape[0], jnp.float32)
    for layers in _BRANCHES.values():
        values = inputs
        for layer in layers:
            values = jnp.matmul(values, params[f"{layer}.weight"], precision=FLOAT32)
            values += params[f"{layer}.bias"][None]
            if layer != layers[-1]:
                values = jax.nn.selu(values)
        total += values[:, ACCURACY]
    return jnp.where(known, jax.nn.sigmoid(total), jnp.nan)


def _arrays(path: Path, data: bytes) -> dict[str, np.ndarray]:
    """Every float32 array of an ONNX file, by name."""
    parse = messages.message_class(
        "Model", _MESSAGES, f"the surrogate {NAME}"
    ).FromString
    try:
        tensors = parse(data).graph.initializer
        return {
            tensor.name: np.frombuffer(tensor.raw_data, "<f4").reshape(tensor.dims)
            for tensor in tensors
            if tensor.data_type == _FLOAT
        }
    except (messages.decode_error(), ValueError):
        raise ValueError(f"{path}: damaged or no ONNX file; fetch it again") from None


def _params(path: Path, arrays: dict[str, np.ndarray]) -> Params:
    """The weights under our names, matrices as [in, out]."""
    count = 2 * (NUM_EDGES_POSSIBLE + len(CHOOSING))
    wanted = {f"embedding.{n}": f"embds_fct.{n}.weight" for n in range(count)}
    for layer in sum(_BRANCHES.values(), ()):
        wanted |= {f"{layer}.{kind}": f"{layer}.{kind}" for kind in ("weight", "bias")}
    missing = [there for there in wanted.values() if there not in arrays]
    if missing:
        raise ValueError(
            f"{path}: the array {missing[0]} is missing; expected the surrogate of "
            "NAS-Bench-301 with wide, deep and deeper layers"
        )
    return {
        ours: jnp.asarray(arrays[there].T if ours.endswith("weight") else arrays[there])
        for ours, there in wanted.items()
    }
