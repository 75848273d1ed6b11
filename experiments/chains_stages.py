"""The stages of experiments.chains; each is a folder, skipped when it is finished."""

import csv
import functools
import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import custom, devices, pipeline, results
from experiments.cell import Cell
from experiments.chains_recipe import Recipe
from experiments.command import UserError
from experiments.darts_data import Data
from experiments.progress import Progress
from experiments.search import Settings, save, search_all
from experiments.search_costs import Costs, costs_of
from experiments.search_oracles import RunOracle
from experiments.training import CHECKPOINT_SECONDS, Journal, segment_epochs
from tnasp_jax import runs, supernets
from tnasp_jax.benchmarks import Table
from tnasp_jax.benchmarks.table import group_ids, sha256
from tnasp_jax.checkpoints import Checkpoints
from tnasp_jax.spaces.proxylessnas import ProxylessNAS
from tnasp_jax.supernets.augmentation import crop_and_flip, standardize
from tnasp_jax.training.draws import over_draws
from tnasp_jax.training.supervised import FitConfig

TARGET = "supernet_val"
TRAIN, SAMPLE, ALONE, RANDOM = 1, 2, 3, 4  # Streams of the recipe's seed.
CHUNK = 16  # Paths that are scored between two lines of progress, and kept.
TEST_BATCHES = 10
NEAR = 0.8  # Random networks have at least this share of a limit, as the found ones do.


def train(recipe: Recipe, data: Data, folder: Path, quiet: bool) -> dict[str, Any]:
    """Trains the supernet; the content of the folder's results.json."""
    path = folder / "results.json"
    if path.exists():
        return results.read_json(path)
    net, keys = supernets.chain(recipe.space), _key(recipe, TRAIN)[None]
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
    path, partial = folder / "results.json", folder / "scores.npz"
    if path.exists():
        return results.read_json(path)
    folder.mkdir(exist_ok=True)
    drawn = _distinct(recipe.space, _key(recipe, SAMPLE), recipe.n_archs)
    scores, seconds = np.zeros(0, np.float32), 0.0
    if partial.exists():
        with np.load(partial, allow_pickle=False) as kept:
            scores, seconds = kept["scores"], float(kept["seconds"])
    began = time.monotonic() - seconds
    params = _trained(recipe, recipe.train, folder.parent / "supernet", 1)
    judge = _judge(recipe, 1)
    images = _judged(recipe, data.search.images, data.validation)
    paths = supernets.paths_of_chains(recipe.space, drawn)
    progress = Progress(len(drawn), "scoring", quiet, done=len(scores))
    while len(scores) < len(drawn):
        # One shape for all chunks: the last is filled up by repetition.
        rows = np.arange(len(scores), len(scores) + CHUNK)
        chunk = paths[np.minimum(rows, len(paths) - 1)]
        found = np.asarray(judge(_first(params), chunk, *images))
        scores = np.concatenate([scores, found])[: len(drawn)]
        progress.update(len(scores), f"best {100 * scores.max():.1f} %")
        with runs.replacing(partial) as to, open(to, "wb") as file:
            np.savez(file, scores=scores, seconds=time.monotonic() - began)
    _write_scores(folder / "scores.csv", recipe.space, drawn, scores)
    summary = {
        "n_archs": len(scores),
        "mean": results.number(scores.mean()),
        "std": results.number(scores.std(ddof=1)),
        "lowest": results.number(scores.min()),
        "highest": results.number(scores.max()),
        "seconds": round(time.monotonic() - began, 1),
    }
    runs.write_json(path, summary)
    return summary


def fit(recipe: Recipe, folder: Path, flags_text: str, quiet: bool) -> dict[str, Any]:
    """Trains the predictor on the scores beside the folder, which becomes a run folder."""
    table = _table(recipe, folder.parent / "scored")
    held_out = len(table) // recipe.folds
    cell = Cell(
        table=table.name,
        predictor=recipe.predictor,
        self_evolution="off",
        n_train=len(table) - held_out,
        n_val=0,
        n_test=held_out,
        seeds=tuple(range(recipe.folds)),
        train_target=TARGET,
        eval_targets=(TARGET,),
        units="rank",
        fit=FitConfig(epochs=recipe.epochs),
        evolution=None,
    )
    return pipeline.run_cell(
        cell,
        table,
        folder,
        flags_text=flags_text,
        argv=sys.argv,
        splits=custom.folds(len(table), recipe.folds, recipe.seed),
        resume=True,
        quiet=quiet,
    )


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
    keys = jnp.stack([_key(recipe, ALONE)] * len(paths))
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
    key, left = _key(recipe, RANDOM), recipe.retrained_random
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
    folder.mkdir(exist_ok=True)
    checkpoints = Checkpoints(folder)
    about = checkpoints.about() or {"done": 0, "seconds": 0.0, "lines": []}
    done, began = about["done"], time.monotonic() - about["seconds"]
    if done:
        state = checkpoints.restore(jax.eval_shape(jax.vmap(begin), keys))
    else:
        state = over_draws(begin, mesh, in_turn=True)(keys)
    journal = Journal(folder / "metrics.jsonl", about["lines"])
    count = len(keys)
    images, labels = (np.broadcast_to(x, (count, *x.shape)) for x in part)
    if paths is None:
        paths = np.zeros((count, 1), np.int32)
    progress, saved = Progress(steps, label, quiet, done=done), time.monotonic()
    while done < steps:
        state, losses = advance(images, labels, paths, keys, state)
        loss = np.asarray(losses).mean(axis=1)
        done += segment
        told = [results.number(each) for each in loss]
        journal.add({"stage": folder.name, "step": done, "loss": told})
        progress.update(done, f"loss {loss.mean():.3f}")
        if done == steps or time.monotonic() - saved > CHECKPOINT_SECONDS:
            saved = time.monotonic()
            about = {"done": done, "seconds": saved - began, "lines": journal.lines}
            checkpoints.save(done, state, about)
    checkpoints.close()
    last = np.array(journal.lines[-1]["loss"], np.float64)
    return jax.device_get(state.params), last, round(time.monotonic() - began, 1)


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


def _trained(
    recipe: Recipe, config: supernets.TrainConfig, folder: Path, count: int
) -> Any:
    """Parameters of finished trainings, leading axis `count`."""
    begin = functools.partial(supernets.start, supernets.chain(recipe.space), config)
    keys = jnp.stack([_key(recipe, TRAIN)] * count)
    checkpoints = Checkpoints(folder)
    state = checkpoints.restore(jax.eval_shape(jax.vmap(begin), keys))
    checkpoints.close()
    return jax.device_get(state.params)


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


def _first(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], tree)


def _costs(recipe: Recipe) -> Costs:
    """Of the networks that are trained here."""
    return costs_of(recipe.space, None, None)


def _key(recipe: Recipe, stream: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(recipe.seed), stream)


def _distinct(space: ProxylessNAS, key: jax.Array, count: int) -> list:
    """Random architectures, no two of which compute the same."""
    found: dict[str, Any] = {}
    for block in range(1_000):
        for each in space.sample(jax.random.fold_in(key, block), count):
            found.setdefault(space.canonical_hash(each), each)
        if len(found) >= count:
            return list(found.values())[:count]
    raise UserError(f"--n_archs={count}: there are not so many architectures")


def _write_scores(path: Path, space: ProxylessNAS, drawn: list, scores) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["architecture", TARGET])
    for one, each in zip(drawn, scores, strict=True):
        writer.writerow([space.format(one), f"{each:.6f}"])
    with runs.replacing(path) as temporary:
        temporary.write_text(text.getvalue())


def _table(recipe: Recipe, folder: Path) -> Table:
    """The scores of the supernet as a table."""
    with open(folder / "scores.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    texts = [text for text, _ in rows]
    space, size = recipe.space, recipe.image_size
    graphs = space.to_graphs([space.parse(text) for text in texts])
    return Table(
        name="chain_supernet",
        space=space,
        graphs=graphs,
        labels={TARGET: np.array([each for _, each in rows], np.float32)},
        train_target=TARGET,
        eval_targets=(TARGET,),
        hashes=group_ids(graphs),
        texts=texts.__getitem__,
        describe={
            TARGET: f"CIFAR-10 at {size} x {size}, accuracy of a path through a "
            f"supernet (widths {', '.join(map(str, recipe.widths))}; {recipe.sampling}, "
            f"{recipe.train.steps:,} steps) on {recipe.val_images:,} validation images, "
            "fraction; no network was trained alone"
        },
        sha256=sha256((folder / "scores.csv").read_bytes()),
    )
