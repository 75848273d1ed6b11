"""docs/commands.md and docs/data.md name what exists, and all of it."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from experiments.searching.search_costs import LATENCIES
from experiments.shell import command, strict_flags
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import (
    accel_nasbench,
    cifar10,
    darts,
    nasbench101,
    nasbench201,
    yahpo_surrogate,
)

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
DATA = (ROOT / "docs" / "data.md").read_text()
# Commands of this project's own upkeep, which no user needs.
UPKEEP = {"blocks", "example_file", "measure_digits"}


def rows():
    """Name of each command -> the cells of its row."""
    found = {}
    for line in COMMANDS.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            found |= dict.fromkeys(re.findall(r"`(\w+)`", cells[0]), cells)
    return found


def flags_of(name):
    """The flags of a command, as `--help` lists them."""
    where: Any = importlib.import_module(f"experiments.{name}")
    for part in run_call(name)[0].split("."):
        where = getattr(where, part)
    return strict_flags.create(where)


def run_call(name) -> tuple[str, str]:
    """What a command's module gives to `command.run`: definition, words."""
    text = (ROOT / "experiments" / f"{name}.py").read_text()
    found = re.search(r"command\.run\(main, ([\w.]+)(?:, words=\"(.*)\")?\)", text)
    assert found, f"{name} runs no command"
    return found[1], found[2] or ""


def test_every_command_has_a_row():
    modules = {path.stem for path in (ROOT / "experiments").glob("*.py")}
    assert set(rows()) == modules - {"__init__"} - UPKEEP


@pytest.mark.parametrize("name", rows())
def test_a_row_is_true(name):
    _, _, needed, beside = rows()[name]
    values, (_, words) = flags_of(name), run_call(name)
    for flag in re.findall(r"--(\w+)", needed):
        assert flag in values and values[flag].default is None, flag
    assert (beside == "-") == (words == "")
    if words.isupper() and name != "choose":
        assert beside.startswith(words)


@pytest.mark.parametrize("line", re.findall(r"^- .*(?:\n  .*)*", COMMANDS, re.M))
def test_flags_that_are_explained_exist(line):
    known = {flag for name in rows() for flag in flags_of(name)}
    assert set(re.findall(r"--(\w+)", line)) <= known


def test_every_table_and_its_file_are_listed():
    for name in (*benchmarks.NAMES, *benchmarks.SURROGATES, *LATENCIES):
        assert f"`{name}`" in DATA or f"={name}`" in DATA, name
    files = [
        nasbench101.FILE,
        nasbench201.FILE,
        *(f"{file.folder}/{file.name}" for file in darts.FILES.values()),
        f"{accel_nasbench.FOLDER}/{accel_nasbench.FILE}",
        f"{yahpo_surrogate.FOLDER}/{yahpo_surrogate.FILE}",
        cifar10.FILES["test"][0],
    ]
    assert [name for name in files if name not in DATA] == []
    for file in darts.FILES.values():
        assert file.size in DATA


def test_a_missing_file_is_told_with_flags(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("TNASP_DATA", raising=False)

    def main(values):
        benchmarks.load(values.table, command.data_dir(values))

    for name, parts in (
        ("nb201", ["experiments.convert --space=nasbench201", "--table=digits"]),
        ("nb101", [f"--out={tmp_path}/nasbench101/nasbench101_108ep.npz` makes it"]),
    ):
        flags = [f"--table={name}", f"--data_dir={tmp_path}"]
        with pytest.raises(SystemExit) as end:
            command.run(main, command.define_shared, flags)
        err = capsys.readouterr().err
        assert end.value.code == 2 and len(err.splitlines()) == 1
        for part in (*parts, "--data_dir or TNASP_DATA"):
            assert part in err
