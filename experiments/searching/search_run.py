"""One search with each seed, and what search.json tells of them."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.cells import results
from experiments.searching import search_report
from experiments.searching.search_costs import Costs, limits_of
from experiments.searching.search_costs import numbers as cost_numbers
from experiments.searching.search_oracles import Oracle, TableOracle
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from tnasp_jax import runs, search
from tnasp_jax.search import Method, State
from tnasp_jax.spaces import Space

NUM_BEST = 10  # Architectures in `best` of search.json.
SIZED = ("elites", "evolution", "nsga2", "sail")  # Methods that have a population.


class Settings(NamedTuple):
    """What is searched for, and how.

    Attributes:
      method: name in `search.METHODS`.
      limits: upper limit by cost, None for no limit.
      pareto: costs that are objectives beside the score.
      seeds: one search each.
      budget: architectures to evaluate in each.
      batch: of them asked at a time.
      population: of the method, where it has one; None for its default. A tournament of
        evolution draws a quarter of it.
      latency: of `search_costs.LATENCIES`, where a latency counts.
    """

    method: str
    limits: dict[str, float | None]
    pareto: tuple[str, ...]
    seeds: tuple[int, ...]
    budget: int
    batch: int
    population: int | None = None
    latency: str | None = None


def search_all(
    oracle: Oracle, costs: Costs, settings: Settings, progress: Progress
) -> dict[str, Any]:
    """One search with each seed, as search.json tells them.

    Raises:
      UserError: for a limit on a cost that nobody knows, and if nothing is within the
        limits.
    """
    began = time.monotonic()
    within = limits_of(costs, settings.limits)
    method = method_of(settings, oracle.space, [*within, *oracle.allowed])
    states = []
    for at, seed in enumerate(settings.seeds):
        states.append(
            run_search(
                method,
                oracle,
                [costs[each] for each in settings.pareto],
                seed=seed,
                budget=settings.budget,
                batch=settings.batch,
                progress=progress,
                done=at * settings.budget,
            )
        )
    summary: dict[str, Any] = {
        "space": oracle.space.name,
        "objective": oracle.target,
        "description": oracle.description,
        **oracle.source,
        **as_dict(settings),
        "evaluated": sum(len(state) for state in states),
        "score": results.spread([_highest(state) for state in states], "no score"),
        **found(oracle.space, states, costs),
    }
    if isinstance(oracle, TableOracle):
        optimum = oracle.optimum(within)
        of_seeds = [oracle.incumbents(state) for state in states]
        summary |= search_report.trajectories(of_seeds, optimum, settings.budget)
    return summary | {
        "versions": results.versions(),
        "wall_seconds": round(time.monotonic() - began, 1),
        "argv": sys.argv[1:],
    }


def method_of(settings: Settings, space: Space, allowed: Sequence) -> Method:
    """The method of the settings, of their population if they name one."""
    size = settings.population
    sizes: dict[str, int] = {}
    if size is not None and settings.method in SIZED:
        sizes["population"] = size
        if settings.method == "evolution":
            sizes["sample"] = max(2, size // 4)
    return search.METHODS[settings.method](space, allowed=allowed, **sizes)


def as_dict(settings: Settings) -> dict[str, Any]:
    """The settings as search.json has them."""
    given = {k: limit for k, limit in settings.limits.items() if limit is not None}
    return {
        "method": settings.method,
        "constraints": given,
        "pareto": list(settings.pareto),
        "seeds": list(settings.seeds),
        "budget": settings.budget,
        "batch": settings.batch,
        "population": settings.population,
        "latency": settings.latency,
    }


def save(workdir: Path, summary: dict[str, Any]) -> None:
    """Writes search.json into a folder, made where it is not there."""
    workdir.mkdir(parents=True, exist_ok=True)
    runs.write_json(workdir / "search.json", summary)


def run_search(
    method: Method,
    oracle: Oracle,
    prices: Sequence,
    *,
    seed: int,
    budget: int,
    batch: int,
    progress: Progress | None = None,
    done: int = 0,
    state: State | None = None,
    keep: Callable[[State], None] | None = None,
) -> State:
    """One search; it ends early where no new architecture is found.

    Args:
      method: proposes.
      oracle: answers.
      prices: costs that are objectives beside the score, to be made small.
      seed: of all chance.
      budget: architectures to evaluate.
      batch: of them to ask at a time.
      progress: told after every batch.
      done: evaluations before this search, for the progress.
      state: where a search that was cut goes on; default: the start.
      keep: called with the state after every batch.

    Raises:
      UserError: if not one architecture is within the limits.
    """
    key = jax.random.key(seed)
    state = method.init(1 + len(prices)) if state is None else state
    while len(state) < budget:
        try:
            asked, state = method.ask(
                jax.random.fold_in(key, len(state)),
                state,
                min(batch, budget - len(state)),
            )
        except ValueError as error:
            if not len(state):
                raise UserError(f"nothing to search: {error}") from None
            break
        columns = [oracle.evaluate(asked)]
        columns += [[-price(each) for each in asked] for price in prices]
        values = np.stack([np.asarray(column, float) for column in columns], axis=1)
        state = method.tell(state, asked, values if prices else values[:, 0])
        if keep:
            keep(state)
        if progress:
            progress.update(done + len(state), f"seed {seed}, best {_best(state)}")
    return state


def found(space, states: Sequence[State], costs: Costs) -> dict[str, Any]:
    """The best architectures of all searches together, and their Pareto front.

    Args:
      space: where was searched.
      states: of the searches.
      costs: what is told of each architecture beside its score.

    Returns:
      `best` and `front`, highest score first, as search.json has them.

    Raises:
      UserError: if no architecture has a score.
    """
    rows: dict[str, tuple[str, np.ndarray]] = {}
    for state in states:
        for at in search.ranking(state):
            digest = str(state.hashes[at])
            rows.setdefault(digest, (str(state.texts[at]), state.values[at]))
    if not rows:
        raise UserError("no architecture that was asked has a score and costs")
    texts = [text for text, _ in rows.values()]
    values = np.stack([value for _, value in rows.values()])
    order = np.argsort(-values[:, 0], kind="stable")
    front = search.front(values)
    front = front[np.argsort(-values[front, 0], kind="stable")]

    def entry(at: int) -> dict[str, Any]:
        architecture = space.parse(texts[at])
        return {
            "architecture": texts[at],
            "score": results.number(values[at, 0]),
            **cost_numbers(costs, architecture),
        }

    return {
        "best": [entry(at) for at in order[:NUM_BEST]],
        "front": [entry(at) for at in front],
    }


def _highest(state: State) -> float | None:
    rows = search.ranking(state)
    return results.number(state.values[rows[0], 0]) if len(rows) else None


def _best(state: State) -> str:
    highest = _highest(state)
    return "none yet" if highest is None else f"{highest:.4f}"
