"""The code of every mobile network is short, passes ruff, and has neither exec nor a registry."""

from __future__ import annotations

import ast
import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from optnas import spaces
from optnas.export.python import python_source
from optnas.space import Node
from tests.export.helpers import ruff

SPACE = spaces.mobile()
OPTIONS = {name: getattr(each, "choices", None) for name, each in SPACE.distributions().items()}
DEEPEST = {name: each.high for name, each in SPACE.distributions().items() if name.endswith(".blocks")}
RANDOM = int(os.environ.get("OPTNAS_ARCHITECTURES", "100"))
MOST_LINES = 200
ALLOWED = {"__future__", "collections", "math", "pathlib", "safetensors", "torch"}


def deepest(chosen: dict[str, Any]) -> Node:
    """Return the deepest network of options by name, or by the end of their names."""
    params: dict[str, Any] = dict(DEEPEST)
    for name, choices in OPTIONS.items():
        if name not in params:
            params[name] = chosen.get(name, chosen.get(name.rpartition(".")[2]))
            if params[name] is None:  # a width: the largest or the smallest
                params[name] = max(choices) if chosen["widest"] else min(choices)
    found = SPACE.close(params)
    assert str(found).count("inverted_residual(") == 23
    return found


def extremes() -> Iterator[Node]:
    """Yield the deepest networks of one kind of block alone, each activation and both widths among them."""
    activations = itertools.cycle(OPTIONS["activation"])
    kinds = itertools.product((1, 3, 6), (3, 5, 7), (0.0, 0.25), (True, False))
    for expansion, kernel, squeeze, widest in kinds:
        yield deepest(
            {
                "activation": next(activations),
                "expansion": expansion,
                "kernel": kernel,
                "squeeze": squeeze,
                "widest": widest,
            }
        )


def unlike(rng: random.Random) -> Node:
    """Return a deepest network in whose stages no two blocks are alike, which takes the most lines."""
    chosen: dict[str, Any] = {"activation": rng.choice(OPTIONS["activation"])}
    kinds = list(itertools.product((1, 3, 6), (3, 5, 7), (0.0, 0.25)))
    for name, most in DEEPEST.items():
        stage = name.partition(".")[0]
        chosen[f"{stage}.width"] = rng.choice(OPTIONS[f"{stage}.width"])
        for block, kind in enumerate(rng.sample(kinds, most)):
            chosen |= {
                f"{stage}.block{block}.{option}": value
                for option, value in zip(("expansion", "kernel", "squeeze"), kind, strict=True)
            }
    return deepest(chosen)


def check(networks: list[Node], folder: Path) -> int:
    """Check the code of networks, and return the lines of the longest."""
    longest = 0
    for number, network in enumerate(networks):
        text = python_source(network, (3, 224, 224), {"outputs": 1000}, title="mobile")
        (folder / f"model_{number}.py").write_text(text, encoding="utf-8")
        longest = max(longest, text.count("\n"))
        assert text.count("\n") < MOST_LINES, network
        refuse_machinery(ast.parse(text))
    ruff(folder)
    return longest


def refuse_machinery(tree: ast.Module) -> None:
    """Check that layers are called by their names: nothing is run from texts, and no table has classes."""
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                assert {each.name.split(".")[0] for each in node.names} <= ALLOWED
            case ast.ImportFrom():
                assert str(node.module).split(".")[0] in ALLOWED
            case ast.Name():
                assert node.id not in {"exec", "eval", "compile", "getattr", "globals", "locals", "vars"}
                assert node.id not in {"__import__", "importlib", "type"}
            case ast.Dict():
                assert not any(isinstance(value, ast.Name | ast.Attribute) for value in node.values)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_the_deepest_networks_of_one_kind_of_block_are_short(tmp_path: Path) -> None:
    networks = list(extremes())
    assert len({str(each) for each in networks}) == 36
    check(networks, tmp_path)


def test_the_deepest_networks_of_blocks_that_differ_are_short(tmp_path: Path) -> None:
    rng = random.Random(0)
    # The longest that there are: the figure shows how far from the bound.
    assert 100 < check([unlike(rng) for _ in range(10)], tmp_path) < MOST_LINES


@pytest.mark.slow
def test_random_networks_are_short(tmp_path: Path, record_property: Any, capsys: Any) -> None:
    rng = random.Random(0)
    sampled = check([SPACE.sample(rng) for _ in range(RANDOM)], tmp_path)
    deep = check([unlike(rng) for _ in range(RANDOM)], tmp_path)
    record_property("longest", f"{sampled} lines, of the deepest {deep}")
    with capsys.disabled():
        print(f"\n{RANDOM} random mobile networks: at most {sampled} lines; {RANDOM} of the deepest: {deep}")


@pytest.mark.parametrize(
    "text",
    [
        "exec('x = 1')",
        "getattr(torch.nn, name)",
        "import optnas",
        "from optnas import ops",
        "LAYERS = {'conv': nn.Conv2d, 'relu': nn.ReLU}",
    ],
)
def test_machinery_would_be_seen(text: str) -> None:
    with pytest.raises(AssertionError):
        refuse_machinery(ast.parse(text))
