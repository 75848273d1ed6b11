"""Elites of a model: what is asked are the best that a regression expects.

Gaier, Asteroth and Mouret, "Data-Efficient Exploration, Optimization, and Modeling of
Diverse Designs through Surrogate-Assisted Illumination" (SAIL), GECCO 2017: between two
questions an archive of elites (`search.niches`) is bred for many generations whose
members are not measured but expected. There the model is a Gaussian process and what is
illuminated its upper bound; here a ridge regression (`search.pairwise`) and its mean, and
new starts where nothing better comes, since good regions are many and far apart.
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
    NO_PARENT,
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
"""A gain of fewer standard deviations of a random start is none."""


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

    A start is `population` random architectures. What is bred and learnt from is what was
    measured since; where nothing is gained any more, all that was ever measured; where
    that gains nothing either, there is a new start.

    Args:
      space: where to search; without a `cross`, children have one parent.
      population: random architectures of a start.
      patience: architectures that are asked without gain before a change; default:
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
        rows = learnt_from(state, population, patience)
        if not len(rows):
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


def learnt_from(state: State, population: int, patience: int) -> np.ndarray:
    """The rows to breed and to learn from; none where it is time for a new start."""
    rows = np.flatnonzero(known(state))
    start = last_start(state)
    own = rows[rows >= start]
    if len(own) < population:
        return rows[:0]
    values = np.where(known(state), state.values[:, 0], -np.inf)
    random = own[state.parents[own] == NO_PARENT]
    least = NEARLY * float(np.std(values[random]))
    alone = end_of_gains(values[start:], -np.inf, least, patience)
    if alone is None:
        return own
    if start == 0:
        return rows[:0]
    since, best = start + alone, values[: start + alone].max()
    together = end_of_gains(values[since:], best, least, patience)
    return rows if together is None else rows[:0]


def end_of_gains(
    values: np.ndarray, best: float, least: float, patience: int
) -> int | None:
    """How many came until `patience` of them in a row had brought no gain; None where
    that did not happen yet.

    Args:
      values: [n] in the order of asking.
      best: what came before.
      least: a gain is more than that.
      patience: how many without a gain are enough.

    Returns:
      The number, `patience` or more.
    """
    without = 0
    for number, value in enumerate(values.tolist(), start=1):
        gain = value > best + least
        best, without = (value, 0) if gain else (best, without + 1)
        if without == patience:
            return number
    return None


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
