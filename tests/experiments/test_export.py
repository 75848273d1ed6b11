"""experiments.export: a file that needs no package, and its mistakes."""

import hashlib
import json
import sys

import jax
import jax.export
import numpy as np
import pytest

from experiments import export
from tnasp_jax import runs

pytest.importorskip("flatbuffers", reason="the extra export is not installed")

CELLS = [
    "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|",
    "|nor_conv_1x1~0|+|avg_pool_3x3~0|none~1|+|none~0|nor_conv_3x3~1|skip_connect~2|",
]


def call(commands, *arguments):
    return commands.call(export.main, export.define, arguments)


@pytest.fixture(scope="module")
def folder(commands, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "run"
    assert commands.nb201(path) == 0
    return path


def test_the_printed_lines_score_as_the_run(commands, folder, tmp_path, capsys):
    out = tmp_path / "model.bin"
    capsys.readouterr()
    assert call(commands, f"--run={folder}", f"--out={out}") == 0
    heading, _, lines = capsys.readouterr().out.partition("\n\n")
    assert f"{out}: {out.stat().st_size:,} bytes for cpu, cuda, tpu" in heading
    run = runs.load(folder)
    graphs = run.space.to_graphs([run.space.parse(cell) for cell in CELLS])
    names = {
        "ops": graphs.ops.astype(np.int32),
        "adjacency": graphs.adjacency,
        "mask": graphs.mask,
    }
    exec(lines, names)
    np.testing.assert_allclose(names["scores"], run.predict(CELLS), atol=1e-6)


def test_the_description(commands, folder, tmp_path):
    out = tmp_path / "model.bin"
    arguments = (f"--run={folder}", f"--out={out}", "--platforms=cpu,tpu")
    assert call(commands, *arguments) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.bin", "model.bin.json"]
    about = json.loads(out.with_name("model.bin.json").read_text())
    run = runs.load(folder)
    assert about["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert about["platforms"] == ["cpu", "tpu"]
    assert (about["space"], about["num_nodes"]) == ("nasbench201", 8)
    assert about["ops"]["nor_conv_3x3"] == run.space.ops.index("nor_conv_3x3")
    assert (about["predictor"], about["draws"]) == ("tiny", 2)
    assert (about["target"], about["units"]) == (run.target, "fraction")
    assert about["jax"] == jax.__version__
    program = jax.export.deserialize(bytearray(out.read_bytes()))
    version = about["calling_convention_version"]
    assert version == program.calling_convention_version
    assert 'open("model.bin", "rb")' in "\n".join(about["load"])


def test_a_file_that_is_there_stays(commands, folder, tmp_path, capsys):
    out = tmp_path / "model.bin"
    out.write_text("mine")
    capsys.readouterr()
    arguments = (f"--run={folder}", f"--out={out}")
    assert call(commands, *arguments) == 2
    assert "exists; --overwrite replaces it" in capsys.readouterr().err
    assert out.read_text() == "mine" and len(list(tmp_path.iterdir())) == 1
    assert call(commands, *arguments, "--overwrite") == 0
    assert out.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out=OUT"], "--run is missing"),
        (["--run=RUN"], "--out is missing"),
        (["--run=nowhere", "--out=OUT"], "nowhere: no such folder"),
        (["--run=RUN", "--out=nowhere/OUT"], "its folder does not exist"),
        (["--run=RUN", "--out=."], "is a folder"),
        (["--run=RUN", "--out=OUT", "--platforms=cpu,gpu"], "got cpu, gpu"),
        (["--run=RUN", "--out=OUT", "--platforms="], "platforms"),
        (["--run=RUN", "--out=OUT", "more"], "more"),
    ],
)
def test_a_mistake_is_one_line(
    commands, folder, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    arguments = [word.replace("RUN", str(folder)) for word in arguments]
    capsys.readouterr()
    assert call(commands, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


def test_without_flatbuffers(commands, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    capsys.readouterr()
    assert call(commands, f"--run={folder}", f"--out={tmp_path / 'model.bin'}") == 2
    error = capsys.readouterr().err
    assert "'.[export]'" in error and len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
