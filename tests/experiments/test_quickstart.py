"""The newcomer's command, on the embedded table, with a shorter recipe."""

import pytest

from experiments import quickstart
from experiments.shell import command


@pytest.fixture
def short(tmp_path, monkeypatch):
    flagfile = tmp_path / "short.flags"
    flagfile.write_text(
        "--predictor=tnasp\n--table=digits\n--n_train=30\n--n_val=20\n--seeds=0,1\n--epochs=4\n"
        "--se_rounds=2\n--se_steps=3\n"
    )
    monkeypatch.setattr(quickstart, "FLAGFILE", flagfile)
    return tmp_path / "quickstart"


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as end:
        command.run(quickstart.main, quickstart.define, list(arguments))
    return end.value.code or 0


def test_prints_one_table_and_saves_one_plot(short, capsys):
    assert run(f"--workdir={short}") == 0
    out = capsys.readouterr().out
    for row in quickstart.ROWS.values():
        assert row in out
    for word in (
        "digits",
        "noise ceiling",
        "held-out",
        "T = 2",
        "30 training",
        "next:",
    ):
        assert word in out
    assert (short / "scatter.png").read_bytes().startswith(b"\x89PNG")
    assert (short / "nb201digits_tnasp_se_30" / "results.json").exists()


def test_does_not_overwrite_without_a_word(short, capsys):
    run_folder = short / "nb201digits_tnasp_30"
    run_folder.mkdir(parents=True)
    (run_folder / "config.json").write_text("{}")
    assert run(f"--workdir={short}", "--quiet") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (run_folder / "config.json").read_text() == "{}"
