"""Endless streams of proposals that the methods share."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import jax
import numpy as np

from tnasp_jax.search.state import NO_PARENT, Proposal, State, architecture_of
from tnasp_jax.spaces.base import Space, host_rng

KEYS_AT_ONCE, CHILDREN_AT_ONCE, SAMPLES_AT_ONCE = 64, 512, 8
MUTATIONS = 200
"""Mutations that a method proposes before it turns to random architectures, since
nothing new may be left around its parents."""


def keys(key: jax.Array, at_once: int = KEYS_AT_ONCE) -> Iterator[jax.Array]:
    """Endless keys that are functions of one, as raw numbers on the host: to read a
    typed key takes longer than to mutate an architecture."""
    for block in itertools.count():
        some = jax.random.split(jax.random.fold_in(key, block), at_once)
        yield from cast(list[jax.Array], list(np.asarray(jax.random.key_data(some))))


def randoms(key: jax.Array, space: Space) -> Iterator[Proposal]:
    """What `space.sample` draws, endlessly."""
    for each in keys(key):
        for architecture in space.sample(each, SAMPLES_AT_ONCE):
            yield architecture, NO_PARENT


def mutants(
    key: jax.Array, space: Space, state: State, parents: Iterable[int]
) -> Iterator[Proposal]:
    """A mutation of each of the rows `parents`."""
    for each, row in zip(keys(key), parents, strict=False):
        yield space.mutate(each, architecture_of(space, state, row)), row


def children(
    key: jax.Array,
    space: Space,
    parent: Callable[[np.random.Generator], Proposal],
    crossover: float,
) -> Iterator[Proposal]:
    """Mutations of crossings, endlessly.

    Args:
      key: of all chance.
      space: where it has no `cross`, children have one parent.
      parent: draws one, an architecture and its row.
      crossover: how likely a child has two parents.
    """
    draw_key, child_key = jax.random.split(key)
    rng, child_keys = host_rng(draw_key), keys(child_key, CHILDREN_AT_ONCE)
    cross = getattr(space, "cross", None)
    while True:
        child, row = parent(rng)
        if cross and rng.random() < crossover:
            child = cross(next(child_keys), child, parent(rng)[0])
        yield space.mutate(next(child_keys), child), row


def then_randoms(
    key: jax.Array, space: Space, proposals: Iterator[Proposal], count: int
) -> Iterator[Proposal]:
    """`MUTATIONS` proposals more than the `count` asked for, then random ones."""
    yield from itertools.islice(proposals, count + MUTATIONS)
    yield from randoms(key, space)
