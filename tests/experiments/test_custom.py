"""experiments.custom as a user runs it: cells, chains, large graphs, mistakes."""

import json

import numpy as np
import pytest

from experiments import custom, predict
from experiments.cells import draws
from experiments.own_space import custom_flags, learning_curve
from tnasp_jax import benchmarks, runs
from tnasp_jax.benchmarks.custom import read

RNG = np.random.default_rng(0)


def rows_of(cells, name="val_acc") -> list[dict]:
    """Labels that the number of convolutions decides, and a little noise."""
    return [
        {
            "ops": ops,
            "edges": edges,
            name: round(0.5 + 0.04 * ops.count("conv") + RNG.uniform(0, 0.01), 4),
            "test_acc": round(0.5 + 0.04 * ops.count("conv"), 4),
        }
        for ops, edges in cells
    ]


def chains(count, lengths=(3, 9)):
    for _ in range(count):
        inner = RNG.choice(["conv", "pool"], RNG.integers(*lengths)).tolist()
        ops = ["input", *inner, "output"]
        yield ops, [[node, node + 1] for node in range(len(ops) - 1)]


def residuals(count, nodes):
    """Chains of one length with some edges that skip a node."""
    for ops, edges in chains(count, (nodes - 2, nodes - 1)):
        yield (
            ops,
            [*edges, *([n, n + 2] for n in range(nodes - 2) if RNG.random() < 0.5)],
        )


def write_csv(path, rows):
    names = list(rows[0])
    lines = [",".join(names)]
    for row in rows:
        texts = {
            "ops": " ".join(row["ops"]),
            "edges": " ".join(f"{i}>{j}" for i, j in row["edges"]),
        }
        lines.append(",".join(str(texts.get(name, row[name])) for name in names))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def cells():
    return rows_of(chains(40))


@pytest.fixture
def run(commands, tmp_path):
    """`run(file, *flags)`: the exit code of the command; the last flag counts."""

    def call(path, *flags):
        form = "csv" if path.suffix == ".csv" else "jsonl"
        given = (
            *(f"--{form}={path}", "--train_label=val_acc", "--predictor=tiny"),
            *("--epochs=4", f"--workdir={tmp_path / 'run'}"),
            *flags,
        )
        named = {flag.partition("=")[0]: flag for flag in given}
        return commands.call(custom.main, custom_flags.define, named.values())

    return call


def results(tmp_path):
    return json.loads((tmp_path / "run" / "results.json").read_text())


# What a run says and leaves.


def test_a_run_and_what_can_be_done_with_it(run, commands, cells, tmp_path, capsys):
    path = write_csv(tmp_path / "mine.csv", cells)
    capsys.readouterr()
    assert run(path, "--test_label=test_acc", "--learning_curve=8,16") == 0
    out = capsys.readouterr().out
    values = results(tmp_path)
    assert values["expect"] in out
    assert out.endswith(f"\n  python -m experiments.plot {tmp_path / 'run'}\n")
    assert values["expect"].startswith("with 32 labels expect tau ")
    assert (values["space"], values["table"]) == ("custom", "mine")
    assert (values["n_train"], values["n_val"], values["n_test"]) == (32, 0, 8)
    assert (values["folds"], values["seeds"]) == (5, [0, 1, 2, 3, 4])
    assert [point["n_train"] for point in values["learning_curve"]] == [8, 16, 32]
    assert values["ceiling"] > 0.5
    assert len(set(values["split_sha256"])) == 5

    with np.load(tmp_path / "run" / "predictions.npz") as saved:
        assert sorted(saved["index"].ravel()) == list(range(40))
        for index, train in zip(saved["index"], saved["train_index"], strict=True):
            assert not set(index) & set(train)
        measured = np.array([row["test_acc"] for row in cells], np.float32)
        np.testing.assert_array_equal(saved["measured"], measured[saved["index"]])

    loaded = runs.load(tmp_path / "run")
    table = read(path, train_label="val_acc")
    assert loaded.space == table.space
    texts = [table.texts(row) for row in range(3)]
    scores = loaded.predict(texts)
    assert np.isfinite(scores).all()
    arguments = [f"--run={tmp_path / 'run'}", *texts]
    code = commands.call(predict.main, predict.define, arguments, "ARCHITECTURE ...")
    assert code == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"{t}\t{s:.6f}" for t, s in zip(texts, scores, strict=True)]

    def predicted(*words):
        arguments = [f"--run={tmp_path / 'run'}", *words]
        return commands.call(
            predict.main, predict.define, arguments, "ARCHITECTURE ..."
        )

    assert predicted(f"--csv={path}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == printed and len(lines) == 40
    for change, words in [
        ({"ops": ["input", "conv5", "output"]}, "--ops=NAMES has room for such"),
        ({"ops": ["input", *["conv"] * 20, "output"]}, "--num_nodes=22 has room"),
    ]:
        last = len(change["ops"]) - 1
        change["edges"] = [[node, node + 1] for node in range(last)]
        assert predicted(json.dumps(change)) == 2
        error = capsys.readouterr().err
        assert f"a run of experiments.custom with {words}" in error
        # One bad row, then two.
        rows = edit(edit(cells, 3, **change), 4 if "22" in words else 3, **change)
        other = write_csv(tmp_path / "other.csv", rows)
        assert predicted(f"--csv={other}") == 2
        error = capsys.readouterr().err
        assert "other.csv: row 3, line 5: ops: " in error and words in error
    assert predicted(f"--csv={path}", texts[0]) == 2
    assert "--csv or --jsonl, one of them" in capsys.readouterr().err
    assert predicted("--csv=more.jsonl") == 2
    assert "give it as --jsonl" in capsys.readouterr().err


def test_a_finished_run_is_told_again_and_another_is_refused(
    run, cells, tmp_path, capsys
):
    path = write_csv(tmp_path / "mine.csv", cells)
    assert run(path) == 0
    first = capsys.readouterr().out
    before = (tmp_path / "run" / "results.json").read_bytes()
    assert run(path) == 2
    assert "--resume" in capsys.readouterr().err
    assert run(path, "--resume", "--seed=1") == 2
    assert "seed" in capsys.readouterr().err
    assert run(path, "--resume") == 0
    assert capsys.readouterr().out == first
    assert (tmp_path / "run" / "results.json").read_bytes() == before
    write_csv(path, cells[::-1])
    assert run(path, "--resume") == 2
    assert "another version of the data" in capsys.readouterr().err


def test_without_a_test_label_it_is_cross_validated(run, cells, tmp_path, capsys):
    lines = [json.dumps(row) for row in cells]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(lines))
    assert run(path) == 0
    values = results(tmp_path)
    assert (values["train_target"], values["eval_target"]) == ("val_acc", "val_acc")
    assert values["ceiling"] is None and values["ceiling_reason"]
    out = capsys.readouterr().out
    assert "val_acc of mine.jsonl, fraction itself" in out
    assert "5 folds: 32 rows learnt, 8 others ranked" in out


def test_graphs_of_forty_nodes_and_percentages(run, tmp_path):
    rows = rows_of(residuals(12, 40))
    for row in rows:
        row["val_acc"] = round(30 * row["val_acc"], 2)
    path = write_csv(tmp_path / "large.csv", rows)
    assert run(path, "--percent", "--folds=3") == 0
    assert runs.load(tmp_path / "run").space.num_nodes == 40
    assert results(tmp_path)["n_test"] == 4


def test_costs_and_identities_reach_the_space(run, cells, tmp_path):
    path = write_csv(tmp_path / "mine.csv", cells)
    costs = tmp_path / "costs.json"
    costs.write_text('{"conv": {"flops": 1e6, "params": 900}}')
    assert run(path, f"--op_costs={costs}", "--identity_ops=pool") == 0
    space = runs.load(tmp_path / "run").space
    assert space.costs == (("conv", 1e6, 900.0),)
    assert space.identity_ops == ("pool",)


def test_a_rare_name_like_another_is_pointed_out(run, cells, tmp_path, capsys):
    first = {**cells[0], "ops": ["input", "convv", "output"], "edges": [[0, 1], [1, 2]]}
    assert run(write_csv(tmp_path / "mine.csv", [first, *cells[1:]])) == 0
    expected = "operation 'convv' stands in row 0 alone; is it 'conv'?"
    assert expected in capsys.readouterr().out


def test_a_graph_with_two_labels_is_pointed_out(run, cells, tmp_path, capsys):
    twice = {**cells[0], "val_acc": 0.2}
    assert run(write_csv(tmp_path / "mine.csv", [*cells[:39], twice])) == 0
    out = capsys.readouterr().out
    assert "check           rows " in out and "and 39 have one graph, but" in out


def test_folds_part_the_rows():
    splits = draws.folds(23, 5, seed=0)
    held = np.concatenate([split.test_index for split in splits])
    assert len(set(held)) == len(held) == 20
    assert {len(split.train_index) for split in splits} == {19}
    again, other = draws.folds(23, 5, seed=0), draws.folds(23, 5, seed=1)
    digest = benchmarks.split_sha256
    assert [*map(digest, again)] == [*map(digest, splits)]
    assert digest(other[0]) != digest(splits[0])


def test_a_loss_that_rounds_to_nothing_has_no_sign_of_its_own():
    points = [
        {"n_train": size, "kendall_tau_heldout": {"mean": mean, "std": 0.034}}
        for size, mean in ((60, 0.816), (160, 0.815))
    ]
    told = learning_curve.sentence(points, "top1")
    assert told.startswith("with 160 labels expect tau 0.81 +- 0.03 between ")
    assert told.endswith("; the last 100 labels gave +0.00")


# Mistakes.


def edit(rows, row, **fields):
    changed = [dict(one) for one in rows]
    changed[row].update(fields)
    return changed


@pytest.mark.parametrize(
    ("change", "flags", "message"),
    [
        ({"edges": [[0, 99]]}, [], "row 3, line 5: edges: 0>99: there is no node 99"),
        ({"edges": [[0, 1], [1, 1]]}, [], "row 3, line 5: edges: 1>1 is a self-loop"),
        ({"edges": [[0, 1]]}, [], "row 3, line 5: edges: no path leads"),
        ({"ops": ["input", "input", "output"]}, [], "row 3, line 5: "),
        ({"val_acc": "nan"}, [], "row 3, line 5: val_acc: expected an accuracy"),
        ({"val_acc": ""}, [], "row 3, line 5: val_acc: expected an accuracy"),
        ({"val_acc": "high"}, [], "val_acc: expected a number, got 'high'"),
        (
            {"val_acc": 93.1},
            [],
            "row 3, line 5: val_acc: expected a fraction in 0 .. 1, got 93.1, which",
        ),
        ({"val_acc": "inf"}, [], "val_acc: expected a fraction in 0 .. 1, got inf"),
        ({}, ["--percent"], "no value is above 1, so these are fractions"),
        (
            {},
            ["--train_label=vall_acc"],
            "no column 'vall_acc'; did you mean 'val_acc'?",
        ),
        ({}, ["--test_label=tests"], "no column 'tests'"),
        ({}, ["--test_label=val_acc"], "--test_label is the training label"),
        ({}, ["--learning_curve=8,32"], "--learning_curve=32: the 5 folds of 40 rows"),
        ({}, ["--learning_curve=8,4"], "ascending"),
        ({}, ["--folds=30"], "expected at least 60 rows, two a fold, got 40"),
        ({}, ["--identity_ops=pol"], "did you mean 'pool'?"),
        ({}, ["--predictor=tinny"], "did you mean 'tiny'"),
        ({}, ["--op_costs=nowhere.json"], "nowhere.json: cannot be read"),
        ({}, ["--csv=nowhere.csv"], "nowhere.csv: no such file"),
        ({}, ["--train_label=ops"], "'ops' describes graphs, it is no label"),
        ({}, ["--csv=cells.txt"], "expected a name that ends in .csv"),
        ({}, ["--jsonl=cells.jsonl"], "give either --csv=FILE or --jsonl=FILE"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    run, cells, tmp_path, capsys, change, flags, message
):
    path = write_csv(tmp_path / "mine.csv", edit(cells, 3, **change))
    capsys.readouterr()
    assert run(path, *flags) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1
    assert message in captured.err
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("factor", "flags", "message"),
    [
        (100, [], "(40 such rows); add --percent if these are percentages"),
        (-1, [], "(40 such rows); only accuracies can be learnt"),
        (1000, ["--percent"], "expected percentages in 0 .. 100 (40 such rows)"),
    ],
)
def test_labels_of_another_unit_are_one_line(
    run, cells, tmp_path, capsys, factor, flags, message
):
    rows = [{**row, "val_acc": factor * row["val_acc"]} for row in cells]
    path = write_csv(tmp_path / "mine.csv", rows)
    capsys.readouterr()
    assert run(path, *flags) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1


def test_equal_labels_and_columns_that_lack(run, cells, tmp_path, capsys):
    path = tmp_path / "mine.csv"
    capsys.readouterr()
    for rows, message in [
        ([{**row, "val_acc": 0.5} for row in cells], "all 40 accuracies are 0.5"),
        ([{"ops": r["ops"], "val_acc": 0.5} for r in cells], "no column 'edges'"),
    ]:
        names = list(rows[0])
        lines = [",".join(names)]
        for row in rows:
            texts = {**row, "ops": " ".join(row["ops"])}
            texts["edges"] = " ".join(f"{i}>{j}" for i, j in row.get("edges", ()))
            lines.append(",".join(str(texts[name]) for name in names))
        path.write_text("\n".join(lines))
        assert run(path) == 2
        assert message in capsys.readouterr().err
    path.write_text("ops,edges,val_acc\n")
    assert run(path) == 2
    assert "holds no architectures" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


def test_every_bad_row_is_listed(run, cells, tmp_path, capsys):
    rows = edit(edit(cells, 3, edges=[[0, 99]]), 7, val_acc="")
    rows = edit(edit(rows, 8, val_acc=93.1), 9, val_acc=-2)
    path = write_csv(tmp_path / "mine.csv", rows)
    capsys.readouterr()
    assert run(path) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"{path}: row 3, line 5: edges: 0>99")
    assert lines[1].startswith(f"{path}: row 7, line 9: val_acc")
    assert lines[2] == (
        f"{path}: row 8, line 10: val_acc: expected a fraction in 0 .. 1, got 93.1, "
        "which reads as a percentage"
    )
    assert lines[3].startswith(f"{path}: row 9, line 11: val_acc")
    assert lines[4:] == [f"error: {path}: 4 bad rows; correct or remove them"]
    assert not (tmp_path / "run").exists()
