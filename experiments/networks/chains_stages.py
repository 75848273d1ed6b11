"""The stages of experiments.chains; each is a folder, skipped when it is finished."""

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.cells import results
from experiments.cells.training import segment_epochs
from experiments.networks import segments, supernet_scores
from experiments.networks.chains_recipe import Recipe
from experiments.networks.cifar10_parts import Data
from experiments.networks.supernet_scores import stream
from experiments.searching.search_costs import Costs, costs_of
from experiments.searching.search_oracles import RunOracle
from experiments.searching.search_run import Settings, save, search_all
from experiments.shell import devices
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from tnasp_jax import runs, supernets
from tnasp_jax.checkpoints import Checkpoints
from tnasp_jax.spaces.proxylessnas import ProxylessNAS
from tnasp_jax.supernets.augmentation import crop_and_flip, standardize
from tnasp_jax.training.draws import over_draws

TRAIN, SAMPLE, ALONE, RANDOM = 1, 2, 3, 4  # Streams of the recipe's seed.
CHUNK = 16  # Paths that are scored between two lines of progress, and kept.
TEST_BATCHES = 10
NEAR = 0.8  # Random networks have at least this share of a limit, as the found ones do.


def train(recipe: Recipe, data: Data, folder: Path, quiet: bool) -> dict[str, Any]:
    """Trains the supernet; the content of the folder's results.json."""
    path = folder / "results.json"
    if path.exists():
        return results.read_json(path)
    net, keys = supernets.chain(recipe.space), stream(recipe, TRAIN)[None]
    program = functools.partial(_train_program, recipe.space, recipe.sampling)
    _, loss, seconds = _train(
        program, recipe.train, data.search, keys, None, folder, "supernet", quiet
    )
    sampler = supernets.SAMPLERS[recipe.sampling]
    summary = {
        "steps": recipe.train.steps,
        "paths_per_step": len(net.paths(sampler, jax.random.key(0))),
        "loss": results.number(loss.mean()),
        "seconds": seconds,
    }
    runs.write_json(path, summary)
    return summary


def score(recipe: Recipe, data: Data, folder: Path, quiet: bool) -> dict[str, Any]:
    """Validation accuracy of random architectures through the supernet beside it."""
    path = folder / "results.json"
    if path.exists():
        return results.read_json(path)
    drawn = supernet_scores.draw(recipe.space, stream(recipe, SAMPLE), recipe.n_archs)
    params = _trained(recipe, folder.parent / "supernet")
    judge = _judge(recipe, 1)
    images = _judged(recipe, data.search.images, data.validation)

    def scores(architectures: list) -> np.ndarray:
        # One shape for all chunks: the last is filled up by repetition.
        rows = np.minimum(np.arange(CHUNK), len(architectures) - 1)
        paths = supernets.paths_of_chains(recipe.space, architectures)[rows]
        return np.asarray(judge(params, paths, *images))[: len(architectures)]

    return supernet_scores.score(folder, recipe.space, drawn, CHUNK, scores, quiet)


def fit(recipe: Recipe, folder: Path, flags_text: str, quiet: bool) -> dict[str, Any]:
    """Trains the predictor on the scores beside the folder, which becomes a run folder."""
    size, widths = recipe.image_size, ", ".join(map(str, recipe.widths))
    table = supernet_scores.table_of(
        folder.parent / "scored",
        recipe.space,
        f"CIFAR-10 at {size} x {size}, accuracy of a path through a supernet (widths "
        f"{widths}; {recipe.sampling}, {recipe.train.steps:,} steps) on "
        f"{recipe.val_images:,} validation images, fraction",
    )
    return supernet_scores.fit(recipe, table, folder, flags_text, quiet)


def search_best(recipe: Recipe, folder: Path, quiet: bool) -> list[dict[str, Any]]:
    """A search under each limit, a folder each; the contents of their search.json."""
    oracle = RunOracle(str(folder.parent / "predictor"))
    found = []
    for limit in recipe.flops_limits:
        path = folder / f"{limit / 1e6:g}M" / "search.json"
        if not path.exists():
            settings = Settings(
                method="elites",
                limits={"flops": limit},
                pareto=(),
                seeds=(recipe.seed,),
                budget=recipe.budget,
                batch=max(1, recipe.budget // 20),
                population=max(1, recipe.budget // 20),
            )
            progress = Progress(recipe.budget, f"search {path.parent.name}", quiet)
            save(path.parent, search_all(oracle, _costs(recipe), settings, progress))
        found.append(results.read_json(path))
    return found


def retrain(
    recipe: Recipe,
    data: Data,
    searched: Sequence[dict[str, Any]],
    folder: Path,
    quiet: bool,
) -> list[dict[str, Any]]:
    """Trains the best of each search and random networks alone; tests them once."""
    path = folder / "results.json"
    if path.exists():
        return results.read_json(path)["networks"]
    networks = [
        network
        for limit, one in zip(recipe.flops_limits, searched, strict=True)
        for network in _candidates(recipe, limit, one["best"][0])
    ]
    space = recipe.space
    parsed = [space.parse(network["architecture"]) for network in networks]
    paths = supernets.paths_of_chains(space, parsed)
    keys = jnp.stack([stream(recipe, ALONE)] * len(paths))
    params, loss, seconds = _train(
        functools.partial(_train_program, space, None),
        recipe.retrain,
        data.retrain,
        keys,
        paths,
        folder,
        "training alone",
        quiet,
    )
    began, judge = time.monotonic(), _judge(recipe, _batches(len(data.test.labels)))
    images = _judged(recipe, data.retrain.images, data.test)
    costs = _costs(recipe)
    for at, network in enumerate(networks):
        mine = jax.tree.map(lambda leaf, at=at: leaf[at], params)
        (accuracy,) = np.asarray(judge(mine, paths[at : at + 1], *images))
        network |= {name: int(cost(parsed[at])) for name, cost in costs.items()}
        network["loss"] = results.number(loss[at])
        network["test_accuracy"] = results.number(accuracy)
        network["seconds"] = round(seconds / len(networks), 1)
    told = {"networks": networks, "seconds": seconds + time.monotonic() - began}
    runs.write_json(path, told)
    return networks


def _candidates(recipe: Recipe, limit: float, best: dict[str, Any]):
    """The best of a search, and random networks that cost nearly as much as allowed."""
    space = recipe.space
    yield {
        "name": "found",
        "limit": limit,
        "architecture": best["architecture"],
        "predicted": best["score"],
    }
    key, left = stream(recipe, RANDOM), recipe.retrained_random
    for block in range(1_000):
        if not left:
            return
        for one in space.sample(jax.random.fold_in(key, block), 32):
            if left and NEAR * limit <= space.flops(one) <= limit:
                left -= 1
                text = space.format(one)
                about = {"architecture": text, "predicted": None}
                yield {"name": "random", "limit": limit, **about}
    raise UserError(
        f"--flops_limits={limit:g}: chance finds no network of {NEAR:.0%} to 100 % of it"
    )


def _train(
    program: Callable[..., tuple[Callable, Callable]],
    config: supernets.TrainConfig,
    part: Any,
    keys: jax.Array,
    paths: np.ndarray | None,
    folder: Path,
    label: str,
    quiet: bool,
) -> tuple[Any, np.ndarray, float]:
    """Trains networks side by side, one a key, or goes on from the newest checkpoint.

    Returns:
      Parameters and the last losses, both with leading axis S, and seconds.
    """
    steps, mesh = config.steps, devices.mesh() if len(keys) > 1 else None
    segment = segment_epochs(steps)
    begin, advance = program(config, segment, mesh)
    images, labels = (np.broadcast_to(x, (len(keys), *x.shape)) for x in part)
    if paths is None:
        paths = np.zeros((len(keys), 1), np.int32)

    def go_on(state):
        state, losses = advance(images, labels, paths, keys, state)
        loss = np.asarray(losses).mean(axis=1)
        told = [results.number(each) for each in loss]
        return state, {"loss": told}, f"loss {loss.mean():.3f}"

    trained = segments.train(
        folder,
        label=label,
        unit="step",
        total=steps,
        size=segment,
        begin=lambda: over_draws(begin, mesh, in_turn=True)(keys),
        shapes=lambda: jax.eval_shape(jax.vmap(begin), keys),
        advance=go_on,
        quiet=quiet,
    )
    last = np.array(trained.last["loss"], np.float64)
    return jax.device_get(trained.state.params), last, trained.seconds


@functools.lru_cache(maxsize=4)
def _train_program(
    space: ProxylessNAS,
    sampling: str | None,
    config: supernets.TrainConfig,
    num_steps: int,
    mesh,
) -> tuple[Callable, Callable]:
    """Start and next steps of a network: of all paths, or of one where `sampling` is
    None."""
    net = supernets.chain(space)

    def prepare(key, images):
        return standardize(crop_and_flip(key, images))

    def advance(images, labels, path, key, state):
        own = net._replace(draw=lambda sampler, key: path[None])
        return supernets.train_steps(
            net if sampling else own,
            supernets.SAMPLERS[sampling or "spos"],
            config,
            images,
            labels,
            key,
            state,
            num_steps,
            prepare,
        )

    begin = functools.partial(supernets.start, net, config)
    return begin, over_draws(advance, mesh, in_turn=True)


def _trained(recipe: Recipe, folder: Path) -> Any:
    """Parameters of the finished supernet."""
    net = supernets.chain(recipe.space)
    begin = functools.partial(supernets.start, net, recipe.train)
    checkpoints = Checkpoints(folder)
    like = jax.eval_shape(jax.vmap(begin), stream(recipe, TRAIN)[None])
    state = checkpoints.restore(like)
    checkpoints.close()
    return jax.tree.map(lambda leaf: leaf[0], jax.device_get(state.params))


def _judge(recipe: Recipe, num_batches: int) -> Callable:
    net = supernets.chain(recipe.space)

    @jax.jit
    def judge(params, paths, seen, images, labels):
        return supernets.accuracies(
            net, params, paths, seen, images, labels, num_batches
        )

    return judge


def _judged(recipe: Recipe, images: np.ndarray, part: Any):
    """Images for the statistics, images to judge and their labels."""
    seen = images[..., : recipe.calibration_images]
    return (
        standardize(jnp.asarray(seen)),
        standardize(jnp.asarray(part.images)),
        part.labels,
    )


def _batches(count: int) -> int:
    return TEST_BATCHES if count % TEST_BATCHES == 0 else 1


def _costs(recipe: Recipe) -> Costs:
    """Of the networks that are trained here."""
    return costs_of(recipe.space, None, None)
