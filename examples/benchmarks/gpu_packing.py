"""Parts of gpu_report.py about several trainings at once: in streams of their own, and together as one."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from gpu import wait
from gpu_steps import as_graph, fixed_batch, recorded, without_dropout
from gpu_workload import Row, Setting
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from optnas.space import Node
from optnas.train import use_threads

__all__ = ["packing", "siblings"]

Run = Callable[[int], object]
"""Does so many steps of each of several trainings."""


def packing(setting: Setting) -> Iterator[Row]:
    """Steps a second of several trainings at once in one process: a thread, a stream and a graph each."""
    yield from _rates(setting, _in_streams)


def siblings(setting: Setting) -> Iterator[Row]:
    """Steps a second of several trainings of one architecture as one: weights stacked by ``torch.func``."""
    yield from _rates(setting, _stacked)


def _rates(setting: Setting, make: Callable[[Setting, Node, int, torch.device], Run]) -> Iterator[Row]:
    use_threads()
    device = torch.device(setting.device, 0)
    for name, architecture in setting.networks().items():
        alone = 0.0
        for trainings in (1, 2) if setting.small else (1, 2, 4, 8, 16):
            run = make(setting, architecture, trainings, device)
            each = 5 if setting.small else 300
            run(1)
            wait(device)
            started = time.perf_counter()
            run(each)
            wait(device)
            rate = each * trainings / (time.perf_counter() - started)
            alone = alone or rate
            yield {"network": name, "at once": trainings, "steps/s": rate, "times one": rate / alone}


def _in_streams(setting: Setting, architecture: Node, count: int, device: torch.device) -> Run:
    steps = [recorded(setting, architecture, seed, device) for seed in range(count)]

    def run(times: int) -> None:
        threads = [threading.Thread(target=_repeat, args=(step, times)) for step in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


def _stacked(setting: Setting, architecture: Node, count: int, device: torch.device) -> Run:
    step = _stacked_step(setting, architecture, count, device)
    return lambda times: _repeat(step, times)


def _repeat(step: Callable[[], object], times: int) -> None:
    for _ in range(times):
        step()


def _stacked_step(
    setting: Setting, architecture: Node, count: int, device: torch.device
) -> Callable[[], object]:
    """Return a training step of so many networks on a batch that stays where it is; on CUDA a graph."""
    modules = [without_dropout(setting, architecture, seed, device) for seed in range(count)]
    x, y = fixed_batch(setting, device)
    weights, buffers = stack_module_state(modules)
    base = copy.deepcopy(modules[0]).to("meta")
    for layer in base.modules():
        # ``vmap`` has no norm of inputs in bfloat16 with weights in float32.
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
    optimizer = torch.optim.SGD(weights.values(), lr=1e-3, momentum=0.9, fused=True)
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)

    def loss(weights: Any, buffers: Any) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            return nn.functional.cross_entropy(functional_call(base, (weights, buffers), (x,)), y)

    def step() -> None:
        for name, gradient in vmap(grad(loss))(weights, buffers).items():
            weights[name].grad.copy_(gradient)
        optimizer.step()

    return as_graph(step, device)
