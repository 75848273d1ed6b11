"""Draws an architecture.

python -m experiments.draw --space=NAME ARCHITECTURE [--out=FILE.svg|FILE.png]
    [--overwrite]

ARCHITECTURE is the text of the space; of the space `custom` it is one line of JSON with
ops and edges. Without --out the SVG goes to stdout. What computes nothing that the output
sees is pale and dashed.
"""

import difflib
import sys
from pathlib import Path

from absl import flags

from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import drawing, runs
from tnasp_jax.spaces import SPACES, Space, custom, custom_cells, get_space

NAMES = (*SPACES, custom_cells.NAME)


def define(values: flags.FlagValues) -> None:
    text = f"one of {', '.join(NAMES)}; needed"
    flags.DEFINE_string("space", None, text, flag_values=values)
    text = "file to write, .svg or .png; default: svg to stdout"
    flags.DEFINE_string("out", None, text, flag_values=values)
    command.define_shared(values, ("overwrite",))


def main(values: flags.FlagValues, texts: list[str]) -> int:
    if len(texts) != 1:
        raise UserError(f"expected one architecture, in quotes, got {len(texts)} words")
    space = space_of(values.space, texts[0])
    picture = drawing.of_architecture(space, space.parse(texts[0]))
    out = Path(values.out) if values.out is not None else None
    try:
        if out is None:
            sys.stdout.write(drawing.file_of(picture, "svg").decode())
            return 0
        check_out(values, out)
        content = drawing.file_of(picture, out.suffix[1:].lower())
    except ModuleNotFoundError:
        raise UserError("matplotlib is missing; pip install '.[plots]'") from None
    with runs.replacing(out) as temporary:
        temporary.write_bytes(content)
    print(out)
    return 0


def space_of(name: str | None, text: str) -> Space:
    """The space of a name; a custom one is made of the text.

    Raises:
      UserError: if there is none.
      ValueError: if the text of a custom space is no graph.
    """
    if not name:
        raise UserError("--space is missing; name the space of the architecture")
    if name == custom_cells.NAME:
        return custom.of_cells([custom_cells.read_text(text)])
    if name not in SPACES:
        near = difflib.get_close_matches(name, NAMES, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(NAMES)}"
        raise UserError(f"--space={name}: unknown space; {hint}")
    return get_space(name)


def check_out(values: flags.FlagValues, out: Path) -> None:
    """UserError if a drawing cannot be written there."""
    if out.suffix[1:].lower() not in drawing.FORMATS:
        raise UserError(f"--out={out}: expected a file that ends in .svg or .png")
    command.check_out(values, out)


if __name__ == "__main__":
    command.run(main, define, words="ARCHITECTURE")
