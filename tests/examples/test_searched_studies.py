"""Ready studies of all tasks: what networks cost, and the way from a search to predictions elsewhere."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import optnas
from optnas import Study
from optnas.data.normalize import Each, Normalize, Normalized
from optnas.data.trees import Tree, leaves, mapped, shape_of
from optnas.run.files import load_study
from optnas.space.shapes import as_shape
from optnas.train.loop import evaluate
from tests.export.helpers import one_library
from tests.files import REPOSITORY, call

NEEDS = {"cartpole": "gymnasium", "detection": "pycocotools"}
NAMES = (
    "anomalies",
    "cartpole",
    "detection",
    "diffusion",
    "forecasting",
    "gan",
    "recommending",
    "segmentation",
    "speech",
    "translation",
)


def studies() -> list[Any]:
    """Return the studies as parameters of a test, skipped where a package is missing."""

    def marks(name: str) -> Iterator[Any]:
        if (needed := NEEDS.get(name)) is not None:
            yield pytest.mark.skipif(find_spec(needed) is None, reason=f"{needed} is missing")

    return [pytest.param(name, marks=[*marks(name)]) for name in NAMES]


ARCHITECTURES = 5
TRIALS, SAMPLES = 2, 240
ONE = ("--workers", 1, "--threads", 1)  # which are not measured then

# What predictions of the sample in a model card are: their shape, or the length of a list.
ANSWERS = {
    "anomalies": (1, 2),
    "cartpole": (1, 2),
    "detection": 1,
    "diffusion": (4, 1, 8, 8),
    "forecasting": (1, 12),
    "gan": (4, 1, 8, 8),
    "recommending": (1, 1),
    "segmentation": (1, 32, 32),
    "speech": 1,
    "translation": 1,
}

# Does for each folder what its model card says, and saves what its network predicts of raw.pt there.
PREDICT = """
import contextlib, io, os, pathlib, re, sys
import torch, optnas
torch.set_num_threads(1)
for line in sys.stdin:
    found = {}
    try:
        os.chdir(line.rstrip())
        with torch.inference_mode():
            torch.save(optnas.load("won")(torch.load("raw.pt")), "predicted.pt")
            card = pathlib.Path("won/README.md").read_text()
            os.chdir("won")
            first, *others = re.findall("^```python\\n(.*?)\\n```$", card, re.DOTALL | re.MULTILINE)
            assert len(others) == 2
            with contextlib.redirect_stdout(io.StringIO()):
                exec(first, found)
                for code in others:
                    exec(code, {})
        answer = found["predictions"]
        print(repr(tuple(answer.shape) if hasattr(answer, "shape") else len(answer)), flush=True)
    except Exception as error:
        print(repr(error), flush=True)
"""


@functools.cache
def study_of(name: str) -> Study:
    return load_study(str(REPOSITORY / "studies" / f"{name}.py"))


@functools.cache
def prepared(name: str, samples: int) -> Tree:
    """Return validation inputs as the networks of a study take them."""
    parts = study_of(name).task.data.splits  # type: ignore[union-attr]
    return parts.prepare(mapped(lambda each: each[:samples], parts.validation.x))


@pytest.mark.parametrize("name", studies())
def test_networks_of_a_study_cost_what_is_counted(name: str) -> None:
    study = study_of(name)
    assert study.task is not None
    x = mapped(lambda each: each.to("meta"), prepared(name, 1))
    seen = set()
    for seed in range(ARCHITECTURES):
        trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed)).ask()
        architecture = study.suggest(trial).architecture
        seen.add(str(architecture))
        cost = architecture.cost(study.shape, **study.context)
        with torch.device("meta"):
            module = architecture.build(study.shape, **study.context).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            out = module(x)
        assert cost.flops == counter.get_total_flops()
        assert cost.params == sum(parameter.numel() for parameter in module.parameters())
        assert cost.shape == shape_of(out)
        if study.task.output_shape is not None:
            assert cost.shape == as_shape(study.task.output_shape)
    assert len(seen) > 1


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Any]:
    """A process that has nothing but the folders whose names it gets."""
    process = subprocess.Popen(
        [sys.executable, "-c", PREDICT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def predict(folder: Path) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        print(folder, file=process.stdin, flush=True)
        return process.stdout.readline()

    yield predict
    process.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("name", studies())
def test_the_winner_of_a_short_search_is_trained_and_predicts_alike_in_a_fresh_process(
    name: str, elsewhere: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    for module, what in ((optnas, "Training"), (optnas.data, "tensors"), (optnas.data, "pairs")):
        monkeypatch.setattr(module, what, functools.partial(_SHORTER[what], getattr(module, what)))
    file = REPOSITORY / "studies" / f"{name}.py"
    searched = call("run", file, "--trials", TRIALS, *ONE, "--no-publish")
    assert searched.exit_code == 0, searched.output
    assert f"{TRIALS} complete" in searched.output
    assert "Beside it: " in searched.output
    best = optuna.load_study(study_name=name, storage="sqlite:///optnas.db").best_trials[0]
    trained = call("train", file, "--trial", best.number, "--threads", 1, "--out", "won")
    assert trained.exit_code == 0, trained.output

    for form in ("onnx", "torch-export"):
        with one_library():
            exported = call("export", "won", "--format", form)
        assert exported.exit_code == 0, exported.output

    study = load_study(str(file))
    assert study.task is not None
    parts, architecture = study.task.data.splits, study.candidate(best.params).architecture
    network: nn.Module = architecture.build(study.shape, **study.context).eval()
    network.load_state_dict(load_file("won/model.safetensors"))
    told = json.loads(Path("won/metrics.json").read_text())["test"]
    measured = evaluate(network, study.task, parts.test, parts.prepare)
    assert {each: told[each]["mean"] for each in told} == pytest.approx(measured, rel=1e-4, nan_ok=True)

    x = mapped(lambda each: each[:5], parts.validation.x)
    torch.save(_as_given(parts.prepare, x), "raw.pt")
    assert elsewhere(tmp_path) == f"{ANSWERS[name]}\n"
    with torch.inference_mode():
        expected = _in_units(study, network(parts.prepare(x)))
    found = torch.load("predicted.pt")
    assert shape_of(found) == shape_of(expected)
    for ours, theirs in zip(leaves(found), leaves(expected), strict=True):
        assert ours.isfinite().all()
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def _briefly(make: Any, **given: Any) -> Any:
    return make(**{**given, "epochs": 1, "hopeless_after": 0})


def _few(make: Any, x: Any, y: Any, **given: Any) -> Any:
    return make(*(mapped(lambda each: each[:SAMPLES], tree) for tree in (x, y)), **given)


# Where it is not the training of a study but the evaluation that takes long, there are fewer samples.
_SHORTER = {"Training": _briefly, "tensors": _few, "pairs": _few}


def _as_given(prepare: Any, stored: Tree) -> Tree:
    """Return inputs as they were before the data was normalised and its axes were brought in order."""
    if isinstance(prepare, Each):
        return mapped(_as_given, prepare.by, stored)
    figures = prepare.by if isinstance(prepare, Normalized) else prepare
    if not isinstance(figures, Normalize):
        return stored
    x: Tensor = stored
    if isinstance(prepare, Normalized):
        x = x * figures.deviation + figures.mean
    return x if figures.axes is None else x.permute([figures.axes.index(axis) for axis in range(x.ndim)])


def _in_units(study: Study, outputs: Tree) -> Tree:
    """Return outputs in the unit of the targets, as the task says it."""
    assert study.task is not None
    scale = study.task.output_scale
    if scale is None:
        return outputs
    deviation, mean = scale
    return outputs * deviation + mean
