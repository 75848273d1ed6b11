"""TNASP on the edges of NAS-Bench-201 cells, the published form for that space.

The six tokens are the edges, `none` included; the position term is the Laplacian of the
four nodes, mapped to six rows by a learned matrix, so that a row has no fixed link to a
token (PINAT, AAAI 2023, the public code of TNASP's group). Operations as nodes, which
`tnasp` reads, rank better. Axis letters: B architectures, E = 6 edges, V = 4 nodes, D
model width.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.graphs import Graphs, check_shapes, is_valid
from tnasp_jax.predictors.base import Predictor
from tnasp_jax.predictors.layers import FLOAT32, dense, embed, mode
from tnasp_jax.predictors.tnasp import TnaspConfig, TransformerRegressor
from tnasp_jax.spaces.nasbench201 import EDGE_OPS, EDGES, NASBENCH201

_NODES = 4
# [E, V, V]: the one entry of each edge in the adjacency of the four nodes.
_PLACES = np.zeros((len(EDGES), _NODES, _NODES), np.float32)
for _edge, (_source, _target) in enumerate(EDGES):
    _PLACES[_edge, _source, _target] = 1


def tnasp_edges(config: TnaspConfig = TnaspConfig()) -> Predictor:
    """The TNASP predictor whose tokens are the six edges of a NAS-Bench-201 cell.

    It reads the `Graphs` of that space: slot 0 is the input, slots 1 .. 6 are the edges
    in the order of `nasbench201.EDGES`, slot 7 is the output. A slot has a meaning, so
    graphs with relabelled slots are other cells to it.

    Args:
      config: sizes and the position term; `masked` says nothing here, since all six
        tokens take part.

    Returns:
      A `Predictor`; `apply` raises ValueError at trace time for graphs without 8 slots,
      and a row with a live edge that has no edge operation scores NaN.
    """
    network = _TnaspEdges(config)

    def init(key: jax.Array, graphs: Graphs):
        check_shapes(graphs, NASBENCH201.num_nodes)
        return network.init(key, graphs)["params"]

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        check_shapes(graphs, NASBENCH201.num_nodes)
        scores = network.apply({"params": params}, graphs, **mode(dropout_key))
        ops_BE, live_BE = _edges(graphs)
        on_edges = (ops_BE > 0) & (ops_BE < len(EDGE_OPS))
        valid = is_valid(graphs, len(NASBENCH201.ops))
        valid = valid & jnp.all(on_edges | ~live_BE, axis=1)
        return jnp.where(valid, jnp.asarray(scores), jnp.nan)

    return Predictor(init, apply)


def node_laplacian(graphs: Graphs) -> jax.Array:
    """Directed Laplacian D - A of the four nodes of NAS-Bench-201 cells.

    Returns:
      [B, V, V] float32; A[i, j] = 1 where the edge i -> j is live.
    """
    _, live_BE = _edges(graphs)
    adjacency = jnp.einsum(
        "be,eij->bij", live_BE.astype(jnp.float32), _PLACES, precision=FLOAT32
    )
    degrees = jnp.sum(adjacency, axis=2)
    return degrees[:, :, None] * jnp.eye(_NODES)[None] - adjacency


def _edges(graphs: Graphs) -> tuple[jax.Array, jax.Array]:
    """Operation and liveness of the six edges, each [B, E]."""
    return jnp.asarray(graphs.ops)[:, 1:-1], jnp.asarray(graphs.mask)[:, 1:-1]


class _TnaspEdges(nn.Module):
    config: TnaspConfig

    @nn.compact
    def __call__(self, graphs: Graphs, train: bool = False) -> jax.Array:
        cfg = self.config
        ops_BE, live_BE = _edges(graphs)
        # A node's operations count like EDGE_OPS, with the input in the place of none.
        ops_BE = jnp.where(live_BE, jnp.clip(ops_BE, 0, len(EDGE_OPS) - 1), 0)
        tokens_BED = embed(len(EDGE_OPS), cfg.width, "operation")(ops_BE)
        if cfg.position == "laplacian":
            to_edges_EV = self.param(
                "to_edges",
                nn.initializers.variance_scaling(
                    1 / 3, "fan_in", "uniform", in_axis=1, out_axis=0
                ),
                (len(EDGES), _NODES),
            )
            rows_BEV = jnp.einsum(
                "ev,bvw->bew", to_edges_EV, node_laplacian(graphs), precision=FLOAT32
            )
            tokens_BED += dense(cfg.width, "position")(rows_BEV)
        everyone_BE = jnp.ones_like(live_BE)
        return TransformerRegressor(cfg, name="encoder")(tokens_BED, everyone_BE, train)
