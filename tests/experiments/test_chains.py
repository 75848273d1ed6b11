"""experiments.chains as a user runs it, through a flag file, on images of noise."""

import json

import numpy as np
import pytest

from experiments import chains
from experiments.networks import chains_recipe, cifar10_parts
from experiments.networks.cifar10_parts import Data, Part
from experiments.shell import devices
from tnasp_jax.checkpoints import Checkpoints
from tnasp_jax.spaces.proxylessnas import of_description

TINY = """
# One stage of two layers.
--image_size=4
--search_images=24
--val_images=60
--calibration_images=8
--stem=2
--widths=3
--strides=2
--depths=2
--head=16
--sampling=spos
--supernet_steps=30
--supernet_learning_rate=0.3
--supernet_batch_size=6
--n_archs=12
--predictor=tiny
--folds=2
--epochs=4
--flops_limits=6e3
--budget=20
--retrain_images=24
--retrain_epochs=2
--retrain_batch_size=12
"""


def part(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (3, 4, 4, count), dtype=np.uint8)
    return Part(images, rng.integers(0, 10, count).astype(np.int32))


@pytest.fixture
def run(commands, tmp_path, monkeypatch):
    """`run(*flags)`: the exit code of the command into tmp_path/out."""
    flagfile = tmp_path / "tiny.flags"
    flagfile.write_text(TINY)
    data = Data(part(0, 24), part(1, 60), part(2, 24), part(3, 20), "noise")
    monkeypatch.setattr(cifar10_parts, "read", lambda recipe, data_dir: data)
    monkeypatch.setattr(devices, "mesh", lambda: None)

    def run_chains(*flags):
        where = f"--workdir={tmp_path / 'out'}"
        arguments = [f"--flagfile={flagfile}", where, *flags]
        return commands.call(chains.main, chains_recipe.define, arguments)

    return run_chains


def test_all_stages_and_going_on_after_a_cut(run, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:

        def cut(*arguments):
            raise KeyboardInterrupt

        patch.setattr(chains.chains_stages, "search_best", cut)
        assert run() == 130
    began = (out / "supernet" / "results.json").stat().st_mtime_ns
    assert (out / "scored" / "scores.csv").exists() and run() == 2
    assert "--resume" in capsys.readouterr().err
    assert run("--resume") == 0
    assert (out / "supernet" / "results.json").stat().st_mtime_ns == began
    told = capsys.readouterr().out
    assert (
        "CIFAR-10, shrunk to 4 x 4" in told and "not comparable with ImageNet" in told
    )
    summary = json.loads((out / "results.json").read_text())
    found, random = summary["trained_under_limits"]
    assert (found["name"], random["name"]) == ("found", "random")
    run_json = json.loads((out / "predictor/predictor/predictor.json").read_text())
    space = of_description(run_json["space_description"])
    for network in (found, random):
        architecture = space.parse(network["architecture"])
        assert network["flops"] == space.flops(architecture) <= 6e3
        assert network["params"] == space.parameters(architecture)
        assert 0 <= network["test_accuracy"] <= 1
    assert random["flops"] >= 4.8e3
    monkeypatch.setattr(Checkpoints, "save", None)  # What is finished is not run again.
    assert run("--resume", "--quiet") == 0
    check_it_is_brief(summary, capsys.readouterr().out)


def check_it_is_brief(summary, told):
    first, tau, retrained, path = told.splitlines()
    assert first.endswith("12 architectures scored, 20 predicted a limit")
    assert tau.startswith("  Kendall tau  ") and tau.endswith(
        "of tiny on the scores left out"
    )
    shown = [
        f"0.006 M {each['name']} {100 * each['test_accuracy']:.2f}"
        for each in summary["trained_under_limits"]
    ]
    expected = ", ".join(shown) + ", % of the 10,000 test images"
    assert retrained == f"  retrained    {expected}"
    assert path.endswith("results.json")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--widths=3,4", "a number for each stage"),
        ("--strides=3", "expected 1 or 2"),
        ("--flops_limits=0.8M", "--flops_limits=0.8M: expected numbers >= 1"),
        ("--flops_limits=1e4,1e4", "a limit stands twice"),
        ("--image_size=5", "expected 4, 8, 16 or 32"),
        ("--calibration_images=30", "at most 24"),
        ("--folds=7", "half of --n_archs"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(run, tmp_path, capsys, flag, message):
    assert run(flag) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()
