"""Commands run in this process, on a small predictor and a table that is there."""

import functools
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from experiments import nb201
from experiments.cells import training
from experiments.shell import command, devices
from tnasp_jax import benchmarks, evaluation, losses
from tnasp_jax.benchmarks import digits
from tnasp_jax.predictors import PREDICTORS, Predictor
from tnasp_jax.training.draws import over_draws

TINY_FLAGS = (
    "--predictor=tiny",
    "--n_train=12",
    "--n_val=16",
    "--n_test=60",
    "--epochs=6",
    "--learning_rate=1e-2",
    "--seeds=0,1",
)


@functools.cache
def tiny(space) -> Predictor:
    """A network that compiles in no time: operations counted, with dropout."""
    num_ops = len(space.ops)

    def init(key, graphs):
        return {"weights": 0.1 * jax.random.normal(key, (num_ops,))}

    def apply(params, graphs, *, dropout_key=None):
        counts = jnp.sum(jax.nn.one_hot(graphs.ops, num_ops), axis=1)
        if dropout_key is not None:
            counts *= jax.random.bernoulli(dropout_key, 0.9, counts.shape)
        return jnp.sum(counts * params["weights"][None], axis=-1)

    return Predictor(init, apply)


@functools.cache
def tiny_at_once(space) -> Predictor:
    """A ridge regression on operations counted, which says what it is unsure of."""
    num_ops = len(space.ops)

    def counts(graphs):
        return jnp.sum(jax.nn.one_hot(graphs.ops, num_ops), axis=1)

    def fit(key, graphs, labels):
        del key
        x = counts(graphs)
        spread = jnp.linalg.inv(x.T @ x + jnp.eye(num_ops))
        return {"weights": spread @ (x.T @ labels), "spread": spread}

    def apply(params, graphs, *, dropout_key=None):
        del dropout_key
        return counts(graphs) @ params["weights"]

    def covariance(params, graphs):
        return counts(graphs) @ params["spread"] @ counts(graphs).T

    return Predictor(
        lambda key, graphs: fit(key, graphs, jnp.zeros(len(graphs))),
        apply,
        fit=fit,
        covariance=covariance,
    )


@functools.cache
def tiny_unaware(space) -> Predictor:
    """The same, without saying it."""
    return tiny_at_once(space)._replace(covariance=None)


@functools.cache
def tiny_ordering(space) -> Predictor:
    """`tiny`, of which only the order is learnt, with a last step after training."""
    plain = tiny(space)

    def init(key, graphs):
        return plain.init(key, graphs) | {"mean": jnp.zeros(())}

    def objective(params, graphs, labels, weights, *, dropout_key):
        scores = plain.apply(params, graphs, dropout_key=dropout_key)
        return losses.pairwise_logistic(scores, labels, weights)

    def finish(params, graphs, labels):
        return params | {"mean": jnp.mean(plain.apply(params, graphs))}

    def apply(params, graphs, *, dropout_key=None):
        scores = plain.apply(params, graphs, dropout_key=dropout_key)
        return scores - jax.lax.stop_gradient(params["mean"])

    return Predictor(init, apply, objective, finish, orders_only=True)


def call(main, define, arguments, words="") -> int:
    """A command's exit code."""
    with pytest.raises(SystemExit) as exit_:
        command.run(main, define, list(map(str, arguments)), words=words)
    return exit_.value.code


@pytest.fixture(scope="session")
def table_flags(request) -> tuple[str, ...]:
    """The embedded table; before it is measured, the official one."""
    if digits.FILE.exists():
        return ("--table=digits",)
    return (f"--data_dir={request.getfixturevalue('data_dir')}",)


def share_programs(patch: pytest.MonkeyPatch) -> None:
    """Equal runs of this process compile once, and read a table once."""
    patch.setattr(benchmarks, "load", functools.cache(benchmarks.load))
    patch.setattr(evaluation, "scorer", functools.cache(evaluation.scorer))

    @functools.cache
    def made(function, predictor, mesh, settings):
        return over_draws(
            functools.partial(function, predictor, **dict(settings)), mesh
        )

    def cached(self, function, **settings):
        return made(function, self.predictor, self.mesh, tuple(settings.items()))

    patch.setattr(training.Trainer, "_over_draws", cached)


@pytest.fixture(scope="module")
def commands(table_flags):
    """`nb201(workdir, *flags)`: a run by the predictor "tiny"; the last flag counts."""

    def run_nb201(workdir: Path, *flags: str) -> int:
        named = {flag.partition("=")[0]: flag for flag in (*TINY_FLAGS, *flags)}
        arguments = [*table_flags, f"--workdir={workdir}", *named.values()]
        return call(nb201.main, command.define_shared, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PREDICTORS, "tiny", tiny)
        patch.setitem(PREDICTORS, "tiny_at_once", tiny_at_once)
        patch.setitem(PREDICTORS, "tiny_unaware", tiny_unaware)
        patch.setitem(PREDICTORS, "tiny_ordering", tiny_ordering)
        share_programs(patch)
        # tests/conftest.py has set the number of devices already.
        patch.setattr(devices, "use_all_cores", lambda: None)
        yield SimpleNamespace(nb201=run_nb201, call=call)
