"""Strict flags, flag files, shared flags, exit codes."""

import gc
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.shell import command, strict_flags

ROOT = Path(__file__).resolve().parents[2]
TABLES = "official, digits, nb101, nb201, nb201digits"


def parsed(*argv):
    values = strict_flags.create(command.define_shared)
    command.parse(values, argv)
    return values


def mistake(*argv):
    with pytest.raises(command.UserError) as caught:
        parsed(*argv)
    return str(caught.value)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a flag file into the current folder, which is empty."""
    monkeypatch.chdir(tmp_path)

    def write(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines))
        return f"--flagfile={name}"

    return write


# The command line.


def test_defaults():
    values = parsed()
    assert values.table == "official" and values.self_evolution == "off"
    assert values.seeds == tuple(range(10)) and values.n_train is None
    assert values.learning_rate is None and values.units == "rank"
    assert values.resume is False and values.eval_target is None


def test_absl_forms():
    values = parsed("--epochs", "7", "--quiet", "--noresume", "--debug=false")
    assert values.epochs == 7 and values.quiet
    assert not values.resume and not values.debug
    assert parsed("--eval_target=a, b").eval_target == ("a", "b")


@pytest.mark.parametrize(
    ("argument", "advice"),
    [
        ("seed=3", "'seed=3' is not --name=value; did you mean --seeds=3?"),
        ("-seeds=3", "'-seeds=3' is not --name=value; did you mean --seeds=3?"),
        ("xyzzy", "'xyzzy' is not --name=value"),
        (
            "a/b.flags",
            "'a/b.flags' is not --name=value; did you mean --flagfile=a/b.flags?",
        ),
        ("--", "'--' is not --name=value"),
        ("--seed=3", "unknown flag --seed; did you mean --seeds=3?"),
        ("--n-train=3", "unknown flag --n-train; did you mean --n_train=3?"),
        ("--nquiet", "unknown flag --nquiet; did you mean --noquiet?"),
        ("--noquiet=1", "--noquiet takes no value"),
        ("--xyzzy", "unknown flag --xyzzy"),
        ("--epochs", "--epochs needs a value"),
        ("--flagfile=gone.flags", "no flag file gone.flags"),
    ],
)
def test_mistakes_on_the_command_line(argument, advice):
    assert mistake("--quiet", argument) == f"command line: {advice}"


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--epochs=ten", "expected a whole number >= 1"),
        ("--epochs=0", "expected a whole number >= 1"),
        ("--n_train=1", "expected a whole number >= 2"),
        ("--table=cifar", f"expected one of {TABLES}"),
        ("--table=digit", f"expected one of {TABLES}; did you mean --table=digits?"),
        ("--learning_rate=nan", "expected a number > 0"),
        ("--weight_decay=-1", "expected a number >= 0"),
        ("--first_moment=1", "expected a number >= 0 and < 1"),
        ("--clip=nan", "expected a number > 0, or inf"),
        ("--workdir=", "expected a word"),
        ("--eval_target=a,,b", "expected distinct names, separated by commas"),
        ("--quiet=perhaps", "expected true or false"),
    ],
)
def test_bad_values_name_flag_value_and_place(argument, reason):
    assert mistake(argument) == f"command line: {argument}: {reason}"


@pytest.mark.parametrize("seeds", ["1,1", "-1", "a", "", "1,,2", "0,4294967296"])
def test_seeds_are_distinct_and_in_range(seeds):
    assert "expected distinct whole numbers" in mistake(f"--seeds={seeds}")


def test_a_flag_twice_is_a_mistake():
    expected = (
        "command line: --epochs is given twice, first as --epochs=3 (command line)"
    )
    assert mistake("--epochs=3", "--epochs=3") == expected
    assert "--quiet is given twice" in mistake("--quiet", "--noquiet")


def test_a_flag_does_not_swallow_the_next_one():
    assert mistake("--table", "--quiet") == "command line: --table needs a value"


def test_words_beside_flags():
    values = strict_flags.create(command.define_shared)
    argv = ["a", "--quiet", "b c", "-", "--epochs", "2", "--", "--d"]
    assert command.parse(values, argv, words="WORD ...") == ["a", "b c", "-", "--d"]
    assert values.epochs == 2


def test_a_flag_instead_of_a_word():
    values = strict_flags.create(command.define_shared)
    for argument, advice in [
        ("--xyzzy=a", "; RUN is given without a flag"),
        ("--seed=3", "; did you mean --seeds=3?"),
    ]:
        with pytest.raises(command.UserError) as caught:
            command.parse(values, [argument], words="RUN ...")
        assert str(caught.value).endswith(advice)


# Flag files.


def test_precedence_wherever_the_flagfile_stands(write):
    write("base.flags", "--epochs=1", "--n_val=1", "--n_train=11")
    row = write("row.flags", "--epochs=2", "--n_val=2", "--flagfile=base.flags")
    for argv in ([row, "--epochs=3"], ["--epochs=3", row]):
        values = parsed(*argv)
        assert (values.epochs, values.n_val, values.n_train) == (3, 2, 11)


def test_lines_of_a_flag_file(write):
    file = write(
        "a.flags", "# one", "", "  // two", "--quiet", "--nodebug", "--seeds=3"
    )
    values = parsed(file)
    assert values.quiet and not values.debug and values.seeds == (3,)


def test_includes_are_beside_the_file_or_from_the_current_folder(write):
    write("rows/base.flags", "--epochs=1")
    write("base.flags", "--epochs=2")
    write("far.flags", "--n_val=5")
    write("rows/base2.flags", "--flagfile=far.flags")
    assert parsed(write("rows/a.flags", "--flagfile=base.flags")).epochs == 1
    assert parsed(write("rows/b.flags", "--flagfile=base2.flags")).n_val == 5


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("seed=3", "'seed=3' is not --name=value; did you mean --seeds=3?"),
        ("--seed 9", "'--seed 9' is not --name=value; did you mean --seeds=9?"),
        ("--seeds 9", "'--seeds 9' is not --name=value; did you mean --seeds=9?"),
        (
            "--n_train = 7",
            "'--n_train = 7' is not --name=value; did you mean --n_train=7?",
        ),
        ("quiet", "'quiet' is not --name=value; did you mean --quiet?"),
        ("a stray word", "'a stray word' is not --name=value"),
        (
            "--n_train=78  # x",
            "'--n_train=78  # x': one flag a line, and comments on lines of their own",
        ),
        (
            "--n_train=78 --quiet",
            "'--n_train=78 --quiet': one flag a line, and comments on lines of their own",
        ),
        ("--epoch=3", "unknown flag --epoch; did you mean --epochs=3?"),
        ("--epochs", "--epochs needs a value: --epochs=VALUE"),
        ("--epochs=ten", "--epochs=ten: expected a whole number >= 1"),
        ("--n_val=4", "--n_val is given twice, first as --n_val=5 (row.flags:2)"),
        ("--flagfile=gone.flags", "no flag file gone.flags"),
        ("--flagfile=.", ".: cannot be read: [Errno 21] Is a directory: '.'"),
    ],
)
def test_mistakes_in_a_flag_file(write, line, advice):
    file = write("row.flags", "# a row", "--n_val=5", line)
    assert mistake(file) == f"row.flags:3: {advice}"


def test_a_bad_value_is_a_mistake_even_where_it_is_overridden(write):
    file = write("row.flags", "--epochs=ten")
    assert mistake(file, "--epochs=3").startswith("row.flags:1: --epochs=ten")


def test_files_included_by_one_level_are_equals(write):
    write("base.flags", "--n_val=7")
    one = write("one.flags", "--flagfile=base.flags", "--epochs=1")
    two = write("two.flags", "--flagfile=base.flags", "--batch_size=2")
    both = write("both.flags", one, two)
    for argv in ([one, two], [both]):
        values = parsed(*argv)
        assert (values.n_val, values.epochs, values.batch_size) == (7, 1, 2)
    other = write("other.flags", "--epochs=1")
    expected = (
        "other.flags:1: --epochs is given twice, first as --epochs=1 (one.flags:2)"
    )
    assert mistake(one, other) == expected
    assert mistake(one, one) == "command line: one.flags is included twice"


def test_a_cycle_of_includes(write):
    write("a.flags", "--flagfile=b.flags")
    write("b.flags", "--flagfile=./a.flags")
    expected = "b.flags:1: a.flags includes itself"
    assert mistake("--flagfile=a.flags") == expected


def test_resolved_flags_are_a_flag_file(write):
    base = write("base.flags", "--seeds=4,5", "--learning_rate=1e-3")
    argv = [base, "--n_train=78", "--workdir=w", "--quiet", "--eval_target=a,b"]
    text = command.resolved(parsed(*argv))
    lines = text.splitlines()
    assert lines == sorted(set(lines))
    assert {"--seeds=4,5", "--learning_rate=0.001", "--eval_target=a,b"} <= set(lines)
    for absent in ("workdir", "quiet", "flagfile", "help", "n_test"):
        assert absent not in text
    again = parsed(write("flags.txt", *lines))
    assert command.resolved(again) == text


# Shared flags.


@pytest.mark.parametrize(
    ("argv", "flag"),
    [
        ([], "--n_train"),
        (["--n_train=3", "--resume", "--overwrite"], "--resume"),
        (["--n_train=3", "--from_run=x"], "--from_run"),
    ],
)
def test_flags_that_do_not_go_together(argv, flag):
    with pytest.raises(command.UserError, match=flag):
        command.check_shared(parsed(*argv))
    command.check_shared(parsed("--n_train=3"))


def test_data_dir(monkeypatch):
    monkeypatch.setenv("TNASP_DATA", "from_environment")
    assert command.data_dir(parsed()) == Path("from_environment")
    assert command.data_dir(parsed("--data_dir=given")) == Path("given")
    monkeypatch.setenv("TNASP_DATA", "")
    assert command.data_dir(parsed()) is None


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("--run=runs/a", "--run=runs/a"),
        ("--run=my runs", "'--run=my runs'"),
        ("|none~0|", "'|none~0|'"),
        ('{"ops": []}', """'{"ops": []}'"""),
        ("Genotype(normal=[('a', 0)])", """"Genotype(normal=[('a', 0)])\""""),
        ("it's $1", """'it'"'"'s $1'"""),
    ],
)
def test_a_command_as_it_is_typed(argument, shown):
    line = command.typed("predict", argument)
    assert line == f"python -m experiments.predict {shown}"
    assert shlex.split(line)[3:] == [argument]


# Exit codes.


def exits(main, capsys, *argv, **options):
    with pytest.raises(SystemExit) as caught:
        command.run(main, command.define_shared, argv, **options)
    output = capsys.readouterr()
    return caught.value.code or 0, output.out, output.err


def raiser(error):
    def main(values):
        raise error

    return main


def test_main_gets_values_and_words(capsys):
    assert exits(lambda values: None, capsys)[0] == 0
    assert exits(lambda values: values.epochs, capsys, "--epochs=3")[0] == 3
    code, out, err = exits(
        lambda values, words: print(words), capsys, "a", words="ARCHITECTURE ..."
    )
    assert (code, out, err) == (0, "['a']\n", "")


@pytest.mark.parametrize(
    "error", [command.UserError("bad\n  row"), ValueError("bad row")]
)
def test_a_mistake_is_one_line(capsys, error):
    assert exits(raiser(error), capsys) == (2, "", "error: bad row\n")
    code, _, err = exits(raiser(error), capsys, "--debug")
    assert code == 2 and "Traceback" in err and err.endswith("error: bad row\n")


def test_a_mistake_in_the_flags_is_one_line(capsys, write):
    code, _, err = exits(raiser(AssertionError), capsys, "--debgu")
    assert code == 2 and err.count("\n") == 1
    code, _, err = exits(raiser(AssertionError), capsys, "--debug", "word")
    assert code == 2 and "Traceback" in err
    debug = write("debug.flags", "--debug")
    assert "Traceback" in exits(raiser(ValueError("x")), capsys, debug)[2]


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        command.run(raiser(ZeroDivisionError()), command.define_shared, [])


def test_interrupt(capsys):
    code, _, err = exits(raiser(KeyboardInterrupt()), capsys)
    assert (code, err) == (130, "interrupted; --resume goes on from here\n")


def test_an_interrupt_that_falls_into_a_callback_of_the_collector(capsys):
    """Python drops it there."""

    def interrupt(*_):
        gc.callbacks.remove(interrupt)
        signal.raise_signal(signal.SIGINT)

    def main(values):
        gc.callbacks.append(interrupt)
        gc.collect()
        time.sleep(10)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    code, _, err = exits(main, capsys)
    signal.signal(signal.SIGINT, before)
    assert (code, err) == (130, "interrupted; --resume goes on from here\n")


def test_help_wins_over_mistakes(capsys):
    main = raiser(AssertionError)
    code, out, err = exits(main, capsys, "seed=3", "--help", words="FILE")
    assert (code, err) == (0, "")
    assert out.startswith(__doc__) and "FILE" in out
    assert "\nSelf-evolution:\n  --self_evolution=off       off; minimax" in out
    assert "\n  --seeds=0,1,...,9          one draw for each\n" in out
    assert "\n  --quiet  " in out and "learnt; one of rank, zscore\n" in out


def test_as_a_process(tmp_path):
    (tmp_path / "fake.py").write_text(
        '"""A fake command."""\n'
        "from experiments.shell import command\n"
        "def main(values):\n"
        "    print(values.se_steps // (values.n_val - 1))\n"
        "if __name__ == '__main__':\n"
        "    command.run(main, command.define_shared)\n"
    )

    def execute(*argv):
        done = subprocess.run(
            [sys.executable, "-m", "fake", *argv],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    assert execute("--se_steps=3", "--n_val=2") == (0, "3\n", "")
    advice = "did you mean --seeds=3?"
    expected = f"error: command line: 'seed=3' is not --name=value; {advice}\n"
    assert execute("seed=3") == (2, "", expected)
    code, _, err = execute("--n_val=1")
    assert code == 1 and "ZeroDivisionError" in err
    assert execute("--help")[1].startswith("A fake command.\n\nData:\n")


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(tmp_path):
    (tmp_path / "fake.py").write_text(
        '"""A fake command."""\n'
        "from experiments.shell import command\n"
        "def main(values):\n"
        "    for row in range(100_000):\n"
        "        print(row)\n"
        "if __name__ == '__main__':\n"
        "    command.run(main, command.define_shared)\n"
    )
    done = subprocess.run(
        f"{sys.executable} -m fake | head -1; echo ${{PIPESTATUS[0]}}",
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("0\n141\n", "")
