"""Digests of the user's own code: changed by what changes the outcome, and by nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import nn

from optnas import ops
from optnas.space.source import digest_of

HELPERS = """
LIMIT = 3
def limited(x):
    return x.clamp(max=LIMIT)
"""
TEXT = '''
from __future__ import annotations
import torch
from torch import nn
import {helpers} as helpers

FACTOR = 2.0
TABLE = {{"a": (1, 2), "b": torch.tensor([1.0, 2.0])}}

def times(x, by):
    """Times."""
    return x * by * FACTOR + TABLE["a"][0]

class Base(nn.Module):
    scale = 5
    def forward(self, x):
        return helpers.limited(times(x, self.scale))

class Layer(Base):
    """A layer."""
    def __init__(self, in_features, bias=True):
        super().__init__()
        self.weights = nn.Linear(in_features, in_features, bias)
    @property
    def name(self):
        return "layer"

def of(power):
    return lambda x: x ** power

square = of(2)

def function(x, more=1):
    return [times(each, more) for each in x]
'''


def loaded(folder: Path, text: str = TEXT, helpers: str = HELPERS, name: str = "own") -> ModuleType:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}_helpers.py").write_text(helpers)
    path = folder / f"{name}.py"
    path.write_text(text.format(helpers=f"{name}_helpers"))
    sys.path.insert(0, str(folder))
    # A file written again within its second at its old size would be read from Python's cache.
    caching, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        sys.modules.pop(f"{name}_helpers", None)
        spec = spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = caching
    return module


def digests(module: ModuleType) -> list[str]:
    return [digest_of(getattr(module, name)) for name in ("Layer", "square", "function")]


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("x * by * FACTOR", "x + by * FACTOR", "Layer function"),
        ("FACTOR = 2.0", "FACTOR = 2.5", "Layer function"),
        ('"a": (1, 2)', '"a": (1, 3)', "Layer function"),
        ("tensor([1.0, 2.0])", "tensor([1.0, 2.5])", "Layer function"),
        ("scale = 5", "scale = 6", "Layer"),
        ("helpers.limited(times(x, self.scale))", "helpers.limited(times(x, 1))", "Layer"),
        ("bias=True", "bias=False", "Layer"),
        ("class Layer(Base)", "class Layer(nn.Sequential, Base)", "Layer"),
        ('return "layer"', 'return "other"', "Layer"),
        ("of(2)", "of(3)", "square"),
        ("x ** power", "x * power", "square"),
        ("more=1", "more=2", "function"),
    ],
)
def test_what_changes_the_outcome_changes_the_digest_of_what_depends_on_it(
    old: str, new: str, changed: str, tmp_path: Path
) -> None:
    assert TEXT.count(old) == 1
    before, after = digests(loaded(tmp_path)), digests(loaded(tmp_path / "after", TEXT.replace(old, new)))
    differ = [one != other for one, other in zip(before, after, strict=True)]
    assert differ == [name in changed.split() for name in ("Layer", "square", "function")]


def test_a_helper_of_another_file_of_one_s_own_counts(tmp_path: Path) -> None:
    before = digests(loaded(tmp_path))
    after = digests(loaded(tmp_path, helpers=HELPERS.replace("LIMIT = 3", "LIMIT = 4")))
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, False, False]


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("return x * by", "# so\n    return  x *  by"),
        lambda text: text.replace('"""Times."""', '"""x times ``by``,\n    and so on."""'),
        lambda text: text.replace('"""A layer."""', '"""Another text."""'),
        lambda text: "# A comment.\n\nUNUSED = 7\n" + text.replace("from __future__ import annotations", ""),
        lambda text: text.replace('"layer"', "'layer'"),
        lambda text: text + "\ndef other(x):\n    return times(x, 1)\n",
    ],
)
def test_comments_layout_and_what_is_not_used_do_not_count(edit: Any, tmp_path: Path) -> None:
    assert digests(loaded(tmp_path, edit(TEXT))) == digests(loaded(tmp_path / "before"))


def test_every_process_folder_and_module_has_the_same_digests(tmp_path: Path) -> None:
    here = digests(loaded(tmp_path / "elsewhere", name="other_name"))
    loaded(tmp_path)
    script = (
        "import own, optnas; from optnas.space.source import digest_of;"
        "print(*(digest_of(each) for each in (own.Layer, own.square, own.function)))"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
        printed = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert printed.stdout.split() == here


def test_code_without_a_source_is_told_apart_by_its_instructions() -> None:
    def executed(text: str) -> Any:
        namespace: dict[str, Any] = {}
        exec(text, namespace)
        return namespace["f"]

    one, same, other = map(
        executed, ("def f(x): return x + 1", "\ndef f(x):\n  return x + 1", "def f(x): return x + 2")
    )
    assert digest_of(one) == digest_of(same) != digest_of(other)


def test_lambdas_of_one_line_are_told_apart() -> None:
    one, other = (lambda x: x + 1), (lambda x: x + 2)
    assert digest_of(one) != digest_of(other)


def test_weights_and_what_is_random_do_not_count() -> None:
    layers = [nn.Linear(2, 2), nn.Linear(2, 2)]
    one, other = (digest_of(lambda x, layer=layer: layer(x)) for layer in layers)
    assert one == other


def test_an_op_that_another_one_uses_counts_with_it() -> None:
    def used(by: float) -> Any:
        inner = ops.op(lambda x, by=by: x * by, name="inner_of_source_test")
        return ops.op(lambda x: inner, name="outer_of_source_test").digest

    assert used(1.0) == used(1.0) != used(2.0)
