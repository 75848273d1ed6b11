"""tnasp_jax.metrics against scipy, against numbers by hand, and its NaN rules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tnasp_jax import metrics

SIZES = (2, 3, 5, 17, 64, 65, 300, 2000)


def random_pair(seed, size, values):
    """Correlated float32 scores; `values` distinct ones, 0 for no ties."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=size)
    y = x * rng.uniform(-2, 2) + rng.normal(size=size)
    if values:
        x, y = (np.round(z * values / 4) for z in (x, y))
    return x.astype(np.float32), y.astype(np.float32)


def same(result, expected, tolerance=1e-6):
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("values", [0, 2, 8])
def test_tau_and_spearman_equal_scipy(size, values):
    for seed in range(12):
        x, y = random_pair(seed, size, values)
        with np.errstate(all="ignore"):
            constant = len(set(x)) == 1 or len(set(y)) == 1
            tau = np.nan if constant else stats.kendalltau(x, y).statistic
            rho = np.nan if constant else stats.spearmanr(x, y).statistic
        same(metrics.kendall_tau(x, y), tau)
        same(metrics.kendall_tau_host(x, y), tau)
        same(metrics.spearman(x, y), rho, 1e-5)


@pytest.mark.parametrize("kind", ["random", "ties", "reversed", "equal", "binary"])
def test_largest_size(kind):
    rng = np.random.default_rng(0)
    x = rng.permutation(metrics.MAX_JIT_SIZE).astype(np.float32)
    y = {
        "random": rng.permutation(x),
        "ties": np.floor(x / 1000) + rng.integers(0, 20, len(x)),
        "reversed": -x,
        "equal": x,
        "binary": (x > 100).astype(np.float32),
    }[kind].astype(np.float32)
    same(metrics.kendall_tau(x, y), stats.kendalltau(x, y).statistic)
    same(metrics.spearman(x, y), stats.spearmanr(x, y).statistic, 1e-5)


def test_above_the_largest_size_names_the_way_out():
    scores = np.zeros(metrics.MAX_JIT_SIZE + 1, np.float32)
    with pytest.raises(ValueError, match="at most 65536 .* kendall_tau_host"):
        metrics.kendall_tau(scores, scores)
    x, y = random_pair(0, 100_000, 500)
    same(metrics.kendall_tau_host(x, y), stats.kendalltau(x, y).statistic)


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf, 0.0, "their own"])
def test_masked_entries_do_not_count(junk):
    for seed in range(10):
        x, y = random_pair(seed, 50, 8)
        mask = np.random.default_rng(seed).random(50) < 0.6
        dirty_x, dirty_y = x, y
        if junk != "their own":
            dirty_x, dirty_y = np.where(mask, x, junk), np.where(mask, y, junk)
        tau = stats.kendalltau(x[mask], y[mask]).statistic
        rho = stats.spearmanr(x[mask], y[mask]).statistic
        same(metrics.kendall_tau(dirty_x, dirty_y, mask), tau)
        same(metrics.spearman(dirty_x, dirty_y, mask), rho, 1e-5)


def test_tau_by_hand():
    # Pairs of (1 2 3) and (1 3 2): two concordant, one discordant.
    same(metrics.kendall_tau([1, 2, 3], [1, 3, 2]), 1 / 3)
    assert metrics.kendall_tau([1, 2, 3], [1, 3, 2], [True, True, False]) == 1
    # x ties one pair, y none: 5 of 5 concordant, over sqrt(5 * 6).
    same(metrics.kendall_tau([1, 1, 2, 3], [1, 2, 3, 4]), 5 / np.sqrt(30))
    assert metrics.kendall_tau([1, 2, 3, 4], [2, 3, 4, 5]) == 1
    assert metrics.kendall_tau([1, 2, 3, 4], [5, 4, 3, 2]) == -1


def test_spearman_by_hand():
    # 1 - 6 sum d^2 / (n (n^2 - 1)) with d = (0, 1, -1).
    same(metrics.spearman([1, 2, 3], [1, 3, 2]), 0.5)
    # Average ranks 1.5 1.5 3 and 1 2 3: covariance 1.5, variances 1.5 and 2.
    same(metrics.spearman([7, 7, 9], [1, 2, 3]), 1.5 / np.sqrt(3))


def test_infinities_and_signed_zeros_are_ordinary_values():
    x = np.array([-np.inf, -0.0, 0.0, 3, np.inf, np.inf], np.float32)
    y = np.array([0, 1, 2, 5, 4, 6], np.float32)
    expected = stats.kendalltau([0, 1, 1, 2, 3, 3], y).statistic
    same(metrics.kendall_tau(x, y), expected)
    same(metrics.spearman(x, y), stats.spearmanr([0, 1, 1, 2, 3, 3], y).statistic)
    zeros = np.array([-0.0, 0.0, -1.0], np.float32)
    assert metrics.n_at_k(zeros, np.array([3.0, 2.0, 1.0]), 1) == 1


SCORES = np.array([0.9, 0.8, 0.7, 0.1, 0.0], np.float32)
TRUTH = np.array([0.5, 0.3, 0.9, 0.7, 0.1], np.float32)


def test_top_k_by_hand():
    # Truth in the order of the scores: ranks 3, 4, 1, 2, 5.
    same([metrics.precision_at_k(SCORES, TRUTH, k) for k in (1, 2, 3, 4, 5)],
         [0, 0, 2 / 3, 1, 1])  # fmt: skip
    same([metrics.n_at_k(SCORES, TRUTH, k) for k in (1, 2, 3, 4, 5)], [3, 3, 1, 1, 1])
    same([metrics.regret_at_k(SCORES, TRUTH, k) for k in (1, 2, 3)], [0.4, 0.4, 0])


def test_top_k_ties_go_to_the_lower_index():
    truth = np.array([1.0, 2.0, 3.0, 3.0], np.float32)
    equal = np.zeros(4, np.float32)
    assert metrics.n_at_k(equal, truth, 1) == 4
    assert metrics.regret_at_k(equal, truth, 2) == 1
    assert (
        metrics.n_at_k(np.array([0.0, 0, 0, 1]), truth, 1) == 1
    )  # shares the best rank
    assert metrics.precision_at_k(np.array([0.0, 0, 0, 1]), truth, 1) == 0
    assert metrics.precision_at_k(equal, truth, 2) == 0


def test_tau_top_by_hand():
    assert metrics.tau_top(SCORES, TRUTH, 0.6) == pytest.approx(-1 / 3)
    assert metrics.tau_top(SCORES, TRUTH, 1.0) == metrics.kendall_tau_host(
        SCORES, TRUTH
    )
    assert np.isnan(metrics.tau_top(SCORES, TRUTH, 0.2))
    for fraction in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="fraction in"):
            metrics.tau_top(SCORES, TRUTH, fraction)


@pytest.mark.parametrize("where", ["scores", "truth"])
def test_nan_gives_nan(where):
    scores, truth = SCORES.copy(), TRUTH.copy()
    {"scores": scores, "truth": truth}[where][4] = np.nan
    results = [
        metrics.kendall_tau(scores, truth),
        metrics.kendall_tau_host(scores, truth),
        metrics.spearman(scores, truth),
        metrics.precision_at_k(scores, truth, 1),
        metrics.n_at_k(scores, truth, 1),
        metrics.regret_at_k(scores, truth, 1),
        metrics.tau_top(scores, truth, 0.5),
    ]
    assert np.isnan(results).all()


@pytest.mark.parametrize("size", [0, 1, 2, 9])
def test_constant_or_too_few_gives_nan(size):
    x = np.arange(size, dtype=np.float32)
    for function in (metrics.kendall_tau, metrics.kendall_tau_host, metrics.spearman):
        assert np.isnan(function(np.ones_like(x), x))
        assert np.isnan(function(x, np.ones_like(x)))
    for function in (metrics.kendall_tau, metrics.spearman):
        assert np.isnan(function(x, x, np.zeros(size, bool)))
        assert np.isnan(function(x, x, x == 0))


def test_jit_and_vmap_change_nothing():
    pairs = [random_pair(seed, 40, 6) for seed in range(5)]
    x, y = (np.stack(z) for z in zip(*pairs, strict=True))
    mask = np.random.default_rng(1).random(x.shape) < 0.7
    functions = {
        "kendall_tau": lambda a, b, m: metrics.kendall_tau(a, b, m),
        "spearman": lambda a, b, m: metrics.spearman(a, b, m),
        "precision_at_k": lambda a, b, m: metrics.precision_at_k(a, b, 7),
        "n_at_k": lambda a, b, m: metrics.n_at_k(a, b, 7),
        "regret_at_k": lambda a, b, m: metrics.regret_at_k(a, b, 7),
    }
    for function in functions.values():
        looped = [function(*row) for row in zip(x, y, mask, strict=True)]
        jitted = [jax.jit(function)(*row) for row in zip(x, y, mask, strict=True)]
        same(jitted, looped)
        same(jax.vmap(function)(x, y, mask), looped)


def test_integers_and_half_precision():
    x, y = random_pair(3, 200, 8)
    expected = stats.kendalltau(x, y).statistic
    same(metrics.kendall_tau(x.astype(np.int32), y), expected)
    half = metrics.kendall_tau(
        jnp.asarray(x, jnp.bfloat16), jnp.asarray(y, jnp.bfloat16)
    )
    assert half.dtype == jnp.float32
    same(half, expected)


def test_integers_beyond_int32_do_not_wrap():
    flops = np.array([3, 2**33, 5, 2**32 + 10_000, 7, 2**31 + 5])
    scores = np.arange(6, dtype=np.float32)
    same(metrics.kendall_tau(scores, flops), stats.kendalltau(scores, flops).statistic)
    same(metrics.spearman(scores, flops), stats.spearmanr(scores, flops).statistic)
    assert metrics.precision_at_k(-flops, -flops, 3) == 1
    same(metrics.regret_at_k(scores, flops, 1), 2**33 - 2**31 - 5, 1e3)


def test_wrong_shapes_say_what_was_expected():
    x = np.zeros(4, np.float32)
    for function in (metrics.kendall_tau, metrics.kendall_tau_host, metrics.spearman):
        with pytest.raises(ValueError, match=r"one shape \[n\], got \(4,\) and \(3,\)"):
            function(x, x[:3])
        with pytest.raises(ValueError, match="one shape"):
            function(x[None], x[None])
    with pytest.raises(ValueError, match="bool mask of shape"):
        metrics.kendall_tau(x, x, x)
    for k in (0, 5):
        with pytest.raises(ValueError, match=r"k in 1 \.\. 4"):
            metrics.n_at_k(x, x, k)
