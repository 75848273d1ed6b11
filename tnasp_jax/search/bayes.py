"""Bayesian optimisation: a predictor that knows how sure it is chooses what to ask.

White, Neiswanger and Savani, "BANANAS: Bayesian Optimization with Neural Architectures for
Neural Architecture Search", AAAI 2021, for candidates by mutation of the best; with a
Gaussian process where nothing else is given. Wei, Niu, Tang and Liang, "NPENAS: Neural
Predictor Guided Evolution for Neural Architecture Search", 2020 (arXiv:2003.12857), asks
the mutations of the highest mean (NPENAS-NP) or of the highest draw (NPENAS-BO). Axis letters: n known architectures, C
candidates, N node slots.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri

from tnasp_jax.graphs import Graphs, is_valid, pad_batch
from tnasp_jax.invariants import invariants, kinds
from tnasp_jax.predictors import Predictor, get_predictor
from tnasp_jax.predictors.gp import GpConfig, processes
from tnasp_jax.search import acquisition
from tnasp_jax.search.constraints import Allowed
from tnasp_jax.search.moves import mutants, randoms, then_randoms
from tnasp_jax.search.state import (
    Method,
    Proposal,
    State,
    architecture_of,
    fresh,
    method_of,
    ranking,
)
from tnasp_jax.spaces.base import CostedSpace, Space

ACQUISITIONS = ("improvement", "thompson", "ucb", "mean")
SMALLEST = 64  # Padded size of a training set.
CHUNK = 64  # Architectures whose invariants are computed at a time.
TRIES = 10  # Mutations for each candidate that is wanted: many are not new.
TUNED_ON = 200  # Architectures that the process' hyper-parameters see, at most.

Posterior = Callable[
    [jax.Array, Graphs, np.ndarray, Graphs], tuple[jax.Array, jax.Array, jax.Array]
]
"""`posterior(key, known [n], rank places [n], candidates [C])`: means [C], NaN
for what is no graph, deviations [C], and the highest mean of the known ones."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BayesConfig:
    """How candidates are made and chosen.

    Attributes:
      acquisition: "improvement" (expected), "thompson" or "ucb", see
        `search.acquisition`; or "mean", without regard to the deviation.
      initial: known values before the predictor is asked; random ones until then.
      candidates: scored at a time, every second one a mutation, the others random.
      mutants_only: all of them mutations, while there are new ones.
      elite: the best known ones, whose mutations are candidates.
      beta: deviations in the upper confidence bound.
      padded: whether training sets are padded with rows that are no graphs, to sizes
        that are powers of two. Then nothing is compiled again until n outgrows one. Only
        for a predictor whose `fit` leaves such rows out; by default for "gp", which
        does, where no other predictor is given. False compiles for every n.
    """

    acquisition: str = "improvement"
    initial: int = 10
    candidates: int = 200
    mutants_only: bool = False
    elite: int = 10
    beta: float = 2.0
    padded: bool | None = None

    def __post_init__(self) -> None:
        if self.acquisition not in ACQUISITIONS:
            raise ValueError(
                f"BayesConfig: expected one of {', '.join(ACQUISITIONS)}, "
                f"got {self.acquisition!r}"
            )
        if min(self.initial, self.elite) < 2 or self.candidates < 1:
            raise ValueError(
                "BayesConfig: expected initial >= 2, elite >= 2 and candidates >= 1, got "
                f"{self.initial}, {self.elite} and {self.candidates}"
            )


def bayesian_optimization(
    space: Space,
    *,
    predictor: Predictor | None = None,
    config: BayesConfig = BayesConfig(),
    allowed: Sequence[Allowed] = (),
) -> Method:
    """Asks the candidates of the highest acquisition by a predictor fitted to the record.

    The predictor learns the first objective, in normal ranks. It is fitted and scores
    all candidates in one compiled call.

    Args:
      space: where to search.
      predictor: has `fit` and `deviation`; default: "gp", with hyper-parameters from
        at most `TUNED_ON` architectures, since it is fitted for every question.
      config: candidates and acquisition.
      allowed: what an architecture must pass to be asked.

    Raises:
      ValueError: if the predictor cannot be fitted at once inside JAX or knows no
        deviation.
    """
    posterior = _posterior(predictor) if predictor else _processes(space)
    padded = predictor is None if config.padded is None else config.padded

    def propose(key: jax.Array, state: State, count: int) -> Iterator[Proposal]:
        rows = ranking(state)
        candidate_key, fit_key, draw_key = jax.random.split(key, 3)
        if len(rows) < config.initial:
            return randoms(candidate_key, space)
        drawn = _candidates(candidate_key, space, state, rows, config)
        wanted = max(config.candidates, count)
        found = fresh(space, set(state.hashes.tolist()), drawn, wanted, allowed)
        if not found:
            return iter(())
        graphs = space.to_graphs([architecture_of(space, state, row) for row in rows])
        labels = rank_places(state.values[rows, 0])
        if padded:
            graphs, labels = _padded(graphs, labels)
        candidates = space.to_graphs([architecture for architecture, _ in found])
        mean, deviation, best = posterior(
            fit_key, graphs, labels, pad_batch(candidates, wanted)
        )
        scores = _scores(draw_key, config, mean, deviation, best, count)
        return (found[at] for at in top(scores[:, : len(found)]))

    return method_of(space, propose, allowed)


def top(scores: np.ndarray) -> list[int]:
    """Candidates by score, highest first, without repetition.

    Args:
      scores: [D, C]; with D > 1 the draws take turns. NaN comes last.

    Returns:
      C candidates.
    """
    order = np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")
    return list(dict.fromkeys(order.T.ravel().tolist()))


def rank_places(values: np.ndarray) -> np.ndarray:
    """Where each of values [n] stands among all, [n] float32 in 0 .. 1; equal ones share
    a place.

    The normal ranks of `training.labels`, before the normal distribution's inverse.
    """
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, "left")
    upto = np.searchsorted(ordered, values, "right")
    return ((below + upto) / (2 * len(values))).astype(np.float32)


@functools.cache
def _processes(space: Space) -> Posterior:
    """As `_posterior` of "gp", with the invariants in a program of their own.

    They take most of the time to compile, and the size of their batch need not follow
    the known architectures: they are compiled once, not anew whenever n outgrows its
    padding.
    """
    get_predictor("gp", space)  # Says so, where the space does not tell what it costs.
    costed = cast(CostedSpace, space)
    regression = processes(kinds(costed), GpConfig(tuned_on=TUNED_ON))
    deviation = regression.deviation
    assert deviation is not None

    @jax.jit
    def of_invariants(key, x, live, quantiles, candidates, proposed):
        params = regression.fit(key, x, ndtri(quantiles), live)
        best = jnp.nanmax(jnp.where(live, regression.mean(params, x), jnp.nan))
        mean = jnp.where(proposed, regression.mean(params, candidates), jnp.nan)
        return mean, deviation(params, candidates), best

    def read(graphs: Graphs) -> np.ndarray:
        """[B, F], a chunk at a time."""
        whole = pad_batch(graphs, -(-len(graphs) // CHUNK) * CHUNK)
        starts = range(0, len(whole), CHUNK)
        parts = [invariants(whole[at : at + CHUNK], costed) for at in starts]
        return np.concatenate(list(map(np.asarray, parts)))[: len(graphs)]

    def posterior(key, graphs, quantiles, candidates):
        live, proposed = (is_valid(g, len(space.ops)) for g in (graphs, candidates))
        x, at = read(graphs), read(candidates)
        return of_invariants(key, x, live, quantiles, at, proposed)

    return posterior


@functools.cache
def _posterior(predictor: Predictor) -> Posterior:
    """The jitted fit and scores, compiled once for all methods of a predictor."""
    fit, deviation = predictor.fit, predictor.deviation
    if fit is None or deviation is None or predictor.on_host:
        raise ValueError(
            "bayesian_optimization: expected a predictor that is fitted at once inside "
            "JAX and knows a deviation, such as 'gp'"
        )

    @jax.jit
    def posterior(key, graphs: Graphs, quantiles, candidates: Graphs):
        params = fit(key, graphs, ndtri(quantiles))
        # Labels are noisy: the best is by the predictor, which leaves padding out.
        best = jnp.nanmax(predictor.apply(params, graphs))
        mean = predictor.apply(params, candidates)
        return mean, deviation(params, candidates), best

    return posterior


def _scores(
    key: jax.Array, config: BayesConfig, mean, deviation, best, draws: int
) -> np.ndarray:
    """[D, C]."""
    if config.acquisition == "thompson":
        scores = acquisition.thompson_samples(key, mean, deviation, draws)
    elif config.acquisition == "ucb":
        scores = acquisition.upper_confidence_bound(mean, deviation, config.beta)
    elif config.acquisition == "mean":
        scores = mean
    else:
        scores = acquisition.expected_improvement(mean, deviation, best)
    return np.atleast_2d(np.asarray(scores))


def _candidates(
    key: jax.Array, space: Space, state: State, rows: np.ndarray, config: BayesConfig
) -> Iterator[Proposal]:
    """Mutations of the elite in turn, and random architectures between or after them.

    Args:
      rows: the best first.
    """
    mutate_key, random_key = jax.random.split(key)
    elite = itertools.cycle(rows[: config.elite].tolist())
    near = mutants(mutate_key, space, state, elite)
    if config.mutants_only:
        return then_randoms(random_key, space, near, TRIES * config.candidates)
    far = randoms(random_key, space)
    return itertools.chain.from_iterable(zip(near, far, strict=False))


def _padded(graphs: Graphs, labels: np.ndarray) -> tuple[Graphs, np.ndarray]:
    """Rows that are no graphs, up to a power of two."""
    extra = max(SMALLEST, 1 << (len(labels) - 1).bit_length()) - len(labels)
    more = Graphs(
        *(
            np.zeros((extra, *leaf.shape[1:]), leaf.dtype)
            for leaf in jax.tree.leaves(graphs)
        )
    )
    graphs = jax.tree.map(lambda *leaves: np.concatenate(leaves), graphs, more)
    return graphs, np.pad(labels, (0, extra), constant_values=0.5)
