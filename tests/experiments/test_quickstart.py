"""The newcomer's command; tests/test_first_hour.py runs it."""

import pytest

from experiments import quickstart
from experiments.shell import command, devices


def test_does_not_overwrite_without_a_word(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(devices, "use_all_cores", lambda: None)
    run_folder = tmp_path / "nb201digits_tnasp_78"
    run_folder.mkdir()
    (run_folder / "config.json").write_text("{}")
    with pytest.raises(SystemExit) as end:
        arguments = [f"--workdir={tmp_path}", "--quiet"]
        command.run(quickstart.main, quickstart.define, arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (run_folder / "config.json").read_text() == "{}"
