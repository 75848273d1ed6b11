"""docs/own_space.md, run as printed."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from experiments import custom, example_file, plot, predict, validate
from experiments.own_space import custom_flags
from experiments.shell import command, devices
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks.custom import read

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "own_space.md").read_text()
EXAMPLE = ROOT / "experiments" / "examples" / "digits_cells.csv"
COMMANDS = {
    "custom": (custom.main, custom_flags.define, ""),
    "validate": (validate.main, validate.define, "FILE"),
    "plot": (plot.main, plot.define, "RUN ..."),
    "predict": (predict.main, predict.define, "ARCHITECTURE ..."),
}


def block(name) -> str:
    """The code that stands under a mark of the page."""
    found = re.search(
        rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", PAGE, re.S
    )
    assert found, f"the page has no block {name}"
    return found[1]


def call(name, *more) -> int:
    """The exit code of a command as the page prints it."""
    words = shlex.split(block(name).replace("\\\n", " "))
    assert words[:2] == ["python", "-m"]
    main, define, beside = COMMANDS[words[2].removeprefix("experiments.")]
    with pytest.raises(SystemExit) as exit_:
        command.run(main, define, [*words[3:], *more], words=beside)
    return exit_.value.code


def test_the_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "use_all_cores", lambda: None)
    # The default predictor takes a minute; the page's commands are the same.
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    assert call("validate") == 0
    assert call("train", "--predictor=regression_nas", "--epochs=2", "--folds=3") == 0
    assert call("plot") == 0
    assert call("predict") == 0
    namespace = {}
    exec(block("python"), namespace)
    assert len(namespace["texts"]) == 10
    assert "expect tau" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_forms_are_read(tmp_path, form):
    path = tmp_path / f"cells.{form}"
    path.write_text(block(form))
    table = read(path, train_label="val_acc")
    np.testing.assert_allclose(table.label("val_acc"), [0.912, 0.874])


def test_the_example_is_what_its_command_writes():
    table = benchmarks.load("nb201digits")
    assert example_file.example(table, 200) == EXAMPLE.read_text()
