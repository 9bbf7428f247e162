"""Exported files predict for raw samples what the network did, where everything else is gone."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import optnas
import optnas.export
from optnas.export import FORMATS, export
from optnas.export.openvino import core
from optnas.export.samples import made_up
from optnas.export.traced import CannotExport
from tests.export.helpers import one_library
from tests.files import call
from tests.winner import test_predicting, test_raw_inputs
from tests.winner.test_raw_inputs import STUDY, WIDTH

README = Path(optnas.export.__file__).parent / "README.md"
RUN = [name for name in FORMATS if name != "safetensors"]
TABLE = (
    f"ops.linear({WIDTH}), ops.relu(), ops.head()",
    'tasks.regression(data.csv("houses.csv", target="price"))',
    'minimize("rmse")',
)
KINDS = {**test_raw_inputs.KINDS, "table": TABLE}
# What the README calls them.
CALLED = {"pictures": "pictures", "text": "texts", "series": "series", "table": "table"}

# The README's code, and then the other files that there are on the same arrays: none of it has optnas.
BY_HAND = """
import sys
sys.modules["optnas"] = None
import os, pickle
given = pickle.load(open("given", "rb"))[0]
{code}
found = {{"onnx": outputs}}
others = {{}}
if os.path.exists("model.xml"):
    import openvino
    compiled = openvino.Core().compile_model("model.xml", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
    others["openvino"] = compiled(feed)[compiled.outputs[0]]
import torch
torch.set_num_threads(1)
x = {{name: torch.from_numpy(each) for name, each in feed.items()}}
x = x["input"] if list(x) == ["input"] else x
sys.path.insert(0, "python")
import model as code
for name, module in (("torch-export", torch.export.load("model.pt2").module()), ("python", code.load())):
    with torch.inference_mode():
        others[name] = module(x).numpy()
for name, outputs in others.items():
{end}
    found[name] = outputs
pickle.dump(found, open("by_hand", "wb"))
"""

# Predicts for raw samples by the schema that an ONNX file has in it, and optnas.
BY_SCHEMA = """
del sys.modules["optnas"]
sys.path.append({path!r})
from optnas.answers import answer_of
from optnas.data.schemas import schema_of

schema, answer = schema_of(json.loads(about["optnas.input"])), answer_of(json.loads(about["optnas.answer"]))

def run(x):
    x = x if isinstance(x, dict) else {{"input": x}}
    feed = {{}}
    for each in session.get_inputs():
        array = x[each.name].numpy()
        feed[each.name] = array.astype(types.get(each.type, array.dtype))
    return torch.from_numpy(session.run(None, feed)[0])

given, options = pickle.load(open("given", "rb"))
answers = answer(run, schema.tensors(given), **options)
pickle.dump(answers.select_dtypes("number"), open("by_schema", "wb"))
"""


def blocks() -> dict[str, str]:
    """Return the code that the README has for those without optnas, by the name in its first line."""
    text = README.read_text(encoding="utf-8").split("## Predicting without optnas\n")[1].split("\n## ")[0]
    return dict(re.findall(r"```python\n# (\w+)\n(.*?)```", text, flags=re.DOTALL))


def by_hand(kind: str) -> str:
    found = blocks()
    assert set(found) == {"begin", *CALLED.values(), "end"}
    # What is read out of outputs, which comes behind the run.
    end = found["end"].split("[0]\n", 1)[1]
    indented = "\n".join(f"    {line}" for line in end.splitlines())
    return BY_HAND.format(code="\n".join([found["begin"], found[CALLED[kind]], found["end"]]), end=indented)


def made(kind: str) -> Any:
    """Write the data of a study, and return raw samples that it does not have."""
    if kind != "table":
        return test_raw_inputs.made(kind)
    rows = test_predicting.houses()
    held = rows.iloc[::8].reset_index(drop=True)
    rows.drop(index=rows.index[::8]).to_csv("houses.csv", sep=";", index=False)
    assert (held == "").any(axis=None)
    assert (held == "n/a").any(axis=None)
    return held


def in_process(script: str, folder: Path) -> None:
    """Run a script in a directory that holds nothing but exported files."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_files_alone_predict_for_raw_samples_what_the_trained_network_did(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    (elsewhere / "python").mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    held = made(kind)
    space, task, objective = KINDS[kind]
    Path("study.py").write_text(STUDY.format(space=space, task=task, objective=objective))
    for command in (
        "run study.py --trials 1 --workers 1 --no-publish",
        "train study.py --trial 0 --out won",
    ):
        done = call(*command.split(), "--threads", 1)
        assert done.exit_code == 0, done.output
    model = optnas.load("won")
    options = {"probabilities": True} if kind == "text" else {}
    expected = (
        model.predict(held, **options).select_dtypes("number").drop(columns="probability", errors="ignore")
    )
    # A time of the day is lost in the float32 that OpenVINO computes in: seconds since 1970 have ten digits.
    refused = ["openvino"] if kind == "table" else []
    with one_library():
        for name in RUN:
            form = FORMATS[name]
            path = elsewhere / ("python" if form.in_folder else "") / f"model{form.suffix}"
            if name in refused:
                with pytest.raises(CannotExport, match="would differ from PyTorch"):
                    export(model, form, path, made_up(model.schema, 20), timing=None)
                continue
            export(model, form, path, made_up(model.schema, 20), timing=None)
    (elsewhere / "given").write_bytes(pickle.dumps((held, options)))
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(here)

    package = str(Path(optnas.__file__).parents[1])
    in_process(by_hand(kind) + BY_SCHEMA.format(path=package), elsewhere)
    found = pickle.loads((elsewhere / "by_schema").read_bytes())
    largest = max(1.0, expected.abs().to_numpy().max())
    pandas.testing.assert_frame_equal(
        found[list(expected)], expected, check_exact=False, rtol=0, atol=1e-5 * largest
    )
    outputs = pickle.loads((elsewhere / "by_hand").read_bytes())
    assert set(outputs) == {name for name in RUN if name not in refused}
    for name, each in outputs.items():
        apart = np.abs(each - expected.to_numpy()).max() / largest
        assert apart < 1e-5, name


def test_every_file_says_what_goes_in_and_what_comes_out(tmp_path: Path) -> None:
    import torch
    from safetensors import safe_open

    from optnas import parse
    from tests.export.helpers import bytes_of_pictures, model_of, traced_of, written

    model = model_of(parse("seq(conv(2), head(outputs=2))"), bytes_of_pictures((3, 6, 6)))
    traced = traced_of(model)
    told = json.loads(traced.schema)["input"]
    assert told["kind"] == "array"
    with one_library():
        path = written(FORMATS["openvino"], traced, tmp_path)
    kept = core().read_model(path).get_rt_info(["framework", "optnas.input"])
    assert json.loads(kept.astype(str)) == told
    extra = {"optnas.json": ""}
    torch.export.load(written(FORMATS["torch-export"], traced, tmp_path), extra_files=extra)
    assert json.loads(extra["optnas.json"])["input"] == told
    for name in ("python", "safetensors"):
        file = written(FORMATS[name], traced, tmp_path).with_suffix(".safetensors")
        with safe_open(file, framework="pt") as opened:
            assert json.loads(opened.metadata()["optnas.schema"])["input"] == told
