"""The recipe of a cell: the predictor's own, with what the flags say on top."""

import dataclasses
import math
import sys
from typing import Any

from absl import flags

from tnasp_jax.benchmarks import Table
from tnasp_jax.predictors import Predictor, get_predictor
from tnasp_jax.predictors.recipe import FitConfig
from tnasp_jax.training import refitting
from tnasp_jax.training.self_evolution import EvolutionConfig

FLAGS = (
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "schedule",
    "first_moment",
    "clip",
)
"""The flags that overrule a predictor's training recipe."""


def fit_config(values: flags.FlagValues, predictor: Predictor) -> FitConfig:
    """How the predictor of a cell is trained.

    Sets the flags that its user left open, for the run's flags.txt. Of a predictor that
    is fitted at once they say nothing.
    """
    if predictor.fit is not None:
        return predictor.recipe
    fit = dataclasses.replace(predictor.recipe, **_as_fields(_given(values)))
    for name, value in _as_flags(fit).items():
        values[name].value = value
    return fit


def warn_of_unused(values: flags.FlagValues, table: Table) -> None:
    """Names on stderr the flags of training that the predictor has no use for."""
    given = _given(values)
    if not given or values.quiet:
        return
    if get_predictor(values.predictor, table.space).fit is not None:
        print(
            f"warning: {values.predictor} is fitted at once, not by steps; without "
            f"effect: {', '.join(f'--{name}' for name in given)}",
            file=sys.stderr,
        )


def evolution_config(
    values: flags.FlagValues, predictor: Predictor
) -> EvolutionConfig | None:
    """How the predictor of a cell evolves, None where it does not.

    Sets --se_rounds where its user left it open. A predictor that is fitted at once asks
    along directions that it fixes beforehand, so more of them tell more.
    """
    if values.self_evolution == "off":
        return None
    if values.se_rounds is None:
        at_once = min(refitting.ROUNDS, values.n_val + 1)
        stepwise = EvolutionConfig().rounds
        values.se_rounds = stepwise if predictor.fit is None else at_once
    return EvolutionConfig(
        mode=values.self_evolution,
        rounds=values.se_rounds,
        steps=values.se_steps,
        alpha=values.se_alpha,
        proxy_rate=values.se_proxy_rate,
        multiplier_rate=values.se_multiplier_rate,
        dropout_submissions=values.self_evolution == "projection",
    )


def _given(values: flags.FlagValues) -> dict[str, Any]:
    """The flags of training that have a value."""
    found = {name: values[name].value for name in FLAGS}
    return {name: value for name, value in found.items() if value is not None}


def _as_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Flags as fields of a FitConfig."""
    fields = dict(given)
    if "schedule" in fields:
        fields["cosine"] = fields.pop("schedule") == "cosine"
    if fields.get("clip") == math.inf:
        fields["clip"] = None
    return fields


def _as_flags(fit: FitConfig) -> dict[str, Any]:
    """Fields of a FitConfig as flags."""
    fields = {name: getattr(fit, name) for name in FLAGS if name != "schedule"}
    clip = math.inf if fit.clip is None else fit.clip
    schedule = "cosine" if fit.cosine else "constant"
    return fields | {"schedule": schedule, "clip": clip}
