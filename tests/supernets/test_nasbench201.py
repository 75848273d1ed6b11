"""A path through the supernet against its cell built alone, in stock operations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tnasp_jax import supernets

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)
PATHS = [
    (CONV_3X3, SKIP, CONV_1X1, POOL, CONV_3X3, CONV_1X1),
    (CONV_1X1, CONV_3X3, POOL, NONE, SKIP, POOL),
    (NONE, NONE, NONE, CONV_3X3, NONE, NONE),
    (NONE, NONE, CONV_3X3, NONE, NONE, CONV_1X1),
]


def convolution(x, kernel, stride=1):
    pad = kernel.shape[-1] // 2
    numbers = ("CHWN", "OIHW", "CHWN")
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(pad, pad)] * 2,
        dimension_numbers=numbers,
        precision="highest",
    )


def pool(x):
    window, ones = (1, 3, 3, 1), (1, 1, 1, 1)
    total, size = (
        lax.reduce_window(y, 0.0, lax.add, window, ones, "SAME")
        for y in (x, jnp.ones_like(x))
    )
    return total / size


def unit(x, seen):
    part = x[..., :seen]
    mean, var = (f(part, axis=(1, 2, 3), keepdims=True) for f in (jnp.mean, jnp.var))
    return (x - mean) / jnp.sqrt(var + 1e-5)


def cell_alone(path, params, stage, x, seen):
    def run(edge, x):
        kind = path[edge]
        if kind == CONV_1X1:
            kernel = params[f"conv_1x1_{stage}"][edge][..., None, None]
            return unit(convolution(jax.nn.relu(x), kernel), seen)
        if kind == CONV_3X3:
            kernel = params[f"conv_3x3_{stage}"][edge]
            return unit(convolution(jax.nn.relu(x), kernel), seen)
        return {NONE: 0 * x, SKIP: x, POOL: pool(x)}[kind]

    one = run(0, x)
    two = run(1, x) + run(2, one)
    return run(3, x) + run(4, one) + run(5, two)


@functools.partial(jax.jit, static_argnums=(0, 3))
def network_alone(path, params, images, seen):
    """The network of one cell, that knows no other operation."""
    x = cell_alone(
        path, params, 0, unit(convolution(images, params["stem"]), seen), seen
    )
    stage = 1
    while f"reduce_{stage}" in params:
        x = convolution(jax.nn.relu(x), params[f"reduce_{stage}"], 2)
        x = cell_alone(path, params, stage, unit(x, seen), seen)
        stage += 1
    features = jax.nn.relu(unit(x, seen)).mean((1, 2))
    return params["linear"] @ features + params["bias"]


def small(channels=(3, 4), in_channels=1, shape=(8, 8)):
    """A supernet, weights of which none is zero, and a batch."""
    net = supernets.nasbench201(channels, in_channels, num_classes=5)
    params = net.init(jax.random.key(0))
    params["linear"] = jax.random.normal(jax.random.key(1), params["linear"].shape)
    images = jax.random.normal(jax.random.key(2), (in_channels, *shape, 7))
    return net, params, images


@functools.cache
def gradients_along():
    """Logits of a path, and gradients of their weighted sum: compiled for all paths."""
    net = small()[0]

    def weighted(params, path, images, weight):
        logits = net.apply(params, path, images, 7)
        return (weight * logits).sum(), logits

    return jax.jit(jax.grad(weighted, has_aux=True))


@pytest.mark.parametrize("path", PATHS)
def test_a_path_and_its_gradients_are_those_of_the_cell_alone(path):
    _, params, images = small()
    weight = jax.random.normal(jax.random.key(3), (5, 7))

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def alone(params):
        logits = network_alone(path, params, images, 7)
        return (weight * logits).sum(), logits

    grads, logits = gradients_along()(params, jnp.array(path), images, weight)
    expected, logits_alone = alone(params)
    np.testing.assert_allclose(logits, logits_alone, rtol=1e-4, atol=1e-4)
    for name in params:
        scale = max(1.0, float(jnp.abs(expected[name]).max()))
        np.testing.assert_allclose(
            grads[name] / scale, expected[name] / scale, atol=1e-4, err_msg=name
        )
    for kind, chosen in (("1x1", CONV_1X1), ("3x3", CONV_3X3)):
        other = np.array(path) != chosen
        for stage in (0, 1):
            assert not np.asarray(grads[f"conv_{kind}_{stage}"])[other].any()


@pytest.mark.parametrize(
    "channels, in_channels, shape", [((3,), 1, (8, 8)), ((2, 3, 4), 3, (12, 8))]
)
def test_any_image_size_and_number_of_stages(channels, in_channels, shape):
    net, params, images = small(channels, in_channels, shape)
    apply = jax.jit(net.apply, static_argnums=3)
    ours = apply(params, jnp.array(PATHS[0]), images, 4)
    alone = network_alone(PATHS[0], params, images, 4)
    np.testing.assert_allclose(ours, alone, rtol=1e-3, atol=1e-3)


def test_accuracies_are_of_statistics_of_the_training_images():
    net, params, images = small()
    train, judged = images[..., :4], images[..., 4:]
    first = network_alone(PATHS[0], params, images, 4)[:, 4:].argmax(0)
    labels = first.at[1].add(1)
    expected = [
        np.mean(network_alone(p, params, images, 4)[:, 4:].argmax(0) == labels)
        for p in PATHS
    ]
    found = jax.jit(functools.partial(supernets.accuracies, net))(
        params, jnp.array([*PATHS, (5,) * 6]), train, judged, labels
    )
    np.testing.assert_allclose(found[:-1], expected, rtol=1e-6)
    assert expected[0] == pytest.approx(2 / 3) and np.isnan(found[-1])


def test_another_path_compiles_nothing_and_branches_stay_branches():
    net, params, images = small()
    traced = []

    @jax.jit
    def apply(params, path):
        traced.append(path)
        return net.apply(params, path, images, 7)

    for path in PATHS:
        apply(params, jnp.array(path))
    assert len(traced) == 1

    labels = jnp.zeros(7, int)
    paths = jnp.array(PATHS)
    score = functools.partial(supernets.accuracies, net)
    program = jax.make_jaxpr(score)(params, paths, images, images, labels)
    assert count_switches(program.jaxpr) == 12  # Six edges in each of two cells.
    step = jax.make_jaxpr(functools.partial(supernets.sum_over_paths, net))
    assert count_switches(step(params, paths, images, labels).jaxpr) == 24


def count_switches(jaxpr) -> int:
    """Conditionals of five branches in a program; `vmap` would leave none."""
    count = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "cond":
            count += len(equation.params["branches"]) == 5
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                count += count_switches(inner)
    return count


@pytest.mark.parametrize(
    "path, shape, seen, message",
    [
        ((1,) * 5, (1, 8, 8, 7), 7, "a path of 6 integers"),
        ((1.0,) * 6, (1, 8, 8, 7), 7, "a path of 6 integers"),
        ((1,) * 6, (2, 8, 8, 7), 7, r"of \(1, any, any, batch\)"),
        ((1,) * 6, (1, 8, 8, 7), 8, "num_statistics in 1 .. 7"),
    ],
)
def test_what_does_not_fit_is_said(path, shape, seen, message):
    net, params, _ = small()
    with pytest.raises(ValueError, match=message):
        net.apply(params, jnp.array(path), jnp.zeros(shape), seen)
