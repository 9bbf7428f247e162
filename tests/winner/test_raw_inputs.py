"""From a search to predictions for what users have, where the study file and its data are gone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import optnas
from optnas.run.files import load_study
from optnas.winner.model import Model
from tests.cards import run_card
from tests.files import call

STUDY = """
from optnas import Study, Training, choose, data, maximize, minimize, ops, tasks

study = Study(
    name="raw",
    space=ops.seq({space}),
    task={task},
    objectives=[{objective}, minimize("flops")],
    training=Training(epochs=1, batch_size=16, hopeless_after=0),
    sampler="random",
)
"""
WIDTH = 'choose(4, 8, name="width")'
KINDS = {
    "pictures": (
        f"ops.conv({WIDTH}, 3, stride=2), ops.norm(), ops.relu(), ops.head()",
        'tasks.classification(data.image_folder("photos", size=(10, 8), channels=3))',
        'maximize("accuracy")',
    ),
    "text": (
        f"ops.embedding(8), ops.gru({WIDTH}), ops.lm_head()",
        'tasks.language(data.text("text.txt", context=12))',
        'minimize("perplexity")',
    ),
    "series": (
        f'ops.linear({WIDTH}), ops.relu(), ops.flatten(), ops.head()',
        "tasks.forecasting(data.windows(__import__('numpy').load('series.npy'), 8, 3))",
        'minimize("mae")',
    ),
}  # fmt: skip

# Predicts for each folder that it reads of, and says what it read. Its own directory has nothing in it.
ELSEWHERE = """
import json, pickle, sys
import optnas
for line in sys.stdin:
    folder, given, options = json.loads(line)
    found = optnas.load(folder).predict(pickle.load(open(given, "rb")), **options)
    print(json.dumps(found if isinstance(found, (str, list)) else found.to_dict("list")), flush=True)
"""


def photos(root: Path, each: int) -> None:
    rng = np.random.default_rng(0)
    for label, strength in (("dark", 60), ("light", 255)):
        (root / label).mkdir(parents=True)
        for number in range(each):
            pixels = rng.integers(0, strength, (9 + number % 5, 14, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")


def made(kind: str) -> Any:
    """Write the data of a study into this folder, and return raw samples that it does not have."""
    if kind == "pictures":
        photos(Path("photos"), 20)
        photos(Path("../held_out").resolve(), 3)
        return [str(path) for path in sorted(Path("../held_out").resolve().rglob("*.png"))]
    if kind == "text":
        Path("text.txt").write_text("the cat sat on the mat, and the dog on the log.\n" * 60)
        return ["the cat", "a", "the dog sat on the mat, and on the log"]
    steps = np.sin(np.arange(330) / 5)[:, None] * [1, 30] + [0, 1000]
    np.save("series.npy", steps[:300])
    return np.stack([steps[at : at + 8] for at in range(300, 320)])


def expected(kind: str, study: optnas.Study, held: Any, model: Model) -> Any:
    """Return what the network says of raw samples, prepared as the data of the study prepares its own."""
    assert study.task is not None
    splits = study.task.data.splits
    if kind == "pictures":
        again = Path("again")
        for path in held:
            (again / Path(path).parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, again / Path(path).parent.name / Path(path).name)
        both = optnas.data.image_folder("photos", again, size=(10, 8), channels=3).splits
        return model[2](model.network(splits.prepare(both.test.x))).double().softmax(1)
    if kind == "text":
        tokens = {each: place for place, each in enumerate(sorted(set(Path("text.txt").read_text())))}
        windows = [[tokens[each] for each in text[-12:]] for text in held]
        filled = torch.tensor([each + [0] * (12 - len(each)) for each in windows])
        ends = torch.tensor([len(each) - 1 for each in windows])
        return model.network(filled)[torch.arange(len(windows)), ends].double().softmax(1)
    figures = splits.prepare.by
    return model[2](model.network(figures(torch.from_numpy(held))))


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind == "text" else kind for kind in KINDS]
)
def test_raw_samples_have_the_predictions_of_the_trained_network_where_all_else_is_gone(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    held = made(kind)
    space, task, objective = KINDS[kind]
    Path("study.py").write_text(STUDY.format(space=space, task=task, objective=objective))
    train = "train study.py --trial 0 --out won"
    if kind == "series":  # whose tasks ask their data for more than samples
        train += " --seeds 2 --ensemble --all-data"
    for command in ("run study.py --trials 2 --workers 1 --no-publish", train):
        done = call(*command.split(), "--threads", 1)
        assert done.exit_code == 0, done.output
    study = load_study("study.py")
    model = optnas.load("won")
    with torch.inference_mode():
        wanted = expected(kind, study, held, model)
    card_runs(model, tmp_path)
    files_are_read(kind, model, held)
    shutil.move("won", elsewhere / "net")
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(here)

    options = {"text": {"probabilities": True}}.get(kind, {})
    found = pd.DataFrame(predicted(elsewhere, held, options))
    values = found.filter(like="p(") if kind == "pictures" else found
    if kind == "pictures":
        assert list(values) == ["p(dark)", "p(light)"]
        assert set(found["class"]) <= {"dark", "light"}
    assert values.to_numpy() == pytest.approx(wanted.numpy(), abs=1e-5, rel=1e-5)
    if kind == "text":
        written = predicted(elsewhere, held, {"length": 20})
        assert written == model.predict(held, length=20)
        assert [len(each) for each in written] == [20, 20, 20]
        assert predicted(elsewhere, held[0], {"length": 20}) == written[0]


def predicted(folder: Path, given: Any, options: dict[str, Any]) -> Any:
    """Return what a fresh process predicts in a directory that holds nothing but a trained network."""
    import pickle

    (folder / "given").write_bytes(pickle.dumps(given))
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        input=json.dumps(["net", "given", options]) + "\n",
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def files_are_read(kind: str, model: Model, held: Any) -> None:
    """Predict for a file or a folder by the command, and compare with predictions in Python."""
    given = {"pictures": "../held_out", "text": "prompts.txt", "series": "windows.npy"}[kind]
    if kind == "text":
        Path(given).write_text("\n\n".join(held))
    if kind == "series":
        np.save(given, held)
    done = call("predict", "won", given, "--out", "out.csv")
    assert done.exit_code == 0, done.output
    found = pd.read_csv("out.csv")
    if kind == "text":
        assert found["line"].tolist() == [1, 3, 5]
        assert found["prediction"].tolist() == model.predict(held)
        return
    if kind == "pictures":
        assert found.pop("file").tolist() == [
            f"{label}/{i}.png" for label in ("dark", "light") for i in range(3)
        ]
    pd.testing.assert_frame_equal(found, model.predict(held), check_exact=False, atol=1e-6)


def card_runs(model: Model, somewhere: Path) -> None:
    """Run the code of a model card as it is written."""
    (found,) = run_card(Path("won"), somewhere)
    assert found["predictions"] is not None
    card = Path("won/README.md").read_text(encoding="utf-8")
    assert f"model.predict({model.schema.example()})" in card
