"""How many trials an hour, against the loops people write.

The same architectures are trained for the same epochs on the same split of the same data

- by optnas as ``optnas run`` does by default: on the CPU a worker a core, one thread each;
- by the loop people write today, as in Optuna's own multi-objective PyTorch example: one process, a
  ``DataLoader``, fp32, PyTorch's default threads;
- by that loop with one thread, which is often the best number (``--best-threads``);
- by a loop tuned by hand (``--tuned``): data on the device, channels last, a fused optimiser, bf16 where
  the hardware has it; one process.

Start-up of workers and loading of data are not counted, neither is any search: the architectures are
drawn beforehand. Rounds alternate between the contestants; the figures are medians over rounds. A round
of 32 architectures of digits takes each contestant one to two minutes on two cores.

On CUDA it tells as well how busy the GPU is (the mean of ``nvidia-smi``'s samples, the share of the time
with a kernel at work), and the FLOP/s of training, 3 × those of a forward pass for each sample (evaluation
not counted), beside what the GPU reaches in a product of large matrices in bfloat16.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import torch
from gpu import matrix_rate, uuid, watched
from optuna.trial import FrozenTrial
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from optnas import Training, choose, data, ops, parse, real, repeat, tasks
from optnas.train import cores, default_device, fit, training_environment, use_threads
from optnas.train.memory_format import channels_last

RATE, BATCH = 1e-2, 64


def dataset(name: str, root: str, samples: int | None) -> data.Data:
    """Return the data called ``name``."""
    if name == "fashion-mnist":
        return data.torchvision("FashionMNIST", root=root, download=True, samples=samples)
    if name == "synthetic":
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(samples or 10_000) % 10
        # Ten fixed pictures under as much noise: something to learn, not at once.
        pictures = torch.randn(10, 3, 32, 32, generator=generator)
        noise = torch.randn(len(labels), 3, 32, 32, generator=generator)
        return data.tensors((pictures[labels] + 4 * noise).numpy(), labels.numpy(), name=name)
    return data.digits()


def space(size: int) -> Any:
    """Return the space of studies/digits.py; images of over 8 pixels are halved once more on the way."""
    width, kernel = choose(8, 16, 32, 64, name="width"), choose(3, 5, name="kernel")
    activation = choose(ops.relu(), ops.mish(), ops.swish(beta=real(0.5, 2.0)), name="activation")
    op = choose(ops.conv(width, kernel), ops.sepconv(width, kernel), name="op")
    block = ops.seq(op, ops.norm(), activation)
    if size <= 8:
        return ops.seq(repeat(block, 1, 4, name="layer"), ops.maxpool(2), ops.head(10))
    early, late = repeat(block, 1, 2, name="early"), repeat(block, 1, 2, name="late")
    return ops.seq(early, ops.maxpool(2), late, ops.maxpool(2), ops.head(10))


# optnas


def optnas_worker(arguments: argparse.Namespace, work_in: Any, results: Any) -> None:
    """Train architectures from a queue until it holds ``None``: the inside of an optnas worker."""
    use_threads()
    device = default_device(arguments.device)
    task = tasks.classification(dataset(arguments.data, arguments.root, arguments.samples))
    task.data.on(device)
    results.put("ready")
    while (work := work_in.get()) is not None:
        number, text = work
        torch.manual_seed(number)
        module = parse(text).build(task.data.shape)
        training = Training(
            epochs=arguments.epochs, batch_size=BATCH, lr=RATE, cuda_graph=not arguments.eager
        )
        metrics = fit(
            module,
            task,
            training,
            device=device,
            seed=number,
            report=lambda step, metrics: None,
            eager=lambda reason: print(f"no CUDA graph: {reason}", file=sys.stderr),
        )
        results.put((number, metrics["accuracy"]))


class OptnasPool:
    """As many workers as ``optnas run`` starts, fed with architectures."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        on_cpu = default_device(arguments.device).type == "cpu"
        workers = arguments.workers or (cores() if on_cpu else 1)
        context = multiprocessing.get_context("spawn")
        self.work, self.results = context.Queue(), context.Queue()
        self.processes = [
            context.Process(target=optnas_worker, args=(arguments, self.work, self.results), daemon=True)
            for _ in range(workers)
        ]
        before = dict(os.environ)
        os.environ.update(training_environment(before))
        for process in self.processes:
            process.start()
        os.environ.clear()
        os.environ.update(before)
        for _ in self.processes:
            assert self.results.get() == "ready"

    def train(self, architectures: list[str]) -> list[float]:
        for work in enumerate(architectures):
            self.work.put(work)
        found = dict(self.results.get() for _ in architectures)
        return [found[i] for i in range(len(architectures))]

    def close(self) -> None:
        for _ in self.processes:
            self.work.put(None)
        for process in self.processes:
            process.join()


# What people write


def searched(
    architectures: list[str], train: Callable[[nn.Module], float], parts: data.Splits, seconds: float | None
) -> list[FrozenTrial]:
    """Let Optuna call ``train`` for each architecture, but for those that would not end within ``seconds``.

    How long one takes is judged by the longest before it.
    """
    started = time.perf_counter()

    def stop(study: optuna.Study, trial: FrozenTrial) -> None:
        longest = max(each.duration.total_seconds() for each in study.trials)  # type: ignore[union-attr]
        if seconds is not None and time.perf_counter() - started + longest > seconds:
            study.stop()

    def objective(trial: optuna.Trial) -> float:
        torch.manual_seed(trial.number)
        model = parse(architectures[trial.number]).build(parts.train.shape, outputs=parts.outputs)
        for part in model.modules():
            if isinstance(part, nn.Mish):
                part.__class__ = nn.Mish  # PyTorch's own, which people write
        return train(model)

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=len(architectures), callbacks=[stop])
    return study.trials


def todays_loop(
    architectures: list[str],
    parts: data.Splits,
    epochs: int,
    device: torch.device,
    threads: int,
    *,
    batch: int = BATCH,
    seconds: float | None = None,
) -> list[FrozenTrial]:
    """Train by a ``DataLoader`` and a plain loop, in fp32, for about ``seconds``."""
    torch.set_num_threads(threads)
    sets = [TensorDataset(parts.prepare(part.x), part.y) for part in (parts.train, parts.validation)]
    train, valid = DataLoader(sets[0], batch_size=batch, shuffle=True), DataLoader(sets[1], batch_size=batch)

    def trained(model: nn.Module) -> float:
        model.to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * len(train))
        for _ in range(epochs):
            model.train()
            for inputs, targets in train:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(inputs.to(device)), targets.to(device)).backward()
                optimizer.step()
                scheduler.step()
            model.eval()
            correct = 0
            with torch.no_grad():
                for inputs, targets in valid:
                    correct += int((model(inputs.to(device)).argmax(dim=1) == targets.to(device)).sum())
        return correct / len(parts.validation)

    return searched(architectures, trained, parts, seconds)


def tuned_loop(
    architectures: list[str],
    parts: data.Splits,
    epochs: int,
    device: torch.device,
    threads: int,
    *,
    batch: int = BATCH,
    seconds: float | None = None,
) -> list[FrozenTrial]:
    """Train from tensors on the device, in channels last, in bf16 where the hardware has it."""
    torch.set_num_threads(threads)
    x, y, held_out_x, held_out_y = (
        of.to(device)
        for part in (parts.train, parts.validation)
        for of in (channels_last(parts.prepare(part.x)), part.y)
    )
    bf16 = device.type == "cuda" or torch.cpu._is_amx_tile_supported()

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for chosen in torch.randperm(len(x), device=device).split(batch):
            yield channels_last(x[chosen]), y[chosen]

    def trained(model: nn.Module) -> float:
        model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
        steps = epochs * -(-len(x) // batch)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)

        def predicted(inputs: Tensor) -> Tensor:
            # A context a pass: autocast keeps the rounded weights till its end, and they change.
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                return model(inputs)

        for _ in range(epochs):
            model.train()
            for inputs, targets in batches():
                optimizer.zero_grad(set_to_none=True)
                nn.functional.cross_entropy(predicted(inputs), targets).backward()
                optimizer.step()
                scheduler.step()
        model.eval()
        with torch.no_grad():
            right = [predicted(part).argmax(dim=1) for part in held_out_x.split(1024)]
        return (torch.cat(right) == held_out_y).float().mean().item()

    return searched(architectures, trained, parts, seconds)


def accuracies_of(trials: list[FrozenTrial]) -> list[float]:
    return [trial.values[0] for trial in trials]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=["digits", "fashion-mnist", "synthetic"], default="digits")
    parser.add_argument("--root", default="~/.cache/optnas", help="folder of fashion-mnist")
    parser.add_argument("--samples", type=int, help="use so many samples only; not of digits")
    parser.add_argument("--architectures", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=3, help="how often each contestant trains all of them")
    parser.add_argument(
        "--seeds", type=int, default=1, help="sets of architectures, drawn from seeds 0, 1, …"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, …")
    parser.add_argument("--workers", type=int, help="of optnas; by default as optnas run")
    parser.add_argument("--eager", action="store_true", help="optnas without CUDA graphs")
    parser.add_argument("--best-threads", action="store_true", help="also run today's loop with 1 thread")
    parser.add_argument("--tuned", action="store_true", help="also run the loop tuned by hand")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    threads = torch.get_num_threads()
    device = default_device(arguments.device)
    on_cuda = device.type == "cuda"
    parts = dataset(arguments.data, arguments.root, arguments.samples).splits
    pool = OptnasPool(arguments)
    contestants: dict[str, Callable[[list[str]], list[float]]] = {"optnas": pool.train}
    contestants |= loops(arguments, parts, device, threads)

    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    accuracies: dict[str, list[float]] = {name: [] for name in contestants}
    busy: dict[str, list[float]] = {name: [] for name in contestants}
    flops = 0
    searching = space(parts.train.shape[-1])
    for seed in range(arguments.seeds):
        texts = [str(searching.sample(1000 * seed + i)) for i in range(arguments.architectures)]
        forward = sum(parse(text).cost(parts.train.shape).flops for text in texts)
        flops += 3 * forward * len(parts.train) * arguments.epochs * arguments.rounds
        for _ in range(arguments.rounds):
            for name, train in contestants.items():
                with watched(uuid(device)) if on_cuda else contextlib.nullcontext([]) as samples:
                    started = time.perf_counter()
                    accuracies[name] += train(texts)
                    seconds[name].append(time.perf_counter() - started)
                busy[name] += samples
    pool.close()
    rates = {name: flops / sum(seconds[name]) for name in contestants} if on_cuda else {}
    report(arguments, seconds, accuracies, busy, rates)


def loops(
    arguments: argparse.Namespace, parts: data.Splits, device: torch.device, threads: int
) -> dict[str, Callable[[list[str]], list[float]]]:
    """Return the loops to compare with: each trains architectures and returns their accuracies."""

    def with_threads(count: int) -> Callable[[list[str]], list[float]]:
        return lambda texts: accuracies_of(todays_loop(texts, parts, arguments.epochs, device, count))

    found = {f"today's loop, {threads} threads": with_threads(threads)}
    if arguments.best_threads:
        found["today's loop, 1 thread"] = with_threads(1)
    if arguments.tuned:
        found["tuned loop"] = lambda texts: accuracies_of(
            tuned_loop(texts, parts, arguments.epochs, device, threads)
        )
    return found


def report(
    arguments: argparse.Namespace,
    seconds: dict[str, list[float]],
    accuracies: dict[str, list[float]],
    busy: dict[str, list[float]],
    rates: dict[str, float],
) -> None:
    """Print the figures, and write them where they are asked for."""
    figures: dict[str, dict[str, float | None]] = {
        name: {
            "trials_per_hour": 3600 * arguments.architectures / statistics.median(seconds[name]),
            "mean_accuracy": statistics.mean(accuracies[name]),
            "optnas_is_faster_by": statistics.median(
                theirs / ours for theirs, ours in zip(seconds[name], seconds["optnas"], strict=True)
            ),
        }
        for name in seconds
    }
    for name, rate in rates.items():
        figures[name]["gpu_busy"] = statistics.mean(busy[name]) if busy[name] else None
        figures[name]["flops_per_second"] = rate
    table = Table(
        title=f"{arguments.data}, {arguments.architectures} architectures, {arguments.epochs} epochs,"
        f" {cores()} cores, {default_device(arguments.device)}"
    )
    for column in ("", "trials/h", "optnas is faster by", "mean validation accuracy"):
        table.add_column(column, justify="left" if not column else "right")
    if rates:
        table.add_column("GPU busy", justify="right")
        table.add_column("TFLOP/s", justify="right")
    for name, figure in figures.items():
        table.add_row(
            name,
            f"{figure['trials_per_hour']:,.0f}",
            f"{figure['optnas_is_faster_by']:.2f} ×",
            f"{figure['mean_accuracy']:.4f}",
            *(_on_gpu(figure) if rates else ()),
        )
    Console().print(table)
    machine: dict[str, float] = {"cores": cores()}
    if rates:
        machine["matrix_flops_per_second"] = matrix_rate(default_device(arguments.device))
        print(f"The GPU multiplies matrices at {machine['matrix_flops_per_second'] / 1e12:.0f} TFLOP/s.")
    if arguments.json:
        arguments.json.write_text(json.dumps({**machine, **figures}, indent=2) + "\n")


def _on_gpu(figure: dict[str, float | None]) -> tuple[str, str]:
    busy, rate = figure["gpu_busy"], figure["flops_per_second"]
    return "–" if busy is None else f"{busy:.0%}", f"{(rate or 0) / 1e12:.2f}"


if __name__ == "__main__":
    main()
