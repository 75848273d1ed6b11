"""Exports a finished run as a file that needs JAX alone, and flatbuffers.

python -m experiments.export --run=DIR --out=FILE [--platforms=cpu,cuda,tpu]

FILE computes the run's score, the mean over its draws, of any number of architectures,
with the parameters in it; FILE.json says what goes in and what comes out. Prints the
lines of Python that load it.
"""

from pathlib import Path

from absl import flags

from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import export, runs


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string("run", None, "folder of a finished run; needed", values)
    flags.DEFINE_string("out", None, "file to write; needed", values)
    flags.DEFINE(
        command.NAMES,
        "platforms",
        ",".join(export.PLATFORMS),
        "where the file is to run; none of them need be here",
        values,
        flags.ListSerializer(","),
    )
    command.define_shared(values, ("overwrite",))


def main(values: flags.FlagValues) -> int:
    if not values.run:
        raise UserError("--run is missing; give the --workdir of a finished run")
    if not values.out:
        raise UserError("--out is missing; name the file to write")
    out = Path(values.out)
    command.check_out(values, out)
    command.check_free(values, out.with_name(out.name + ".json"))
    export.check(values.platforms)
    run = runs.load(values.run)
    try:
        about = export.save(run, out, platforms=values.platforms)
    except OSError as error:
        raise UserError(
            f"--out={out}: cannot be written: {error.strerror or error}"
        ) from None
    print(
        f"{out}: {about['bytes']:,} bytes for {', '.join(about['platforms'])}; "
        f"{out.name}.json describes it\n"
    )
    print(export.how_to_load(run, out))
    return 0


if __name__ == "__main__":
    command.run(main, define)
