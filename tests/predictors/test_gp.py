"""The Gaussian process against the textbook's formulas in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from tnasp_jax.invariants import invariants
from tnasp_jax.predictors.gp import GpConfig, covariance, gp, kernel, tune
from tnasp_jax.spaces import NASBENCH201


@pytest.fixture(scope="module")
def fitted():
    """A process fitted to a smooth function of 40 cells, and 60 other cells."""
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), 100))
    raw = np.asarray(invariants(graphs, NASBENCH201))
    labels = scipy.stats.zscore(raw[:, 0] + np.sin(raw[:, 1])).astype(np.float32)
    predictor = gp(NASBENCH201, GpConfig(steps=30))
    params = jax.jit(predictor.fit)(jax.random.key(1), graphs[:40], labels[:40])
    return predictor, params, graphs, labels, raw


def _standard(raw):
    mean, spread = raw[:40].mean(0), raw[:40].std(0)
    scale = np.where(spread > 1e-4, 1 / np.maximum(spread, 1e-4), 0)
    return np.clip((raw - mean) * scale, -5, 5).astype(float)


def _kernel(hyper, left, right):
    weights = np.exp(hyper["common"] + hyper["relevance"])
    gaps = (left[:, None] - right[None]) * weights
    distance = np.sqrt((gaps**2).sum(-1))
    near, far = np.sqrt(5) * distance, 3 * np.sqrt(3) * distance
    smooth = (1 + near + near**2 / 3) * np.exp(-near)
    rough = (1 + far) * np.exp(-far)
    variances = [np.exp(hyper[name]) for name in ("smooth", "rough", "constant")]
    return variances[0] * smooth + variances[1] * rough + variances[2]


def test_posterior_mean_and_deviation_against_numpy(fitted):
    predictor, params, graphs, labels, raw = fitted
    hyper = {name: np.asarray(leaf, float) for name, leaf in params["hyper"].items()}
    x = _standard(raw)
    noise = np.exp(hyper["noise"]) + 1e-3
    inverse = np.linalg.inv(_kernel(hyper, x[:40], x[:40]) + noise * np.eye(40))
    cross = _kernel(hyper, x[40:], x[:40])
    mean = predictor.apply(params, graphs[40:])
    np.testing.assert_allclose(mean, cross @ inverse @ labels[:40], atol=5e-3)
    prior = sum(np.exp(hyper[name]) for name in ("smooth", "rough", "constant"))
    variance = prior - np.einsum("ij,jk,ik->i", cross, inverse, cross)
    deviation = predictor.deviation(params, graphs[40:])
    np.testing.assert_allclose(deviation, np.sqrt(variance), atol=2e-2)


def test_it_learns_what_it_is_fitted_to(fitted):
    predictor, params, graphs, labels, _ = fitted
    scores = np.asarray(predictor.apply(params, graphs[40:]))
    assert scipy.stats.kendalltau(scores, labels[40:]).statistic > 0.7
    near = predictor.deviation(params, graphs[:40]).mean()
    assert near < predictor.deviation(params, graphs[40:]).mean()


def test_tuning_raises_the_posterior_and_finds_what_matters():
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(80, 6)).astype(np.float32)
    labels = np.sin(2 * cells[:, 3]) + 0.1 * rng.normal(size=80).astype(np.float32)
    hyper = tune(jnp.asarray(cells), jnp.asarray(labels), GpConfig(steps=80))
    assert int(np.argmax(hyper["relevance"])) == 3

    def likelihood(hyper):
        matrix = np.asarray(covariance(hyper, cells), float)
        return scipy.stats.multivariate_normal(cov=matrix).logpdf(labels)

    first = tune(jnp.asarray(cells), jnp.asarray(labels), GpConfig(steps=1))
    assert likelihood(hyper) > likelihood(first) + 10


def test_the_kernel_is_symmetric_with_the_prior_variance_on_its_diagonal():
    rng = np.random.default_rng(1)
    cells = jnp.asarray(rng.normal(size=(9, 4)).astype(np.float32))
    hyper = tune(cells, jnp.asarray(rng.normal(size=9)), GpConfig(steps=1))
    matrix = np.asarray(kernel(hyper, cells, cells))
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    prior = sum(float(np.exp(hyper[n])) for n in ("smooth", "rough", "constant"))
    np.testing.assert_allclose(np.diag(matrix), prior, atol=5e-3)
