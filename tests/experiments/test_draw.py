"""The command that draws an architecture, as a user runs it."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from experiments import draw
from tnasp_jax.spaces import SPACES

pytest.importorskip("matplotlib")

NB201 = (
    "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
)
CUSTOM = '{"ops": ["input", "conv", "output"], "edges": [[0, 1], [1, 2]]}'


@pytest.fixture
def run(commands):
    def run_draw(*arguments):
        return commands.call(draw.main, draw.define, arguments, "ARCHITECTURE")

    return run_draw


@pytest.mark.parametrize("ending", ["svg", "png", "PNG"])
def test_a_file_is_written_and_named(run, tmp_path, capsys, ending):
    out = tmp_path / f"cell.{ending}"
    given = ("--space=nasbench201", NB201, f"--out={out}")
    assert run(*given) == 0
    assert capsys.readouterr() == (f"{out}\n", "")
    first = out.read_bytes()
    assert run(*given) == 2
    assert capsys.readouterr() == (
        "",
        f"error: {out} exists; --overwrite replaces it, or name another --out\n",
    )
    assert run(*given, "--overwrite") == 0
    assert out.read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_without_out_the_svg_goes_to_stdout(run, capsys):
    assert run("--space=nasbench201", NB201) == 0
    said = capsys.readouterr()
    texts = {each.text for each in ElementTree.fromstring(said.out).iter()}
    assert {"nor_conv_3x3", "skip_connect", "avg_pool_3x3", "input"} <= texts
    assert said.err == ""


@pytest.mark.parametrize("name", [*SPACES, "custom"])
def test_every_space(run, capsys, name):
    import jax

    if name == "custom":
        text = CUSTOM
    else:
        (one,) = SPACES[name].sample(jax.random.key(0), 1)
        text = SPACES[name].format(one)
    assert run(f"--space={name}", text) == 0
    assert ElementTree.fromstring(capsys.readouterr().out).tag.endswith("svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([NB201], "--space is missing"),
        (["--space=nasbench20", NB201], "unknown space; did you mean nasbench201?"),
        (["--space=zzz", NB201], "unknown space; expected nasbench101, nasbench201"),
        (["--space=nasbench201"], "expected one architecture, in quotes, got 0 words"),
        (["--space=nasbench201", NB201, NB201], "got 2 words"),
        (["--space=nasbench201", "|skip|"], "nasbench201: expected 3 groups"),
        (["--space=darts", "x"], "darts: "),
        (["--space=custom", "{}"], "custom: "),
        (["--space=nasbench201", NB201, "--out=cell.gif"], "ends in .svg or .png"),
        (["--space=nasbench201", NB201, "--out="], "ends in .svg or .png"),
        (["--space=nasbench201", NB201, "--out=no/cell.svg"], "folder does not exist"),
        (["--space=nasbench201", NB201, "--outt=x.svg"], "unknown flag --outt"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    run, tmp_path, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1
    assert re.search(message, said.err)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(run, tmp_path, capsys):
    (tmp_path / "x.svg").mkdir()
    assert run("--space=nasbench201", NB201, f"--out={tmp_path / 'x.svg'}") == 2
    assert "is a folder" in capsys.readouterr().err


def test_without_matplotlib(run, tmp_path, capsys, monkeypatch):
    def missing(picture, kind):
        raise ModuleNotFoundError("matplotlib")

    monkeypatch.setattr(draw.drawing, "file_of", missing)
    assert run("--space=nasbench201", NB201, f"--out={tmp_path / 'x.svg'}") == 2
    assert "pip install '.[plots]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
