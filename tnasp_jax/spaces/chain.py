"""Chains of blocks: mobile networks whose layers are chosen one by one or by stage.

One machinery for every such space; a space says which dict people hold (`fields`), what
all its networks share (`skeleton`) and which block stands in which place (`layout`).

A graph of a chain has one node for the input, which names the image's size, perhaps one
that names points beyond it, one for the stem, which names the width multiplier, one for
each place where a block stands, and one for the output, which is the head. A node
computes from the sum of its predecessors: a block with a shortcut adds to what flows
past it, so that an edge leads from i to j wherever every node between is such a block.
Letters: B architectures, L places, N node slots.
"""

import abc
import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.graphs import Graphs
from tnasp_jax.spaces import base, chain_network, chain_text
from tnasp_jax.spaces.chain_network import Block, Skeleton, Vocabulary
from tnasp_jax.spaces.chain_text import Architecture, Field

NOTHING = -1
FINEST = 32
"""Sizes of images are told in multiples of this many points and what is beyond."""


class Layout(NamedTuple):
    """What stands where in a batch of chains.

    Attributes:
      blocks: [B, L] int, index into the space's blocks, `NOTHING` where none stands.
      resolution: [B] int, side of the image in points.
      multiplier: [B] int, index into the space's width multipliers.
    """

    blocks: np.ndarray
    resolution: np.ndarray
    multiplier: np.ndarray


class ChainSpace(abc.ABC):
    """A search space of chains; see `tnasp_jax.spaces.base.CostedSpace`.

    Subclasses are frozen dataclasses with a field `name`.
    """

    name: str

    @property
    @abc.abstractmethod
    def fields(self) -> tuple[Field, ...]:
        """What the dict of an architecture holds."""

    @property
    @abc.abstractmethod
    def skeleton(self) -> Skeleton:
        """What all networks share."""

    @property
    @abc.abstractmethod
    def blocks(self) -> tuple[Block, ...]:
        """What may stand in a place."""

    @property
    @abc.abstractmethod
    def resolutions(self) -> tuple[int, ...]:
        """Sides of images that an architecture may have, in points."""

    @property
    @abc.abstractmethod
    def multipliers(self) -> tuple[float, ...]:
        """Width multipliers that an architecture may have."""

    @abc.abstractmethod
    def layout(self, architectures: Sequence[Architecture]) -> Layout:
        """What stands where in checked architectures."""

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """What the operations of a node mean."""
        coarse = {size // FINEST * FINEST for size in self.resolutions}
        beyond = {size % FINEST for size in self.resolutions} - {0}
        return Vocabulary(
            tuple(sorted(coarse)), tuple(sorted(beyond)), self.multipliers, self.blocks
        )

    @property
    def ops(self) -> tuple[str, ...]:
        """Names of the operations of a node."""
        return self.vocabulary.ops

    @property
    def num_nodes(self) -> int:
        """N: input, what is beyond its size, stem, places, output."""
        return 3 + bool(self.vocabulary.extras) + self.skeleton.num_places

    @property
    def identity_ops(self) -> tuple[str, ...]:
        """The block that is left out, if a space has it."""
        return tuple(block.name for block in self.blocks if not block.expansion)

    def parse(self, text: str) -> Architecture:
        """Reads one line of JSON, the dict that `fields` describes.

        Raises:
          ValueError: one sentence that names the key and what was expected.
        """
        return chain_text.read(self.name, self.fields, text)

    def format(self, architecture: Architecture) -> str:
        """One line of JSON, keys in the order of `fields`."""
        checked = chain_text.check(self.name, self.fields, architecture)
        return chain_text.write(self.fields, self.from_dict(self.as_dict(checked)))

    def from_dict(self, given: Mapping[str, Any]) -> Architecture:
        """The architecture of a dict as people hold it.

        Raises:
          ValueError: as `parse` does.
        """
        return chain_text.from_dict(self.name, self.fields, given)

    def as_dict(self, architecture: Architecture) -> dict[str, Any]:
        """The dict that people hold."""
        return chain_text.as_dict(self.fields, architecture)

    def to_depth(self, blocks: np.ndarray, depths: np.ndarray) -> np.ndarray:
        """Leaves out the places beyond the depth of their stage.

        Args:
          blocks: [B, L] int.
          depths: [B, S] int, number of blocks in each of the S stages.

        Returns:
          [B, L] int, the blocks, `NOTHING` beyond the depths.
        """
        return np.where(self._places < self.per_place(depths), blocks, NOTHING)

    def per_place(self, values: np.ndarray) -> np.ndarray:
        """[B, L] of [B, S]: the value of each place's stage."""
        return values[:, self._stages]

    def to_graphs(self, architectures: Sequence[Architecture]) -> Graphs:
        """Places as nodes, in place; those where nothing stands are dead: [B, N].

        Raises:
          ValueError: naming the first row that is no architecture of this space.
        """
        checked = []
        for row, architecture in enumerate(architectures):
            where = f"{self.name}: row {row}"
            checked.append(chain_text.check(where, self.fields, architecture))
        return self._graphs(self.layout(checked))

    def sample(self, key: jax.Array, count: int) -> list[Architecture]:
        """Draws every entry of the dict uniformly and independently."""
        return chain_text.draw(self.fields, base.host_rng(key), count)

    def mutate(self, key: jax.Array, architecture: Architecture) -> Architecture:
        """Gives one entry, drawn uniformly, another choice.

        Entries that no layer reads, such as the kernel of one beyond the depth of its
        stage, are drawn again: the network changes, unless it only moves an identity.
        """
        rng = base.host_rng(key)
        old = chain_text.check(self.name, self.fields, architecture)
        entries = self._entries
        while True:
            field, entry = entries[rng.integers(len(entries))]
            choices = self._others(old, field, entry)
            if not choices:
                continue
            value = choices[rng.integers(len(choices))]
            child = chain_text.replaced(old, field, entry, value)
            if not _equal(_layout(self, old), _layout(self, child)):
                return child

    def cross(
        self, key: jax.Array, first: Architecture, second: Architecture
    ) -> Architecture:
        """Takes every entry from either parent, each with probability 1/2."""
        rng = base.host_rng(key)
        child, other = (
            chain_text.check(self.name, self.fields, one) for one in (first, second)
        )
        items = []
        for field, mine, theirs in zip(self.fields, child, other, strict=True):
            if field.single:
                items.append(theirs if rng.integers(2) else mine)
                continue
            taken = rng.integers(2, size=len(mine)).tolist()
            both = zip(taken, mine, theirs, strict=True)
            items.append(tuple(his if take else own for take, own, his in both))
        return tuple(items)

    def parameters(self, architecture: Architecture) -> int:
        """Trainable parameters of the ImageNet network.

        Convolutions have no bias, batch norms count 2 per channel, dense layers have a
        bias.
        """
        return self._total(architecture, 1)

    def flops(self, architecture: Architecture) -> int:
        """Multiply-adds of convolutions and dense layers for one image."""
        return self._total(architecture, 0)

    def _total(self, architecture: Architecture, cost: int) -> int:
        """FLOPs (0) or parameters (1), from tables: a search asks for many."""
        checked = chain_text.check(self.name, self.fields, architecture)
        layout = _layout(self, checked)
        (blocks,), side = layout.blocks, int(layout.resolution[0])
        skeleton = _widened(self.skeleton, self.multipliers[layout.multiplier[0]])
        ends, per_place = _cost_table(skeleton, self.blocks, side)
        stands = np.flatnonzero(blocks != NOTHING)
        return int(ends[cost] + per_place[cost, stands, blocks[stands]].sum())

    def costs(self, graphs: Graphs) -> tuple[jax.Array, jax.Array]:
        """FLOPs (multiply-adds) and parameters of each network; jittable.

        Returns:
          Two arrays, [B] float32, NaN for invalid graphs.
        """
        valid = graphs_lib.is_valid(graphs, len(self.ops))
        flops, parameters = (
            jnp.where(valid, jnp.sum(per_node, axis=(1, 2)), jnp.nan)
            for per_node in self.node_costs(graphs)
        )
        return flops, parameters

    def node_costs(self, graphs: Graphs) -> tuple[jax.Array, jax.Array]:
        """FLOPs and parameters of each node; jittable. A chain is one cell.

        Their sums are those of the whole network: the stem's node counts for the fixed
        block too, the output's for the head.

        Returns:
          Two arrays, [B, 1, N] float32; see `base.CostedSpace`.
        """
        flops, parameters = chain_network.node_costs(
            self.skeleton, self.vocabulary, graphs
        )
        return flops[:, None], parameters[:, None]

    def canonical_hash(self, architecture: Architecture) -> str:
        """Hash of the graph without the places that pass their input on.

        Every node of a chain feeds the next one, so that its order is the only one, and
        two graphs are isomorphic where operations and edges in that order are equal.
        """
        checked = chain_text.check(self.name, self.fields, architecture)
        return _digest(self, checked)

    def _digest(self, checked: Architecture) -> str:
        layout = _layout(self, checked)
        stands = self._computes[layout.blocks]
        told = np.concatenate(
            [
                layout.resolution,
                layout.multiplier,
                layout.blocks[stands],
                # Edges follow from what flows past each block that stands.
                self._shortcuts(layout.blocks)[stands],
            ]
        ).astype(np.int32)
        return hashlib.md5(told.tobytes(), usedforsecurity=False).hexdigest()

    @functools.cached_property
    def _places(self) -> np.ndarray:
        """[L] int: the number of each place within its stage."""
        return np.array(self.skeleton.places)

    @functools.cached_property
    def _stages(self) -> np.ndarray:
        """[L] int: the stage of each place."""
        return np.cumsum(self._places == 0) - 1

    @functools.cached_property
    def _computes(self) -> np.ndarray:
        """[blocks + 1] bool: whether a block computes; the last one is `NOTHING`."""
        return np.array([*(bool(block.expansion) for block in self.blocks), False])

    @functools.cached_property
    def _entries(self) -> tuple[tuple[int, int], ...]:
        """(field, entry) of every entry of an architecture."""
        return tuple(chain_text.entries(self.fields))

    def _others(self, architecture, number: int, entry: int) -> list:
        """The choices that chance may give an entry in place of what it has."""
        field = self.fields[number]
        now = chain_text.get(architecture, number, entry)
        drawn = chain_text.drawn(field, field.choices[entry])
        return [choice for choice in drawn if choice != now]

    def _graphs(self, layout: Layout) -> Graphs:
        vocabulary = self.vocabulary
        batch = len(layout.blocks)
        coarse = layout.resolution // FINEST * FINEST
        beyond = layout.resolution - coarse
        one = np.ones((batch, 1), bool)
        columns = [(np.searchsorted(vocabulary.inputs, coarse)[:, None], one)]
        if vocabulary.extras:
            extra = np.searchsorted(vocabulary.extras, beyond) + len(vocabulary.inputs)
            columns.append((extra[:, None], (beyond > 0)[:, None]))
        columns += [
            (vocabulary.first_stem + layout.multiplier[:, None], one),
            (vocabulary.first_block + layout.blocks, layout.blocks != NOTHING),
            (np.full((batch, 1), len(self.ops) - 1), one),
        ]
        mask = np.concatenate([live for _, live in columns], axis=1)
        ops = np.concatenate([op for op, _ in columns], axis=1).astype(np.int32)
        ops[~mask] = 0
        ends = self.num_nodes - self.skeleton.num_places - 1
        shortcut = np.pad(self._shortcuts(layout.blocks), ((0, 0), (ends, 1)))
        adjacency = _sums(mask, shortcut & mask)
        return Graphs(ops=ops, adjacency=adjacency, mask=mask)

    def _shortcuts(self, blocks: np.ndarray) -> np.ndarray:
        """[B, L] bool: a block that its input flows past."""
        return (self._places > 0) & self._computes[blocks]


@dataclasses.dataclass(frozen=True)
class OneSizeChain(ChainSpace):
    """A space whose networks all have one size of images and one width multiplier.

    Attributes:
      name: of the space.
      resolution: side of the image, in points.
      multiplier: of all widths.
    """

    name: str
    resolution: int = 224
    multiplier: float = 1.0

    @property
    def resolutions(self) -> tuple[int, ...]:
        """The one side of images."""
        return (self.resolution,)

    @property
    def multipliers(self) -> tuple[float, ...]:
        """The one width multiplier."""
        return (self.multiplier,)

    def of_one_size(self, blocks: np.ndarray) -> Layout:
        """The layout of blocks [B, L]."""
        batch = len(blocks)
        return Layout(
            blocks=blocks,
            resolution=np.full(batch, self.resolution, np.int32),
            multiplier=np.zeros(batch, np.int32),
        )


_digest = functools.lru_cache(maxsize=1 << 16)(ChainSpace._digest)
"""A search hashes an architecture when it asks, records and tells it."""


@functools.lru_cache(maxsize=1 << 14)
def _layout(space: ChainSpace, checked: Architecture) -> Layout:
    """The layout of one architecture, which a search reads to mutate, weigh and hash."""
    return space.layout([checked])


_widened = functools.cache(Skeleton.widened)
_cost_table = functools.cache(chain_network.cost_table)


def _sums(mask: np.ndarray, shortcut: np.ndarray) -> np.ndarray:
    """[B, N, N] bool: i -> j where both live and every live node between is flowed past.

    Args:
      mask: [B, N] bool, live nodes.
      shortcut: [B, N] bool, those that their input flows past.
    """
    stops = np.cumsum(mask & ~shortcut, axis=1)
    until = stops - (mask & ~shortcut)
    open_ = stops[:, :, None] == until[:, None, :]
    forward = np.triu(np.ones(mask.shape[1:] * 2, bool), 1)
    return open_ & forward & mask[:, :, None] & mask[:, None, :]


def _equal(first: Layout, second: Layout) -> bool:
    return all(map(np.array_equal, first, second))
