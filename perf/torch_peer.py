"""The peer: TNASP and its recipe in eager PyTorch, as a PyTorch user would write them.

Same sizes as `tnasp_jax.predictors.tnasp`; `load` takes its parameters over, so that
both networks can be shown to give the same scores. Imported only in processes of
`perf.run` that time PyTorch.
"""

import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ATTENTIONS = ("plain", "sdpa")
OPTIMIZERS = {"default": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}


class Attention(nn.Module):
    def __init__(self, width=80, num_heads=4, head_width=64, dropout=0.1):
        super().__init__()
        self.heads, self.head_width, self.rate = num_heads, head_width, dropout
        inner = num_heads * head_width
        self.query = nn.Linear(width, inner, bias=False)
        self.key = nn.Linear(width, inner, bias=False)
        self.value = nn.Linear(width, inner, bias=False)
        self.out = nn.Linear(inner, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask, attention):
        batch, slots, _ = x.shape
        q, k, v = (
            linear(x).view(batch, slots, self.heads, self.head_width).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        if attention == "sdpa":
            rate = self.rate if self.training else 0.0
            mixed = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, dropout_p=rate
            )
        else:
            logits = q @ k.transpose(2, 3) / math.sqrt(self.head_width)
            logits = logits.masked_fill(~mask, -1e9)
            mixed = self.dropout(F.softmax(logits, dim=-1)) @ v
        return self.dropout(self.out(mixed.transpose(1, 2).reshape(batch, slots, -1)))


class Layer(nn.Module):
    def __init__(self, width=80, hidden=512, dropout=0.1):
        super().__init__()
        self.attention = Attention(width, dropout=dropout)
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        self.mix_norm = nn.LayerNorm(width, eps=1e-6)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask, attention):
        x = self.attention_norm(x + self.attention(x, mask, attention))
        mixed = self.dropout(self.contract(F.relu(self.expand(x))))
        return self.mix_norm(x + mixed)


class Tnasp(nn.Module):
    """Scores [B] of operations [B, N], Laplacian rows [B, N, N] and masks [B, N]."""

    def __init__(self, num_ops, slots, width=80, num_layers=3, dropout=0.1):
        super().__init__()
        self.operation = nn.Embedding(num_ops + 1, width)
        self.position = nn.Linear(slots, width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.layers = nn.ModuleList(Layer(width) for _ in range(num_layers))
        self.regressor_in = nn.Linear(width, 96, bias=False)
        self.regressor_out = nn.Linear(96, 1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ops, rows, mask, attention="plain"):
        x = self.norm(self.dropout(self.operation(ops) + self.position(rows)))
        for layer in self.layers:
            x = layer(x, mask[:, None, None, :], attention)
        live = mask.unsqueeze(-1).to(x.dtype)
        pooled = (x * live).sum(1) / live.sum(1)
        return self.regressor_out(self.dropout(self.regressor_in(pooled))).squeeze(-1)


def load(network: Tnasp, params: dict[str, np.ndarray]) -> None:
    """Copies our parameters, "/" between the levels of their names, into the peer."""
    weights = ("embedding", "kernel", "transposed", "scale")
    names = dict.fromkeys(weights, "weight")
    state = {}
    for path, value in params.items():
        *modules, leaf = path.removeprefix("encoder/").split("/")
        name, _, layer = modules[0].rpartition("_")
        if layer.isdigit():
            modules = ["layers", layer, name, *modules[1:]]
        tensor = torch.from_numpy(np.array(value))
        key = ".".join([*modules, names.get(leaf, leaf)])
        state[key] = tensor.T if leaf == "kernel" else tensor
    network.load_state_dict(state)


class Peer:
    """What `perf.run` calls in a process of its own.

    Args:
      folder: holds cells.npz, params.npz and labels.npz, see `perf.run`.
      threads: of PyTorch; None leaves its default.
      part: (i, n), this process's share of the cells.
      num_timed: cells that are timed, over all shares.
    """

    def __init__(self, folder, threads, part, num_timed):
        if threads:
            torch.set_num_threads(threads)
        with np.load(Path(folder) / "cells.npz") as cells:
            ops, adjacency, mask = cells["ops"], cells["adjacency"], cells["mask"]
            self.num_ops = int(cells["num_ops"])
        ops = np.where(mask, ops, self.num_ops)
        self.train_cells = _tensors(ops[:100], adjacency[:100], mask[:100])
        timed = np.linspace(0, len(ops) - 1, num_timed).astype(int)
        rows = timed[part[0] :: part[1]]
        # Made beforehand and not timed; ours makes them while it scores.
        self.cells = _tensors(ops[rows], adjacency[rows], mask[rows])
        with np.load(Path(folder) / "params.npz") as params:
            self.params = dict(params)
        with np.load(Path(folder) / "labels.npz") as labels:
            self.scores = labels["scores"]
            self.labels = torch.from_numpy(labels["labels"])

    def facts(self) -> dict:
        return {"version": torch.__version__, "threads": torch.get_num_threads()}

    def _network(self) -> Tnasp:
        network = Tnasp(self.num_ops, self.cells[0].shape[1])
        load(network, self.params)
        return network

    def disagreement(self) -> float:
        """Largest difference of the peer's scores from ours, over both attentions."""
        network = self._network().eval()
        with torch.no_grad():
            scores = [network(*self.train_cells, name).numpy() for name in ATTENTIONS]
        return float(np.max(np.abs(np.stack(scores) - self.scores)))

    def score(self, chunk: int, attention: str) -> float:
        """Seconds to score this process's cells."""
        network = self._network().eval()
        start = time.perf_counter()
        with torch.inference_mode():
            chunks = zip(*(t.split(chunk) for t in self.cells), strict=True)
            torch.cat([network(*each, attention) for each in chunks])
        return time.perf_counter() - start

    def train(self, optimizer: str, attention: str, epochs: int) -> float:
        """Seconds to train one draw on 100 cells in batches of 10."""
        network = self._network().train()
        adam = torch.optim.Adam(
            network.parameters(), lr=1e-4, weight_decay=1e-3, **OPTIMIZERS[optimizer]
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, T_max=300)
        start = time.perf_counter()
        for _ in range(epochs):
            for rows in torch.randperm(len(self.labels)).split(10):
                batch = (tensor[rows] for tensor in self.train_cells)
                loss = F.mse_loss(network(*batch, attention), self.labels[rows])
                adam.zero_grad()
                loss.backward()
                adam.step()
            schedule.step()
        return time.perf_counter() - start


def _tensors(ops, adjacency, mask):
    edges = adjacency.astype(np.float32)
    rows = edges.sum(2)[:, :, None] * np.eye(edges.shape[1], dtype=np.float32) - edges
    return (
        torch.from_numpy(ops.astype(np.int64)),
        torch.from_numpy(rows),
        torch.from_numpy(mask),
    )
