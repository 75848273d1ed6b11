"""Surrogates of Once-for-All: accuracies that a small network predicts, not measured ones.

Cai, Gan, Wang, Zhang and Han, "Once-for-All: Train One Network and Specialize it for
Efficient Deployment", ICLR 2020. The authors fitted these networks on ImageNet accuracies
of sub-networks of their two supernets; here they are oracles for search. Each file is an
npz of the layers W0 b0 .. W3 b3, widths 128, 400, 400, 400, 1, ReLU between, y = W h + b.

    surrogate = ofa_surrogates.read("ofa_mobilenetv3_surrogate", data_dir)
    graphs = surrogate.space.to_graphs(surrogate.space.sample(key, 1000))
    accuracies = jax.jit(surrogate.apply)(surrogate.params, graphs)  # [B]
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.benchmarks.surrogate import Params, Surrogate
from tnasp_jax.graphs import Graphs, check_shapes, is_valid
from tnasp_jax.names import unknown
from tnasp_jax.spaces import chain_network
from tnasp_jax.spaces.ofa import (
    EXPANSIONS,
    KERNELS,
    OfaMobileNetV3,
    OfaProxyless,
    OfaSpace,
)

FOLDER = "ofa_accuracy_predictors"
RESOLUTIONS = tuple(range(112, 240, 16))
"""Sides of images that the surrogates know; any other one gives NaN."""

NUM_STAGES, DEPTH = 5, 4
WIDTHS = (128, 400, 400, 400, 1)
FLOAT32 = jax.lax.Precision.HIGHEST


class _File(NamedTuple):
    name: str
    space: OfaSpace
    multiplier: float
    unit: float
    sentence: str


_FILES = {
    "ofa_mobilenetv3_surrogate": _File(
        "ofa_mbv3_w12.npz",
        OfaMobileNetV3(drawn_resolutions=RESOLUTIONS),
        1.2,
        1.0,
        "sub-networks of the OFA supernet in the form of MobileNetV3, width 1.2",
    ),
    "ofa_proxyless_surrogate": _File(
        "ofa_proxyless.npz",
        OfaProxyless(drawn_resolutions=RESOLUTIONS),
        1.3,
        0.01,
        "sub-networks of the OFA supernet in the form of ProxylessNAS, width 1.3, "
        "whatever their last layer",
    ),
}
NAMES = tuple(_FILES)


def read(name: str, data_dir: str | Path | None = None) -> Surrogate:
    """Reads a surrogate.

    Args:
      name: one of `NAMES`.
      data_dir: folder that holds ofa_accuracy_predictors/ with the file, or the file;
        None for the working directory.

    Raises:
      MissingData: if the file is not there.
      ValueError: for an unknown name, and if the file is damaged, in one line.
    """
    if name not in _FILES:
        raise ValueError(unknown("surrogate", name, NAMES))
    file = _FILES[name]
    path = table_lib.locate(data_dir, FOLDER, file.name)
    data = table_lib.read_file(
        path,
        f"make the file {file.name} from the authors' weights as docs/chains.md tells",
    )
    layers = range(len(WIDTHS) - 1)
    arrays = table_lib.read_npz(
        path, data, tuple(f"{kind}{layer}" for layer in layers for kind in "Wb")
    )
    params = {}
    for layer in layers:
        into, out = WIDTHS[layer], WIDTHS[layer + 1]
        for kind, shape in (("W", (out, into)), ("b", (out,))):
            array = arrays[f"{kind}{layer}"]
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(
                    f"{path}: {kind}{layer}: expected finite numbers of shape {shape}, "
                    f"got shape {array.shape}"
                )
            params[f"{kind.lower()}{layer}"] = jnp.asarray(array.T, jnp.float32)

    def apply(params: Params, graphs: Graphs) -> jax.Array:
        values, known = features(file.space, file.multiplier, graphs)
        outputs = _network(params, values) * file.unit
        return jnp.where(known, outputs, jnp.nan)

    return Surrogate(
        name=name,
        space=file.space,
        target="imagenet_top1_surrogate",
        params=params,
        apply=apply,
        describe="surrogate, not measured: ImageNet top-1 accuracy, fraction, as the "
        f"authors' network predicts it for {file.sentence}; OFA (Cai et al., ICLR 2020)",
        sha256=table_lib.sha256(data),
    )


def features(
    space: OfaSpace, multiplier: float, graphs: Graphs
) -> tuple[jax.Array, jax.Array]:
    """What the surrogates read of an architecture; jittable.

    Three numbers for the kernel of each of 20 places, three for its expansion, one for
    each resolution: 1 for the choice, 0 elsewhere, all 0 for a place where nothing
    stands. A sixth stage is not read.

    Args:
      space: of the graphs.
      multiplier: the width multiplier that is known.
      graphs: [B, N].

    Returns:
      [B, 128] float32, and [B] bool, whether the surrogate knows such architectures.
    """
    check_shapes(graphs, space.num_nodes)
    nodes = chain_network.nodes(space.vocabulary, graphs)
    is_read = (nodes.block >= 0) & (nodes.stage < NUM_STAGES)
    place = jnp.where(is_read, nodes.stage * DEPTH + nodes.place, -1)
    places = jax.nn.one_hot(place, NUM_STAGES * DEPTH)  # [B, N, 20]
    count = len(EXPANSIONS)
    index = jnp.sum(places * (nodes.block + 1)[:, :, None], axis=1).astype(int) - 1
    kernel = jnp.where(index >= 0, index // count, -1)
    expansion = jnp.where(index >= 0, index % count, -1)
    offset = nodes.resolution - RESOLUTIONS[0]
    resolution = jnp.where(offset % 16 == 0, offset // 16, -1)
    parts = [
        jax.nn.one_hot(kernel, len(KERNELS)),
        jax.nn.one_hot(expansion, count),
        jax.nn.one_hot(resolution, len(RESOLUTIONS)),
    ]
    batch = place.shape[0]
    known = (
        is_valid(graphs, len(space.ops))
        & (resolution >= 0)
        & (resolution < len(RESOLUTIONS))
        & (nodes.multiplier == space.multipliers.index(multiplier))
    )
    return jnp.concatenate([part.reshape(batch, -1) for part in parts], axis=1), known


def _network(params: Params, values: jax.Array) -> jax.Array:
    """[B] of features [B, 128]."""
    for layer in range(len(WIDTHS) - 1):
        values = jnp.matmul(values, params[f"w{layer}"], precision=FLOAT32)
        values += params[f"b{layer}"][None]
        if layer < len(WIDTHS) - 2:
            values = jax.nn.relu(values)
    return values[:, 0]
