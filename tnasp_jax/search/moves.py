"""Endless streams of proposals that the methods share."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import jax
import numpy as np

from tnasp_jax.search.state import NO_PARENT, Proposal, State, architecture_of
from tnasp_jax.spaces.base import Architecture, Space, host_rng

KEYS_AT_ONCE, SAMPLES_AT_ONCE, CHILDREN_AT_ONCE = 64, 8, 64
MUTATIONS = 200
"""Mutations that a method proposes before it turns to random architectures, since
nothing new may be left around its parents."""


def keys(key: jax.Array) -> Iterator[jax.Array]:
    """Endless keys that are functions of one."""
    for block in itertools.count():
        yield from jax.random.split(jax.random.fold_in(key, block), KEYS_AT_ONCE)


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


def then_randoms(
    key: jax.Array, space: Space, proposals: Iterator[Proposal], count: int
) -> Iterator[Proposal]:
    """`MUTATIONS` proposals more than the `count` asked for, then random ones."""
    yield from itertools.islice(proposals, count + MUTATIONS)
    yield from randoms(key, space)


def children(
    key: jax.Array,
    space: Space,
    state: State,
    pairs: Iterable[tuple[int, int]],
    crossover: float,
) -> Iterator[Proposal]:
    """A mutation of a crossing of each of the pairs of rows, or of the first alone.

    Args:
      key: of the children.
      space: without a `cross`, no two rows are crossed.
      state: holds the parents.
      pairs: rows of parents.
      crossover: how likely a child has two parents.
    """
    crossing = crossover if hasattr(space, "cross") else 0.0
    pairs = iter(pairs)
    for each in keys(key):
        chance_key, cross_key, mutate_key = jax.random.split(each, 3)
        rows = list(itertools.islice(pairs, CHILDREN_AT_ONCE))
        if not rows:
            return
        made = [architecture_of(space, state, row) for row, _ in rows]
        crossed = np.flatnonzero(host_rng(chance_key).random(len(rows)) < crossing)
        others = [architecture_of(space, state, rows[at][1]) for at in crossed]
        both = _crossed(cross_key, space, [made[at] for at in crossed], others)
        for at, child in zip(crossed.tolist(), both, strict=True):
            made[at] = child
        made = _mutated(mutate_key, space, made)
        yield from zip(made, (row for row, _ in rows), strict=True)


def _mutated(
    key: jax.Array, space: Space, architectures: Sequence[Architecture]
) -> list[Architecture]:
    at_once = getattr(space, "mutate_all", None)  # Of spaces that make many fast.
    if at_once:
        return at_once(key, architectures)
    return [space.mutate(k, a) for k, a in zip(keys(key), architectures, strict=False)]


def _crossed(
    key: jax.Array,
    space: Space,
    firsts: Sequence[Architecture],
    seconds: Sequence[Architecture],
) -> list[Architecture]:
    if not firsts:
        return []
    at_once = getattr(space, "cross_all", None)
    if at_once:
        return at_once(key, firsts, seconds)
    cross = getattr(space, "cross")  # noqa: B009 - not of every space
    pairs = zip(keys(key), firsts, seconds, strict=False)
    return [cross(each, first, second) for each, first, second in pairs]
