"""Self-evolution: training on the scores of one's own submissions (TNASP, section 4).

The validation cells' labels y are unknown. A server tells, for a submitted prediction
yhat^(t), only its error e^(t) = (1/V) sum_j (yhat_j^(t) - y_j)^2 (Eq. 9). Proxies ybar
of the unknown labels are learnt with the network's parameters theta:

    min over theta, ybar, max over lam of
        sum_i (f(x_i) - y_i)^2 + alpha sum_j (f(v_j) - ybar_j)^2
        + (1/T) sum_t lam_t [(1/V) sum_j (yhat_j^(t) - ybar_j)^2 - e^(t)]

Scores that only order architectures (`Predictor.orders_only`) are no labels: they go to
the server through a line that the training cells fit (`calibration`), theta learns the
order of y and ybar by the predictor's own loss, and ybar is drawn to the newest
submission. This is ours; the paper evolves regressions alone.

Nothing here takes the validation labels: a round gets the scalar e^(t) alone. Axis
letters: n training cells, V validation cells, T constraint slots, b and v cells of a step.
"""

import dataclasses
from typing import Any, Literal, NamedTuple, get_args

import flax.struct
import jax
import jax.numpy as jnp
import optax

from tnasp_jax.graphs import Graphs, check_labels
from tnasp_jax.names import unknown
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.training.calibration import predict
from tnasp_jax.training.constraints import Constraints, none_yet, project, violations
from tnasp_jax.training.supervised import adam_l2, batch_loss, finish

Mode = Literal["minimax", "projection", "control"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvolutionConfig:
    """What the paper leaves open, with defaults for labels in normal ranks.

    Attributes:
      mode: "minimax", Algorithm 1; "projection", ybar in closed form from the T - 1
        linear equations between the constraints; "control", the same extra training
        with ybar fixed at the first prediction and no constraints.
      rounds: T, submissions.
      steps: gradient steps of a round.
      batch_size: training and validation cells of a step, each; the sums of the
        Lagrangian are rescaled to all cells. The constraints always see all of V.
      alpha: weight of the proxy term.
      learning_rate: of Adam for theta.
      weight_decay: L2 inside Adam for theta.
      proxy_rate: step size of the descent in ybar.
      multiplier_rate: step size of the ascent in lam.
      proxy_noise: standard deviation of ybar's start around the first prediction: at
        the prediction itself the constraint's gradient is zero.
      ridge: of the projection, relative to the mean square of a difference of two
        submissions.
      dropout_submissions: whether rounds after the first submit a prediction under
        dropout, since predictions of one network a few steps apart say little new.

    Raises:
      ValueError: for an unknown mode.
    """

    mode: Mode = "minimax"
    rounds: int = 6
    steps: int = 150
    batch_size: int = 32
    alpha: float = 1.0
    learning_rate: float = 1e-4
    weight_decay: float = 1e-3
    proxy_rate: float = 1e-3
    multiplier_rate: float = 1e-2
    proxy_noise: float = 0.1
    ridge: float = 1e-3
    dropout_submissions: bool = False

    def __post_init__(self) -> None:
        if self.mode not in (known := get_args(Mode)):
            raise ValueError(unknown("mode of self-evolution", self.mode, known))


@flax.struct.dataclass
class Variables:
    """The variables of the minimax problem.

    Attributes:
      theta: the predictor's parameters.
      ybar: [V] proxies of the validation labels, in training units.
      lam: [T] multipliers, free in sign.
    """

    theta: Params
    ybar: jax.Array
    lam: jax.Array


@flax.struct.dataclass
class EvolutionState:
    """All that self-evolution goes on from.

    Attributes:
      variables: theta, ybar, lam.
      opt_state: of the one optimizer over all three.
      constraints: the submissions and their errors.
      centre: [V] the first prediction, the control's fixed proxies.
      key: the draw's key.
    """

    variables: Variables
    opt_state: Any
    constraints: Constraints
    centre: jax.Array
    key: jax.Array


class Terms(NamedTuple):
    """The Lagrangian of one iterate, and what it is made of.

    Attributes:
      lagrangian: [] the sum of the three terms.
      fit: [] sum_i (f(x_i) - y_i)^2; of scores that only order, n + alpha V times the
        predictor's loss on training and validation cells.
      proxy: [] alpha sum_j (f(v_j) - ybar_j)^2; of scores that only order, the
        newest submission takes the place of f.
      constraint: [] (1/T) sum_t lam_t violation_t.
      violation: [T] (1/V) sum_j (yhat_j^(t) - ybar_j)^2 - e^(t); 0 in empty slots.
    """

    lagrangian: jax.Array
    fit: jax.Array
    proxy: jax.Array
    constraint: jax.Array
    violation: jax.Array


def minimax_optimizer(config: EvolutionConfig) -> optax.GradientTransformation:
    """Descent in theta and ybar, ascent in lam: Eqs. (11), (12), (13) in one update.

    One gradient of the Lagrangian at one iterate feeds all three, so none of them sees
    another's new value.
    """
    moving = config.mode == "minimax"
    return optax.partition(
        {
            "theta": adam_l2(config.learning_rate, config.weight_decay),
            "ybar": optax.sgd(config.proxy_rate) if moving else optax.set_to_zero(),
            "lam": optax.scale(config.multiplier_rate)
            if moving
            else optax.set_to_zero(),
        },
        # A tree of labels in the shape of the variables, not of arrays.
        Variables(theta="theta", ybar="ybar", lam="lam"),  # pyright: ignore
    )


def start(
    predictor: Predictor,
    theta: Params,
    graphs: Graphs,
    labels: jax.Array,
    validation: Graphs,
    key: jax.Array,
    config: EvolutionConfig,
) -> EvolutionState:
    """The state before the first round, from a network trained to convergence.

    Args:
      predictor: any (init, apply) pair.
      theta: its trained parameters.
      graphs: [n] training cells.
      labels: [n] their labels, in training units.
      validation: [V] cells with unknown labels.
      key: typed key of the draw.
      config: the recipe.
    """
    start_key, step_key = jax.random.split(key)
    centre = predict(predictor, theta, graphs, labels, validation)
    noise = config.proxy_noise * jax.random.normal(start_key, centre.shape)
    variables = Variables(
        theta=theta,
        ybar=centre + noise if config.mode == "minimax" else centre,
        lam=jnp.zeros(config.rounds),
    )
    return EvolutionState(
        variables=variables,
        opt_state=minimax_optimizer(config).init(variables),  # pyright: ignore
        constraints=none_yet(config.rounds, centre.shape[0]),
        centre=centre,
        key=step_key,
    )


def submission(
    predictor: Predictor,
    state: EvolutionState,
    graphs: Graphs,
    labels: jax.Array,
    validation: Graphs,
    config: EvolutionConfig,
) -> jax.Array:
    """yhat^(t), [V] in training units: what this round hands to the server.

    Args:
      predictor: any (init, apply) pair.
      state: before the round.
      graphs: [n] training cells.
      labels: [n] their labels, in training units.
      validation: [V] cells with unknown labels.
      config: the recipe.
    """
    known = (predictor, state.variables.theta, graphs, labels, validation)
    prediction = predict(*known)
    if not config.dropout_submissions:
        return prediction
    key = jax.random.fold_in(jax.random.fold_in(state.key, 1), state.constraints.count)
    sample = predict(*known, dropout_key=key)
    return jnp.where(state.constraints.count == 0, prediction, sample)


def add_constraint(
    state: EvolutionState, prediction: jax.Array, error: jax.Array
) -> EvolutionState:
    """The state with the next constraint slot filled.

    Args:
      state: before the round.
      prediction: [V] the submission yhat^(t).
      error: [] the server's answer e^(t).
    """
    return dataclasses.replace(
        state, constraints=state.constraints.added(prediction, error)
    )


def lagrangian(
    predictor: Predictor,
    variables: Variables,
    constraints: Constraints,
    training: tuple[Graphs, jax.Array, float],
    validation: tuple[Graphs, jax.Array, float],
    alpha: float,
    dropout_keys: tuple[jax.Array, jax.Array] | None = None,
) -> Terms:
    """The Lagrangian on (a sample of) the training and validation cells.

    Args:
      predictor: any (init, apply) pair.
      variables: the iterate.
      constraints: the submissions so far.
      training: graphs [b], labels [b] and the weight of each cell in the sum.
      validation: graphs [v], their rows [v] in ybar, and the weight of each.
      alpha: weight of the proxy term.
      dropout_keys: one for the training and one for the validation cells; a predictor
        whose scores only order needs the first, for its loss.
    """
    if predictor.orders_only:
        assert dropout_keys is not None, "the loss of a predictor needs a dropout key"
        fit, proxy = _ordering_terms(
            predictor,
            variables,
            constraints.newest,
            training,
            validation,
            alpha,
            dropout_keys[0],
        )
    else:
        keys = dropout_keys or (None, None)
        graphs, labels, weight = training
        scores = predictor.apply(variables.theta, graphs, dropout_key=keys[0])
        fit = weight * jnp.sum(jnp.square(scores - labels))
        graphs, rows, weight = validation
        scores = predictor.apply(variables.theta, graphs, dropout_key=keys[1])
        proxy = alpha * weight * jnp.sum(jnp.square(scores - variables.ybar[rows]))
    violation = violations(constraints, variables.ybar)
    constraint = jnp.sum(variables.lam * violation)
    constraint = constraint / jnp.maximum(constraints.count, 1)
    return Terms(fit + proxy + constraint, fit, proxy, constraint, violation)


def _ordering_terms(
    predictor: Predictor,
    variables: Variables,
    prediction: jax.Array,
    training: tuple[Graphs, jax.Array, float],
    validation: tuple[Graphs, jax.Array, float],
    alpha: float,
    dropout_key: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """What takes the place of both squared errors where scores only order.

    A loss of order says nothing of the values of ybar, so the first term moves theta
    alone and the second ybar alone.
    """
    graphs, labels, weight = training
    unlabelled, rows, each = validation
    ybar = variables.ybar[rows]
    weights = jnp.concatenate(
        [jnp.full(len(graphs), weight), jnp.full(len(unlabelled), alpha * each)]
    )
    loss = batch_loss(
        predictor,
        predictor.recipe,
        variables.theta,
        jax.tree.map(lambda *leaves: jnp.concatenate(leaves), graphs, unlabelled),
        jnp.concatenate([labels, jax.lax.stop_gradient(ybar)]),
        weights,
        dropout_key,
    )
    # The loss is a mean, and the terms of the Lagrangian are sums.
    fit = jnp.sum(weights) * loss
    return fit, alpha * each * jnp.sum(jnp.square(prediction[rows] - ybar))


def evolve_round(
    predictor: Predictor,
    state: EvolutionState,
    graphs: Graphs,
    labels: jax.Array,
    validation: Graphs,
    config: EvolutionConfig,
) -> tuple[EvolutionState, Terms]:
    """The gradient steps of one round; pure and jittable, one program for all rounds.

    A predictor with `finish` stores again what it knows of the training cells.

    Args:
      predictor: any (init, apply) pair.
      state: with this round's constraint added.
      graphs: [n] training cells.
      labels: [n] their labels, in training units.
      validation: [V] validation cells; their labels have no way in.
      config: the recipe.

    Returns:
      The new state and the terms before each step, [steps] and [steps, T].
    """
    check_labels(graphs, labels)
    optimizer = minimax_optimizer(config)
    graphs, labels, validation = jax.tree.map(jnp.asarray, (graphs, labels, validation))
    round_key = jax.random.fold_in(
        jax.random.fold_in(state.key, 0), state.constraints.count
    )
    if config.mode == "projection":
        ybar = project(state.constraints, state.centre, config.ridge)
        state = dataclasses.replace(
            state, variables=dataclasses.replace(state.variables, ybar=ybar)
        )

    def step(carry, step_key):
        variables, opt_state = carry
        keys = jax.random.split(step_key, 4)
        rows, weight = _sample(keys[0], len(graphs), config.batch_size)
        training = (graphs[rows], labels[rows], weight)
        rows, weight = _sample(keys[1], len(validation), config.batch_size)
        unlabelled = (validation[rows], rows, weight)

        def objective(variables):
            terms = lagrangian(
                predictor,
                variables,
                state.constraints,
                training,
                unlabelled,
                config.alpha,
                (keys[2], keys[3]),
            )
            return terms.lagrangian, terms

        grads, terms = jax.grad(objective, has_aux=True)(variables)
        updates, opt_state = optimizer.update(grads, opt_state, variables)
        return (optax.apply_updates(variables, updates), opt_state), terms

    (variables, opt_state), terms = jax.lax.scan(
        step,
        (state.variables, state.opt_state),
        jax.random.split(round_key, config.steps),
    )
    state = dataclasses.replace(state, variables=variables, opt_state=opt_state)
    # The steps moved what `finish` had stored, by L2 at least, and what it follows from.
    theta = finish(predictor, state.variables.theta, graphs, labels)
    variables = dataclasses.replace(state.variables, theta=theta)
    return dataclasses.replace(state, variables=variables), terms


def _sample(key: jax.Array, size: int, batch_size: int) -> tuple[jax.Array, float]:
    """Rows without replacement, and how many cells of all each one stands for."""
    taken = min(size, batch_size)
    return jax.random.permutation(key, size)[:taken], size / taken
