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
    assert capsys.readouterr().out.splitlines() == [
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
        (["--space=nasbench201", "--ops=conv", "FILE"], "are of the space custom"),
        (["--space=custom", "--num_nodes=1", "FILE"], "--num_nodes=1"),
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
