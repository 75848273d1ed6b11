"""Trains all draws of a cell: progress, journal, checkpoints, self-evolution rounds."""

import functools
import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.cells.cell import Cell
from experiments.cells.draws import Draws
from experiments.shell import devices
from experiments.shell.progress import Progress
from tnasp_jax import metrics
from tnasp_jax.checkpoints import Checkpoints
from tnasp_jax.predictors import Predictor
from tnasp_jax.training import refitting, self_evolution, supervised
from tnasp_jax.training.draws import fit_draws, over_draws

SEGMENTS = 10
CHECKPOINT_SECONDS = 30.0

_error = jax.jit(lambda submissions, labels: jnp.mean((submissions - labels) ** 2, 1))
_tau = jax.jit(jax.vmap(metrics.kendall_tau))
_add_constraint = jax.jit(jax.vmap(self_evolution.add_constraint))


class Server:
    """The competition server of self-evolution: tells a submission's error, no more."""

    def __init__(self, val_units: jax.Array):
        self._labels = val_units

    def error(self, submissions: jax.Array) -> jax.Array:
        """e^(t) of each draw, [S], for submissions [S, V] (Eq. 9)."""
        return _error(submissions, self._labels)

    def tau(self, submissions: jax.Array) -> jax.Array:
        """Kendall's tau of each draw, [S]: shown to people, never trained on."""
        return _tau(submissions, self._labels)


class Journal:
    """metrics.jsonl, kept in step with the checkpoints so that a resumed run repeats
    no line."""

    def __init__(self, path: Path, lines: list[dict[str, Any]]):
        self.path, self.lines = path, list(lines)
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))

    def add(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


class Trainer:
    """Trains all draws of a cell side by side.

    Args:
      cell: what to train.
      predictor: its network.
      draws: its data.
      workdir: the run folder; checkpoints in it are gone on from.
      quiet: no progress and no warnings.
    """

    def __init__(
        self, cell: Cell, predictor: Predictor, draws: Draws, workdir: Path, quiet: bool
    ):
        self.cell, self.predictor, self.draws = cell, predictor, draws
        self.quiet = quiet
        self.mesh = devices.mesh()
        self.checkpoints = Checkpoints(workdir)
        self.saved = time.monotonic()
        self.about = self.checkpoints.about() or {
            "stage": "fit",
            "done": 0,
            "lines": [],
        }
        self.journal = Journal(workdir / "metrics.jsonl", self.about["lines"])

    def run(self, trained: Any | None = None) -> tuple[Any, jax.Array | None]:
        """Trains, or goes on from the newest checkpoint.

        Args:
          trained: parameters [S, ...] of an equal supervised training, if there is one.

        Returns:
          Parameters [S, ...], and the proxies ybar [S, V] of self-evolution or None,
          on the host: a draw cut out of an array spread over devices would make them
          exchange it.
        """
        evolving = self.about["stage"] == "evolve"
        if evolving:
            params = None
        elif trained is not None:
            params = trained
        else:
            params = self._fit(self.about["done"])
        if self.cell.evolution is None:
            return jax.device_get(params), None
        if self.predictor.fit is not None:
            return jax.device_get(self._refit(params))
        variables = self._evolve(params, self.about["done"] if evolving else 0)
        return jax.device_get((variables.theta, variables.ybar))

    def _save(self, stage: str, done: int, state: Any, last: bool) -> None:
        if last or time.monotonic() - self.saved > CHECKPOINT_SECONDS:
            step = done + (self.cell.fit.epochs if stage == "evolve" else 0)
            about = {"stage": stage, "done": done, "lines": self.journal.lines}
            self.checkpoints.save(step, state, about)
            self.saved = time.monotonic()

    def _over_draws(self, function, **settings):
        return over_draws(
            functools.partial(function, self.predictor, **settings), self.mesh
        )

    def _start(self):
        """The start of all draws, for its shapes alone."""
        start = functools.partial(
            supervised.start, self.predictor, config=self.cell.fit
        )
        return jax.vmap(start)

    def _fit(self, done: int) -> Any:
        if self.predictor.fit is not None:
            return self._fit_at_once()
        fit, draws = self.cell.fit, self.draws
        segment = segment_epochs(fit.epochs)
        start = self._over_draws(supervised.start, config=fit)
        train = self._over_draws(
            supervised.train_epochs, config=fit, num_epochs=segment
        )
        if done:
            like = jax.eval_shape(self._start(), draws.train, draws.fit_keys)
            state = self.checkpoints.restore(like)
        else:
            state = start(draws.train, draws.fit_keys)
        label = f"training {len(self.cell.seeds)} draws"
        progress = Progress(fit.epochs, label, self.quiet)
        while done < fit.epochs:
            state, loss = train(draws.train, draws.train_units, state)
            done += segment
            last_loss = float(np.mean(np.asarray(loss)[:, -1]))
            self.journal.add({"stage": "fit", "epoch": done, "loss": last_loss})
            progress.update(done, f"loss {last_loss:.3f}")
            self._save("fit", done, state, last=done == fit.epochs)
        finish = self._over_draws(supervised.finish)
        return finish(state.params, draws.train, draws.train_units)

    def _fit_at_once(self) -> Any:
        """The parameters of a predictor that is not trained by steps."""
        draws = self.draws
        progress = Progress(1, f"fitting {len(self.cell.seeds)} draws", self.quiet)
        params = fit_draws(
            self.predictor,
            draws.train,
            draws.train_units,
            draws.fit_keys,
            self.cell.fit,
            self.mesh,
        )
        progress.update(1)
        return params

    def _refit(self, params: Any) -> tuple[Any, jax.Array]:
        """Self-evolution of a predictor that is fitted at once: parameters, ybar."""
        config, draws = self.cell.evolution, self.draws
        assert config is not None
        server, rounds = (
            Server(_inside(draws.val_units, draws.train_units)),
            config.rounds,
        )
        ask = self._over_draws(refitting.submissions, rounds=rounds)
        again = self._over_draws(refitting.refit)
        asked = ask(params, draws.validation)
        errors = jnp.stack([server.error(asked[:, at]) for at in range(rounds)], axis=1)
        ybar = asked[:, 0]
        if config.mode == "projection":
            ybar = jax.vmap(refitting.proxies, (0, 0, None))(
                asked, errors, config.ridge
            )
        progress = Progress(1, "self-evolution", self.quiet)
        params = again(
            draws.evolution_keys, draws.train, draws.train_units, draws.validation, ybar
        )
        predict = self._over_draws(_apply)
        line = {
            "stage": "evolve",
            "round": rounds,
            "error": float(jnp.mean(errors[:, 0])),
            "val_tau_before": float(jnp.mean(server.tau(asked[:, 0]))),
            "val_tau_after": float(
                jnp.mean(server.tau(predict(params, draws.validation)))
            ),
        }
        self.journal.add(line)
        progress.update(
            1,
            f"{rounds} submissions, validation tau {line['val_tau_before']:.3f} to "
            f"{line['val_tau_after']:.3f}",
        )
        return params, ybar

    def _evolve(self, params: Any | None, done: int) -> self_evolution.Variables:
        config, draws = self.cell.evolution, self.draws
        assert config is not None
        begin = self._over_draws(self_evolution.start, config=config)
        submit = self._over_draws(self_evolution.submission, config=config)
        evolve = self._over_draws(self_evolution.evolve_round, config=config)
        predict = self._over_draws(_predict)
        server = Server(draws.val_units)
        known = (draws.train, draws.train_units, draws.validation)

        if params is None:
            theta = jax.eval_shape(self._start(), draws.train, draws.fit_keys).params
            like = jax.eval_shape(
                jax.vmap(
                    functools.partial(
                        self_evolution.start, self.predictor, config=config
                    )
                ),
                theta,
                *known,
                draws.evolution_keys,
            )
            state = self.checkpoints.restore(like)
        else:
            state = begin(params, *known, draws.evolution_keys)
        progress = Progress(config.rounds, "self-evolution", self.quiet)
        for round_ in range(done + 1, config.rounds + 1):
            before = server.tau(predict(state, draws.validation))
            prediction = submit(state, *known)
            error = server.error(prediction)
            state = _add_constraint(state, prediction, error)
            state, terms = evolve(state, *known)
            after = server.tau(predict(state, draws.validation))
            line = round_report(round_, error, terms, before, after)
            self.journal.add(line)
            progress.update(round_, round_note(line))
            if line["violation_grew"] and not self.quiet:
                _warn_growth(line)
            self._save("evolve", round_, state, last=round_ == config.rounds)
        return state.variables


def _predict(predictor, state, graphs):
    return predictor.apply(state.variables.theta, graphs)


def _inside(val_units, train_units):
    """Labels beyond all training labels count as at the outermost of them: one failed
    cell among cells that work would be all that a squared error tells."""
    ends = jnp.min(train_units, 1), jnp.max(train_units, 1)
    return jnp.clip(val_units, *(end[:, None] for end in ends))


def _apply(predictor, params, graphs):
    return predictor.apply(params, graphs)


def round_report(round_: int, error, terms, before, after) -> dict[str, Any]:
    """One line of metrics.jsonl about a round of self-evolution, means over draws."""
    violation = np.abs(np.asarray(terms.violation))  # [S, steps, T]
    active = violation[:, :, :round_]
    first, last = active[:, 0].max(axis=1), active[:, -1].max(axis=1)

    def mean(value) -> float:
        return float(np.mean(np.asarray(value)))

    return {
        "stage": "evolve",
        "round": round_,
        "error": mean(error),
        **{
            f"{name}_{moment}": mean(getattr(terms, name)[:, at])
            for name in ("lagrangian", "fit", "proxy", "constraint")
            for moment, at in (("first", 0), ("last", -1))
        },
        "violation": [mean(v) for v in np.asarray(terms.violation)[:, -1, :round_].T],
        "largest_violation_first": mean(first),
        "largest_violation_last": mean(last),
        "violation_grew": bool(np.mean(last) > 1.05 * np.mean(first) + 1e-6),
        "val_tau_before": mean(before),
        "val_tau_after": mean(after),
    }


def round_note(line: dict[str, Any]) -> str:
    """What the progress line of a round says."""
    return (
        f"e {line['error']:.4f}, largest violation "
        f"{line['largest_violation_first']:.4f} to {line['largest_violation_last']:.4f}"
        f", validation tau {line['val_tau_before']:.3f} to {line['val_tau_after']:.3f}"
    )


def segment_epochs(epochs: int) -> int:
    """Epochs between two looks at the training; divides `epochs`, so that one program
    serves all segments."""
    wanted = max(1, epochs // SEGMENTS)
    return max(s for s in range(1, wanted + 1) if epochs % s == 0)


def _warn_growth(line: dict[str, Any]) -> None:
    print(
        f"warning: round {line['round']}: the largest constraint violation grew from "
        f"{line['largest_violation_first']:.4f} to "
        f"{line['largest_violation_last']:.4f}; "
        "smaller --se_proxy_rate and --se_multiplier_rate are steadier",
        file=sys.stderr,
    )
