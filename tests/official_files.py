"""Writers of the benchmarks' official forms, apart from the code that reads them."""

import base64
import bz2
import collections
import io
import json
import pickle
import struct
import zipfile

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


def pth_cell(index: int, text: str, seeds=(777, 888, 999), first_version=False) -> dict:
    """What NAS-Bench-201's own file holds of a cell: the numbers of `nats_cell`, and
    those of another epoch, which differ.

    Args:
      first_version: 12 epochs on cifar10-valid alone.
    """
    cell = nats_cell(index, text, seeds)
    for about in cell.values():
        for trial in about["all_results"].values():
            parts = {name.split("@")[0] for name in trial["eval_acc1es"]}
            earlier = {f"{part}@3": 1.0 for part in parts}
            trial["train_acc1es"] = {3: 1.0, **trial["train_acc1es"]}
            trial["eval_acc1es"] = earlier | trial["eval_acc1es"]
            trial |= {"flop": 15.5, "latency": [0.01, 0.02], "train_times": None}
    if first_version:
        less = cell["12"]
        less["dataset_seed"].pop("cifar10")
        for key in [key for key in less["all_results"] if key[0] == "cifar10"]:
            less["all_results"].pop(key)
    return {"full": cell["200"], "less": cell["12"]}


def pth_content(cells: dict, texts) -> dict:
    """The object of NAS-Bench-201's own file; `cells` from `pth_cell`."""
    keys = {"total_archs": len(texts), "evaluated_indexes": set(cells)}
    return {"meta_archs": texts, "arch2infos": cells, **keys}


Name = collections.namedtuple("Name", "module name")
Storage = collections.namedtuple("Storage", "kind key count")


class Call:
    """Pickled as a call of what a name stands for."""

    def __init__(self, name: Name, *arguments):
        self.name, self.arguments = name, arguments


def tensor(storage: Storage) -> Call:
    size = ((storage.count,), (1,), False, collections.OrderedDict())
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), storage, 0, *size)


class TorchPickler(pickle._Pickler):
    """As torch.save pickles, without PyTorch."""

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Name):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.name)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            kind = Name("torch", f"{obj.kind}Storage")
            return ("storage", kind, obj.key, "cpu", obj.count, None)


def torch_pickle(value) -> bytes:
    file = io.BytesIO()
    TorchPickler(file, 2).dump(value)
    return file.getvalue()


def torch_row(pickled: bytes, floats: dict[str, int] | None = None) -> bytes:
    """A file of torch.save before 1.6.

    Args:
      pickled: the object, from `torch_pickle`.
      floats: key of each storage -> count of its numbers, 4 bytes each.
    """
    floats = floats or {}
    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}
    head = (0x1950A86A20F9469CFC6C, 1001, system)
    parts = [*(pickle.dumps(part, 2) for part in head), pickled]
    parts.append(pickle.dumps(sorted(floats), 2))
    parts += [
        struct.pack("<q", floats[k]) + bytes(4 * floats[k]) for k in sorted(floats)
    ]
    return b"".join(parts)


def torch_zip(pickled: bytes, floats: dict[str, int] | None = None) -> bytes:
    """A file of torch.save since 1.6; arguments as of `torch_row`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, count in (floats or {}).items():
            archive.writestr(f"archive/data/{key}", bytes(4 * count))
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


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
