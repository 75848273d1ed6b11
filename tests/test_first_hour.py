"""What a new user's first hour asks of the commands, as true processes.

One quickstart, with a recipe that takes seconds, is shared by most of the checks. Times
are seconds of the processor that a process has used, which other work on the machine
does not change much.
"""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

import tnasp_jax
from experiments import predict
from experiments import quickstart as first_command
from experiments.cells import pipeline
from experiments.shell import command, devices
from tnasp_jax import runs
from tnasp_jax.checkpoints import Checkpoints

ROOT = Path(__file__).resolve().parents[1]
SPACE = tnasp_jax.get_space("nasbench201")
EPOCHS, STEPS, ROUNDS = 4, 3, 2
RECIPE = f"""\
--predictor=regression_nas
--table=digits
--n_train=3
--n_val=20
--seeds=0,1
--epochs={EPOCHS}
--se_rounds={ROUNDS}
--se_steps={STEPS}
"""
QUICKSTART = """
import pathlib, sys
from experiments import quickstart
from experiments.shell import command
quickstart.FLAGFILE = pathlib.Path(sys.argv.pop(1))
command.run(quickstart.main, quickstart.define)
"""
PLAIN, EVOLVED = "nb201digits_regression_nas_3", "nb201digits_regression_nas_se_3"
GOOD = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
NOISE = re.compile(r"(?i:orbax|absl)|WARNING|Warning:|^[IWE]\d{4} |Traceback")


class Done(NamedTuple):
    """How a process ended: its output, seconds of the processor, and the most bytes of
    memory that it was seen with, 0 where the system does not tell."""

    code: int
    out: str
    err: str
    seconds: float
    peak: int


class Process:
    """A command under way, from the project's root; its output goes to files."""

    def __init__(self, folder: Path, *words, stdin: Path | None = None, **settings):
        self.files = [
            folder / f"{name}-{time.monotonic_ns()}" for name in ("out", "err")
        ]
        out, err = (path.open("w") for path in self.files)
        given = (stdin or Path(os.devnull)).open()
        # A child of a shell's background job would ignore Ctrl-C as that job does.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        with out, err, given:
            self.process = subprocess.Popen(
                [sys.executable, *map(str, words)],
                cwd=ROOT,
                env={**os.environ, **settings},
                stdin=given,
                stdout=out,
                stderr=err,
            )
        signal.signal(signal.SIGINT, before)

    def send_once(self, happened, what: signal.Signals) -> None:
        """Sends a signal as soon as `happened()`; fails where the process ends before."""
        while not happened():
            assert os.waitid(os.P_PID, self.process.pid, WAIT) is None, self.output()
            time.sleep(0.01)
        self.process.send_signal(what)

    def output(self) -> list[str]:
        """As written: text files would give a carriage return as a new line."""
        return [path.read_bytes().decode() for path in self.files]

    def end(self) -> Done:
        # Not ru_maxrss: that of a child begins with the memory of its parent.
        peak, memory = 0, Path(f"/proc/{self.process.pid}/status")
        while os.waitid(os.P_PID, self.process.pid, WAIT) is None:
            if memory.exists() and (found := PEAK.search(memory.read_text())):
                peak = int(found[1]) * 1024
            time.sleep(0.02)
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = code = os.waitstatus_to_exitcode(status)
        return Done(code, *self.output(), used.ru_utime + used.ru_stime, peak)


WAIT = os.WEXITED | os.WNOHANG | os.WNOWAIT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of all that the tests of this file write; no two write the same."""
    return tmp_path_factory.mktemp("first_hour")


@pytest.fixture(scope="module")
def start(folder):
    """`start(name, *arguments)`: a command that is under way."""

    def start_(name, *arguments, **options):
        return Process(folder, "-m", f"experiments.{name}", *arguments, **options)

    return start_


@pytest.fixture(scope="module")
def execute(start):
    """`execute(name, *arguments)`: a command that has ended."""
    return lambda *words, **options: start(*words, **options).end()


@pytest.fixture(scope="module")
def quickstart(folder):
    """The first command of all: its output, and the folder of its three runs."""
    recipe, home = folder / "short.flags", folder / "quick start"
    recipe.write_text(RECIPE)
    done = Process(folder, "-c", QUICKSTART, recipe, f"--workdir={home}").end()
    assert done.code == 0, done.err
    return done, home


@pytest.fixture(scope="module")
def again(folder, quickstart, execute):
    """The flags of its first run a second time, by the table's own command."""
    flags = f"--flagfile={quickstart[1] / PLAIN / 'flags.txt'}"
    return execute("nb201", flags, f"--workdir={folder / 'again'}"), folder / "again"


@pytest.fixture(scope="module")
def cut(folder, quickstart, start):
    """The flags of its evolved run, killed, interrupted, then gone on with to the end:
    how each of the three processes ended, and what stood there after each."""
    flags = [f"--flagfile={quickstart[1] / EVOLVED / 'flags.txt'}"]
    flags += [f"--workdir={folder / 'cut'}"]
    journal, saved = (
        folder / "cut" / name for name in ("metrics.jsonl", "checkpoints")
    )
    killed = start("nb201", *flags)
    killed.send_once((saved / str(EPOCHS)).is_dir, signal.SIGKILL)
    ends, stood = [killed.end()], [contents(folder / "cut")]
    begun = journal.stat().st_mtime_ns
    interrupted = start("nb201", *flags, "--resume")
    interrupted.send_once(lambda: journal.stat().st_mtime_ns > begun, signal.SIGINT)
    ends.append(interrupted.end())
    stood.append(contents(folder / "cut"))
    checkpoints = Checkpoints(folder / "cut")
    about = checkpoints.about()
    checkpoints.close()
    ends.append(start("nb201", *flags, "--resume", "--quiet").end())
    return ends, stood, about, folder / "cut"


def contents(path: Path) -> dict[str, bytes]:
    return {
        each.relative_to(path).as_posix(): each.read_bytes()
        for each in sorted(path.rglob("*"))
        if each.is_file()
    }


def result(path: Path) -> dict:
    """results.json without what may differ between equal runs."""
    values = json.loads((path / "results.json").read_text())
    return {k: v for k, v in values.items() if k not in ("wall_seconds", "argv")}


def assert_equal_runs(one: Path, other: Path) -> None:
    assert result(one) == result(other)
    with np.load(one / "predictions.npz") as a, np.load(other / "predictions.npz") as b:
        assert set(a) == set(b)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def mistake(done: Done) -> str:
    """The one line of a user's mistake."""
    assert (done.code, done.out) == (2, ""), done.err
    assert done.err.startswith("error: ") and done.err.count("\n") == 1, done.err
    return done.err


def printed_next(out: str) -> str:
    """The first command that a run's output says to type next."""
    return out.partition("next:\n  ")[2].splitlines()[0]


def type_in_a_shell(line: str) -> subprocess.CompletedProcess:
    """Runs a line as printed, by the interpreter of the tests."""
    assert line.startswith("python -m ")
    line = line.replace("python", shlex.quote(sys.executable), 1)
    return subprocess.run(
        line, shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    )


# 1. One command: a predictor, a table with its ceiling, a run folder, what to type next.
# The clean environment is that of tests/test_packaging.py.


def test_1_the_quickstart_prints_one_table_and_saves_one_plot(quickstart):
    done, home = quickstart
    for row in ("TNASP  ", "TNASP, same extra training  ", "TNASP + self-evolution  "):
        assert f"\n{row}" in done.out
    for word in ("digits", "3 training", f"T = {ROUNDS}", "noise ceiling 0.907"):
        assert word in done.out
    assert (home / "scatter.png").read_bytes().startswith(b"\x89PNG")
    assert result(home / EVOLVED)["kendall_tau"]["mean"] is not None


@pytest.mark.parametrize("run", ["quickstart", "again"])
def test_1_the_next_command_works_as_printed(run, request):
    """In the quickstart's case with a blank in the folder's name."""
    printed = printed_next(request.getfixturevalue(run)[0].out)
    done = type_in_a_shell(printed)
    assert done.returncode == 0, done.stderr
    text, score = done.stdout.strip().split("\t")
    assert SPACE.format(SPACE.parse(text)) == text and 0 < float(score) < 1
    # 5. A number with its unit and target.
    assert done.stderr.startswith("predicting digits_val as a fraction (8 x 8 digits")
    assert done.stderr.count("\n") == 1


# 2. A quick, quiet and light import; no network.


def test_2_the_import_is_quick_quiet_and_light(folder):
    program = (
        "import sys, tnasp_jax\n"
        "print(*sorted({'orbax', 'matplotlib', 'h5py', 'sklearn'} & set(sys.modules)))"
    )
    done = Process(folder, "-W", "error", "-c", program).end()
    assert (done.code, done.out, done.err) == (0, "\n", "")
    assert done.seconds < 3


def test_2_no_test_nor_its_children_reach_the_network(folder):
    """Imports, training and prediction of this file run in such children."""
    ask = "socket.create_connection(('192.0.2.1', 80), 0.1)"
    sentence = "a connection to 192.0.2.1 was asked for; tests need no network"
    with pytest.raises(RuntimeError, match=sentence):
        exec(ask)
    with socket.socket() as one, pytest.raises(RuntimeError, match=sentence):
        one.connect(("192.0.2.1", 80))
    with pytest.raises(RuntimeError, match="a connection to example.org was"):
        socket.getaddrinfo("example.org", 80)
    done = Process(folder, "-c", f"import socket; {ask}").end()
    assert done.code == 1 and done.err.endswith(f"RuntimeError: {sentence}\n")
    with socket.create_server(("localhost", 0)) as server:
        socket.create_connection(server.getsockname()).close()


# 3. Real data that is missing.


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("nb101", "nasbench101/nasbench101_108ep.npz"),
        ("nb201", "nasbench201/nb201_accuracy.csv"),
    ],
)
def test_3_missing_data_says_how_to_go_on(execute, tmp_path, name, file):
    flags = f"--flagfile=experiments/flagfiles/{name}_tnasp.flags", "--n_train=78"
    done = execute(
        name, *flags, f"--workdir={tmp_path / 'run'}", f"--data_dir={tmp_path / 'data'}"
    )
    said = mistake(done)
    path = tmp_path / "data" / file
    assert f"no benchmark data at {path}: " in said and re.search(r"\d MB\)", said)
    space = file.partition("/")[0]
    convert = (
        f"`python -m experiments.convert --space={space} OFFICIAL_FILE --out={path}`"
    )
    assert convert in said and "--data_dir" in said and "--table=digits" in said
    assert done.seconds < 5
    assert list(tmp_path.iterdir()) == []


# 4. Chance is told by seeds, and three labels train.


def test_4_the_same_flags_twice_are_equal_results(quickstart, again):
    assert_equal_runs(quickstart[1] / PLAIN, again[1])


def test_4_another_seed_is_another_split(again):
    first, second = result(again[1])["split_sha256"]
    assert first != second


def test_4_three_training_cells_train(again):
    values = result(again[1])
    assert values["n_train"] == 3 and values["train_steps"] == EPOCHS
    lines = (again[1] / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert len(set(losses)) == EPOCHS


# 5. Scores of a saved run.


def test_5_sizes_in_a_row_and_a_command_of_many_lines_give_equal_scores(
    execute, again, tmp_path
):
    texts = [SPACE.format(each) for each in SPACE.sample(jax.random.key(3), 999)]
    run = tnasp_jax.load(again[1])
    by_size = {n: run.predict(texts[:n]) for n in (1, 2, 3, 17, 100, 999)}
    assert run._jitted._cache_size() == 4  # 8, 32, 128 and 1,024 architectures.
    for n, scores in by_size.items():
        np.testing.assert_allclose(scores, by_size[999][:n], rtol=1e-5)
    assert len(np.unique(by_size[999])) > 500
    (tmp_path / "texts").write_text("\n".join(texts))
    done = execute("predict", f"--run={again[1]}", stdin=tmp_path / "texts")
    assert done.code == 0 and done.err.count("\n") == 1
    printed = [line.split("\t") for line in done.out.splitlines()]
    assert [text for text, _ in printed] == texts
    np.testing.assert_allclose(
        [float(score) for _, score in printed], by_size[999], atol=2e-6
    )


# 6. All of NAS-Bench-101.


@pytest.mark.part("whole table")
def test_6_all_cells_of_nasbench101_with_flat_memory(execute, data_dir, tmp_path):
    """A chunk of cells needs some 50 MB beside the table; all at once would need GBs."""
    flags = "--predictor=regression_nas --n_train=3 --n_val=8 --epochs=1 --seeds=0"
    workdir = tmp_path / "run"
    done = execute(
        *("nb101", *flags.split(), f"--workdir={workdir}", f"--data_dir={data_dir}"),
        JAX_DISABLE_MOST_OPTIMIZATIONS="false",
    )
    assert done.code == 0, done.err
    assert result(workdir)["n_test"] == 423_624
    with np.load(workdir / "predictions.npz") as saved:
        assert np.isfinite(saved["scores"]).all()
        assert saved["scores"].shape == (1, 423_624)
    assert done.peak < 800e6
    assert done.peak > 100e6 or sys.platform != "linux"
    assert done.seconds < 2 * 120  # Two cores for two minutes.


# 7. Bad input.


def chain(size: int, *ops, **cells) -> str:
    """A cell of NAS-Bench-101 whose vertices stand in a row."""
    matrix = np.eye(size, k=1, dtype=int).tolist()
    names = ops or ["input", *["conv3x3-bn-relu"] * (size - 2), "output"]
    return json.dumps({"matrix": matrix, "ops": list(names)} | cells)


BAD_CELLS = {
    chain(4, matrix=[[0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1], [0] * 4]): (
        "matrix: the edges 1 -> 2 -> 1 form a cycle"
    ),
    chain(3, matrix=[[0, 1, 0], [0] * 3, [0] * 3]): (
        "matrix: no path leads from the input to the output"
    ),
    chain(3, "input", "conv3x3-bn-rellu", "output"): (
        "ops: unknown operation 'conv3x3-bn-rellu' at 1; did you mean \"conv3x3-bn-relu\"?"
    ),
    chain(3, "input", -1, "output"): "ops: unknown operation -1 at 1",
    chain(3, "input", 99, "output"): "ops: unknown operation 99 at 1",
    chain(3, "input", "input", "output"): 'ops: expected exactly one "input", got 2',
    chain(3, matrix=[[0, 1], [0, 0, 1], [0, 0, 0]]): "matrix: ",
    chain(3, matrix=[[0, 1, 0], [0, 0, float("nan")], [0] * 3]): "matrix: ",
    chain(
        8
    ): "matrix: 8 vertices are on paths from input to output, expected at most 7",
}


def test_7_every_bad_cell_of_a_file_is_a_line(execute, tmp_path):
    path = tmp_path / "cells.txt"
    path.write_text("\n".join([chain(3), *BAD_CELLS, chain(7)]) + "\n")
    done = execute("validate", "--space=nasbench101", path)
    assert (done.code, done.err) == (1, "")
    *lines, count = done.out.splitlines()
    assert count == f"{len(BAD_CELLS)} of {len(BAD_CELLS) + 2} rows are bad"
    for row, (line, sentence) in enumerate(
        zip(lines, BAD_CELLS.values(), strict=True), 1
    ):
        assert line.startswith(f"row {row}, line {row + 1}: {sentence}")
    assert list(tmp_path.iterdir()) == [path]


def test_7_labels_of_another_unit_and_labels_without_a_difference(execute, tmp_path):
    path = tmp_path / "cells.csv"
    rows = "".join(f"input conv output,0>1 1>2,0.5,9{n}.5\n" for n in range(4))
    path.write_text(f"ops,edges,flat,percent\n{rows}")
    flags = "--space=custom", "--train_label=flat", "--test_label=percent"
    done = execute("validate", *flags, path)
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines()[:2] == [
        f"{path}: flat: all 4 accuracies are 0.5; nothing can be learnt from equal ones",
        f"{path}: percent: row 0 has 90.5, expected fractions in 0 .. 1 (4 such rows); "
        "add --percent if these are percentages",
    ]
    flags = f"--csv={path}", "--train_label=flatt", f"--workdir={tmp_path / 'run'}"
    said = mistake(execute("custom", *flags))
    assert "no column 'flatt'; did you mean 'flat'?" in said
    assert list(tmp_path.iterdir()) == [path]


def test_7_a_missing_bar_names_its_row(execute, again):
    said = mistake(execute("predict", f"--run={again[1]}", GOOD, GOOD[:-1]))
    assert said.startswith("error: architecture 1: nasbench201: ")


def test_7_what_is_no_graph_has_no_score(again):
    """Operations -1 and 99, and a row without a live node; a dead slot may hold both."""
    run = tnasp_jax.load(again[1])
    graphs = SPACE.to_graphs([SPACE.parse(GOOD)] * 6)
    ops, mask = np.array(graphs.ops), np.array(graphs.mask)
    live, dead = np.flatnonzero(mask[0])[1], np.flatnonzero(~mask[0])[0]
    ops[[0, 1], live], ops[[2, 3], dead], mask[4] = (-1, 99), (-1, 99), False
    scores = jax.jit(run.predict_fn)(run.params, graphs.replace(ops=ops, mask=mask))
    np.testing.assert_array_equal(
        np.isnan(scores), [True, True, False, False, True, False]
    )
    np.testing.assert_allclose(scores[2:4], scores[5], rtol=1e-6)


# 8. Flag files.


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("nb201", "seed=3", "2: 'seed=3' is not --name=value; did you mean --seeds=3?"),
        (
            "nb101",
            "--seed 9",
            "2: '--seed 9' is not --name=value; did you mean --seeds=9?",
        ),
        ("custom", "stray", "2: 'stray' is not --name=value"),
        ("search", "--budget=1\n--budget=1", "3: --budget is given twice, first as"),
        ("validate", "--spaces=x", "2: unknown flag --spaces; did you mean --space=x?"),
        ("predict", "--flagfile=gone", "2: no flag file gone"),
    ],
)
def test_8_a_mistake_in_a_flag_file_is_not_ignored(
    execute, tmp_path, name, lines, said
):
    path = tmp_path / "my.flags"
    path.write_text(f"# mine\n{lines}\n")
    done = execute(name, f"--flagfile={path}")
    assert mistake(done).startswith(f"error: {path}:{said}")
    assert list(tmp_path.iterdir()) == [path]


# 9. Runs that were cut, taken folders, damaged ones.


def test_9_a_killed_and_interrupted_run_resumes_to_the_same_result(cut, quickstart):
    (killed, interrupted, last), _, about, workdir = cut
    assert killed.code == -signal.SIGKILL
    assert interrupted.code == 130
    assert interrupted.err.splitlines()[-1] == "interrupted; --resume goes on from here"
    assert not NOISE.search(interrupted.err)
    # The last checkpoint loads.
    assert (about["stage"], about["done"]) == ("fit", EPOCHS)
    assert last.code == 0
    assert_equal_runs(workdir, quickstart[1] / EVOLVED)


def test_9_an_interrupted_run_keeps_what_was_there(cut):
    _, (killed, interrupted), _, _ = cut
    assert "results.json" not in interrupted
    kept = [name for name in killed if name.startswith(f"checkpoints/{EPOCHS}/")]
    assert kept and all(interrupted[name] == killed[name] for name in kept)
    # It went on from there: the lines of the training stood in the journal at once.
    journals = (each["metrics.jsonl"].splitlines() for each in (killed, interrupted))
    first, second = (lines[:EPOCHS] for lines in journals)
    assert first == second and len(first) == EPOCHS


def test_9_a_taken_folder_is_left_alone(again, execute):
    before = contents(again[1])
    flags = f"--flagfile={again[1] / 'flags.txt'}", f"--workdir={again[1]}"
    assert "holds a run; add --resume to go on" in mistake(execute("nb201", *flags))
    assert contents(again[1]) == before


def edited(path: Path, **changes) -> None:
    about = path / "predictor" / "predictor.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | changes))


def missing(path):
    pass


def empty(path):
    path.mkdir()


def truncated(path):
    file = path / "predictor" / "params.npz"
    file.write_bytes(file.read_bytes()[:-200])


def wider(path):
    """Every array of the network with another last axis, on disk and as described."""
    with np.load(path / "predictor" / "params.npz") as file:
        arrays = dict(file)
    for name in arrays:
        if name.startswith("network/"):
            arrays[name] = np.concatenate([arrays[name]] * 2, axis=-1)
    np.savez(path / "predictor" / "params.npz", **arrays)
    edited(path, shapes={name: list(array.shape) for name, array in arrays.items()})


def newer(path):
    edited(path, format=runs.FORMAT + 1)


DAMAGES = {
    missing: "no such folder",
    empty: "holds no run",
    truncated: "not a whole npz",
    wider: "has shape",
    newer: "format 2 is newer",
}


@pytest.fixture(params=DAMAGES, ids=lambda damage: damage.__name__)
def damaged(request, again, tmp_path):
    """A folder that is no whole run, and what is said of it."""
    path = tmp_path / "run"
    if request.param not in (missing, empty):
        for name, content in contents(again[1] / "predictor").items():
            (path / "predictor").mkdir(parents=True, exist_ok=True)
            (path / "predictor" / name).write_bytes(content)
    request.param(path)
    return path, DAMAGES[request.param]


def test_9_a_damaged_folder_is_one_line(damaged, capsys):
    """In this process; one of them is a process of its own below."""
    path, sentence = damaged
    with pytest.raises(SystemExit) as exit_:
        arguments = [f"--run={path}", GOOD]
        command.run(predict.main, predict.define, arguments, words="ARCHITECTURE ...")
    done = Done(exit_.value.code, *capsys.readouterr(), 0, 0)
    said = mistake(done)
    assert said.startswith(f"error: {path}") and sentence in said
    assert [each for each in DAMAGES.values() if each in said] == [sentence]


# 10. Short output.


def test_10_output_is_short_and_plain(quickstart, again, cut):
    assert "self-evolution 100 %" in quickstart[0].err  # There is progress to look at.
    for done in (quickstart[0], again[0], *cut[0]):
        lines = (done.out + done.err).splitlines()
        assert len(lines) < 60
        assert [line for line in lines if NOISE.search(line)] == []
        assert "\r" not in done.out + done.err


def test_10_a_quiet_run_is_brief(cut):
    done = cut[0][-1]
    assert done.err == ""
    first, *lines = done.out.splitlines()
    assert "2 draws of 3 training cells" in first
    for line, start in zip(
        lines, ("learnt", "Kendall tau", "held-out tau"), strict=True
    ):
        assert line.startswith(f"  {start}  ")
    assert "validation accuracy" in lines[0]
    assert "ranked by 8 x 8 digits, test accuracy" in lines[1]


def test_10_a_quiet_run_on_ones_own_file_is_brief(execute, tmp_path):
    rows = [f"input{' conv' * n} output,{edges(n + 2)},0.{5 + n}\n" for n in range(4)]
    (tmp_path / "mine.csv").write_text("ops,edges,acc\n" + "".join(rows))
    flags = "--train_label=acc --folds=2 --predictor=regression_nas --epochs=1 --quiet"
    paths = f"--csv={tmp_path / 'mine.csv'}", f"--workdir={tmp_path / 'run'}"
    done = execute("custom", *flags.split(), *paths)
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    assert done.out.startswith("with 2 labels expect tau ")


def edges(nodes: int) -> str:
    return " ".join(f"{node}>{node + 1}" for node in range(nodes - 1))


def test_10_a_quiet_search_is_brief(execute, tmp_path):
    workdir = tmp_path / "found"
    flags = "--table=digits", "--budget=10", "--pareto=params", f"--workdir={workdir}"
    done = execute("search", *flags, "--quiet")
    assert (done.code, done.err) == (0, "")
    found = json.loads((workdir / "search.json").read_text())
    best = found["best"][0]
    first, label, highest, path = done.out.splitlines()
    front = f"{len(found['front'])} on the front with params"
    assert first == (
        f"search of nasbench201 by nsga2: 10 architectures evaluated, {front}"
    )
    assert label.startswith("  score  digits_val: 8 x 8 digits, validation accuracy")
    assert highest == f"  best   {best['score']:.4f}  {best['architecture']}"
    assert path == str(workdir / "search.json")


def test_10_a_quiet_quickstart_prints_its_rows(quickstart, monkeypatch, capsys):
    """In this process, with the runs that are there in place of a second training."""
    done, home = quickstart

    def told_again(cell, table, workdir, *, quiet, **_):
        assert quiet and workdir == home / cell.name
        return json.loads((workdir / "results.json").read_text())

    monkeypatch.setattr(pipeline, "run_cell", told_again)
    monkeypatch.setattr(devices, "use_all_cores", lambda: None)
    monkeypatch.setattr(first_command, "FLAGFILE", home.with_name("short.flags"))
    arguments = [f"--workdir={home}", "--quiet", "--overwrite"]
    with pytest.raises(SystemExit) as exit_:
        command.run(first_command.main, first_command.define, arguments)
    assert not exit_.value.code
    out, err = capsys.readouterr()
    assert (out.splitlines(), err) == (done.out.splitlines()[:4], "")
