"""Is it faster to train several seeds of one network together, by ``torch.func``, than one after the other?

    python examples/benchmarks/seeds_together.py --seeds 4 --epochs 3 --json

The weights of all seeds are stacked, and a step is ``vmap`` of the gradient of one network ("Model
ensembling" in PyTorch's tutorials); Adam is elementwise, so that one optimiser of stacked weights is as many
optimisers. Both ways are plain loops on the same batches, on one thread: each seed has its own order of the
samples. It prints the processor seconds of both, how many times faster together is, and how far the
accuracies of a seed are apart. What was found stands in ``optnas/winner/processes.py``.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from optnas import data, parse

NETWORKS = {
    "dense": "seq(flatten, linear(64), relu, linear(64), relu, linear(10))",
    "chain": "seq(conv(16), relu, conv(16), relu, maxpool(2), head)",
    "chain with norms": "seq(seq(conv(16), norm, relu), seq(conv(16), norm, relu), maxpool(2), head)",
    "separable": "seq(sepconv(32), relu, sepconv(32), relu, maxpool(2), head)",
}
_BATCH, _RATE = 64, 3e-3


def networks(text: str, seeds: int) -> list[nn.Module]:
    """Return the network with the first weights of each seed."""
    found = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        found.append(parse(text).build((1, 8, 8), outputs=10))
    return found


def orders(samples: int, seeds: int, epochs: int) -> Tensor:
    """Return the samples of each step and seed, shape (steps, seeds, batch)."""
    found = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        whole = [torch.randperm(samples, generator=generator) for _ in range(epochs)]
        found.append(torch.cat([order[: samples // _BATCH * _BATCH].view(-1, _BATCH) for order in whole]))
    return torch.stack(found, dim=1)


def one_by_one(modules: list[nn.Module], x: Tensor, y: Tensor, steps: Tensor) -> list[nn.Module]:
    """Train each network on its batches."""
    for seed, module in enumerate(modules):
        optimizer = torch.optim.Adam(module.parameters(), lr=_RATE, foreach=True)
        module.train()
        for batch in steps[:, seed]:
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(module(x[batch]), y[batch]).backward()
            optimizer.step()
    return modules


def together(modules: list[nn.Module], x: Tensor, y: Tensor, steps: Tensor) -> list[nn.Module]:
    """Train all networks at once, by stacked weights."""
    for module in modules:
        module.train()
    weights, buffers = stack_module_state(modules)
    base = copy.deepcopy(modules[0]).to("meta")

    def loss(weights: Any, buffers: Any, x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(functional_call(base, (weights, buffers), (x,)), y)

    step = vmap(grad_and_value(loss), randomness="different")
    optimizer = torch.optim.Adam(weights.values(), lr=_RATE, foreach=True)
    for batches in steps:
        gradients, _ = step(weights, buffers, x[batches], y[batches])
        for name, weight in weights.items():
            weight.grad = gradients[name]
        optimizer.step()
    for seed, module in enumerate(modules):
        state = {name: each[seed].detach() for name, each in {**weights, **buffers}.items()}
        module.load_state_dict(state)
    return modules


def accuracies(modules: list[nn.Module], x: Tensor, y: Tensor) -> list[float]:
    """Return each network's share of right answers."""
    with torch.inference_mode():
        return [(each.eval()(x).argmax(dim=1) == y).float().mean().item() for each in modules]


def compared(text: str, seeds: int, epochs: int, repeats: int) -> dict[str, Any]:
    """Return the least seconds of both ways over ``repeats``, in turns, and the accuracies."""
    splits = data.digits().splits
    x, held_out = (splits.prepare(part.x) for part in (splits.train, splits.validation))
    y, steps = splits.train.y, orders(len(x), seeds, epochs)
    seconds: dict[str, list[float]] = {"one_by_one": [], "together": []}
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name, train in (("one_by_one", one_by_one), ("together", together)):
            modules, begun = networks(text, seeds), time.process_time()
            modules = train(modules, x, y, steps)
            seconds[name].append(time.process_time() - begun)
            found[name] = accuracies(modules, held_out, splits.validation.y)
    least = {name: min(each) for name, each in seconds.items()}
    apart = [abs(a - b) for a, b in zip(*found.values(), strict=True)]
    return {
        "seconds": least,
        "times_faster": least["one_by_one"] / least["together"],
        "accuracy": found,
        "most_apart": max(apart),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {
        name: compared(text, options.seeds, options.epochs, options.repeats)
        for name, text in NETWORKS.items()
    }
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for name, each in results.items():
        seconds = each["seconds"]
        print(
            f"{name}: {seconds['one_by_one']:.2f} s one by one, {seconds['together']:.2f} s together,"
            f" {each['times_faster']:.2f} times as fast, accuracies apart by {each['most_apart']:.4f} at most"
        )


if __name__ == "__main__":
    main()
