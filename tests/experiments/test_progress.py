"""The line of progress, on a terminal and in a log."""

import io

from experiments.shell.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


def report(stream, seconds, steps, **options):
    """Output of `steps` updates, each `seconds` after the one before."""
    time = 0.0
    progress = Progress(steps, "train", stream=stream, clock=lambda: time, **options)
    for step in range(options.get("done", 0), steps):
        time += seconds
        progress.update(step + 1, "loss 0.5")
    progress.update(steps, "again")
    return stream.getvalue()


def test_a_log_gets_few_lines_without_carriage_returns():
    lines = report(io.StringIO(), 1, 100).splitlines()
    assert lines[0] == "train  20 %  1 min left  loss 0.5"
    assert lines[-1] == "train 100 %  in 2 min  loss 0.5" and len(lines) == 5
    assert len(report(io.StringIO(), 60, 1000).splitlines()) == 10
    assert report(io.StringIO(), 0.1, 3) == "train 100 %  in 0 s  loss 0.5\n"


def test_a_resumed_loop_counts_its_own_speed():
    lines = report(io.StringIO(), 20, 10, done=5).splitlines()
    assert lines[0] == "train  60 %  1 min left  loss 0.5"


def test_a_terminal_gets_one_line_rewritten(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    text = report(Terminal(), 1, 3)
    assert text.count("\n") == 1 and text.count("\r") == 3 and text[-1] == "\n"
    assert all(len(line) < 20 for line in text.rstrip().split("\r"))


def test_quiet_and_empty_loops():
    assert report(io.StringIO(), 60, 9, quiet=True) == ""
    stream = io.StringIO()
    Progress(0, "train", stream=stream, clock=lambda: 0.0).update(0)
    assert stream.getvalue() == "train 100 %  in 0 s\n"


def test_durations():
    seconds = (3.2, 59.6, 200, 3599, 3900)
    texts = ["3 s", "1 min", "3 min", "1 h 00 min", "1 h 05 min"]
    assert [duration(each) for each in seconds] == texts
