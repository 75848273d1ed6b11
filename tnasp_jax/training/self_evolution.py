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
from typing import Any, Literal, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax

from tnasp_jax.graphs import Graphs, check_labels
from tnasp_jax.predictors.base import Params, Predictor
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
class Constraints:
    """The submissions so far; slots from `count` on are empty.

    Attributes:
      submissions: [T, V] yhat^(t), in training units.
      errors: [T] e^(t), in squared training units.
      count: [] int32, filled slots.
    """

    submissions: jax.Array
    errors: jax.Array
    count: jax.Array

    @property
    def active(self) -> jax.Array:
        """[T] bool, which slots are filled."""
        return jnp.arange(self.errors.shape[0]) < self.count

    @property
    def newest(self) -> jax.Array:
        """[V], the last submission."""
        return self.submissions[self.count - 1]


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


def calibration(scores: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The least squares line from scores to labels, among those that do not fall.

    Args:
      scores: [n], at least two that differ, or the line is flat.
      labels: [n].

    Returns:
      slope [] and offset []: a label is about slope * score + offset. The slope is 0
      where labels fall with the scores: a line must not turn an order round.
    """
    mean, centred = jnp.mean(scores), scores - jnp.mean(scores)
    variance = jnp.mean(jnp.square(centred))
    # Below this, scores differ by rounding alone.
    varies = variance > 1e-12 * jnp.square(mean)
    rise = jnp.maximum(jnp.mean(centred * labels), 0.0)
    slope = jnp.where(varies, rise / jnp.where(varies, variance, 1.0), 0.0)
    return slope, jnp.mean(labels) - slope * mean


def predict(
    predictor: Predictor,
    theta: Params,
    graphs: Graphs,
    labels: jax.Array,
    asked: Graphs,
    dropout_key: jax.Array | None = None,
) -> jax.Array:
    """Labels of the cells asked for: scores, calibrated where they only order.

    Args:
      predictor: any (init, apply) pair.
      theta: its parameters.
      graphs: [n] training cells.
      labels: [n] their labels, in training units.
      asked: [V] cells.
      dropout_key: for scores of the cells asked for under dropout.

    Returns:
      [V] in training units.
    """
    check_labels(graphs, labels)
    scores = predictor.apply(theta, asked, dropout_key=dropout_key)
    if not predictor.orders_only:
        return scores
    slope, offset = calibration(predictor.apply(theta, graphs), jnp.asarray(labels))
    return slope * scores + offset


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
        constraints=Constraints(
            submissions=jnp.zeros((config.rounds, centre.shape[0])),
            errors=jnp.zeros(config.rounds),
            count=jnp.int32(0),
        ),
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
    """Fills the next constraint slot; no shape changes, so nothing recompiles.

    Args:
      state: before the round.
      prediction: [V] the submission yhat^(t).
      error: [] the server's answer e^(t).
    """
    slot = state.constraints.count
    return dataclasses.replace(
        state,
        constraints=Constraints(
            submissions=state.constraints.submissions.at[slot].set(prediction),
            errors=state.constraints.errors.at[slot].set(error),
            count=slot + 1,
        ),
    )


def violations(constraints: Constraints, ybar: jax.Array) -> jax.Array:
    """[T]: (1/V) sum_j (yhat_j^(t) - ybar_j)^2 - e^(t); 0 in empty slots."""
    distance = jnp.mean(jnp.square(constraints.submissions - ybar[None]), axis=1)
    return jnp.where(constraints.active, distance - constraints.errors, 0.0)


def project(constraints: Constraints, centre: jax.Array, ridge: float) -> jax.Array:
    """The proxies nearest to `centre` that satisfy the T - 1 linear equations.

    Subtracting two constraints leaves an equation that is linear in y: with
    u_t = yhat^(t) - centre and d_t = u_t - u_1,
    2 d_t . (y - centre) = |u_t|^2 - |u_1|^2 - V (e^(t) - e^(1)).
    Nearly equal submissions make the system nearly singular, hence the ridge.

    Args:
      constraints: the submissions so far; with fewer than two there is no equation.
      centre: [V] where to project from.
      ridge: relative to the mean square length of the d_t.

    Returns:
      [V] proxies.
    """
    offsets = constraints.submissions - centre[None]
    active = constraints.active.at[0].set(False)
    directions = jnp.where(active[:, None], offsets - offsets[:1], 0.0)
    lengths = jnp.sum(jnp.square(offsets), axis=1)
    size = centre.shape[0]
    right = lengths - lengths[0] - size * (constraints.errors - constraints.errors[0])
    right = jnp.where(active, right / 2, 0.0)
    gram = jnp.matmul(directions, directions.T, precision=jax.lax.Precision.HIGHEST)
    scale = jnp.trace(gram) / jnp.maximum(jnp.sum(active), 1)
    gram = gram + jnp.diag(jnp.where(active, ridge * scale + 1e-12, 1.0))
    weights = jnp.linalg.solve(gram, right)
    return centre + jnp.matmul(
        directions.T, weights, precision=jax.lax.Precision.HIGHEST
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
