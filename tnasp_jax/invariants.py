"""Numbers of a graph that do not depend on the order of its nodes.

What a Gaussian process, trees, and a network's readout know of an architecture beside
its graph: counts, paths from input to output, a random walk back from the output, a
signal sent through. All are pure functions of `Graphs`, jittable, exact under
relabelling. Axis letters: B architectures, N node slots, P operations, F features.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.graphs import Graphs, live_adjacency
from tnasp_jax.spaces.base import CostedSpace

FLOAT32 = jax.lax.Precision.HIGHEST
_GAINS = (0.5, 2.0)
# A graph of 100 nodes has more paths than float32 can count; beyond this all are as many.
_MOST_WAYS, _MOST_PARALLEL = 1e18, 1e15


# Jitted by itself: it is long, and many programs contain it, some of them thrice.
@functools.partial(jax.jit, static_argnames="space")
def invariants(graphs: Graphs, space: CostedSpace) -> jax.Array:
    """All kinds of invariants side by side.

    Args:
      graphs: [B, N] of the space, slots in topological order, the input the only live
        node without predecessors and the output the only one without successors.
      space: tells its operations, which of them pass their input on unchanged, and
        what every node costs.

    Returns:
      [B, F] float32, finite for valid rows; F depends on the space alone.
    """
    return jnp.concatenate(_by_kind(graphs, space), axis=1)


def kinds(space: CostedSpace) -> np.ndarray:
    """Which kind each invariant is of, such as the counts of operations along a walk.

    Returns:
      [F] int32, ascending from 0, in the order of `invariants`.
    """
    slots = space.num_nodes
    one = Graphs(
        ops=np.zeros((1, slots), np.int32),
        adjacency=np.zeros((1, slots, slots), bool),
        mask=np.ones((1, slots), bool),
    )
    found = jax.eval_shape(lambda graphs: _by_kind(graphs, space), one)
    sizes = [kind.shape[1] for kind in found]
    return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)


def rounded(features: jax.Array) -> jax.Array:
    """Invariants on a grid of 1/1024, so that no threshold lies in a rounding error.

    The steps stand off fractions with small denominators, which invariants often are.
    """
    return jnp.floor(features * 1024 + 0.3) / 1024


def standard_of(raw: jax.Array, live: jax.Array | None = None) -> dict[str, jax.Array]:
    """Mean and scale, [F] each, of the training cells' invariants [n, F].

    Args:
      raw: [n, F].
      live: [n] bool, rows that count; None for all.

    Returns:
      "mean" and "scale", one over the standard deviation; a scale of 0 for what no
      training cell varies.
    """
    counted = None if live is None else live[:, None]
    spread = jnp.std(raw, axis=0, where=counted)
    # What no training cell varies says nothing of the labels.
    scale = jnp.where(spread > 1e-4, 1 / jnp.maximum(spread, 1e-4), 0.0)
    return {"mean": jnp.mean(raw, axis=0, where=counted), "scale": scale}


def standardised(
    standard: dict[str, jax.Array], raw: jax.Array, limit: float
) -> jax.Array:
    """Invariants [B, F] in standard deviations, cut at the limit.

    Args:
      standard: of `standard_of`.
      raw: [B, F].
      limit: in standard deviations.
    """
    scaled = (raw - standard["mean"][None]) * standard["scale"][None]
    return jnp.clip(scaled, -limit, limit)


def _by_kind(graphs: Graphs, space: CostedSpace) -> list[jax.Array]:
    nodes = _Nodes(graphs, space)
    return [
        *_costs(graphs, nodes, space),
        *_counts(nodes),
        *_paths(nodes),
        *_walk(nodes, nodes.share),
        *_walk(nodes, _signal_share(nodes)),
        *_depths(nodes),
        _signals(nodes),
    ]


class _Nodes:
    """What the groups share: edges, operations, ends, degrees.

    Operations that pass their input on are merged into edges, which then count how
    many ways lead along them.
    """

    def __init__(self, graphs: Graphs, space: CostedSpace):
        num_ops = len(space.ops)
        mask = jnp.asarray(graphs.mask)
        ops = jnp.clip(jnp.asarray(graphs.ops), 0, num_ops - 1)
        identity = jnp.array([op in space.identity_ops for op in space.ops])[ops]
        edges = live_adjacency(graphs).astype(jnp.float32)
        if space.identity_ops:
            edges = _merged(edges, identity.astype(jnp.float32))
        live = mask & ~identity
        self.edges = edges * live[:, :, None] * live[:, None]  # [B, N, N]
        self.live = live.astype(jnp.float32)  # [B, N]
        self.ops = jax.nn.one_hot(ops, num_ops) * self.live[:, :, None]  # [B, N, P]
        self.slots = mask.shape[1]
        self.in_degree = jnp.sum(self.edges, axis=1)
        self.out_degree = jnp.sum(self.edges, axis=2)
        self.source = self.live * (self.in_degree == 0)
        self.sink = self.live * (self.out_degree == 0)
        # [B, N, N]: the share of each predecessor in a node, column by column.
        self.share = self.edges / jnp.maximum(self.in_degree, 1.0)[:, None, :]
        _, parameters = space.node_costs(graphs)
        self.learns = self.live * (jnp.sum(parameters, axis=1) > 0)  # [B, N]

    @property
    def own(self) -> jax.Array:
        """[B, N, P + 2]: what a node adds to a path's counts: its operation, itself,
        itself if it has parameters."""
        more = jnp.stack([self.live, self.learns], axis=2)
        return jnp.concatenate([self.ops, more], axis=2)

    def forward(self, step, start: jax.Array) -> jax.Array:
        """Fills start [B, N, ...] slot by slot: `step(values, slot) -> [B, ...]`."""

        def body(slot, values):
            return values.at[:, slot].set(step(values, slot))

        return jax.lax.fori_loop(0, self.slots, body, start)

    def backward(self, step, start: jax.Array) -> jax.Array:
        """The same from the last slot to the first."""
        return jax.lax.fori_loop(
            0,
            self.slots,
            lambda at, values: values.at[:, self.slots - 1 - at].set(
                step(values, self.slots - 1 - at)
            ),
            start,
        )

    def of_op(self, per_node: jax.Array) -> jax.Array:
        """Sums of a number per node [B, N] over the nodes of each operation: [B, P]."""
        return jnp.einsum("bn,bnp->bp", per_node, self.ops, precision=FLOAT32)

    def at_sink(self, values: jax.Array) -> jax.Array:
        """[B, ...] at the output node."""
        return jnp.einsum("bn,bn...->b...", self.sink, values, precision=FLOAT32)


def _merged(edges: jax.Array, identity: jax.Array) -> jax.Array:
    """Edges [B, N, N] with the ways through identities [B, N] added to them."""

    def through(slot, edges):
        ways = edges[:, :, slot, None] * edges[:, None, slot]
        edges += ways * identity[:, slot, None, None]
        return jnp.minimum(edges, _MOST_PARALLEL)

    return jax.lax.fori_loop(0, edges.shape[1], through, edges)


def _mean_before(share: jax.Array, values: jax.Array, slot: int) -> jax.Array:
    """Mean over a slot's predecessors of values [B, N, ...]."""
    return jnp.einsum("bn,bn...->b...", share[:, :, slot], values, precision=FLOAT32)


def _counts(nodes: _Nodes) -> list[jax.Array]:
    """Nodes, edges, operations, pairs of neighbours, degrees, both ends."""
    pairs = jnp.einsum(
        "bnp,bnm,bmq->bpq", nodes.ops, nodes.edges, nodes.ops, precision=FLOAT32
    )
    size = jnp.sum(nodes.live, axis=1)
    edges = jnp.sum(nodes.edges, axis=(1, 2))
    degrees = [
        jnp.max(nodes.in_degree, axis=1),
        jnp.max(nodes.out_degree, axis=1),
        jnp.sum(nodes.source * nodes.out_degree, axis=1),
        jnp.sum(nodes.sink * nodes.in_degree, axis=1),
        edges / jnp.maximum(size, 1.0),
    ]
    after_source = jnp.einsum(
        "bn,bnm->bm", nodes.source, nodes.edges, precision=FLOAT32
    )
    before_sink = jnp.einsum("bnm,bm->bn", nodes.edges, nodes.sink, precision=FLOAT32)
    return [
        jnp.stack([size, edges, *degrees], axis=1),
        jnp.sum(nodes.ops, axis=1),
        pairs.reshape(pairs.shape[0], -1),
        nodes.of_op(after_source),
        nodes.of_op(before_sink),
    ]


def _costs(graphs: Graphs, nodes: _Nodes, space: CostedSpace) -> list[jax.Array]:
    """Logs of operations and parameters, of all nodes and of each operation's."""
    found = []
    for cost in space.node_costs(graphs):
        per_node = jnp.sum(cost, axis=1) * nodes.live
        total = jnp.sum(per_node, axis=1, keepdims=True)
        both = jnp.concatenate([total, nodes.of_op(per_node)], axis=1)
        found.append(jnp.log1p(both))
    return [*found, jnp.sum(nodes.learns, axis=1, keepdims=True)]


def _paths(nodes: _Nodes) -> list[jax.Array]:
    """Over all paths from input to output: how many, how long, which operations."""

    def before(values, slot):
        ways = jnp.einsum(
            "bn,bn->b", nodes.edges[:, :, slot], values, precision=FLOAT32
        )
        return jnp.minimum(nodes.source[:, slot] + ways, _MOST_WAYS)

    def after(values, slot):
        ways = jnp.einsum("bn,bn->b", nodes.edges[:, slot], values, precision=FLOAT32)
        return jnp.minimum(nodes.sink[:, slot] + ways, _MOST_WAYS)

    nothing = jnp.zeros_like(nodes.live)
    ahead, behind = nodes.forward(before, nothing), nodes.backward(after, nothing)
    through = ahead * behind
    total = jnp.maximum(jnp.sum(nodes.source * behind, axis=1), 1.0)[:, None]
    # By every path; sums of many are rounded.
    crossed = nodes.live * (through >= total - jnp.maximum(0.5, 1e-6 * total))
    longest, shortest = _extreme(nodes, jnp.max, -1e6), _extreme(nodes, jnp.min, 1e6)
    return [
        jnp.log(total),
        nodes.of_op(jnp.minimum(through / total, 1.0)),
        nodes.of_op(crossed),
        nodes.at_sink(longest),
        nodes.at_sink(shortest),
    ]


def _extreme(nodes: _Nodes, choose, empty: float) -> jax.Array:
    """Largest or smallest number of each kind of node on a path to each node."""
    own = nodes.own

    def step(values, slot):
        open_ = nodes.edges[:, :, slot, None] > 0
        before = choose(jnp.where(open_, values, empty), axis=1)
        before = jnp.where(nodes.in_degree[:, slot, None] > 0, before, 0.0)
        return own[:, slot] + before

    return nodes.forward(step, jnp.zeros_like(own))


def _signal_share(nodes: _Nodes) -> jax.Array:
    """[B, N, N]: the share of each predecessor in what a node adds up, when a node with
    parameters sends one unit, as after batch normalisation, and others what they got."""

    def step(values, slot):
        got = jnp.einsum("bn,bn->b", nodes.edges[:, :, slot], values, precision=FLOAT32)
        sent = jnp.where(nodes.learns[:, slot] > 0, 1.0, jnp.minimum(got, _MOST_WAYS))
        return jnp.where(nodes.source[:, slot] > 0, 1.0, sent)

    sent = nodes.forward(step, jnp.zeros_like(nodes.live))
    weights = nodes.edges * sent[:, :, None]
    return weights / jnp.maximum(jnp.sum(weights, axis=1, keepdims=True), 1e-6)


def _walk(nodes: _Nodes, share: jax.Array) -> list[jax.Array]:
    """A walk back from the output, each predecessor as likely as its share [B, N, N]:
    which nodes carry the signal."""

    def arrive(values, slot):
        onward = jnp.einsum("bn,bn->b", share[:, slot], values, precision=FLOAT32)
        return nodes.sink[:, slot] + onward

    mass = nodes.backward(arrive, jnp.zeros_like(nodes.live))
    own, num_ops = nodes.own, nodes.ops.shape[2]
    size = own.shape[2]

    def moments(values, slot):
        """Mean count, mean square count, and ordered pairs, behind one another."""
        before = _mean_before(share, values, slot)
        first, second, pairs = jnp.split(before, [size, 2 * size], axis=1)
        here = own[:, slot]
        ordered = here[:, :num_ops, None] * first[:, None, :num_ops]
        return jnp.concatenate(
            [
                here + first,
                here + 2 * here * first + second,
                pairs + ordered.reshape(pairs.shape),
            ],
            axis=1,
        )

    start = jnp.zeros((*nodes.live.shape, 2 * size + num_ops**2))
    at_sink = nodes.at_sink(nodes.forward(moments, start))
    first, second, ordered = jnp.split(at_sink, [size, 2 * size], axis=1)
    adjacent = jnp.einsum(
        "bm,bmp,bnm,bnq->bpq", mass, nodes.ops, share, nodes.ops, precision=FLOAT32
    )
    part = mass / jnp.maximum(jnp.sum(mass, axis=1, keepdims=True), 1.0)
    entropy = -jnp.sum(part * jnp.log(jnp.maximum(part, 1e-12)), axis=1)
    return [
        first,
        jnp.sqrt(jnp.maximum(second - first**2, 0.0)),
        entropy[:, None],
        nodes.of_op(mass**2),
        adjacent.reshape(mass.shape[0], -1),
        ordered,
    ]


def _depths(nodes: _Nodes) -> list[jax.Array]:
    """How far from input and output the nodes of each operation stand, on average."""

    def before(values, slot):
        return jnp.max((nodes.edges[:, :, slot] > 0) * (values + 1), axis=1)

    def after(values, slot):
        return jnp.max((nodes.edges[:, slot] > 0) * (values + 1), axis=1)

    nothing = jnp.zeros_like(nodes.live)
    number = jnp.maximum(jnp.sum(nodes.ops, axis=1), 1.0)
    return [
        nodes.of_op(nodes.forward(before, nothing)) / number,
        nodes.of_op(nodes.backward(after, nothing)) / number,
    ]


def _signals(nodes: _Nodes) -> jax.Array:
    """Log of a unit signal at the output where nodes add up what comes in and one
    operation changes it by a gain, and the same where they average."""
    num_ops = nodes.ops.shape[2]
    found = []
    for gain in _GAINS:
        # [B, N, P]: the gain of each node when operation p has one.
        gains = 1.0 + (gain - 1.0) * nodes.ops
        for weight in (nodes.edges, nodes.share):

            def step(values, slot, weight=weight, gains=gains):
                before = _mean_before(weight, values, slot)
                sent = gains[:, slot] * (nodes.source[:, slot, None] + before)
                return jnp.minimum(sent, _MOST_WAYS)

            start = jnp.zeros((*nodes.live.shape, num_ops))
            out = nodes.at_sink(nodes.forward(step, start))
            found.append(jnp.log(jnp.maximum(out, 1e-6)))
    return jnp.concatenate(found, axis=1)
