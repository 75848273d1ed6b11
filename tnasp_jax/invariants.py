"""Numbers of a graph that do not depend on the order of its nodes.

What a Gaussian process, trees, and a network's readout know of an architecture beside
its graph: counts, paths from input to output, a random walk back from the output, a
signal sent through. All are pure functions of `Graphs`, jittable, exact under
relabelling. Axis letters: B architectures, N node slots, P operations, F features.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.graphs import Graphs, live_adjacency
from tnasp_jax.spaces.base import CostedSpace

FLOAT32 = jax.lax.Precision.HIGHEST
_GAINS = (0.5, 2.0)
_SLOT = 2  # The axis of node slots in what goes from slot to slot.
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
    batch = graphs.ops.shape[0]
    rows = [jnp.concatenate(group, axis=2) for group in _groups(graphs, space)]
    return jnp.concatenate([row.reshape(batch, -1) for row in rows], axis=1)


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
    groups = jax.eval_shape(lambda graphs: _groups(graphs, space), one)
    rows = [row for group in groups for row in [group] * group[0].shape[1]]
    sizes = [kind.shape[2] for row in rows for kind in row]
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


def _groups(graphs: Graphs, space: CostedSpace) -> list[list[jax.Array]]:
    """All invariants: those of a group, [B, R, ...] each, stand side by side in rows.

    Cut into rows only where they are joined, since each cut is compiled by itself.
    """
    nodes = _Nodes(graphs, space)
    sent, longest = _together(_sent(nodes), _longest(nodes))
    shares = jnp.stack([nodes.share, _signal_share(nodes, sent[:, 0, :, -1])], axis=1)
    counted, behind = _together(_moments(nodes, shares), _behind(nodes, shares))
    return [
        *_costs(nodes),
        *_counts(nodes),
        *_paths(nodes, sent[:, 0, :, -2], behind[:, 0], longest),
        _walks(nodes, shares, counted, behind[:, 1:3]),
        _depths(nodes, longest, behind[:, 3]),
        _signals(nodes, sent),
    ]


class _Nodes:
    """What the groups share: edges, operations, ends, degrees, costs.

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
        self.in_degree = jnp.sum(self.edges, axis=1)
        self.out_degree = jnp.sum(self.edges, axis=2)
        self.source = self.live * (self.in_degree == 0)
        self.sink = self.live * (self.out_degree == 0)
        # [B, N, N]: the share of each predecessor in a node, column by column.
        self.share = self.edges / jnp.maximum(self.in_degree, 1.0)[:, None, :]
        flops_parameters = jnp.stack(space.node_costs(graphs), axis=1)
        self.costs = jnp.sum(flops_parameters, axis=2) * self.live[:, None]  # [B, 2, N]
        self.learns = self.live * (self.costs[:, 1] > 0)  # [B, N]
        # [B, N, P + 2]: what a node adds to a path's counts: its operation, itself,
        # itself if it has parameters.
        more = jnp.stack([self.live, self.learns], axis=2)
        self.own = jnp.concatenate([self.ops, more], axis=2)

    def of_op(self, per_node: jax.Array) -> jax.Array:
        """Sums of numbers per node [B, K, N] over each operation's: [B, K, P]."""
        return jnp.einsum("bkn,bnp->bkp", per_node, self.ops, precision=FLOAT32)

    def at_sink(self, values: jax.Array) -> jax.Array:
        """[B, W, C] at the output node, of [B, W, N, C]."""
        return jnp.einsum("bn,bwnc->bwc", self.sink, values, precision=FLOAT32)


def _merged(edges: jax.Array, identity: jax.Array) -> jax.Array:
    """Edges [B, N, N] with the ways through identities [B, N] added to them."""

    def through(slot, edges):
        ways = edges[:, :, slot, None] * edges[:, None, slot]
        edges += ways * identity[:, slot, None, None]
        return jnp.minimum(edges, _MOST_PARALLEL)

    return jax.lax.fori_loop(0, edges.shape[1], through, edges)


def _together(*recursions: tuple[jax.Array, Callable]) -> list[jax.Array]:
    """Recursions from slot to slot, in one loop since each loop is compiled by itself.

    Args:
      recursions: what they start from, [B, W, N, ...], and a function of this and
        the number of a step, 0 to N - 1, that fills a slot in.
    """
    starts, steps = zip(*recursions, strict=True)

    def body(at, values):
        return [step(each, at) for step, each in zip(steps, values, strict=True)]

    return jax.lax.fori_loop(0, starts[0].shape[_SLOT], body, list(starts))


def _sent(nodes: _Nodes) -> tuple[jax.Array, Callable]:
    """What each node sends on, where it adds up what comes in and where it averages.

    Becomes [B, 2, N, G * P + 2], added up and averaged: a unit signal that nodes of one
    operation change by a gain, for each gain and operation; one that nothing changes,
    so that the sum counts ways from the input; one that is a unit again after each
    node with parameters, as after batch normalisation.
    """
    weights = jnp.stack([nodes.edges, nodes.share], axis=1)
    unit = jnp.maximum(nodes.source, nodes.learns)
    gains = [1.0 + (gain - 1.0) * nodes.ops for gain in _GAINS]
    gain = jnp.concatenate(
        [*gains, nodes.live[:, :, None], 1.0 - unit[:, :, None]], axis=2
    )
    source = nodes.source[:, :, None]
    start = jnp.concatenate([gain[:, :, :-1] * source, unit[:, :, None]], axis=2)

    def step(values, slot):
        before = gain[:, None, slot] * _before(weights, values, slot)
        sent = jnp.minimum(values[:, :, slot] + before, _MOST_WAYS)
        return _filled(values, slot, sent)

    return jnp.stack([start, start], axis=1), step


def _signal_share(nodes: _Nodes, sent: jax.Array) -> jax.Array:
    """[B, N, N]: the share of each predecessor, which sent [B, N], in what a node
    adds up."""
    weights = nodes.edges * sent[:, :, None]
    return weights / jnp.maximum(jnp.sum(weights, axis=1, keepdims=True), 1e-6)


def _behind(nodes: _Nodes, shares: jax.Array) -> tuple[jax.Array, Callable]:
    """What each node has between itself and the output.

    Becomes [B, 4, N]: ways to the output, how often each walk of the shares
    [B, 2, N, N] back from it comes by, the number of edges on the longest way.
    """
    weights = jnp.concatenate([nodes.edges[:, None], shares], axis=1)
    start = nodes.sink[:, None] * jnp.array([1.0, 1.0, 1.0, 0.0])[None, :, None]

    def step(values, at):
        slot = values.shape[_SLOT] - 1 - at
        onward = jnp.sum(weights[:, :, slot] * values[:, :3], axis=2)
        sums = jnp.minimum(values[:, :3, slot] + onward, _MOST_WAYS)
        deeper = jnp.max((nodes.edges[:, slot] > 0) * (values[:, 3] + 1), axis=1)
        return _filled(values, slot, jnp.concatenate([sums, deeper[:, None]], axis=1))

    return start, step


def _longest(nodes: _Nodes) -> tuple[jax.Array, Callable]:
    """Becomes [B, 1, N, 2 * (P + 2)]: the largest number of each kind of node on a path
    to each node, then the smallest with its sign turned."""
    own = jnp.concatenate([nodes.own, -nodes.own], axis=2)[:, None]

    def step(values, slot):
        open_ = nodes.edges[:, None, :, slot, None] > 0
        before = jnp.max(jnp.where(open_, values, -1e6), axis=2)
        before = jnp.where(nodes.in_degree[:, None, slot, None] > 0, before, 0.0)
        return _filled(values, slot, values[:, :, slot] + before)

    return own, step


def _moments(nodes: _Nodes, shares: jax.Array) -> tuple[jax.Array, Callable]:
    """Becomes [B, 2, N, 2 * (P + 2)]: for each walk of the shares [B, 2, N, N] back from
    each node, the mean number of each kind of node, then the mean square."""
    own = jnp.stack([nodes.own, nodes.own], axis=1)

    def step(values, slot):
        before, here = _before(shares, values, slot), nodes.own[:, None, slot]
        first, second = jnp.split(before, 2, axis=2)
        found = [here + first, here + 2 * here * first + second]
        return _filled(values, slot, jnp.concatenate(found, axis=2))

    return jnp.concatenate([own, own], axis=3), step


def _before(weights: jax.Array, values: jax.Array, slot: jax.Array) -> jax.Array:
    """[B, W, C]: values [B, W, N, C] added up over a slot's predecessors by weights
    [B, W, N, N]."""
    return jnp.einsum(
        "bwn,bwnc->bwc", weights[:, :, :, slot], values, precision=FLOAT32
    )


def _filled(values: jax.Array, slot: jax.Array, found: jax.Array) -> jax.Array:
    """Values with what was found in a slot."""
    return jax.lax.dynamic_update_index_in_dim(values, found, slot, _SLOT)


def _counts(nodes: _Nodes) -> list[list[jax.Array]]:
    """Nodes, edges, operations, pairs of neighbours, degrees, both ends."""
    pairs = jnp.einsum(
        "bnp,bnm,bmq->bpq", nodes.ops, nodes.edges, nodes.ops, precision=FLOAT32
    )
    degrees = jnp.stack([nodes.in_degree, nodes.out_degree], axis=1)
    after_source = jnp.sum(nodes.source[:, :, None] * nodes.edges, axis=1)
    before_sink = jnp.sum(nodes.edges * nodes.sink[:, None], axis=2)
    ends = jnp.stack([after_source, before_sink], axis=1)
    both = jnp.stack([nodes.live, nodes.in_degree], axis=1)
    totals = jnp.sum(jnp.concatenate([both, ends], axis=1), axis=2)
    density = totals[:, 1:2] / jnp.maximum(totals[:, :1], 1.0)
    size = [totals[:, :2], jnp.max(degrees, axis=2), totals[:, 2:], density]
    operations = jnp.sum(nodes.ops, axis=1)
    neighbours = pairs.reshape(pairs.shape[0], -1)
    return [
        [jnp.concatenate(size, axis=1)[:, None]],
        [operations[:, None], neighbours[:, None]],
        [nodes.of_op(ends)],
    ]


def _costs(nodes: _Nodes) -> list[list[jax.Array]]:
    """Logs of operations and parameters, of all nodes and of each operation's."""
    total = jnp.sum(nodes.costs, axis=2, keepdims=True)
    logs = jnp.log1p(jnp.concatenate([total, nodes.of_op(nodes.costs)], axis=2))
    return [[logs], [jnp.sum(nodes.learns, axis=1)[:, None, None]]]


def _paths(
    nodes: _Nodes, ahead: jax.Array, behind: jax.Array, longest: jax.Array
) -> list[list[jax.Array]]:
    """Over all paths from input to output: how many, how long, which operations.

    Args:
      ahead: [B, N], ways from the input.
      behind: [B, N], ways to the output.
      longest: of `_longest`.
    """
    through = ahead * behind
    total = jnp.maximum(jnp.sum(nodes.source * behind, axis=1), 1.0)[:, None]
    # By every path; sums of many are rounded.
    crossed = nodes.live * (through >= total - jnp.maximum(0.5, 1e-6 * total))
    part = jnp.minimum(through / total, 1.0)
    passed = nodes.of_op(jnp.stack([part, crossed], axis=1))
    most = nodes.at_sink(longest).reshape(passed.shape[0], 2, -1)
    sign = jnp.array([1.0, -1.0])[None, :, None]
    return [[jnp.log(total)[:, None]], [passed], [most * sign]]


def _walks(
    nodes: _Nodes, shares: jax.Array, counted: jax.Array, mass: jax.Array
) -> list[jax.Array]:
    """Walks back from the output, each predecessor as likely as its share: which nodes
    carry the signal.

    Args:
      shares: [B, 2, N, N] of two walks.
      counted: of `_moments`.
      mass: [B, 2, N], how often each walk comes by a node.
    """
    num_ops = nodes.ops.shape[2]
    first, second = jnp.split(nodes.at_sink(counted), 2, axis=2)
    # Each node's predecessors, then all that come before it.
    nearest = jnp.einsum("bwnm,bnq->bwmq", shares, nodes.ops, precision=FLOAT32)
    earlier = counted[..., :num_ops] - nodes.ops[:, None]
    pairs = jnp.einsum(
        "bwm,bmp,bwmq->bwpq",
        mass,
        nodes.ops,
        jnp.concatenate([nearest, earlier], axis=3),
        precision=FLOAT32,
    )
    part = mass / jnp.maximum(jnp.sum(mass, axis=2, keepdims=True), 1.0)
    entropy = -jnp.sum(part * jnp.log(jnp.maximum(part, 1e-12)), axis=2, keepdims=True)
    adjacent, ordered = (
        half.reshape(*half.shape[:2], -1) for half in jnp.split(pairs, 2, axis=3)
    )
    return [
        first,
        jnp.sqrt(jnp.maximum(second - first**2, 0.0)),
        entropy,
        nodes.of_op(mass**2),
        adjacent,
        ordered,
    ]


def _depths(nodes: _Nodes, longest: jax.Array, behind: jax.Array) -> list[jax.Array]:
    """How far from input and output the nodes of each operation stand, on average.

    Args:
      longest: of `_longest`.
      behind: [B, N], edges on the longest way to the output.
    """
    ahead = longest[:, 0, :, nodes.ops.shape[2]] - nodes.live
    number = jnp.maximum(jnp.sum(nodes.ops, axis=1, keepdims=True), 1.0)
    return [nodes.of_op(jnp.stack([ahead, behind], axis=1)) / number]


def _signals(nodes: _Nodes, sent: jax.Array) -> list[jax.Array]:
    """Log of what `_sent` sends out of the output, [B, 1, G * 2 * P]: for each gain,
    added up, then averaged."""
    out = nodes.at_sink(sent[..., :-2])
    by_gain = out.reshape(*out.shape[:2], len(_GAINS), -1).swapaxes(1, 2)
    return [jnp.log(jnp.maximum(by_gain.reshape(out.shape[0], 1, -1), 1e-6))]
