"""The network of a chain: its skeleton, which node of a graph is what, what it costs.

A stem (3x3 convolution of stride 2, perhaps a fixed block), stages of inverted
bottlenecks, and a head (1x1 convolutions, pooling, classifier). Letters: B architectures,
N node slots, S stages, W width multipliers.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax import cost
from tnasp_jax.graphs import Graphs, live_adjacency

NUM_CLASSES = 1000


class Block(NamedTuple):
    """What may stand in a place of a chain.

    Attributes:
      kernel: side of the depthwise convolution.
      expansion: inner channels over incoming ones; 0 where the place is left out and
        passes its input on.
      se: whether it squeezes and excites by choice, not because its stage does.
    """

    kernel: int
    expansion: int
    se: bool = False

    @property
    def name(self) -> str:
        """As an operation of a graph."""
        if not self.expansion:
            return "identity"
        return f"mbconv_k{self.kernel}_e{self.expansion}" + "_se" * self.se


class Stage(NamedTuple):
    """Places of one width; the first one changes width and size.

    Attributes:
      width: channels that its blocks give, at width multiplier 1.
      stride: of the first block.
      depth: number of places.
      se: whether all its blocks squeeze and excite.
    """

    width: int
    stride: int
    depth: int
    se: bool = False


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """What all networks of a space share; widths at width multiplier 1.

    The first block of each stage changes width or size, so that it has no shortcut, and
    every other block has one.

    Attributes:
      stem: channels of the first convolution.
      first: channels of the fixed block after it (kernel 3, expansion 1); 0 for none.
      stages: where blocks are chosen.
      head: channels of the 1x1 convolution before the pooling.
      mixed: channels of a 1x1 convolution without batch norm after it; 0 for none.
      squeeze: whether squeeze-and-excitation narrows to a quarter of a block's inner
        channels, rounded as widths are, or of its incoming ones.
      stem_stride: of the first convolution; 1 for small images.
      num_classes: of the classifier.
    """

    stem: int
    first: int
    stages: tuple[Stage, ...]
    head: int
    mixed: int = 0
    squeeze: Literal["inner", "incoming"] = "inner"
    stem_stride: Literal[1, 2] = 2
    num_classes: int = NUM_CLASSES

    @functools.cached_property
    def places(self) -> tuple[int, ...]:
        """L numbers, of each place in its stage, from 0."""
        return tuple(place for stage in self.stages for place in range(stage.depth))

    @property
    def num_places(self) -> int:
        """L, places of all stages together."""
        return len(self.places)

    @property
    def halvings(self) -> np.ndarray:
        """[S + 1] times that the image was halved before each stage, and after all."""
        strides = (self.stem_stride, *(stage.stride for stage in self.stages))
        return np.cumsum([stride == 2 for stride in strides])

    def widened(self, multiplier: float) -> "Skeleton":
        """The skeleton whose every width is multiplied and rounded; itself at 1."""
        if multiplier == 1:
            return self

        def rounded(width: int) -> int:
            return int(cost.divisible(width * multiplier)) if width else 0

        return dataclasses.replace(
            self,
            stem=rounded(self.stem),
            first=rounded(self.first),
            stages=tuple(
                stage._replace(width=rounded(stage.width)) for stage in self.stages
            ),
            head=rounded(self.head),
            mixed=rounded(self.mixed),
        )


class Vocabulary(NamedTuple):
    """The operations of a chain's graphs, in their order.

    The side of the image is the sum of an input's and, where there is one, an extra's.

    Attributes:
      inputs: sides of images.
      extras: points that a side may have more.
      multipliers: W, of widths; the stem names them.
      blocks: what may stand in a place.
    """

    inputs: tuple[int, ...]
    extras: tuple[int, ...]
    multipliers: tuple[float, ...]
    blocks: tuple[Block, ...]

    @property
    def ops(self) -> tuple[str, ...]:
        """Names, of which the output is the last."""
        return (
            *(f"input_{size}" for size in self.inputs),
            *(f"plus_{size}" for size in self.extras),
            *(f"stem_w{multiplier:g}" for multiplier in self.multipliers),
            *(block.name for block in self.blocks),
            "output",
        )

    @property
    def first_stem(self) -> int:
        """Index of the first stem."""
        return len(self.inputs) + len(self.extras)

    @property
    def first_block(self) -> int:
        """Index of the first block."""
        return self.first_stem + len(self.multipliers)


class Nodes(NamedTuple):
    """What the nodes of a batch are, whatever slots they stand in.

    Attributes:
      block: [B, N] int, index into the blocks; -1 for other nodes and dead slots.
      stage: [B, N] int, of blocks; 0 for other nodes.
      place: [B, N] int, 0 for the first block of a stage.
      is_stem: [B, N] bool.
      is_output: [B, N] bool.
      resolution: [B] int, side of the image in points.
      multiplier: [B] int, index into the width multipliers.
    """

    block: jax.Array
    stage: jax.Array
    place: jax.Array
    is_stem: jax.Array
    is_output: jax.Array
    resolution: jax.Array
    multiplier: jax.Array


@functools.partial(jax.jit, static_argnames="vocabulary")
def nodes(vocabulary: Vocabulary, graphs: Graphs) -> Nodes:
    """Reads a batch of graphs; jittable.

    A block begins a stage unless a shortcut leads around it, so that stages are counted
    along the chain and slots mean nothing.
    """
    num_ops = len(vocabulary.ops)
    first_block = vocabulary.first_block
    # Of a signed type, whatever the graphs have, for the -1 of dead slots.
    ops = jnp.where(jnp.asarray(graphs.mask), jnp.asarray(graphs.ops, jnp.int32), -1)
    is_stem = (ops >= vocabulary.first_stem) & (ops < first_block)
    is_block = (ops >= first_block) & (ops < num_ops - 1)
    block = jnp.where(is_block, ops - first_block, -1)
    begins = is_block & ~_passed_by(graphs)
    for index, candidate in enumerate(vocabulary.blocks):
        if not candidate.expansion:
            begins &= block != index
    order = jnp.cumsum(is_block, axis=1)
    start = jax.lax.cummax(jnp.where(begins, order, 0), axis=1)
    sides = np.zeros(num_ops + 1, np.int32)  # The last one is that of dead slots.
    sides[: vocabulary.first_stem] = (*vocabulary.inputs, *vocabulary.extras)
    stem = jnp.where(is_stem, ops - vocabulary.first_stem, 0)
    return Nodes(
        block=block,
        stage=jnp.where(is_block, jnp.maximum(jnp.cumsum(begins, axis=1) - 1, 0), 0),
        place=jnp.where(is_block, order - start, 0),
        is_stem=is_stem,
        is_output=ops == num_ops - 1,
        resolution=jnp.sum(jnp.asarray(sides)[jnp.clip(ops, -1, num_ops - 1)], axis=1),
        multiplier=jnp.max(stem, axis=1),
    )


@functools.partial(jax.jit, static_argnames=("skeleton", "vocabulary"))
def node_costs(
    skeleton: Skeleton, vocabulary: Vocabulary, graphs: Graphs
) -> tuple[jax.Array, jax.Array]:
    """FLOPs and parameters of each node; jittable.

    The stem's node counts for the fixed block too, the output's for the whole head.

    Returns:
      Two arrays, [B, N] float32.
    """
    found = nodes(vocabulary, graphs)
    skeletons = [skeleton.widened(times) for times in vocabulary.multipliers]
    widths = _of_multiplier(
        [[s.first or s.stem, *(stage.width for stage in s.stages)] for s in skeletons],
        found,
    )  # [B, S + 1], as are the sides of the image
    halvings = jnp.asarray(skeleton.halvings)[None]
    sides = cost.halved(found.resolution[:, None], halvings)
    sides = sides.astype(jnp.float32)
    after = jnp.minimum(found.stage, len(skeleton.stages) - 1) + 1
    before = jnp.where(found.place == 0, after - 1, after)
    in_channels, out_channels, in_size, out_size = (
        jnp.take_along_axis(values, at, axis=1)
        for values in (widths, sides)
        for at in (before, after)
    )
    kernel, expansion, se = _choices(vocabulary.blocks, found.block)
    in_stage = jnp.array([float(stage.se) for stage in skeleton.stages])[after - 1]
    gated = (se + in_stage > 0) & (expansion > 0)
    squeeze = jnp.where(gated, _squeeze(skeleton, expansion, in_channels), 0.0)
    flops = cost.mbconv_flops(
        kernel, expansion, in_channels, out_channels, in_size, out_size, squeeze
    )
    parameters = cost.mbconv_parameters(
        kernel, expansion, in_channels, out_channels, squeeze
    )
    ends = _of_multiplier([_ends(s) for s in skeletons], found)  # [B, 5]
    stem_flops = ends[:, 0] * sides[:, 0] ** 2
    head_flops = ends[:, 1] * sides[:, -1] ** 2 + ends[:, 2]
    return (
        _at_ends(found, flops, stem_flops, head_flops),
        _at_ends(found, parameters, ends[:, 3], ends[:, 4]),
    )


def cost_table(
    skeleton: Skeleton, blocks: Sequence[Block], side: int
) -> tuple[np.ndarray, np.ndarray]:
    """What `node_costs` says, as whole numbers to add up on the host.

    A block costs the same whatever stands in other places, since sizes and widths belong
    to the stages.

    Args:
      skeleton: of the network, at its widths.
      blocks: what may stand in a place.
      side: of the image, in points.

    Returns:
      FLOPs and parameters of stem and head together, [2] int64, and of each block in
      each place, [2, L, blocks] int64.
    """
    widths = [skeleton.first or skeleton.stem, *(s.width for s in skeleton.stages)]
    sides = [int(cost.halved(side, times)) for times in skeleton.halvings]
    rows: list[list[tuple[int, int]]] = []
    for number, stage in enumerate(skeleton.stages):
        for place in range(stage.depth):
            before = number if place == 0 else number + 1
            width, out = widths[before], widths[number + 1]
            row = []
            for block in blocks:
                gated = (block.se or stage.se) and block.expansion
                squeeze = int(_squeeze(skeleton, block.expansion, width)) * bool(gated)
                shape = block.kernel, block.expansion, width, out
                row.append(
                    (
                        cost.mbconv_flops(
                            *shape, sides[before], sides[number + 1], squeeze
                        ),
                        cost.mbconv_parameters(*shape, squeeze),
                    )
                )
            rows.append(row)
    stem, head, other, *parameters = _ends(skeleton)
    flops = stem * sides[0] ** 2 + head * sides[-1] ** 2 + other
    return (
        np.array([flops, sum(parameters)], np.int64),
        np.array(rows, np.int64).transpose(2, 0, 1),
    )


def _of_multiplier(rows: Sequence[Sequence[int]], found: Nodes) -> jax.Array:
    """[B, ...] float32, the row of each network's width multiplier."""
    return jnp.asarray(np.array(rows, np.float32))[found.multiplier]


def _passed_by(graphs: Graphs) -> jax.Array:
    """[B, N] bool: an edge leads from an earlier to a later node than this one."""
    edges = live_adjacency(graphs)
    slot = jnp.arange(edges.shape[1], dtype=jnp.int32)
    furthest = jnp.max(jnp.where(edges, slot[None, None], -1), axis=2)
    reached = jax.lax.cummax(furthest, axis=1)
    return jnp.pad(reached, ((0, 0), (1, 0)), constant_values=-1)[:, :-1] > slot[None]


def _choices(
    blocks: Sequence[Block], index: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Kernel, expansion and se of each node, [B, N] float32; zeros without a block."""
    table = np.array([*blocks, (0, 0, False)], np.float32)
    rows = jnp.asarray(table)[index]  # -1 is the last row.
    return rows[..., 0], rows[..., 1], rows[..., 2]


def _squeeze(
    skeleton: Skeleton, expansion: cost.Number, in_channels: cost.Number
) -> cost.Number:
    """Channels between the two layers of squeeze-and-excitation."""
    if skeleton.squeeze == "incoming":
        return in_channels // 4
    return cost.divisible(expansion * in_channels // 4)


def _ends(skeleton: Skeleton) -> tuple[int, int, int, int, int]:
    """Multiply-adds a point of the stem, and of the head; others of the head;
    parameters of the stem, and of the head."""
    stem, first, last = skeleton.stem, skeleton.first, skeleton.stages[-1].width
    head, mixed = skeleton.head, skeleton.mixed
    features = mixed or head
    stem_flops = cost.conv_flops(3, 3, stem, 1)
    stem_parameters = cost.conv_parameters(3, 3, stem)
    if first:
        stem_flops += cost.mbconv_flops(3, 1, stem, first, 1, 1)
        stem_parameters += cost.mbconv_parameters(3, 1, stem, first)
    return (
        stem_flops,
        cost.conv_flops(1, last, head, 1),
        head * mixed + features * skeleton.num_classes,
        stem_parameters,
        cost.conv_parameters(1, last, head)
        + head * mixed
        + cost.dense_parameters(features, skeleton.num_classes),
    )


def _at_ends(
    found: Nodes, values: jax.Array, stem: jax.Array, head: jax.Array
) -> jax.Array:
    """Those of the blocks, and of the stem [B] and the head [B] at their nodes."""
    values = jnp.where(found.is_stem, stem[:, None], values)
    return jnp.where(found.is_output, head[:, None], values)
