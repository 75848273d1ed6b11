"""experiments.validate: every bad row of every kind of file."""

import pytest

from experiments import validate

GOOD = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"


def call(commands, *arguments):
    return commands.call(validate.main, validate.define, arguments, words="FILE")


@pytest.fixture
def write(tmp_path):
    def write_(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_


def findings(capsys):
    """The lines before those on what the graphs are, and these."""
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if " graphs of " in line)
    return lines[:at], lines[at:]


def test_a_file_of_text(commands, write, capsys):
    path = write("cells.txt", f"{GOOD}\n\n{GOOD[1:]}\n{GOOD}\n|a~0|\n")
    capsys.readouterr()
    assert call(commands, "--space=nasbench201", path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("row 1, line 3: ")
    assert lines[1].startswith("row 3, line 5: ")
    assert lines[2:] == ["2 of 4 rows are bad"]
    assert call(commands, "--space=nasbench201", write("good.txt", GOOD)) == 0
    assert capsys.readouterr().out == "all 1 rows are architectures of nasbench201\n"


def test_a_csv_file(commands, write, capsys):
    path = write(
        "cells.csv",
        "ops,edges\n"
        "input conv output,0>1 1>2\n"
        "input conv output,0>1 1-2\n"
        "input conv output,0>1 1>2,9\n"
        "input conv conv output,0>1 1>2 2>1 2>3\n"
        "input input output,0>1 1>2\n",
    )
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 1
    found, graphs = findings(capsys)
    assert graphs[0] == "2 graphs of 3 nodes and 2 edges"
    assert found == [
        "row 1, line 3: edges: expected edges like 0>1 and blanks, got '1-2'",
        "row 2, line 4: expected 2 fields, got 3",
        "row 3, line 5: edges: the edges 1>2>1 form a cycle",
        "row 4, line 6: ops: 'input' at 1 is a second input; only the first node is one",
        "4 of 5 rows are bad",
    ]


def test_a_jsonl_file_and_operations_that_are_named(commands, write, capsys):
    lines = [
        '{"ops": ["input", "conv", "output"], "edges": [[0, 1], [1, 2]]}',
        '{"ops": ["input", "cnv", "output"], "edges": [[0, 1], [1, 2]]}',
        '{"ops": ["input", "conv", "output"], "adjacency": [[0, 1], [0, 0]]}',
        "not json",
    ]
    path = write("cells.jsonl", "\n".join(lines))
    capsys.readouterr()
    assert call(commands, "--space=custom", "--ops=conv", path) == 1
    out = capsys.readouterr().out.splitlines()
    assert "row 1, line 2: ops: 'cnv' at 1 is an unknown operation; did you" in out[0]
    assert "row 2, line 3: adjacency: expected 3 rows, one for each name" in out[1]
    assert "row 3, line 4: expected one line of JSON like" in out[2]


def test_operations_and_sizes_are_listed(commands, write, capsys):
    rows = ["input conv1x1 conv3x3 output,0>1 1>2 2>3 0>3"] * 2
    rows += ["input conv33 output,0>1 1>2", "input zzz pool output,0>1 0>2 1>3 2>3"]
    path = write("cells.csv", "\n".join(["ops,edges", *rows, "input,"]))
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 1
    assert findings(capsys)[1] == [
        "4 graphs of 3 to 4 nodes and 2 to 4 edges",
        "operations, and how many graphs have them:",
        "  input         4",
        "  output        4",
        "  conv1x1       2",
        "  conv3x3       2",
        "  conv33        1  row 2, line 4 alone; nearest: 'conv3x3'",
        "  pool          1",
        "  zzz           1",
    ]


def test_of_many_operations_both_ends_are_listed(commands, write, capsys):
    rows = [f"input common op{number} output,0>1 1>2 2>3" for number in range(60)]
    path = write("cells.csv", "\n".join(["ops,edges", *rows]))
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 0
    lines = findings(capsys)[1][2:]
    assert len(lines) == 2 * validate.SHOWN + 1
    assert lines[0].split() == ["common", "60"]
    assert lines[validate.SHOWN] == "  ... 23 more"
    assert lines[-1].split() == ["op9", "1"]


def test_a_file_without_a_graph_has_no_operations(commands, write, capsys):
    path = write("cells.csv", "ops,edges\ninput,\n")
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 1
    assert "graphs" not in capsys.readouterr().out


GRAPH = "input conv output,0>1 1>2"


@pytest.fixture
def labelled(write):
    """`labelled(header, *fields)`: a csv file of equal graphs with more columns."""

    def labelled_(header, *fields):
        lines = [f"ops,edges,{header}", *(f"{GRAPH},{each}" for each in fields)]
        return write("cells.csv", "\n".join(lines) + "\n")

    return labelled_


MIXED = ("0.91", "nan", "inf", "high", "", "93.1", "-0.2", "0.92", "0.93", "0.94")
SENTENCES = [
    "row 1, line 3: acc: expected an accuracy to learn from, got 'nan'",
    "row 2, line 4: acc: expected a fraction in 0 .. 1, got inf",
    "row 3, line 5: acc: expected a number, got 'high'",
    "row 4, line 6: acc: expected an accuracy to learn from, got none",
    "row 5, line 7: acc: expected a fraction in 0 .. 1, got 93.1, which reads as a "
    "percentage",
    "row 6, line 8: acc: expected a fraction in 0 .. 1, got -0.2",
    "6 of 10 rows are bad",
    "labels looked at: acc",
]


def test_labels_that_are_named(commands, labelled, capsys):
    path = labelled("acc", *MIXED)
    capsys.readouterr()
    assert call(commands, "--space=custom", "--train_label=acc", path) == 1
    assert findings(capsys)[0] == SENTENCES


def test_labels_that_are_not_named(commands, labelled, capsys):
    more = ("0.95", "0.96")
    path = labelled(
        "net,acc,depth,test", *(f"n{i},{a},{3 + i},0.{i}1" for i, a in enumerate(MIXED))
    )
    path.write_text(path.read_text() + "".join(f"{GRAPH},n,{a},9,\n" for a in more))
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 1
    (*rows, count, looked, others), _ = findings(capsys)
    assert rows == SENTENCES[:6] and count == "6 of 12 rows are bad"
    assert looked == "labels looked at: acc, test"
    assert others == (
        "not looked at: net, depth; name labels by --train_label and --test_label"
    )


def test_a_test_label_may_be_missing_and_a_training_label_not(
    commands, labelled, capsys
):
    path = labelled("a,b", "0.1,", "0.2,0.3", "0.3,nan", "0.4,0.5")
    capsys.readouterr()
    flags = ("--space=custom", path)
    assert call(commands, *flags, "--train_label=a", "--test_label=b") == 0
    assert findings(capsys)[0] == [
        "all 4 rows are architectures of custom",
        "labels looked at: a, b",
    ]
    assert call(commands, *flags, "--train_label=b", "--test_label=a") == 1
    out = capsys.readouterr().out.splitlines()
    assert [line[:14] for line in out[:2]] == ["row 0, line 2:", "row 2, line 4:"]


def test_fractions_among_percentages(commands, labelled, capsys):
    path = labelled("acc", "91.5", "0.93", "93.5", "0.1", "94", "0.5", "101")
    capsys.readouterr()
    flags = ("--space=custom", "--train_label=acc", path)
    assert call(commands, *flags, "--percent") == 1
    assert findings(capsys)[0] == [
        "row 1, line 3: acc: 0.93 among percentages reads as a fraction; write 93, or "
        "all of the column as fractions",
        "row 6, line 8: acc: expected a percentage in 0 .. 100, got 101",
        "2 of 7 rows are bad",
        "labels looked at: acc",
    ]


@pytest.mark.parametrize(
    ("fields", "flags", "sentence"),
    [
        (["0.5"] * 3, [], "acc: all 3 accuracies are 0.5; nothing can be learnt from"),
        (["0.5", "0.6"], ["--percent"], "are fractions; leave --percent out"),
        (["91", "92.5", "0.3"], [], "(2 such rows); add --percent if these are"),
        (["-3", "-4"], [], "(2 such rows); only accuracies can be learnt"),
        (["", "nan"], [], "acc: no row has an accuracy"),
    ],
)
def test_a_column_of_which_nothing_can_be_learnt(
    commands, labelled, capsys, fields, flags, sentence
):
    path = labelled("acc", *fields)
    capsys.readouterr()
    call_ = ("--space=custom", "--train_label=acc", *flags, path)
    assert call(commands, *call_) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{path}: acc: ") and sentence in out[0]
    assert out[1] == f"all {len(fields)} rows are architectures of custom"


def test_labels_of_a_jsonl_file(commands, write, capsys):
    row = '{"ops": ["input", "a", "output"], "edges": [[0, 1], [1, 2]], "acc": %s}'
    values = ("0.5", "true", "null", "[1]", '"0.6"', "NaN", f"1{'0' * 400}", "0.7")
    path = write("cells.jsonl", "\n".join(row % value for value in values))
    capsys.readouterr()
    assert call(commands, "--space=custom", "--train_label=acc", path) == 1
    out = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in out[:5]] == [
        f"row {row}, line {row + 1}" for row in (1, 2, 3, 5, 6)
    ]
    assert "got True" in out[0] and "got nan" in out[3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cells.txt"], "--space is missing"),
        (["--space=nasbench201"], "expected one file of architectures, got 0"),
        (
            ["--space=nasbench21", "FILE"],
            "unknown space 'nasbench21'; did you mean 'nasbench201'?",
        ),
        (["--space=nasbench201", "nowhere"], "nowhere: cannot be read"),
        (["--space=custom", "nowhere.csv"], "nowhere.csv"),
        (["--space=nasbench201", "--ops=conv", "FILE"], "--ops is of the space custom"),
        (["--space=custom", "--num_nodes=1", "FILE"], "--num_nodes=1"),
        (["--space=nasbench201", "--percent", "FILE"], "--percent is of the space"),
        (["--space=custom", "--test_label=a", "FILE"], "name --train_label too"),
    ],
)
def test_a_mistake_is_one_line(commands, write, capsys, arguments, message):
    path = write("cells.txt", GOOD)
    arguments = [str(path) if word == "FILE" else word for word in arguments]
    capsys.readouterr()
    assert call(commands, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert message in captured.err
