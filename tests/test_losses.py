"""Losses: hand-made numbers, and what a weight of zero means."""

import jax
import numpy as np
import pytest

from tnasp_jax import losses

LOSSES = [losses.mse, losses.pairwise_logistic]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)


def _batch(size=7, seed=0):
    rng = np.random.default_rng(seed)
    draws = rng.normal(size=(2, size)).astype(np.float32)
    return draws[0], np.round(draws[1]), rng.random(size).astype(np.float32)


def test_mse_by_hand():
    scores, labels = np.array([1.0, 2.0, 5.0]), np.array([0.0, 4.0, 5.0])
    assert losses.mse(scores, labels, np.array([1.0, 1.0, 1.0])) == pytest.approx(5 / 3)
    assert losses.mse(scores, labels, np.array([3.0, 1.0, 0.0])) == pytest.approx(7 / 4)


def test_pairwise_logistic_by_hand():
    even = np.ones(2)
    undecided = losses.pairwise_logistic(np.zeros(2), np.array([0.0, 1.0]), even)
    assert undecided == pytest.approx(np.log(2))
    scores = np.array([3.0, 1.0])
    right = losses.pairwise_logistic(scores, np.array([0.9, 0.1]), even)
    wrong = losses.pairwise_logistic(scores, np.array([0.1, 0.9]), even)
    assert right == pytest.approx(np.log1p(np.exp(-2)))
    assert wrong == pytest.approx(np.log1p(np.exp(2)))


def test_pairwise_logistic_pair_by_pair():
    scores, labels, weights = _batch()
    assert len(set(labels.tolist())) < len(labels)  # some pairs are tied
    total = norm = 0.0
    for i in range(len(scores)):
        for j in range(len(scores)):
            if labels[i] > labels[j]:
                weight = weights[i] * weights[j]
                total += weight * np.log1p(np.exp(scores[j] - scores[i]))
                norm += weight
    expected = total / norm
    actual = losses.pairwise_logistic(scores, labels, weights)
    assert actual == pytest.approx(expected, rel=1e-5)


@every_loss
def test_a_weight_of_zero_leaves_a_row_out(loss):
    scores, labels, weights = _batch()
    weights[[1, 4]] = 0
    kept = weights > 0
    expected = loss(scores[kept], labels[kept], weights[kept])
    np.testing.assert_allclose(loss(scores, labels, weights), expected, rtol=1e-6)
    assert not np.asarray(jax.grad(loss)(scores, labels, weights))[~kept].any()


@every_loss
def test_the_scale_of_the_weights_says_nothing(loss):
    scores, labels, weights = _batch()
    expected = loss(scores, labels, weights)
    np.testing.assert_allclose(loss(scores, labels, 10 * weights), expected, rtol=1e-5)


@every_loss
def test_no_weight_at_all_is_no_loss(loss):
    scores, labels, weights = _batch()
    value, grad = jax.value_and_grad(loss)(scores, labels, 0 * weights)
    assert value == 0
    assert not np.asarray(grad).any()


def test_pairwise_logistic_of_equal_labels_is_no_loss():
    scores, labels, weights = _batch()
    value, grad = jax.value_and_grad(losses.pairwise_logistic)(
        scores, 0 * labels, weights
    )
    assert value == 0
    assert not np.asarray(grad).any()


@every_loss
def test_the_gradient_leads_to_a_smaller_loss(loss):
    scores, labels, weights = _batch()
    value, grad = jax.value_and_grad(loss)(scores, labels, weights)
    assert loss(scores - 0.1 * grad, labels, weights) < value


@every_loss
def test_shapes_that_would_broadcast_are_refused(loss):
    scores, labels, weights = _batch(4)
    for wrong in ((scores, labels[:, None], weights), (scores[:3], labels, weights)):
        with pytest.raises(ValueError, match="one shape \\[B\\], got"):
            loss(*wrong)
