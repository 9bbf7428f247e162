"""Parts of gpu_report.py about single networks: steps, graphs, memory, latency, energy, repeated runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from gpu import matrix_rate, memory_rate, wait
from gpu_workload import Row, Setting, architectures, network, study_of, task
from torch import nn
from torch.profiler import ProfilerActivity, profile

from optnas import Measuring, UserError
from optnas.measure.measuring import measure
from optnas.run.gpus import fitting_workers, mps_is_up
from optnas.space import Node
from optnas.train import fit, use_threads
from optnas.train.convolutions import faster_convolutions

__all__ = [
    "as_graph",
    "fixed_batch",
    "machine",
    "measured",
    "memory",
    "recorded",
    "repeated",
    "roofline",
    "steps",
    "without_dropout",
]


def _fit(
    setting: Setting, architecture: Node, seed: int = 0, samples: int | None = None, **training: Any
) -> dict[str, float]:
    device = torch.device(setting.device, 0)
    module = network(setting, architecture, seed)
    few = task(setting, samples or setting.few)
    return fit(module, few, setting.training(**training), device=device, seed=seed)


def machine(setting: Setting) -> Iterator[Row]:
    """What the machine can do at best."""
    device = torch.device(setting.device, 0)
    size = 256 if setting.small else 8192
    yield {"": "PyTorch", "is": torch.__version__}
    if setting.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        yield {"": "GPU", "is": properties.name}
        yield {"": "its memory", "is": f"{properties.total_memory / 2**30:.0f} GiB"}
        yield {"": "CUDA, cuDNN", "is": f"{torch.version.cuda}, {torch.backends.cudnn.version()}"}
        yield {"": "MPS", "is": "up" if mps_is_up() else "not up"}
    for dtype in (torch.bfloat16, torch.float32):
        rate = matrix_rate(device, size, dtype)
        yield {"": f"product of matrices in {str(dtype)[6:]}", "is": f"{rate / 1e12:.3g} TFLOP/s"}
    rate = memory_rate(device, 2**20 if setting.small else 2**31)
    yield {"": "copying memory, read and written", "is": f"{rate / 1e9:,.0f} GB/s"}
    x = torch.zeros(8, device=device)
    yield {"": "a launch", "is": f"{1e6 * _each(lambda: x.add_(1), device, 2_000):.1f} µs"}
    if setting.device == "cuda":
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(100):
                x.add_(1)
        each = _each(graph.replay, device, 200)
        yield {"": "a kernel in a graph of 100", "is": f"{1e4 * each:.1f} µs"}


def _each(call: Callable[[], object], device: torch.device, times: int) -> float:
    """Return the seconds that each of so many calls takes."""
    call()
    wait(device)
    started = time.perf_counter()
    for _ in range(times):
        call()
    wait(device)
    return (time.perf_counter() - started) / times


def steps(setting: Setting) -> Iterator[Row]:
    """A training step, eager and as a graph: its time and launches, and what the graph costs beforehand."""
    use_threads()
    device = torch.device(setting.device, 0)
    parts = task(setting, setting.few).data.splits
    each = len(parts.train) // setting.batch
    few, many = (1, 2) if setting.small else (1, 6)
    for name, architecture in setting.networks().items():
        cost = architecture.cost(parts.train.shape, outputs=parts.outputs)
        fixed = {}
        for graph in (False, True):
            seconds = {}
            _fit(setting, architecture, epochs=few, cuda_graph=graph)  # starts up
            for epochs in (few, many):
                wait(device)
                started = time.perf_counter()
                _fit(setting, architecture, epochs=epochs, cuda_graph=graph)
                wait(device)
                seconds[epochs] = time.perf_counter() - started
            epoch = (seconds[many] - seconds[few]) / (many - few)
            fixed[graph] = seconds[few] - few * epoch
            yield {
                "network": name,
                "MFLOPs": cost.flops / 1e6,
                "params": cost.params,
                "step": "graph" if graph else "eager",
                "ms": 1e3 * epoch / each,
                "launches": _launches(setting, architecture, graph),
                "GFLOP/s": 3 * cost.flops * setting.batch * each / epoch / 1e9,
                "ms before and after": 1e3 * fixed[graph],
                "of these for the graph": 1e3 * (fixed[True] - fixed[False]) if graph else None,
            }


def _launches(setting: Setting, architecture: Node, graph: bool) -> float | None:
    """Return how often a step asks the GPU for something."""
    if setting.device != "cuda":
        return None
    # As few as a graph takes to be recorded: what is profiled is slow to sum up.
    samples = 20 * setting.batch
    each = len(task(setting, samples).data.splits.train) // setting.batch
    counts = []
    for epochs in (1, 2):
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
            _fit(setting, architecture, samples=samples, epochs=epochs, cuda_graph=graph)
        asked = [event.count for event in profiled.key_averages() if _asks(event.key)]
        counts.append(sum(asked))
    return (counts[1] - counts[0]) / each


def _asks(name: str) -> bool:
    return name.startswith(("cudaLaunch", "cuLaunch", "cudaGraphLaunch", "cudaMemcpy", "cudaMemset"))


def recorded(setting: Setting, architecture: Node, seed: int, device: torch.device) -> Callable[[], object]:
    """Return a training step on one batch that stays where it is; on CUDA a graph on a stream of its own."""
    module, (x, y) = without_dropout(setting, architecture, seed, device), fixed_batch(setting, device)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            loss = nn.functional.cross_entropy(module(x), y)
        loss.backward()
        optimizer.step()

    with faster_convolutions(module, setting.device):
        return as_graph(step, device)


def without_dropout(setting: Setting, architecture: Node, seed: int, device: torch.device) -> nn.Module:
    """Return a network on ``device`` that draws nothing: graphs that draw advance one generator."""
    module = network(setting, architecture, seed).to(device, memory_format=torch.channels_last)
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    return module


def fixed_batch(setting: Setting, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and targets of a batch on ``device`` that stays where it is."""
    parts = task(setting, setting.few).data.on(device)
    x, y = next(iter(parts.train.blocks(setting.batch, torch.arange(setting.batch))))
    return parts.prepare(x).contiguous(memory_format=torch.channels_last), y


def as_graph(step: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """Return a step as a CUDA graph on a stream of its own; on the CPU as it is."""
    if device.type != "cuda":
        return step
    stream, graph = torch.cuda.Stream(device), torch.cuda.CUDAGraph()
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    wait(device)
    with torch.cuda.graph(graph, stream=stream):
        step()

    def replay() -> None:
        with torch.cuda.stream(stream):
            graph.replay()

    return replay


# What a training step moves at least, in numbers: each activation is written and read by the forward pass,
# read again by the backward pass, and its gradient is written and read; each weight is read by both, its
# gradient written and read, and it and its momentum are read and written by the optimiser.
_MOVED_ACTIVATIONS, _MOVED_WEIGHTS = 5, 8
# If a step takes longer than its arithmetic and its memory together by this factor, kernels are too small.
_FAR = 3.0


def roofline(setting: Setting) -> Iterator[Row]:
    """What bounds a training step: products, memory, or kernels that are too small for either.

    Williams et al. 2009, https://doi.org/10.1145/1498765.1498785, with the exact costs of each architecture.
    """
    use_threads()
    device = torch.device(setting.device, 0)
    low = torch.bfloat16 if setting.device == "cuda" else torch.float32
    products = matrix_rate(device, 256 if setting.small else 8192, low)
    moved = memory_rate(device, 2**20 if setting.small else 2**31)
    parts = task(setting, setting.few).data.splits
    named = [*setting.networks().items(), *architectures(setting, 2 if setting.small else 8)]
    for name, architecture in named:
        cost = architecture.cost(parts.train.shape, outputs=parts.outputs)
        flops = 3 * cost.flops * setting.batch
        size = torch.finfo(low).bits // 8
        taken = (
            _MOVED_ACTIVATIONS * cost.activations * setting.batch * size + _MOVED_WEIGHTS * cost.params * 4
        )
        seconds = _each(recorded(setting, architecture, 0, device), device, 3 if setting.small else 100)
        least = flops / products, taken / moved
        bound = "products" if least[0] > least[1] else "memory"
        yield {
            "network": name,
            "FLOPs a byte": flops / taken,
            "ms": 1e3 * seconds,
            "least for products": 1e3 * least[0],
            "least for memory": 1e3 * least[1],
            "GFLOP/s": flops / seconds / 1e9,
            "of what is possible": max(least) / seconds,
            "bound by": bound if seconds < _FAR * sum(least) else f"small kernels, then {bound}",
        }


def repeated(setting: Setting) -> Iterator[Row]:
    """Two trainings of one seed: how far apart they end."""
    use_threads()
    networks = list(setting.networks().items())
    for precision in ("auto", "float32"):
        for graph in (True, False):
            for name, architecture in networks[:2]:
                runs = [
                    [
                        _fit(setting, architecture, seed, precision=precision, cuda_graph=graph)
                        for _ in range(2)
                    ]
                    for seed in range(setting.seeds)
                ]
                yield {
                    "network": name,
                    "precision": precision,
                    "step": "graph" if graph else "eager",
                    "seeds": setting.seeds,
                    "largest difference of accuracy": max(
                        abs(one["accuracy"] - other["accuracy"]) for one, other in runs
                    ),
                    "of loss": max(abs(one["loss"] - other["loss"]) for one, other in runs),
                }


def measured(setting: Setting) -> Iterator[Row]:
    """Latency and energy of a network, measured twice."""
    use_threads()
    for name, architecture in setting.networks().items():
        for quantities in (("latency_ms", "latency_p95_ms"), ("energy",)):
            make = partial(network, setting, architecture)
            how = Measuring(device=setting.device)
            try:
                first, second = (
                    measure(quantities, make, task(setting), setting.training(), how) for _ in range(2)
                )
            except UserError as error:
                yield {"network": name, "quantity": quantities[0], "said": str(error)}
                continue
            for quantity in quantities:
                one, other = first[quantity], second[quantity]
                apart = abs(other - one) / one
                yield {"network": name, "quantity": quantity, "first": one, "second": other, "apart": apart}


def memory(setting: Setting) -> Iterator[Row]:
    """Peak memory of training a network: as measured before it, and what it really took."""
    use_threads()
    device = torch.device(setting.device, 0)
    for name, architecture in setting.networks().items():
        row: Row = {"network": name}
        names, make = ["peak_memory"], partial(network, setting, architecture)
        how = Measuring(device=setting.device)
        row["MB measured before"] = (
            measure(names, make, task(setting), setting.training(), how)[names[0]] / 1e6
        )
        if setting.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
            _fit(setting, architecture, epochs=1)
            row["MB allocated, with data and evaluation"] = torch.cuda.max_memory_allocated(device) / 1e6
            row["MB reserved"] = torch.cuda.max_memory_reserved(device) / 1e6
            free, total = torch.cuda.mem_get_info(device)
            row["MB gone from the card"] = (total - free) / 1e6
            row["workers by auto"] = fitting_workers(study_of(setting, [architecture]), [0])
        yield row
