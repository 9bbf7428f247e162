"""What gpu_report.py trains: the same data, architectures and studies in all of its parts."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from throughput import dataset

from optnas import Study, Training, choose, maximize, minimize, ops, spaces, tasks
from optnas.space import Node
from optnas.storages.opening import open_storage

__all__ = [
    "FAMILIES",
    "NETWORKS",
    "Row",
    "Setting",
    "architectures",
    "data_in",
    "enqueued",
    "network",
    "residual",
    "study_of",
    "task",
]

Row = dict[str, Any]
"""A line of a part's table: figures by the name of their column."""

RATE = 1e-2

# Those of studies/fashion_mnist.py.
FAMILIES = {
    "mobile": spaces.mobile(((8, 2, 1), (16, 2, 2), (24, 2, 2))),
    "chain": spaces.chain(most=6, widths=(8, 16, 32)),
}


def residual(width: int, blocks: int) -> Node:
    """Return a residual network of three stages, the widest layers of which have 4 × ``width`` channels."""
    stages = [
        [ops.basic_block(width * 2**stage, stride=2 if stage and not block else 1) for block in range(blocks)]
        for stage in range(3)
    ]
    return ops.seq(ops.conv_norm(width), *(block for stage in stages for block in stage), ops.head())


NETWORKS = {
    "small (chain of 3)": ops.seq(
        *(ops.seq(ops.conv(width), ops.norm(), ops.relu(), ops.maxpool(2)) for width in (16, 32, 32)),
        ops.head(),
    ),
    "middle (mobile)": FAMILIES["mobile"].sample(3),
    "large (residual, 64 to 256 wide)": residual(64, 2),
}
"""Networks of three sizes, by what they are called."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """How large the report is.

    Attributes:
        device: ``"cuda"`` or ``"cpu"``.
        data: As ``throughput.py`` calls it.
        root: The folder of Fashion-MNIST.
        small: Whether all is done in a small size, only to see that it works.
        seeds: How many seeds the part on repeatability takes.
        until: When the part at hand has to end, by ``time.monotonic()``.
        gpu: The GPU's UUID, for ``nvidia-smi``.
    """

    device: str
    data: str
    root: str
    small: bool = False
    seeds: int = 2
    until: float = math.inf
    gpu: str = ""

    @property
    def left(self) -> float:
        """The seconds that are left to the part at hand."""
        return self.until - time.monotonic()

    @property
    def samples(self) -> int | None:
        return self.few if self.small else None

    @property
    def few(self) -> int:
        """How many samples are enough for steps to be timed on."""
        # On a GPU so many that steps are recorded as graphs.
        return {(True, "cpu"): 400, (True, "cuda"): 6_000}.get((self.small, self.device), 12_000)

    @property
    def architectures(self) -> int:
        return 4 if self.small else 32

    @property
    def epochs(self) -> int:
        return 1 if self.small else 3

    @property
    def batch(self) -> int:
        return 32 if self.small else 128

    def networks(self) -> dict[str, Node]:
        """Return the networks to look at more closely, by what they are called."""
        return dict(list(NETWORKS.items())[:2]) if self.small else NETWORKS

    def training(self, **changes: Any) -> Training:
        """Return the training of all contestants, with some changes."""
        usual = {
            "epochs": self.epochs,
            "batch_size": self.batch,
            "lr": RATE,
            "rungs": (),
            "hopeless_after": 0,
        }
        return Training(**{**usual, "device": self.device, **changes})


def data_in(root: str) -> str:
    """Return which data there is to train on, by its name in ``throughput.py``."""
    raw = Path(root).expanduser() / "FashionMNIST" / "raw"
    return "fashion-mnist" if any(raw.glob("train-images-idx3-ubyte*")) else "synthetic"


@cache
def task_of(data: str, root: str, samples: int | None) -> tasks.Classification:
    """Return the task of all networks, with its data read."""
    task = tasks.classification(dataset(data, root, samples))
    task.data.splits  # noqa: B018 - they are read when they are first asked for
    return task


def task(setting: Setting, samples: int | None = None) -> tasks.Classification:
    """Return the task of all networks, on so many samples, by default the setting's."""
    return task_of(setting.data, setting.root, samples or setting.samples)


def architectures(setting: Setting, count: int | None = None) -> list[tuple[str, Node]]:
    """Return so many architectures of each family by turns, with its name; by default 32."""
    each = (count or setting.architectures) // len(FAMILIES)
    return [(name, family.sample(seed)) for seed in range(each) for name, family in FAMILIES.items()]


def network(setting: Setting, architecture: Node, seed: int = 0) -> torch.nn.Module:
    """Return ``architecture`` as a module, its weights drawn by ``seed``."""
    torch.manual_seed(seed)
    parts = task(setting).data.splits
    module: torch.nn.Module = architecture.build(parts.train.shape, outputs=parts.outputs)
    return module


def study_of(setting: Setting, options: Iterable[Node], samples: int | None = None) -> Study:
    """Return a study of ``options``, whose trials are all trained to the end."""
    return Study(
        "gpu-report",
        ops.seq(choose(*options, name="family")),
        task=task(setting, samples),
        objectives=[maximize("accuracy"), minimize("flops")],
        training=setting.training(),
        sampler="random",
        pruner=None,
    )


def enqueued(study: Study, url: str, candidates: Iterable[Node]) -> None:
    """Let the first trials of ``study`` at ``url`` be ``candidates``."""
    opened = study.open(open_storage(url))
    for architecture in candidates:
        opened.enqueue_trial(study.space.params(ops.seq(architecture)))
