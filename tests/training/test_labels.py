"""Label units: against scipy and numpy, there and back, ties, beyond the ends."""

import jax
import numpy as np
import pytest
import scipy.stats

from tnasp_jax.training import labels

BOTH = pytest.mark.parametrize("units", ["zscore", "rank"])


def _accuracies(size=60, seed=0, digits=4):
    """Mostly about .9, a few failed cells at .1, some ties."""
    rng = np.random.default_rng(seed)
    drawn = 0.9 + 0.02 * rng.normal(size=size)
    drawn[:3] = 0.1
    return np.round(drawn, digits).astype(np.float32)


def test_zscores_against_numpy():
    drawn = _accuracies()
    scale = labels.fit_scale(drawn, "zscore")
    expected = (drawn - drawn.mean()) / drawn.std()
    np.testing.assert_allclose(scale.to_units(drawn), expected, atol=1e-4)
    beyond = np.array([0.0, 0.5, 1.2], np.float32)
    expected = (beyond - drawn.mean()) / drawn.std()
    np.testing.assert_allclose(scale.to_units(beyond), expected, rtol=1e-4)


def test_ranks_against_scipy():
    drawn = _accuracies(digits=3)
    assert len(np.unique(drawn)) < len(drawn)
    ranks = scipy.stats.rankdata(drawn)  # ties share their mean rank
    expected = scipy.stats.norm.ppf((ranks - 0.5) / len(drawn))
    scale = labels.fit_scale(drawn, "rank")
    np.testing.assert_allclose(scale.to_units(drawn), expected, atol=1e-4)


def test_failed_cells_do_not_dominate_ranks():
    units = labels.fit_scale(_accuracies(), "rank").to_units(_accuracies())
    assert np.abs(units).max() < 3
    assert np.std(units) == pytest.approx(1, abs=0.1)


@BOTH
def test_there_and_back(units):
    scale = labels.fit_scale(_accuracies(digits=2), units)
    asked = np.concatenate([_accuracies(seed=1), [0.0, 0.05, 0.99, 1.0, 1.3]])
    asked = asked.astype(np.float32)
    round_trip = scale.to_accuracy(scale.to_units(asked))
    np.testing.assert_allclose(round_trip, asked, atol=1e-5)


@BOTH
def test_order_is_kept_and_ties_stay_ties(units):
    scale = labels.fit_scale(_accuracies(), units)
    asked = np.sort(np.concatenate([_accuracies(), np.linspace(0, 1.2, 50)]))
    asked = asked.astype(np.float32)
    steps = np.diff(np.asarray(scale.to_units(asked)))
    assert (steps[np.diff(asked) > 0] > 0).all()
    assert (steps[np.diff(asked) == 0] == 0).all()


@BOTH
def test_beyond_the_ends_one_unit_is_one_standard_deviation(units):
    drawn = _accuracies()
    scale = labels.fit_scale(drawn, units)
    for end, sign in ((drawn.max(), 1), (drawn.min(), -1)):
        pair = np.array([end, end + sign * 2 * drawn.std()], np.float32)
        near, far = np.asarray(scale.to_units(pair))
        assert far - near == pytest.approx(2 * sign, rel=1e-3)


@BOTH
def test_equal_labels_share_one_finite_value(units):
    scale = labels.fit_scale(np.full(5, 0.5, np.float32), units)
    np.testing.assert_allclose(scale.to_units(np.full(5, 0.5, np.float32)), 0)
    np.testing.assert_allclose(scale.to_accuracy(np.zeros(2, np.float32)), 0.5)


@BOTH
def test_any_shape_and_jit(units):
    drawn = _accuracies()
    fitted = jax.jit(labels.fit_scale, static_argnums=1)(drawn, units)
    asked = drawn.reshape(3, 4, 5)
    converted = jax.jit(lambda scale, asked: scale.to_units(asked))(fitted, asked)
    expected = labels.fit_scale(drawn, units).to_units(drawn).reshape(3, 4, 5)
    np.testing.assert_allclose(converted, expected, atol=1e-4)


def test_unknown_units_and_too_few_labels_are_refused():
    with pytest.raises(ValueError, match='"zscore" or "rank", got \'percent\''):
        labels.fit_scale(_accuracies(), "percent")
    with pytest.raises(ValueError, match="at least 2 labels"):
        labels.fit_scale(np.ones(1), "rank")
    with pytest.raises(ValueError, match="in one row"):
        labels.fit_scale(np.ones((3, 3)), "rank")


def test_a_label_that_was_not_measured_is_named():
    drawn = np.array([0.5, 0.6, np.nan, 0.7], np.float32)
    with pytest.raises(ValueError, match="label 2 is nan; leave out"):
        labels.fit_scale(drawn, "rank")
