"""The devices of a command: every core of a CPU is one, seen before JAX starts."""

import os

import jax


def use_all_cores() -> None:
    """Makes each available CPU core a JAX device; call before any array is made.

    A second thread gives a small training step nothing, a second device doubles the
    draws. On a GPU or TPU this changes nothing.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        # A matrix product that spreads over threads gets in the other devices' way.
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    # So does a Cholesky factor that does, and its threads spin while they wait: up to
    # fifty times as long on a busy machine. SciPy's BLAS reads this when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if "xla_force_host_platform_device_count" not in flags:
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    # Two programs under way at once can each hold a core that the other one's exchange
    # between devices waits for; XLA then ends the process after 40 seconds.
    jax.config.update("jax_cpu_enable_async_dispatch", False)


def mesh() -> jax.sharding.Mesh | None:
    """All local devices in a row, or None if there is but one."""
    devices = jax.local_devices()
    if len(devices) == 1:
        return None
    return jax.make_mesh(
        (len(devices),), ("draws",), axis_types=(jax.sharding.AxisType.Auto,)
    )
