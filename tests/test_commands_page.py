"""docs/commands.md and docs/data.md name what exists, and all of it."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from absl import flags

from experiments.searching.search_costs import LATENCIES
from experiments.shell import command, help_page, strict_flags
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


@pytest.mark.parametrize("name", [*rows(), *sorted(UPKEEP)])
def test_help_has_a_line_for_each_flag(name):  # Names to choose from may take more.
    values, words = flags_of(name), run_call(name)[1]
    about = importlib.import_module(f"experiments.{name}").__doc__ or ""
    lines = help_page.page(about, values, words).splitlines()
    assert max(map(len, lines)) <= help_page.WIDTH
    for flag in values:
        text, names = values[flag].help, getattr(values[flag].parser, "enum_values", 0)
        if text and not names and not re.search("(one|some) of", text):
            (line,) = [each for each in lines if re.match(rf"  --{flag}(=|  )", each)]
            assert line.endswith(text), line
    assert "\nOther:\n" not in "\n".join(lines)


def test_topics_name_flags_that_exist_once():
    named = [name for names in help_page.TOPICS.values() for name in names]
    known = {flag for name in [*rows(), *UPKEEP] for flag in flags_of(name)}
    assert sorted(named) == sorted(known)


def test_a_flag_without_a_topic_comes_last():
    def define(values):
        flags.DEFINE_boolean("own", True, "of this command alone", values)

    page = help_page.page("About.", strict_flags.create(define))
    assert page.endswith("\n\nOther:\n  --noown      of this command alone")


def test_choose_lists_no_flag_that_it_refuses_or_ignores():
    page = help_page.page("", flags_of("choose"))
    for flag in ("workdir", "resume", "from_run", "se_steps", "self_evolution"):
        assert f"--{flag}" not in page


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
