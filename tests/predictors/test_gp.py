"""The Gaussian process against the textbook's formulas in numpy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from tnasp_jax.invariants import invariants
from tnasp_jax.predictors.gp import GpConfig, covariance, gp, kernel, tune
from tnasp_jax.spaces import NASBENCH201


def compiled(config):
    predictor = gp(NASBENCH201, config)
    names = "fit", "apply", "deviation", "covariance"
    return predictor._replace(**{n: jax.jit(getattr(predictor, n)) for n in names})


def tuned(cells, labels, config, prior, kind_of):
    fitted = functools.partial(tune, config=config, prior=prior, kind_of=kind_of)
    return jax.jit(fitted)(cells, labels)


@pytest.fixture(scope="module")
def fitted():
    """A process fitted to a smooth function of 40 cells, and 60 other cells."""
    graphs = NASBENCH201.to_graphs(NASBENCH201.sample(jax.random.key(0), 100))
    raw = np.asarray(invariants(graphs, NASBENCH201))
    labels = scipy.stats.zscore(raw[:, 0] + np.sin(raw[:, 1])).astype(np.float32)
    predictor = compiled(GpConfig(steps=30))
    params = predictor.fit(jax.random.key(1), graphs[:40], labels[:40])
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
    process = jax.tree.map(lambda leaf: np.asarray(leaf[0]), params["processes"])
    hyper = {name: leaf.astype(float) for name, leaf in process["hyper"].items()}
    x = _standard(raw)
    noise = np.exp(hyper["noise"]) + 1e-3
    inverse = np.linalg.inv(_kernel(hyper, x[:40], x[:40]) + noise * np.eye(40))
    cross = _kernel(hyper, x[40:], x[:40])
    mean = predictor.apply(params, graphs[40:])
    np.testing.assert_allclose(mean, cross @ inverse @ labels[:40], atol=5e-3)
    prior = sum(np.exp(hyper[name]) for name in ("smooth", "rough", "constant"))
    variance = prior - np.einsum("ij,jk,ik->i", cross, inverse, cross)
    deviation = predictor.deviation(params, graphs[40:])
    np.testing.assert_allclose(deviation, np.sqrt(variance + noise), atol=2e-2)
    together = _kernel(hyper, x[40:], x[40:]) - cross @ inverse @ cross.T
    found = predictor.covariance(params, graphs[40:])
    np.testing.assert_allclose(found, together, atol=2e-2)


def test_what_is_no_graph_has_no_deviation(fitted):
    predictor, params, graphs, _, _ = fitted
    few = jax.tree.map(np.array, graphs[40:43])
    few.mask[1] = False
    assert np.isnan(predictor.deviation(params, few)).tolist() == [0, 1, 0]
    found = np.isnan(predictor.covariance(params, few))
    assert found.tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]


def test_several_priors_are_averaged(fitted):
    _, _, graphs, labels, _ = fitted
    priors = ((1.0, 0.0), (0.5, 1.0))
    predictors = [
        compiled(GpConfig(steps=30, priors=each))
        for each in (priors, priors[:1], priors[1:])
    ]
    found = [p.fit(jax.random.key(1), graphs[:40], labels[:40]) for p in predictors]
    both, first, second = (
        np.asarray(p.apply(params, graphs[40:]))
        for p, params in zip(predictors, found, strict=True)
    )
    np.testing.assert_allclose(both, (first + second) / 2, atol=1e-3)
    assert np.abs(first - second).max() > 0.01
    spread = [
        p.deviation(q, graphs[40:]) for p, q in zip(predictors, found, strict=True)
    ]
    variance = (spread[1] ** 2 + spread[2] ** 2) / 2 + (first - second) ** 2 / 4
    np.testing.assert_allclose(spread[0], np.sqrt(variance), atol=1e-2)
    within, one, other = (
        np.asarray(p.covariance(q, graphs[40:]))
        for p, q in zip(predictors, found, strict=True)
    )
    apart = (first - second) / 2
    expected = (one + other) / 2 + np.outer(apart, apart)
    np.testing.assert_allclose(within, expected, atol=1e-2)


def test_the_deviation_of_few_cells_is_that_of_a_process_on_them(fitted):
    _, _, graphs, labels, _ = fitted
    few = compiled(GpConfig(steps=5, deviation_on=15))
    all_ = compiled(GpConfig(steps=5))
    wide, narrow = (
        p.deviation(p.fit(jax.random.key(1), graphs[:40], labels[:40]), graphs[40:])
        for p in (few, all_)
    )
    assert (wide > narrow - 1e-4).all() and wide.mean() > narrow.mean() + 0.01


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

    def after(steps):
        config, prior = GpConfig(steps=steps), jnp.array([1.0, 0.0])
        return tuned(cells, labels, config, prior, np.zeros(6, int))

    hyper = after(80)
    assert int(np.argmax(hyper["relevance"])) == 3

    def likelihood(hyper):
        matrix = np.asarray(covariance(hyper, cells), float)
        return scipy.stats.multivariate_normal(cov=matrix).logpdf(labels)

    assert likelihood(hyper) > likelihood(after(1)) + 10


def test_a_kind_that_matters_lifts_all_its_invariants():
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(80, 6)).astype(np.float32)
    labels = np.sin(2 * cells[:, 3]) + 0.1 * rng.normal(size=80).astype(np.float32)
    kind_of = np.array([0, 0, 1, 1, 1, 2])
    hyper = tuned(cells, labels, GpConfig(steps=80), jnp.array([0.0, 1.0]), kind_of)
    relevance = np.asarray(hyper["relevance"])
    assert np.ptp(relevance[2:5]) == 0 and relevance[2] > relevance[[0, 1, 5]].max()


def test_the_kernel_is_symmetric_with_the_prior_variance_on_its_diagonal():
    rng = np.random.default_rng(1)
    cells = jnp.asarray(rng.normal(size=(9, 4)).astype(np.float32))
    labels = jnp.asarray(rng.normal(size=9))
    prior = jnp.array([1.0, 0.0])
    hyper = tuned(cells, labels, GpConfig(steps=1), prior, np.zeros(4, int))
    matrix = np.asarray(kernel(hyper, cells, cells))
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    prior = sum(float(np.exp(hyper[n])) for n in ("smooth", "rough", "constant"))
    np.testing.assert_allclose(np.diag(matrix), prior, atol=5e-3)
