"""Part of gpu_report.py on one network trained well: a ResNet of optnas against a fast loop written by hand.

The loop is like those of airbench (Jordan 2024, https://arxiv.org/abs/2404.00498): all data on the GPU, crops
and flips of a whole epoch at once, channels last, a narrow precision, a fused optimiser with Nesterov's
momentum, label smoothing, one rise and fall of the learning rate; eager, and compiled by ``torch.compile``.
Both train the same layers from the same weights by the same settings, on as many pictures of the same size
as CIFAR-10 has. Time to evaluate is not counted for either, nor that of a first short training, in which
kernels are chosen and compiled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from gpu import wait
from gpu_workload import Row, Setting, residual
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, pad

from optnas import Training, data, tasks
from optnas.train import fit, loop, use_threads
from optnas.train.memory_format import channels_last

__all__ = ["against_hand_written"]

_CLASSES, _KINDS, _SIDE, _MARGIN = 10, 4, 32, 4
_RATE, _MOMENTUM, _DECAY, _SMOOTHING = 0.1, 0.9, 5e-4, 0.1
# The validation loss to reach: at a guess it is ln 10 = 2.3, and the smoothing leaves 0.1.
_LOSS = 0.5

Losses = list[tuple[float, float]]
"""Seconds of training and the validation loss after each epoch."""


def against_hand_written(setting: Setting) -> Iterator[Row]:
    """A ResNet on 50,000 synthetic pictures of 3 × 32 × 32 to a fixed loss: optnas, and a loop by hand."""
    use_threads()
    device = torch.device(setting.device, 0)
    contestants: dict[str, Callable[..., Losses]] = {"optnas": _by_optnas, "by hand, eager": _by_hand}
    if setting.device == "cuda":
        contestants["by hand, compiled"] = _by_hand_compiled
    ours: float | None = None
    for name, train in contestants.items():
        train(setting, device, 1, few=True)
        losses = train(setting, device, _epochs(setting))
        reached = next((seconds for seconds, loss in losses if loss <= _LOSS), None)
        if name == "optnas":
            ours = reached
        each = sorted(after - before for before, after in pairwise([0.0, *(spent for spent, _ in losses)]))
        yield {
            "": name,
            "epochs": len(losses),
            "ms an epoch, median": 1e3 * each[len(each) // 2],
            f"s to a loss of {_LOSS}": reached,
            "time of optnas ÷ its": ours / reached if ours and reached else None,
            "loss in the end": losses[-1][1],
        }


def _epochs(setting: Setting) -> int:
    return 3 if setting.small else 8


@cache
def _task(samples: int) -> tasks.Classification:
    """Return the task: of each class there are four smooth pictures, moved, mirrored and under noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(samples) % _CLASSES
    which = labels * _KINDS + torch.randint(_KINDS, (samples,), generator=generator)
    wide = _SIDE + 2 * _MARGIN
    smooth = torch.randn(_CLASSES * _KINDS, 3, 8, 8, generator=generator)
    whole = interpolate(smooth, (wide, wide), mode="bicubic")
    rows, columns = (torch.randint(2 * _MARGIN + 1, (samples,), generator=generator) for _ in range(2))
    pictures = torch.empty(samples, 3, _SIDE, _SIDE, dtype=torch.uint8)
    for chosen in torch.arange(samples).split(5_000):
        seen = _cropped(whole[which[chosen]], rows[chosen], columns[chosen])
        seen = _mirrored(seen, torch.rand(len(chosen), generator=generator) < 0.5)
        noise = torch.randn(seen.shape, generator=generator)
        pictures[chosen] = (128 + 24 * (seen + 2.5 * noise)).clamp(0, 255).to(torch.uint8)
    held_out = {"validation": 1 / 6, "test": 1 / 60}
    return tasks.classification(data.tensors(pictures.numpy(), labels.numpy(), **held_out, name="synthetic"))


def _problem(setting: Setting, few: bool) -> tuple[tasks.Classification, nn.Module]:
    """Return the task, of which 50,000 samples are trained on, and the network."""
    whole = 1_200 if setting.small else 61_225
    task = _task(min(whole, 12_000) if few else whole)
    parts = task.data.splits
    torch.manual_seed(0)
    width, blocks = (4, 1) if setting.small else (64, 2)
    module: nn.Module = residual(width, blocks).build(parts.train.shape, outputs=parts.outputs)
    return task, module


def _batch(setting: Setting) -> int:
    return 64 if setting.small else 512


def _by_optnas(setting: Setting, device: torch.device, epochs: int, few: bool = False) -> Losses:
    task, module = _problem(setting, few)
    task.data.on(device)
    training = Training(
        epochs=epochs,
        batch_size=_batch(setting),
        optimizer="sgd",
        lr=_RATE,
        momentum=_MOMENTUM,
        weight_decay=_DECAY,
        label_smoothing=_SMOOTHING,
        crop=_MARGIN,
        flip=True,
        rungs=tuple(range(1, epochs)),
        hopeless_after=0,
        device=setting.device,
    )
    with _Clock(device) as clock:
        fit(module, task, training, device=device, seed=0, report=lambda epoch, metrics: None)
    return clock.losses


class _Clock:
    """Takes the time of a training by :func:`optnas.train.fit` without its evaluations."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.losses: Losses = []

    def __enter__(self) -> _Clock:
        self._evaluate, loop.evaluate = loop.evaluate, self._timed
        wait(self._device)
        self._began, self._evaluating = time.perf_counter(), 0.0
        return self

    def __exit__(self, *error: object) -> None:
        loop.evaluate = self._evaluate

    def _timed(self, *arguments: Any) -> dict[str, float]:
        wait(self._device)
        started = time.perf_counter()
        metrics = self._evaluate(*arguments)
        self.losses.append((started - self._began - self._evaluating, metrics["loss"]))
        wait(self._device)
        self._evaluating += time.perf_counter() - started
        return metrics


def _by_hand_compiled(setting: Setting, device: torch.device, epochs: int, few: bool = False) -> Losses:
    return _by_hand(setting, device, epochs, few, compiled=True)


def _by_hand(
    setting: Setting, device: torch.device, epochs: int, few: bool = False, compiled: bool = False
) -> Losses:
    task, module = _problem(setting, few)
    parts, batch = task.data.splits, _batch(setting)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    x, held_out = (
        channels_last(parts.prepare(part.x.to(device)).to(dtype)) for part in (parts.train, parts.validation)
    )
    y, truth = (part.y.to(device) for part in (parts.train, parts.validation))
    module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        module.parameters(), lr=_RATE, momentum=_MOMENTUM, nesterov=True, weight_decay=_DECAY, fused=True
    )
    steps = epochs * (len(x) // batch)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _RATE, total_steps=steps, pct_start=0.25, div_factor=10, cycle_momentum=False
    )

    def loss_of(inputs: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype, enabled=dtype == torch.bfloat16):
            return cross_entropy(module(inputs), targets, label_smoothing=_SMOOTHING)

    step_loss = torch.compile(loss_of, mode="max-autotune-no-cudagraphs") if compiled else loss_of
    losses: Losses = []
    spent = 0.0
    for _ in range(epochs):
        wait(device)
        started = time.perf_counter()
        module.train()
        moved = _augmented(x)
        for chosen in torch.randperm(len(x), device=device).split(batch):
            if len(chosen) < batch:
                break
            optimizer.zero_grad(set_to_none=True)
            step_loss(channels_last(moved[chosen]), y[chosen]).backward()
            optimizer.step()
            scheduler.step()
        wait(device)
        spent += time.perf_counter() - started
        losses.append((spent, _validation_loss(module, held_out, truth, dtype)))
    return losses


def _augmented(x: Tensor) -> Tensor:
    padded = pad(x, (_MARGIN,) * 4, mode="reflect")
    rows, columns = (torch.randint(2 * _MARGIN + 1, (len(x),), device=x.device) for _ in range(2))
    return _mirrored(_cropped(padded, rows, columns), torch.rand(len(x), device=x.device) < 0.5)


def _cropped(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return a square of 32 pixels of each image, from its row and column on."""
    side = torch.arange(_SIDE, device=images.device)
    sample = torch.arange(len(images), device=images.device)[:, None, None]
    taken = images.permute(0, 2, 3, 1)[
        sample, (rows[:, None] + side)[:, :, None], (columns[:, None] + side)[:, None]
    ]
    return taken.permute(0, 3, 1, 2)


def _mirrored(images: Tensor, chosen: Tensor) -> Tensor:
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def _validation_loss(module: nn.Module, x: Tensor, y: Tensor, dtype: torch.dtype) -> float:
    module.eval()
    with torch.no_grad(), torch.autocast(x.device.type, dtype, enabled=dtype == torch.bfloat16):
        outputs = torch.cat([module(part).float() for part in x.split(2_000)])
    return cross_entropy(outputs, y).item()
