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


def graph(size):
    """A chain of so many inner nodes, as csv."""
    edges = " ".join(f"{node}>{node + 1}" for node in range(size + 1))
    return f"input{' conv' * size} output,{edges}"


@pytest.fixture
def labelled(write):
    """`labelled(header, *fields)`: a csv file of chains with more columns."""

    def labelled_(header, *fields):
        rows = [f"{graph(1 + row)},{each}" for row, each in enumerate(fields)]
        lines = [f"ops,edges,{header}", *rows]
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
    ends = [f"{graph(20 + row)},n,{a},9,\n" for row, a in enumerate(more)]
    path.write_text(path.read_text() + "".join(ends))
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


def test_percentages_are_not_passed_over(commands, labelled, capsys):
    rows = [f"n{i},{90 + i / 7:.2f},{3 + i},{1 + i / 3:.2f},{i}.5" for i in range(6)]
    path = labelled("net,acc,depth,params,test", *rows)
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == (
        f"{path}: acc: row 0 has 90, expected fractions in 0 .. 1 (6 such rows); add "
        "--percent if these are percentages"
    )
    assert out[1:4] == [
        "all 6 rows are architectures of custom",
        "labels looked at: acc",
        "not looked at: net, depth, params, test; name labels by --train_label and "
        "--test_label",
    ]
    assert call(commands, "--space=custom", "--percent", path) == 0
    out = capsys.readouterr().out
    assert "\nlabels looked at: acc\n" in out
    assert out.endswith(
        f"\nnext:\n  python -m experiments.custom --csv={path} --train_label=acc "
        "--percent --workdir=runs/own\n"
    )


@pytest.mark.parametrize(
    ("columns", "proposed"),
    [
        ("Test_acc,val", "--train_label=val --test_label=Test_acc"),
        ("val,final", "--train_label=val"),
        ("test_acc,width", "--train_label=test_acc"),
    ],
)
def test_what_is_called_test_is_not_proposed_to_be_learnt(
    commands, labelled, capsys, columns, proposed
):
    second = (7, 8, 9) if columns.endswith("width") else (0.93, 0.95, 0.9)
    path = labelled(columns, *(f"0.9{at},{each}" for at, each in enumerate(second)))
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 0
    line = capsys.readouterr().out.partition("next:\n")[2].strip()
    assert line == (
        f"python -m experiments.custom --csv={path} {proposed} --workdir=runs/own"
    )


def test_equal_accuracies_are_not_passed_over(commands, labelled, capsys):
    path = labelled("acc,width", "0.5,1", "0.5,1")
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 1
    out = capsys.readouterr().out.splitlines()
    assert "acc: all 2 accuracies are 0.5; nothing can be learnt" in out[0]
    assert out[2:4] == [
        "labels looked at: acc",
        "not looked at: width; name labels by --train_label and --test_label",
    ]


def test_no_label_at_all(commands, labelled, capsys):
    path = labelled("depth", "3", "4")
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 0
    out = capsys.readouterr().out
    assert "no column reads as accuracies, which custom needs" in out
    assert "next:" not in out


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "b reads as percentages, a as fractions; write both in one unit"),
        (["--percent"], "a reads as fractions, b as percentages; write both in"),
    ],
)
def test_two_units(commands, labelled, capsys, flags, sentence):
    path = labelled("a,b", "0.91,92.5", "0.92,93.5", "0.93,94.5")
    named = ("--train_label=a", "--test_label=b")
    capsys.readouterr()
    assert call(commands, "--space=custom", path, *named, *flags) == 1
    assert capsys.readouterr().out.startswith(f"{path}: {sentence}")


def test_graphs_that_recur(commands, write, capsys):
    rows = ["i a b o,0>1 0>2 1>3 2>3,0.5", "i b a o,0>1 0>2 1>3 2>3,0.7"]
    rows += ["i a o,0>1 1>2,0.6", "i a a o,0>1 0>2 1>3,0.61", "i b o,0>1 1>2,0.8"]
    path = write("cells.csv", "\n".join(["ops,edges,acc", *rows]))
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 0
    found, _ = findings(capsys)
    assert found[2:] == [
        "rows whose graph an earlier row has: 2",
        "rows 0 and 1 have one graph, but acc 0.5 and 0.7, the largest difference",
    ]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_spreadsheets_csv(commands, write, capsys, separator):
    rows = [("ops", "edges", "Acc (%)"), ("i a o", "0>1 1>2", '"91,5"')]
    rows += [("i b o", "0>1 1>2", "92%"), ("i c o", "0>1 1>2", "n/a")]
    rows += [("i d o", "0>1 1>2", "93"), *[("i e o", "0>1 1>2", "94")] * 3]
    path = write("cells.csv", "\ufeff" + "\r\n".join(map(separator.join, rows)))
    flags = ("--space=custom", "--percent", "--train_label=Acc (%)")
    capsys.readouterr()
    assert call(commands, *flags, path) == 1
    assert capsys.readouterr().out.splitlines()[:4] == [
        "row 0, line 2: Acc (%): expected a number, got '91,5'; write 91.5",
        "row 1, line 3: Acc (%): expected a number, got '92%'; write 92",
        "row 2, line 4: Acc (%): expected a number, got 'n/a'",
        "3 of 7 rows are bad",
    ]


@pytest.mark.parametrize(
    ("ops", "got"),
    [
        ('"input, conv, output"', "'input,'"),
        ("\"['input', 'conv', 'output']\"", "\"['input',\""),
        ("input|conv|output", "'input|conv|output'"),
        ("input->conv->output", "'input->conv->output'"),
    ],
)
def test_names_with_something_else_between(commands, write, capsys, ops, got):
    path = write("cells.csv", f"ops,edges\n{ops},0>1 1>2\n")
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 1
    assert capsys.readouterr().out.splitlines()[0] == (
        f"row 0, line 2: ops: expected names with blanks between, got {got}"
    )


def test_empty_rows_and_columns_of_a_spreadsheet(commands, write, capsys):
    rows = ["i a(3) o,0>1 1>2,91.5%,", "i b[1] o,0>1 1>2,92%,", ",,,", ",,,"]
    path = write("cells.csv", "\n".join(["ops,edges,acc,", *rows]))
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == (
        f"{path}: acc: row 0: expected a number, got '91.5%'; write 91.5 (2 such rows)"
    )
    assert out[1:3] == [
        "all 2 rows are architectures of custom",
        "labels looked at: acc",
    ]
    assert out[3].startswith("2 graphs of 3 nodes")


def test_a_label_that_is_none(commands, labelled, capsys):
    path = labelled("net", "n0", "n1", "n2")
    capsys.readouterr()
    assert call(commands, "--space=custom", "--train_label=net", path) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first == (f"{path}: net: row 0: expected a number, got 'n0' (3 such rows)")
    assert call(commands, "--space=custom", "--train_label=edges", path) == 2
    assert "'edges' describes graphs, it is no label" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"ops": ["i", "o"]}\n' * 2, "no column 'edges' or 'adjacency'; it has ops"),
        ('{"op": ["i", "o"]}', "no column 'ops'; did you mean 'op'? it has op"),
        ('[{"ops": ["i", "o"]}]', "a list of JSON; write an object a line, no list"),
        ("id;ops;edges\n1;i o;0>1\n", "reads as csv; give it a name that ends in .csv"),
    ],
)
def test_a_jsonl_file_that_is_wrong_as_a_whole(commands, write, capsys, text, sentence):
    path = write("cells.jsonl", text)
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == f"error: {path}: {sentence}\n"


def test_where_a_line_of_json_breaks(commands, write, capsys):
    good = '{"ops": ["i", "o"], "edges": [[0, 1]]}'
    path = write("cells.jsonl", f"{good}\n{good[:-2]}}}\n")
    capsys.readouterr()
    assert call(commands, "--space=custom", path) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith(f"; at character {len(good) - 1}: Expecting ',' delimiter")


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
        (["cells.txt"], "--space is missing; name the space of the architectures, cu"),
        (["--space=nasbench201"], "expected one file of architectures, got 0"),
        (
            ["--space=nasbench21", "FILE"],
            "unknown space 'nasbench21'; did you mean 'nasbench201'?",
        ),
        (["--space=nasbench201", "nowhere"], "nowhere: cannot be read"),
        (["--space=custom", "nowhere.csv"], "nowhere.csv: no such file; name a csv"),
        (["--space=custom", "x.XLSX"], "x.XLSX: a spreadsheet; save it as csv"),
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
