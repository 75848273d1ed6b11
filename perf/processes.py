"""Objects in processes of their own, and their calls timed in turn."""

import importlib
import multiprocessing
import os
import statistics
import sys
import time
from typing import Any, NamedTuple


class Worker:
    """An object in a process of its own, made there by `make(*arguments)`.

    Args:
      make: "module:name" of a class, imported in the process.
      arguments: of the class.
      cores: that the process may run on.
      environment: variables set before anything is imported there.
    """

    def __init__(self, make: str, *arguments, cores, environment=()):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve,
            args=(theirs, make, arguments, set(cores), dict(environment)),
            daemon=True,
        )
        self.process.start()
        theirs.close()
        self.call("ready")

    def begin(self, method: str, *arguments) -> None:
        self.connection.send((method, arguments))

    def end(self) -> Any:
        try:
            answer, failed = self.connection.recv()
        except EOFError:
            raise RuntimeError(f"a process of perf.run ended: {self.process}") from None
        if failed:
            raise answer
        return answer

    def call(self, method: str, *arguments) -> Any:
        self.begin(method, *arguments)
        return self.end()

    def close(self) -> None:
        self.connection.close()
        self.process.join(30)


def _serve(connection, make, arguments, cores, environment) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    os.environ.update(environment)
    served = None
    while True:
        try:
            method, values = connection.recv()
        except EOFError:
            return
        try:
            if method == "ready":
                module, _, name = make.partition(":")
                served = getattr(importlib.import_module(module), name)(*arguments)
                answer = None
            else:
                answer = getattr(served, method)(*values)
            connection.send((answer, False))
        except Exception as error:
            connection.send((error, True))


class Arrangement(NamedTuple):
    """Calls that run side by side, and what there is to say about them."""

    workers: list[Worker]
    method: str
    arguments: tuple
    about: dict[str, Any]

    def seconds(self) -> float:
        """Wall time until the last worker is done."""
        start = time.perf_counter()
        for worker in self.workers:
            worker.begin(self.method, *self.arguments)
        for worker in self.workers:
            worker.end()
        return time.perf_counter() - start


def interleaved(arrangements: dict[str, Arrangement], repeats: int) -> dict[str, dict]:
    """Times all in turn, `repeats` times; `about`, the seconds and their median."""
    times = {name: [] for name in arrangements}
    for repeat in range(repeats):
        for name, arrangement in arrangements.items():
            report(f"repeat {repeat + 1} of {repeats}: {name}")
            times[name].append(arrangement.seconds())
    return {
        name: {
            **arrangement.about,
            "measured_seconds": times[name],
            "median_seconds": statistics.median(times[name]),
        }
        for name, arrangement in arrangements.items()
    }


def faster(candidates: list[Arrangement]) -> Arrangement:
    """The fastest of several, each run once to warm up and once timed."""
    for candidate in candidates:
        candidate.seconds()
    return min(candidates, key=Arrangement.seconds)


def report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
