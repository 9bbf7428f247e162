"""A network of several inputs and heads, from its trial to predictions in another process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import optnas
from optnas import UserError
from optnas.drawing.table import ArchitectureTable
from optnas.page.details import details
from optnas.reports.about import about
from optnas.run.files import load_study
from optnas.run.lookup import find_study
from optnas.space.shapes import Shapes
from tests.files import assert_refused, call

STUDY = """
import torch
from torch.nn.functional import cross_entropy, mse_loss
from optnas import *

rng = torch.Generator().manual_seed(0)
users = torch.randint(0, 9, (240, 1), generator=rng)
pictures = torch.randint(0, 256, (240, 6, 6, 3), generator=rng, dtype=torch.uint8)
bright = pictures.float().mean((1, 2, 3))
values = 100 + 7 * (users[:, 0] % 2) + bright / 10


class Both(tasks.Task):
    data = data.tensors(
        {"user": users, "picture": pictures},
        {"kind": users[:, 0] % 3, "value": values},
        kinds={"user": "ids"},
        name="both",
    )
    metrics = ("accuracy", "mse")
    output_shape = {"kind": (3,), "value": (1,)}
    context = {}
    output_scale = {"value": (torch.tensor(4.0), torch.tensor(116.0))}

    def loss(self, outputs, targets):
        scaled = (targets["value"] - 116) / 4
        return cross_entropy(outputs["kind"], targets["kind"]) + mse_loss(outputs["value"][:, 0], scaled)

    def measure(self, outputs, targets):
        off = outputs["value"][:, 0] * 4 + 116 - targets["value"]
        right = outputs["kind"].argmax(1) == targets["kind"]
        return {"accuracy": right.float().mean().item(), "mse": (off**2).mean().item()}


WIDTH = choose(4, 8, name="width")

study = Study(
    name="two",
    space=ops.seq(
        ops.branch(
            ops.seq(ops.input("user"), ops.embedding(WIDTH, vocabulary=9), ops.flatten()),
            ops.seq(ops.input("picture"), ops.conv(4), ops.relu(), ops.head(4)),
            merge="concat",
        ),
        ops.fork(kind=ops.linear(3), value=ops.linear(1)),
    ),
    task=Both(),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=2, lr=1e-2),
)
"""

PREDICT = """
import json, torch, optnas
given = torch.load("given.pt")
outputs = optnas.load("net")(given)
print(json.dumps({name: each.tolist() for name, each in outputs.items()}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of two trials, and the network of the first one in ``net``."""
    path = tmp_path_factory.mktemp("several")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.delenv("OPTNAS_STORAGE", raising=False)
        Path("two.py").write_text(STUDY)
        for command in ("run two.py --trials 2 --workers 1", "train two.py --trial 0 --out net"):
            done = call(*command.split())
            assert done.exit_code == 0, done.output
            assert "damaged" not in done.output
    return path


@pytest.fixture(autouse=True)
def _in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)


def test_another_process_predicts_from_the_inputs_as_they_were_given() -> None:
    task = load_study("two.py").task
    assert task is not None
    rng = torch.Generator().manual_seed(0)
    given = {
        "user": torch.randint(0, 9, (240, 1), generator=rng),
        "picture": torch.randint(0, 256, (240, 6, 6, 3), generator=rng, dtype=torch.uint8),
    }
    torch.save(given, "given.pt")
    told = subprocess.run([sys.executable, "-c", PREDICT], capture_output=True, text=True, check=True)
    outputs = {name: torch.tensor(each) for name, each in json.loads(told.stdout).items()}
    # The task's own metrics, by outputs that the folder converts to the unit of the targets.
    test = task.data.splits.test
    places = [
        int((given["picture"] == x.permute(1, 2, 0)).all((1, 2, 3)).nonzero()) for x in test.x["picture"]
    ]
    found = {"kind": outputs["kind"][places], "value": (outputs["value"][places] - 116) / 4}
    kept = json.loads(Path("net/metrics.json").read_text())["test"]
    measured = {name: each["mean"] for name, each in kept.items()}
    assert task.measure(found, test.y) == pytest.approx(measured, rel=1e-4)


def test_what_the_network_takes_is_said_by_its_card_and_by_what_it_refuses() -> None:
    card = Path("net/README.md").read_text()
    assert "user: ids, whole numbers from 0 to 8, of the shape (samples, 1)" in card
    assert "picture: arrays of the shape (samples, 6, 6, 3) of whole numbers from 0 to 255, not norm" in card
    code = card.split("```python\n")[1].split("```")[0]
    found: dict[str, Any] = {}
    with contextlib.chdir("net"):
        exec(code, found)  # as its reader would
    assert {name: each.shape for name, each in found["predictions"].items()} == {
        "kind": (1, 3),
        "value": (1, 1),
    }
    with pytest.raises(UserError, match="takes a dictionary of user, picture"):
        optnas.load("net")(torch.zeros(1, 6, 6, 3))


def test_the_record_says_the_shape_of_each_input_and_what_shows_it_has_it() -> None:
    study = find_study("sqlite:///optnas.db", None)
    known = about(study)
    assert known.shape == Shapes({"user": (1,), "picture": (3, 6, 6)})
    layers = details(study, 1, study.trials[0], "sqlite:///optnas.db")["layers"]
    assert {"kind": [3], "value": [1]} in [row["shape"] for row in json.loads(json.dumps(layers))]
    shown = call("show", 0, "--layers").output
    assert "kind 3, value 1" in shown
    assert call("report", "two.py").exit_code == 0
    assert "user 1, picture 3×6×6" in Path("report.html").read_text()


def test_inputs_and_heads_are_ablated_though_the_task_measures_no_loss() -> None:
    told = call("explain", "two.py", "--run", "net", "--json")
    found = json.loads(told.stdout)
    assert {"accuracy", "mse", "loss"} == found["metrics"].keys()
    ablated = {each["part"]: each for each in found["ablations"]}
    assert ablated["input('picture')"]["how"] == "averaged"
    assert "linear(1)" in ablated
    assert "input('user')" not in ablated  # the mean of ids is none
    assert ablated["linear(3)"]["metrics"]["mse"] == found["metrics"]["mse"]
    assert ablated["linear(1)"]["metrics"]["mse"] != found["metrics"]["mse"]


def test_shapes_of_several_inputs_are_given_by_name_to_be_drawn() -> None:
    text = Path("net/architecture.txt").read_text().strip()
    drawn = call("draw", text, "--shape", "user=1", "--shape", "picture=3x6x6", "-o", "net.svg")
    assert drawn.exit_code == 0, drawn.output
    svg = Path("net.svg").read_text()
    for said in ("user", "picture", "3×6×6", "kind", "value"):
        assert said in svg
    assert "takes one tensor" not in svg
    assert_refused(call("draw", text, "--shape", "user=1", "--shape", "3x6x6"), "give each by name")
    assert_refused(call("draw", text, "--shape", "user=1", "--shape", "user=2"), "has a shape already")
    table = optnas.parse(text).table({"user": (1,), "picture": (3, 6, 6)})
    assert isinstance(table, ArchitectureTable)
    assert table.total["params"] == sum(each.numel() for each in optnas.load("net")[1].parameters())
