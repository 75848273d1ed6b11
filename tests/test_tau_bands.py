"""TNASP on the real tables: tau lies in a band that broken training falls out of.

A shorter training than the published one, so the bands are not the rows of results/.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import (
    FitConfig,
    Graphs,
    benchmarks,
    fit,
    fit_scale,
    get_predictor,
    losses,
    metrics,
    scorer,
)

CONFIG = FitConfig(epochs=40)
BANDS = {"nb201": (0.70, 0.84), "nb101": (0.48, 0.72), "nb201digits": (0.45, 0.85)}
N_TRAIN = 156
N_SCORED = 4000


@functools.cache
def table_and_rows(name, data_dir):
    table = benchmarks.load(name, data_dir)
    rows = np.random.default_rng(0).permutation(len(table))[:N_SCORED]
    return table, rows


@functools.cache
def programs(space_name, config):
    from tnasp_jax import get_space

    predictor = get_predictor("tnasp", get_space(space_name))
    return jax.jit(functools.partial(fit, predictor, config=config)), scorer(predictor)


def no_loss(scores, labels, weights):
    return 0.0 * losses.mse(scores, labels, weights)


def wrong_mask(graphs: Graphs) -> Graphs:
    """Live where dead and dead where live, but for one node that keeps a row a graph."""
    mask = ~graphs.mask
    mask[:, 0] = True
    return dataclasses.replace(graphs, mask=mask)


def tau(name, data_dir, *, config=CONFIG, shuffle=False, change=lambda graphs: graphs):
    """Mean tau of two draws on some cells of the table."""
    table, rows = table_and_rows(name, data_dir)
    train, score = programs(table.space.name, config)
    values = []
    for seed in range(2):
        key = jax.random.key(seed)
        split = benchmarks.draw_split(table, key, n_train=N_TRAIN, n_val=0)
        labels = table.label(table.train_target)[split.train_index]
        if shuffle:
            labels = np.random.default_rng(seed).permutation(labels)
        units = fit_scale(labels, "rank").to_units(labels)
        cells = change(table.graphs[split.train_index])
        params, _ = train(cells, units, jax.random.fold_in(key, 1))
        scores = score(params, change(table.graphs[rows]))
        truth = jnp.asarray(table.label(table.eval_targets[0])[rows])
        values.append(float(metrics.kendall_tau(scores, truth)))
    return float(np.mean(values))


def folder(name, request):
    """None for the embedded table; the others skip without the official data."""
    return None if name == "nb201digits" else request.getfixturevalue("data_dir")


@pytest.mark.parametrize("name", BANDS)
def test_tau_lies_in_its_band(name, request):
    low, high = BANDS[name]
    assert low < tau(name, folder(name, request)) < high


@pytest.mark.parametrize("name", ["nb201", "nb101"])
@pytest.mark.parametrize(
    "broken",
    [
        {"config": FitConfig(epochs=40, loss=no_loss)},
        {"shuffle": True},
        {"change": wrong_mask},
    ],
    ids=["gradient zeroed", "labels shuffled", "mask inverted"],
)
def test_broken_training_falls_out_of_it(name, broken, request):
    assert tau(name, folder(name, request), **broken) < BANDS[name][0]
