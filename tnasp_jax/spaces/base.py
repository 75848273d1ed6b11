"""What every search space offers: text, graphs, chance, cost."""

from collections.abc import Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.graphs import Graphs

Architecture = Any
"""A space's own hashable description of one architecture, as `parse` returns it."""


class Space(Protocol):
    """A search space: static, hashable, free of state.

    Attributes:
      name: the name on the command line, in files and in results.
      ops: names of the operations of a node; `Graphs.ops` indexes them.
      num_nodes: N, the number of node slots of its `Graphs`.
    """

    @property
    def name(self) -> str: ...

    @property
    def ops(self) -> tuple[str, ...]: ...

    @property
    def num_nodes(self) -> int: ...

    def parse(self, text: str) -> Architecture:
        """Reads one architecture; ValueError, one sentence, if it is not valid."""
        ...

    def format(self, architecture: Architecture) -> str:
        """The canonical text, `format(parse(text)) == text` for canonical text."""
        ...

    def to_graphs(self, architectures: Sequence[Architecture]) -> Graphs:
        """Operations as nodes, dead parts removed, on the host: [B, N]."""
        ...

    def sample(self, key: jax.Array, count: int) -> list[Architecture]:
        """Independent random architectures."""
        ...

    def mutate(self, key: jax.Array, architecture: Architecture) -> Architecture:
        """A valid neighbour that differs from `architecture`."""
        ...

    def parameters(self, architecture: Architecture) -> int:
        """Trainable parameters of the network that the benchmark trained."""
        ...

    def canonical_hash(self, architecture: Architecture) -> str:
        """Equal for architectures that compute the same function by relabelling."""
        ...


class CostedSpace(Space, Protocol):
    """A space that also knows what each node of its graphs computes and costs.

    Attributes:
      identity_ops: operations that pass their input on unchanged, so that a graph
        without them computes the same function.
    """

    @property
    def identity_ops(self) -> tuple[str, ...]: ...

    def node_costs(self, graphs: Graphs) -> tuple[jax.Array, jax.Array]:
        """FLOPs and parameters of each node in each cell of the network; jittable.

        Returns:
          Two arrays, [B, M, N] float32, for the M cells of the stacked network that
          differ; zero where nothing is computed.
        """
        ...


def host_rng(key: jax.Array) -> np.random.Generator:
    """A numpy generator that is a function of a JAX key, typed or as raw numbers."""
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.key_data(key)
    return np.random.default_rng(np.asarray(key))


def validate(space: Space, texts: Sequence[str]) -> list[tuple[int, str]]:
    """All bad rows of a list of architectures, not only the first.

    Returns:
      (row, sentence) pairs, rows counted from 0; empty when all are valid.

    Raises:
      ValueError: for one text in place of a list.
    """
    if isinstance(texts, str):
        raise ValueError("validate: expected a list of architectures, got one text")
    problems = []
    for row, text in enumerate(texts):
        try:
            space.parse(text)
        except ValueError as error:
            problems.append((row, str(error)))
    return problems
