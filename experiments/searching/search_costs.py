"""What an architecture costs, for limits, Pareto fronts and search.json."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np

from experiments.shell.command import UserError
from experiments.shell.strict_flags import near
from tnasp_jax.benchmarks import hardware
from tnasp_jax.benchmarks import latency as latencies
from tnasp_jax.search import AtMost
from tnasp_jax.spaces import Space
from tnasp_jax.spaces.base import Architecture
from tnasp_jax.spaces.chain import ChainSpace
from tnasp_jax.spaces.custom import CustomSpace

COSTS = ("params", "flops", "latency")
UNITS = {"params": "parameters", "flops": "multiply-adds", "latency": "milliseconds"}

LATENCIES = latencies.DESCRIBE | hardware.DESCRIBE
"""What was measured, by name: look-up tables of mobile blocks, and whole networks."""

SAMPLES = 64  # Random networks of which a look-up table must know one.

Costs = dict[str, Callable[[Architecture], float]]
"""Name in `COSTS` -> the cost of one architecture; those that a space tells."""


def costs_of(space: Space, table: str | None, data_dir: Path | None) -> Costs:
    """The costs that are known of a space's architectures.

    Args:
      space: the space.
      table: of `LATENCIES`; None for no latency.
      data_dir: its folder.

    Raises:
      UserError: for a look-up table of a space that is no chain of blocks, or of whose
        random networks it knows none; for measurements of another space.
      ValueError: for a file that is missing or damaged.
    """
    found: Costs = {}
    told = not isinstance(space, CustomSpace) or bool(space.costs)
    for name, method in (("params", "parameters"), ("flops", "flops")):
        if told and hasattr(space, method):
            found[name] = functools.cache(getattr(space, method))
    if table is None:
        return found
    if table in hardware.NAMES:
        return {**found, "latency": _of_networks(space, table, data_dir)}
    if not isinstance(space, ChainSpace):
        raise UserError(
            f"--latency={table}: a table of mobile blocks; the space {space.name} "
            "has none"
        )
    measured = jax.jit(latencies.of_space(latencies.read(table, data_dir), space))
    drawn = space.to_graphs(space.sample(jax.random.key(0), SAMPLES))
    if np.isnan(measured(drawn)).all():
        raise UserError(
            f"--latency={table}: has no latency of any of {SAMPLES} random networks of "
            f"{space.name}; name a table of their widths and sizes of images"
        )

    @functools.cache
    def milliseconds(architecture: Architecture) -> float:
        return float(measured(space.to_graphs([architecture]))[0])

    return {**found, "latency": milliseconds}


def _of_networks(
    space: Space, name: str, data_dir: Path | None
) -> Callable[[Architecture], float]:
    """Milliseconds of whole networks; NaN of one that was not measured."""
    measured = hardware.read(name, data_dir)
    if space.name != measured.space.name:
        raise UserError(
            f"--latency={name}: networks of {measured.space.name}; the space here is "
            f"{space.name}"
        )
    return lambda architecture: measured.milliseconds.get(architecture, np.nan)


def limits_of(costs: Costs, limits: Mapping[str, float | None]) -> list[AtMost]:
    """What must hold: each cost at most its limit.

    Raises:
      UserError: for a limit on a cost that nobody knows.
    """
    set_ = {name: limit for name, limit in limits.items() if limit is not None}
    for name in set_:
        check_known(costs, name, f"--max_{name}")
    return [AtMost(costs[name], limit) for name, limit in set_.items()]


def check_known(costs: Costs, name: str, flag: str) -> None:
    """UserError if the cost of a flag is no cost, or not known."""
    if name not in COSTS:
        raise UserError(
            f"{flag}: no cost {name!r}; expected some of {','.join(COSTS)}"
            + near(name, COSTS)
        )
    if name not in costs:
        advice = (
            "name where it is from by --latency"
            if name == "latency"
            else "the space does not tell it"
        )
        raise UserError(f"{flag}: the cost {name} is not known; {advice}")


def numbers(costs: Costs, architecture: Architecture) -> dict[str, float | None]:
    """Every cost in `COSTS`, whole but for milliseconds; None where it is not known."""
    found: dict[str, float | None] = dict.fromkeys(COSTS)
    for name, cost in costs.items():
        value = cost(architecture)
        if np.isfinite(value):
            found[name] = round(value, 4) if name == "latency" else round(value)
    return found
