"""Writers of the benchmarks' official forms, apart from the code that reads them."""

import base64
import bz2
import json
import pickle
import struct

OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")


def crc32c(data: bytes) -> int:
    """Bit by bit, as the polynomial is defined."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def metrics(params: int, final: tuple[float, float, float]) -> bytes:
    """A `ModelMetrics` on the wire: three evaluations, the last with seconds,
    validation and test accuracy."""
    message = b""
    for share, (seconds, val, test) in ((0, (0, 0.1, 0.1)), (0.5, final), (1, final)):
        doubles = (share * 108, seconds * share, 0.99, val * (share or 1), test)
        inner = b"".join(
            bytes([number << 3 | 1]) + struct.pack("<d", value)
            for number, value in enumerate(doubles, start=1)
        )
        message += bytes([1 << 3 | 2, len(inner)]) + inner
    varint = b""
    while params > 127:
        varint, params = varint + bytes([params & 127 | 128]), params >> 7
    message += bytes([2 << 3, *varint, params])
    return message + bytes([3 << 3 | 1]) + struct.pack("<d", 1234.5)


def record(digest: bytes, matrix, ops, epochs: int, data: bytes) -> bytes:
    """The data of a record of NAS-Bench-101.

    Args:
      matrix: [V, V] of 0 and 1.
      ops: V names.
      data: from `metrics`.
    """
    text = "".join(str(int(entry)) for row in matrix for entry in row)
    encoded = base64.b64encode(data).decode()
    fields = [digest.hex(), epochs, text, ",".join(ops), encoded]
    return json.dumps(fields).encode()


def nats_cell(index: int, text: str, seeds=(777, 888, 999)) -> dict:
    """What NATS-Bench holds of a cell; accuracies follow from index, seed and set."""

    def trial(dataset, seed, epochs):
        last = epochs - 1
        return {
            "name": "infer.tiny",
            "net_state_dict": None,
            "epochs": epochs,
            "seed": seed,
            "train_acc1es": {last: accuracy(index, dataset, seed, epochs, "train")},
            "eval_acc1es": {
                f"{part}@{last}": accuracy(index, dataset, seed, epochs, part)
                for part in ("x-valid", "ori-test")
            },
        }

    return {
        str(epochs): {
            "arch_index": index,
            "arch_str": text,
            "dataset_seed": {
                name: list(found) for name in ("cifar10-valid", "cifar10")
            },
            "all_results": {
                (name, seed): trial(name, seed, epochs)
                for name in ("cifar10-valid", "cifar10")
                for seed in found
            },
        }
        for epochs, found in ((12, [min(seeds)]), (200, seeds))
    }


def accuracy(index, dataset, seed, epochs, part) -> float:
    """Percent, another one for each of its arguments."""
    sets = ("cifar10-valid", "cifar10").index(dataset)
    parts = ("train", "x-valid", "ori-test").index(part)
    return 10 + index / 250 + seed / 1000 + epochs / 100 + 3 * sets + 7 * parts


def pbz2(value) -> bytes:
    return bz2.compress(pickle.dumps(value, protocol=4), 1)


NB301_EDGES = {
    (0, 2): 0,
    (1, 2): 1,
    (0, 3): 2,
    (1, 3): 3,
    (2, 3): 4,
    (0, 4): 5,
    (1, 4): 6,
    (2, 4): 7,
    (3, 4): 8,
    (0, 5): 9,
    (1, 5): 10,
    (2, 5): 11,
    (3, 5): 12,
    (4, 5): 13,
}
"""Input and node -> number of the edge in NAS-Bench-301's configurations."""


def nb301_result(normal, reduce, val: float, test: float, seconds: float) -> dict:
    """A result file of NAS-Bench-301.

    Args:
      normal, reduce: eight (operation, input) pairs, two for each of the nodes 2 to 5.
      val, test: percent.
    """
    darts = "NetworkSelectorDatasetInfo:darts:"
    config: dict = {
        "ImageAugmentation:cutout": "True",
        f"{darts}init_channels": 32,
        f"{darts}layers": 8,
        "OptimizerSelector:sgd:learning_rate": 0.025,
        "OptimizerSelector:sgd:weight_decay": 0.0003,
        "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max": 100,
    }
    for name, cell in (("normal", normal), ("reduce", reduce)):
        for node in range(2, 6):
            pair = sorted(cell[2 * node - 4 : 2 * node - 2], key=lambda edge: edge[1])
            for op, at in pair:
                config[f"{darts}edge_{name}_{NB301_EDGES[at, node]}"] = op
            if node > 2:
                config[f"{darts}inputs_node_{name}_{node}"] = (
                    f"{pair[0][1]}_{pair[1][1]}"
                )
    return {
        "final_metric_score": -val,
        "optimized_hyperparamater_config": config,
        "budget": 100,
        "info": [{"val_accuracy": val, "epochs": 97, "model_parameters": 1}],
        "test_accuracy": test,
        "runtime": seconds,
        "learning_curves": {"Train/val_accuracy": [val / 2, val]},
    }
