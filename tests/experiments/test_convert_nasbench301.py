"""NAS-Bench-301: made result files to the table "nb301", whole and damaged."""

import json
import zipfile
from pathlib import Path

import jax
import pytest

from experiments import convert, rank, targets
from experiments.cells import ranked
from tests import official_files as official
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import darts, nasbench301_official
from tnasp_jax.spaces.darts import DARTS

HEADER = "arch,best_val_acc100,test_acc100,train_time_s,trainings,optimizers"
CONFIG = "optimized_hyperparamater_config"
EDGE = "NetworkSelectorDatasetInfo:darts:edge"
INPUTS = "NetworkSelectorDatasetInfo:darts:inputs_node"
OF_INPUTS = [("skip_connect", 0), ("sep_conv_3x3", 1)]  # A node that reads both inputs.
PLAIN = OF_INPUTS * 4
PLAIN_TEXT = " ".join(["0:2 1:3"] * 4)
CHAIN = [
    *[("sep_conv_5x5", 0), ("dil_conv_3x3", 1)],
    *[("max_pool_3x3", 0), ("avg_pool_3x3", 1)],
    *[("dil_conv_5x5", 1), ("skip_connect", 3)],
    *[("sep_conv_3x3", 2), ("sep_conv_5x5", 4)],
]
# CHAIN with its first two nodes exchanged: the same function, and the smaller text.
EXCHANGED = [
    *[("max_pool_3x3", 0), ("avg_pool_3x3", 1)],
    *[("sep_conv_5x5", 0), ("dil_conv_3x3", 1)],
    *[("dil_conv_5x5", 1), ("skip_connect", 2)],
    *[("sep_conv_3x3", 3), ("sep_conv_5x5", 4)],
]


@pytest.fixture
def call(commands, capsys):
    """Exit code, lines on stdout, text on stderr."""

    def call_(*arguments):
        capsys.readouterr()
        words = ("--space=darts", *arguments)
        code = commands.call(convert.main, convert.define, words, words="FILE")
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err

    return call_


def write(root: Path, found) -> Path:
    for name, result in found.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(result))
    return root


def four():
    """Four trainings of two architectures, in no order, one unfinished, one other."""
    other = official.nb301_result(PLAIN, PLAIN, 95, 95, 9000)
    other[CONFIG]["NetworkSelectorDatasetInfo:darts:layers"] = 20
    unfinished = official.nb301_result(PLAIN, PLAIN, 95, 95, 9000)
    unfinished["info"] = []
    return {
        "rs/results_2_ti.json": official.nb301_result(PLAIN, CHAIN, 91, 90.5, 5000),
        "rs/results_1.json": official.nb301_result(PLAIN, PLAIN, 94.25, 93.75, 6000),
        "de/results_7.json": official.nb301_result(PLAIN, EXCHANGED, 92, 91, 5501),
        "de/results_8.json": official.nb301_result(PLAIN, CHAIN, 93, 92.5, 5000),
        "de/results_9.json": unfinished,
        "groundtruths/layers/results_0.json": other,
        "de/notes.json": {},
    }


def test_a_folder(call, tmp_path):
    source = write(tmp_path / "nb_301", four())
    out = tmp_path / "data" / "nasbench301" / "nb301_accuracy.csv"
    code, lines, err = call(source, f"--out={out}")
    assert code == 0 and "reading 100 %" in err and len(err.splitlines()) == 1
    assert lines[:3] == [
        "2 architectures, means over 4 trainings of 100 epochs",
        "best_val_acc100: the best epoch; test_acc100: the last epoch",
        "left out, without a result: 1",
    ]
    assert lines[3].startswith("left out, of another setting: 1, the first ")
    assert lines[3].endswith(
        "results_0.json: NetworkSelectorDatasetInfo:darts:layers is 20, not 8"
    )
    chain = "0:0 1:1 0:4 1:5 1:6 2:2 3:3 4:4"
    assert out.read_text().splitlines() == [
        HEADER,
        f"{PLAIN_TEXT} {chain},92.0,91.333333,5167.0,3,de rs",
        f"{PLAIN_TEXT} {PLAIN_TEXT},94.25,93.75,6000.0,1,rs",
    ]
    table = benchmarks.load("nb301", tmp_path / "data")
    assert lines[4] == f"wrote {out}, sha256 {table.sha256}"
    assert table.label("best_val_100ep").tolist() == pytest.approx([0.92, 0.9425])
    assert table.label("test_100ep").tolist() == pytest.approx([0.91333333, 0.9375])
    assert DARTS.parse(table.texts(1)).normal == tuple(PLAIN)
    assert table.train_target == ranked.TABLES["nb301"].train_target
    assert "surrogate" not in table.describe[table.train_target]


def test_a_zip_file_is_its_folder(call, tmp_path):
    """Whatever the order in it; files at its top are of the search it is named after."""
    source = write(tmp_path / "nb_301", four())
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in reversed(four()):
            packed.write(source / name, f"nb_301_v13/{name}")
    for place, name in ((source, "a.csv"), (archive, "b.csv")):
        assert call(place, f"--out={tmp_path / name}", "--quiet")[0] == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with zipfile.ZipFile(tmp_path / "gdas.zip", "w") as packed:
        packed.write(source / "rs/results_1.json", "results_1.json")
    assert call(tmp_path / "gdas.zip", f"--out={tmp_path / 'c.csv'}")[0] == 0
    assert (tmp_path / "c.csv").read_text().splitlines()[1].endswith(",1,gdas")


def test_the_edges_of_a_file_that_the_authors_published():
    """Of nasbench301/surrogate_models/test/results_fidelity_0/results_0.json."""
    names = [
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_3x3",
        "skip_connect",
        "dil_conv_3x3",
    ]
    names += ["dil_conv_5x5", "sep_conv_3x3", "skip_connect"]
    reduced = [
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "dil_conv_5x5",
        "sep_conv_3x3",
    ]
    reduced += ["sep_conv_5x5", "sep_conv_3x3", "dil_conv_3x3"]
    edges = {
        **zip_keys("normal", (0, 1, 2, 3, 5, 7, 10, 11), names),
        **zip_keys("reduce", (0, 1, 2, 3, 6, 7, 11, 12), reduced),
    }
    for cell, node, pair in [
        *[("normal", 3, "0_1"), ("normal", 4, "0_2"), ("normal", 5, "1_2")],
        *[("reduce", 3, "0_1"), ("reduce", 4, "1_2"), ("reduce", 5, "2_3")],
    ]:
        edges[f"{INPUTS}_{cell}_{node}"] = pair
    found = nasbench301_official.genotype(edges)
    inputs = [[0, 1, 0, 1, 0, 2, 1, 2], [0, 1, 0, 1, 1, 2, 2, 3]]
    assert found.normal == tuple(zip(names, inputs[0], strict=True))
    assert found.reduce == tuple(zip(reduced, inputs[1], strict=True))


def zip_keys(cell, numbers, names):
    keys = [f"{EDGE}_{cell}_{number}" for number in numbers]
    return dict(zip(keys, names, strict=True))


def edited(edit):
    result = official.nb301_result(PLAIN, CHAIN, 91, 90.5, 5000)
    edit(result)
    return json.dumps(result)


def without(*path):
    def edit(values):
        for key in path[:-1]:
            values = values[key]
        del values[path[-1]]

    return edited(edit)


def put(value, *path):
    def edit(values):
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = value

    return edited(edit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "damaged: expected an object in JSON"),
        (edited(lambda _: None)[:-9], "damaged: expected"),
        ("[1]", "expected an object in JSON"),
        ("[" * 100_000, "expected an object in JSON"),
        (without(CONFIG), f"lacks '{CONFIG}'; expected a result of NAS-Bench-301"),
        (without("info"), "lacks 'info'"),
        (without("info", 0, "val_accuracy"), "lacks 'val_accuracy'"),
        (without("test_accuracy"), "lacks 'test_accuracy'"),
        (without("runtime"), "lacks 'runtime'"),
        (without(CONFIG, f"{EDGE}_reduce_8"), f"lacks '{EDGE}_reduce_8'"),
        (without(CONFIG, f"{INPUTS}_normal_4"), f"lacks '{INPUTS}_normal_4'"),
        (put("0-1", CONFIG, f"{INPUTS}_normal_3"), "expected inputs like '0_2'"),
        (put(3, CONFIG, f"{INPUTS}_normal_3"), "expected text, got 3"),
        (put("sep_conv", CONFIG, f"{EDGE}_normal_0"), "unknown operation 'sep_conv'"),
        (put("none", CONFIG, f"{EDGE}_normal_0"), "has no operation 'none'"),
        (put([], CONFIG), f"'{CONFIG}': expected an object, got []"),
        (put({"a": 1}, "info"), "'info': expected a list of one object"),
        (put(912, "test_accuracy"), "expected a number in 0 .. 100, got 912"),
        (put(float("nan"), "info", 0, "val_accuracy"), "0 .. 100, got nan"),
        (put(True, "test_accuracy"), "0 .. 100, got True"),
        (put("1 h", "runtime"), "'runtime': expected a number, got '1 h'"),
        (put(-1, "runtime"), "'runtime': expected a number, got -1"),
    ],
)
def test_a_damaged_file_is_named(call, tmp_path, text, message):
    source = write(tmp_path / "nb_301", four())
    (source / "re").mkdir()
    (source / "re" / "results_3.json").write_text(text)
    out = tmp_path / "new" / "out.csv"
    code, lines, err = call(source, f"--out={out}", "--quiet")
    assert (code, lines, len(err.splitlines())) == (2, [], 1)
    assert "re/results_3.json: " in err and message in err
    assert not out.parent.exists()


def test_what_is_no_release(call, tmp_path):
    out = tmp_path / "out.csv"
    source = write(tmp_path / "nb_301", four())

    def check(place, message):
        code, lines, err = call(place, f"--out={out}", "--quiet")
        assert (code, lines, len(err.splitlines())) == (2, [], 1)
        assert message in err, err
        assert not out.exists()

    (tmp_path / "empty").mkdir()
    check(tmp_path / "empty", "no results_*.json in it, at any depth")
    check(source / "rs/results_1.json", "expected the folder of NAS-Bench-301's")
    check(
        source / "groundtruths", "no finished training of the benchmark's setting in 1"
    )
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(source / "rs/results_1.json", "rs/results_1.json")
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"93.75", b"99.75"))
    check(archive, f"{archive}: rs/results_1.json: damaged in the zip file")
    archive.write_bytes(data[:-30])
    check(archive, "this is neither, or cut off")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[:-1], "no rows, or the last one has no end"),
        (lambda text: text.splitlines(keepends=True)[0], "no rows, or the last one"),
        (lambda text: text.replace("0:2", "0:9", 1), "row 0: darts: normal: edge 0"),
        (
            lambda text: text.replace("test_acc100", "x"),
            "lacks the column 'test_acc100'",
        ),
        (lambda text: text.replace("94.25", "942.5"), "best_val_acc100: row 0"),
    ],
)
def test_a_damaged_table(tmp_path, edit, message):
    row = f"{PLAIN_TEXT} {PLAIN_TEXT},94.25,93.75,6000.0,1,rs"
    path = tmp_path / darts.FILES["nb301"].name
    path.write_text(f"{HEADER}\n{row}\n")
    assert len(darts.read("nb301", tmp_path)) == 1
    path.write_text(edit(path.read_text()))
    with pytest.raises(ValueError) as caught:
        darts.read("nb301", tmp_path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_rank_learns_from_it(call, commands, tmp_path):
    cells = DARTS.sample(jax.random.key(0), 40)
    found = {
        f"rs/results_{i}.json": official.nb301_result(*c.cells, 90 + i / 20, 90, 5000)
        for i, c in enumerate(cells)
    }
    out = tmp_path / darts.FILES["nb301"].name
    assert call(write(tmp_path / "nb_301", found), f"--out={out}", "--quiet")[0] == 0
    flags = ["--table=nb301", "--predictor=tiny", "--epochs=1", "--seeds=0"]
    flags += ["--n_train=10", "--n_val=5", f"--data_dir={tmp_path}"]
    flags.append(f"--workdir={tmp_path / 'run'}")
    assert commands.call(rank.main, ranked.define, flags) == 0
    values = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (values["name"], values["n_test"]) == ("nb301_tiny_10", 25)
    assert values["train_target"] == values["eval_target"] == "best_val_100ep"


def test_without_the_file(commands, tmp_path, capsys):
    flags = ["--table=nb301", "--n_train=50", f"--workdir={tmp_path / 'run'}"]
    flags.append(f"--data_dir={tmp_path}")
    capsys.readouterr()
    assert commands.call(rank.main, ranked.define, flags) == 2
    err = capsys.readouterr().err
    path = tmp_path / "nasbench301" / "nb301_accuracy.csv"
    assert f"convert --space=darts OFFICIAL_FILE --out={path}` makes it" in err
    assert len(err.splitlines()) == 1 and not (tmp_path / "run").exists()
    # Of all tables, those that are there; of named ones, each must be.
    words = [f"--data_dir={tmp_path}"]
    assert not commands.call(targets.main, targets.define, words, words="TABLE")
    captured = capsys.readouterr()
    assert "digits_val" in captured.out and "nb301 is left out" in captured.err
    words.append("nb301")
    assert commands.call(targets.main, targets.define, words, words="TABLE") == 2
