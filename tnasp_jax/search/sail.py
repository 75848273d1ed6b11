"""Elites of a model: what is asked are the best that a regression expects.

Gaier, Asteroth and Mouret, "Data-Efficient Exploration, Optimization, and Modeling of
Diverse Designs through Surrogate-Assisted Illumination" (SAIL), GECCO 2017: between two
questions an archive of elites (`search.niches`) is bred for many generations whose
members are not measured but expected. There the model is a Gaussian process and what is
illuminated its upper bound; here a ridge regression (`search.pairwise`) and its mean, and
a new start where nothing better comes, since good regions are many and far apart.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from tnasp_jax.search import pairwise
from tnasp_jax.search.constraints import Allowed
from tnasp_jax.search.moves import children, randoms, then_randoms
from tnasp_jax.search.niches import best_of_choices, choices, recorded_choices
from tnasp_jax.search.state import (
    Method,
    Proposal,
    State,
    architecture_of,
    fresh,
    known,
    last_start,
    method_of,
)
from tnasp_jax.spaces.base import Space

NEARLY = 0.02
"""A gain of fewer standard deviations of what was measured is none."""


def sail(
    space: Space,
    *,
    population: int = 100,
    patience: int | None = None,
    generations: int = 10,
    born: int = 200,
    crossover: float = 0.9,
    allowed: Sequence[Allowed] = (),
) -> Method:
    """Asks by turns the highest expectation and the elites of the model's archive.

    Until `population` values are known since the last start, architectures are random.
    What was measured before a start is never asked again, and not learnt from.

    Args:
      space: where to search; without a `cross`, children have one parent.
      population: random architectures of a start.
      patience: architectures that are asked without gain before the next start; default:
        three populations.
      generations: of the archive, between two questions.
      born: children of a generation.
      crossover: how likely a child has two parents.
      allowed: what an architecture must pass to be asked.

    Raises:
      ValueError: if a size is less than 1 or `crossover` no probability.
    """
    if patience is None:
        patience = 3 * population
    sizes = (population, patience, generations, born)
    if min(sizes) < 1 or not 0 <= crossover <= 1:
        raise ValueError(
            "sail: expected population, patience, generations and born >= 1 and "
            f"crossover in 0 .. 1, got {', '.join(map(str, sizes))} and {crossover}"
        )

    def propose(key: jax.Array, state: State, count: int) -> Iterator[Proposal]:
        breed_key, random_key = jax.random.split(key)
        start = last_start(state)
        rows = start + np.flatnonzero(known(state)[start:])
        if len(rows) < population or without_gain(state, rows) >= patience:
            return randoms(random_key, space)
        return then_randoms(random_key, space, bred(breed_key, state, rows), count)

    def bred(key: jax.Array, state: State, rows: np.ndarray) -> Iterator[Proposal]:
        """Children that are new, the most promising first."""
        chosen, values = recorded_choices(space, state, rows), state.values[rows, 0]
        expected = pairwise.fit(chosen, values)
        elite = best_of_choices(chosen, values)
        archive = [
            (architecture_of(space, state, row), int(row)) for row in rows[elite]
        ]
        chosen, values, measured = chosen[elite], values[elite], len(elite)
        seen = set(state.hashes.tolist())
        for each in jax.random.split(key, generations):
            best = [archive[at] for at in best_of_choices(chosen, values)]
            parent = functools.partial(_one_of, best)
            some = itertools.islice(children(each, space, parent, crossover), born)
            new = fresh(space, seen, some, born, allowed)
            if new:
                archive += new
                more = choices(space, [architecture for architecture, _ in new])
                chosen = np.concatenate([chosen, more])
                values = np.concatenate([values, expected(more)])
        elite = best_of_choices(chosen, values)
        return (archive[at] for at in by_turns(values, elite, measured))

    return method_of(space, propose, allowed)


def _one_of(parents: list[Proposal], rng: np.random.Generator) -> Proposal:
    return parents[rng.integers(len(parents))]


def without_gain(state: State, rows: np.ndarray) -> int:
    """How many were asked, failures too, since the first of the rows that is nearly as
    good as the best: within `NEARLY` standard deviations."""
    values = state.values[rows, 0]
    first = np.argmax(values >= values.max() - NEARLY * values.std())
    return len(state) - 1 - int(rows[first])


def by_turns(values: np.ndarray, elite: np.ndarray, measured: int) -> list[int]:
    """Places from `measured` on: the highest value, the highest of the elite, the next
    highest, and so on, each once.

    Args:
      values: [P].
      elite: [F] places.
      measured: places below it are left out.
    """
    all_new = np.arange(measured, len(values))
    elite = elite[elite >= measured]
    highest, best = (
        rows[np.argsort(-values[rows])].tolist() for rows in (all_new, elite)
    )
    turns = itertools.zip_longest(highest, best, fillvalue=-1)
    places = dict.fromkeys(itertools.chain.from_iterable(turns))
    return [place for place in places if place >= 0]
