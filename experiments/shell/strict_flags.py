"""Strict flags: absl's kinds of flags, read so that nothing is silently ignored.

absl itself skips `seed=3` in a flag file and words after the first stray one, takes the
last of two equal flags, and splices a flag file in where it stands. Here the command
line overrides its `--flagfile`, a file overrides the one that it includes, and whatever
is not a flag is a mistake that names its file and line.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from absl import flags

_COMMAND_LINE = "command line"


class UserError(ValueError):
    """A user's mistake, in one sentence that says what to do."""


def create(define: Callable[[flags.FlagValues], None]) -> flags.FlagValues:
    """A command's own flags, and those that every command has."""
    values = flags.FlagValues()
    define(values)
    if "debug" not in values:
        flags.DEFINE_boolean("debug", False, "show tracebacks", flag_values=values)
    flags.DEFINE_string("flagfile", None, "a file of flags", flag_values=values)
    flags.DEFINE_boolean("help", False, "print this text", flag_values=values)
    return values


class Setting(NamedTuple):
    """The text of a flag, and the place that it comes from."""

    text: str
    where: str


class Level(NamedTuple):
    """One flag file, or the command line: its flags by name, the files it includes."""

    settings: dict[str, Setting]
    includes: list[Setting]

    def add(self, name: str, setting: Setting) -> None:
        """Takes a flag that the level does not have yet."""
        if name == "flagfile":
            if setting.text in (include.text for include in self.includes):
                raise UserError(f"{setting.where}: {setting.text} is included twice")
            self.includes.append(setting)
        else:
            _add(self.settings, name, setting)


def parse(
    values: flags.FlagValues, argv: Sequence[str], *, words: str = ""
) -> list[str]:
    """Sets `values` from the arguments and their flag files.

    Args:
      values: of the command.
      argv: its arguments.
      words: what it takes beside flags, as "ARCHITECTURE ..."; "" for nothing.

    Returns:
      The words beside the flags.

    Raises:
      UserError: at the first mistake, with its file and line.
    """
    level, found = _read_command_line(values, argv, words)
    _apply(values, level, Path(), ())
    values.mark_as_parsed()
    try:
        values.validate_all_flags()
    except flags.IllegalFlagValueError as error:
        raise UserError(str(error)) from None
    return found


def _apply(
    values: flags.FlagValues, level: Level, folder: Path, above: tuple[Path, ...]
) -> dict[str, Setting]:
    """Sets what a level includes, then the level's own; files of one level are equals."""
    settings = {}
    for include in level.includes:
        path = _find(include, folder)
        if path.resolve() in above:
            raise UserError(f"{include.where}: {path} includes itself")
        inner = _read_file(values, path, include.where)
        included = _apply(values, inner, path.parent, (*above, path.resolve()))
        for name, setting in included.items():
            if settings.get(name) != setting:  # Equal: one file by two ways.
                _add(settings, name, setting)
    for name, setting in level.settings.items():
        _set(values[name], setting)
    return settings | level.settings


def _read_command_line(
    values: flags.FlagValues, argv: Sequence[str], words: str
) -> tuple[Level, list[str]]:
    level, found = Level({}, []), []
    rest = iter(argv)
    for argument in rest:
        if words and argument == "--":
            found += rest
        elif words and (argument == "-" or not argument.startswith("-")):
            found.append(argument)
        elif not re.match(r"--[\w-]", argument):
            raise _malformed(values, argument, _COMMAND_LINE)
        else:
            name, text = _split(values, argument, _COMMAND_LINE, words)
            if text is None and (text := next(rest, "--")).startswith("--"):
                raise UserError(f"{_COMMAND_LINE}: --{name} needs a value")
            level.add(name, Setting(text, _COMMAND_LINE))
    return level, found


def _read_file(values: flags.FlagValues, path: Path, includer: str) -> Level:
    level = Level({}, [])
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{includer}: {path}: cannot be read: {error}") from None
    for number, line in enumerate(map(str.strip, lines), 1):
        where = f"{path}:{number}"
        if not line or line.startswith(("#", "//")):
            continue
        if re.search(r"\s(#|//|--\w)", line):
            advice = "one flag a line, and comments on lines of their own"
            raise UserError(f"{where}: {line!r}: {advice}")
        if not re.fullmatch(r"--[\w-]+(=(\S.*)?)?", line):
            raise _malformed(values, line, where)
        name, text = _split(values, line, where)
        if text is None:
            raise UserError(f"{where}: --{name} needs a value: --{name}=VALUE")
        level.add(name, Setting(text, where))
    return level


def _find(include: Setting, folder: Path) -> Path:
    """The flag file, beside the file that includes it or from the current folder."""
    name = Path(include.text).expanduser()
    for path in (folder / name, name):
        if path.exists():
            return path
    raise UserError(f"{include.where}: no flag file {include.text}")


def _split(
    values: flags.FlagValues, argument: str, where: str, words: str = ""
) -> tuple[str, str | None]:
    """Name and text of `--name=text`; of `--name`, true for a boolean, else None."""
    name, equals, text = argument.removeprefix("--").partition("=")
    if name in values:
        return name, text if equals else "true" if values[name].boolean else None
    positive = name.removeprefix("no")
    if positive in values and values[positive].boolean:
        if equals:
            raise UserError(f"{where}: --{name} takes no value")
        return positive, "false"
    advice = _did_you_mean(values, name, text if equals else None)
    if words and not advice:
        advice = f"; {words.removesuffix(' ...')} is given without a flag"
    raise UserError(f"{where}: unknown flag --{name}{advice}")


def _add(settings: dict[str, Setting], name: str, setting: Setting) -> None:
    if name in settings:
        first = f"first as --{name}={settings[name].text} ({settings[name].where})"
        raise UserError(f"{setting.where}: --{name} is given twice, {first}")
    settings[name] = setting


def _set(flag: flags.Flag, setting: Setting) -> None:
    try:
        flag.parse(setting.text)
    except flags.IllegalFlagValueError as error:
        kind = "true or false" if flag.boolean else flag.parser.syntactic_help
        reason = f"expected {kind}" if kind else str(error).rpartition(": ")[2]
        given = f"{setting.where}: --{flag.name}={setting.text}"
        names = getattr(flag.parser, "enum_values", None)
        if names:
            reason = f"expected one of {', '.join(names)}"
            reason += near(setting.text, names, f"--{flag.name}=")
        raise UserError(f"{given}: {reason}") from None
    flag.using_default_value = False


def near(name: str, known: Iterable[str], before: str = "") -> str:
    """`; did you mean ...?` with the known name that is nearest, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return "".join(f"; did you mean {before}{each}?" for each in close)


def _malformed(values: flags.FlagValues, argument: str, where: str) -> UserError:
    guess = re.fullmatch(r"-*([\w-]+)(?:[=\s]+(.*))?", argument)
    advice = _did_you_mean(values, *guess.groups()) if guess else ""
    kind = Path(argument).suffix[1:]  # A file is meant for the flag of its kind.
    kind = {"flags": "flagfile"}.get(kind, kind)
    if kind in values and not argument.startswith("-"):
        advice = f"; did you mean --{kind}={argument}?"
    return UserError(f"{where}: {argument!r} is not --name=value{advice}")


def _did_you_mean(values: flags.FlagValues, name: str, text: str | None) -> str:
    known = [*values, *(f"no{each}" for each in values if values[each].boolean)]
    found = near(name, known, "--")
    return found if text is None else found.replace("?", f"={text}?")
