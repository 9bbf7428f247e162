"""What users read is what the outputs of networks say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from optnas import UserError, data, tasks
from optnas.answers import (
    Actions,
    Anomalies,
    Answer,
    Boxes,
    Continuation,
    Decoded,
    Forecast,
    Generated,
    PixelClasses,
    Symbols,
    Tags,
    answer_of,
    answer_record,
)
from optnas.data.normalize import Normalize
from optnas.data.schemas import Arrays, Pictures

WORDS = ("<padding>", "<begin>", "<end>", "a", "b")
BYTES = Normalize(torch.full((1, 3, 1, 1), 100.0).double(), torch.full((1, 3, 1, 1), 50.0).double())
EVERY = [
    Actions(),
    Anomalies(),
    Anomalies(0.5),
    Boxes(("cat",), 4, 10),
    Boxes(("cat", "dog"), {"fine": 4, "coarse": 8}, 10),
    Continuation("abc"),
    Continuation(),
    Decoded(WORDS, 5, 2, True),
    Decoded((), 5),
    Forecast(3, ("heat", "rain")),
    PixelClasses(("road", "sky")),
    Symbols(),
    Symbols(("a", "b")),
    Tags(("noun", "verb")),
]


class Puts(nn.Module):
    """A network that always puts out the same."""

    def __init__(self, outputs: Any) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, x: Any) -> Any:
        return self.outputs


class Cycle(nn.Module):
    """A language model that knows which of three characters follows each, and has a window of four."""

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[1] == 4
        return nn.functional.one_hot((x.clamp(min=0).long() + 1) % 3, 3) * 3.0


class Sums(nn.Module):
    """A language model whose next token is the sum of its window's tokens, modulo 3."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.one_hot(x.clamp(min=0).long().cumsum(1) % 3, 3).float()


def kept(answer: Answer) -> Any:
    return answer_of(json.loads(json.dumps(answer_record(answer))))


@pytest.mark.parametrize("answer", EVERY, ids=lambda each: each.kind)
def test_an_answer_comes_back_from_its_record_and_says_what_comes_out(answer: Answer) -> None:
    assert type(kept(answer)) is type(answer)
    assert answer_record(kept(answer)) == answer_record(answer)
    assert len(answer.told()) > 20
    with pytest.raises(TypeError, match="no colour"):
        answer(nn.Identity(), torch.zeros(1), colour=1)


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "boxes", "names": ["a"], "stride": 0, "most": 3},
        {"kind": "boxes", "names": ["a"], "stride": {}, "most": 3},
        {"kind": "boxes", "names": ["a"], "stride": 4, "most": 10**9},
        {"kind": "decoded", "words": list(WORDS), "length": 10**12, "beams": 4, "texts": False},
        {"kind": "decoded", "words": ["a"], "length": 4, "beams": 4, "texts": False},
        {"kind": "forecast", "horizon": 10**9, "features": [""]},
        {"kind": "forecast", "horizon": 3, "features": [3]},
        {"kind": "generated", "like": {"kind": "array"}, "levels": None, "most": 0},
        {"kind": "continuation", "alphabet": "aa"},
        {"kind": "tags", "names": []},
        {"kind": "pixels", "names": [1]},
        {"kind": "anomalies", "threshold": "x"},
        {"kind": "os.system"},
    ],
    ids=lambda each: each["kind"],
)
def test_a_record_of_no_answer_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        answer_of(record)


def test_a_text_is_continued_by_windows_as_long_as_in_training() -> None:
    answer = kept(Continuation("abc"))
    inputs = torch.tensor([[0, -1, -1, -1], [0, 1, 2, 0]])
    assert answer(Cycle(), inputs, length=7) == ["bcabcab", "bcabcab"]
    assert answer(Cycle(), inputs, length=0) == ["", ""]
    assert kept(Continuation())(Cycle(), inputs, length=3) == [[1, 2, 0], [1, 2, 0]]
    written = [0, 1, 2, 2]
    for _ in range(6):
        written.append(sum(written[-4:]) % 3)
    inputs = torch.tensor([written[:4]])
    assert Continuation()(Sums(), inputs, length=6) == [written[4:]]
    inputs = torch.tensor([[0, -1, -1, -1], [0, 1, 2, 0]])
    likely = answer(Cycle(), inputs, probabilities=True)
    assert list(likely.columns) == ["a", "b", "c"]
    assert likely["b"].to_numpy() == pytest.approx(np.exp(3) / (np.exp(3) + 2))


def test_drawn_texts_follow_their_seed_and_number_and_the_temperature() -> None:
    answer = Continuation("abc")
    inputs = torch.tensor([[0, 1, 2, 0]]).expand(3, 4).contiguous()
    drawn = answer(Cycle(), inputs, length=30, temperature=2.0, seed=1)
    assert drawn == answer(Cycle(), inputs, length=30, temperature=2.0, seed=1)
    assert len({*drawn}) == 3
    assert answer.at(2)(Cycle(), inputs[:1], length=30, temperature=2.0, seed=1) == drawn[2:]
    assert answer(Cycle(), inputs, length=30, temperature=2.0, seed=2) != drawn
    assert answer(Cycle(), inputs, length=9, temperature=2.0, top_k=1)[0] == "bcabcabca"
    assert answer(Cycle(), inputs, length=9, temperature=1e-9)[0] == "bcabcabca"
    assert "".join(drawn).count("bca") < 20


@pytest.mark.parametrize(
    "option",
    [
        {"length": -1},
        {"length": 2.5},
        {"length": 10**9},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"seed": -1},
    ],
)
def test_how_a_text_cannot_be_continued_is_one_line(option: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=rf"predict\({next(iter(option))}="):
        Continuation("abc")(Cycle(), torch.zeros(1, 4, dtype=torch.int32), **option)


def test_tags_and_pixels_have_the_names_and_numbers_of_their_classes() -> None:
    logits = torch.tensor([[[2.0, 0.0], [0.0, 1.0]]])
    assert kept(Tags(("noun", "verb"))).read(logits).tolist() == [["noun", "verb"]]
    likely = Tags(("noun", "verb"))(Puts(logits), None, probabilities=True)
    assert likely.sum(-1) == pytest.approx(1.0)
    pixels = logits[:, :, None]
    assert kept(PixelClasses(("road", "sky"))).read(pixels).tolist() == [[[0, 1]]]
    assert PixelClasses(("road", "sky"))(Puts(pixels), None, probabilities=True).shape == (1, 2, 1, 2)


def test_boxes_are_tables_of_named_classes_in_pixels() -> None:
    maps = torch.full((2, 6, 4, 4), -9.0)
    maps[0, 1, 2, 1] = 9.0  # a dog whose centre is in the cell of the third row and the second column
    maps[0, 2:, 2, 1] = torch.tensor([0.5, 0.5, 1.0, 2.0])
    found = kept(Boxes(("cat", "dog"), 4, 5))(Puts(maps), None, score=0.5)
    assert [len(table) for table in found] == [1, 0]
    (box,) = found[0].to_dict("records")
    assert box["class"] == "dog"
    assert box["score"] > 0.99
    assert [box[side] for side in ("left", "top", "right", "bottom")] == [4, 6, 8, 14]
    both = kept(Boxes(("cat", "dog"), {"fine": 4, "coarse": 8}, 5))
    coarse = torch.full((2, 6, 2, 2), -9.0)
    assert len(both(Puts({"fine": maps, "coarse": coarse}), None, score=0.5)[0]) == 1
    with pytest.raises(UserError, match=r"score=2"):
        both(Puts(maps), None, score=2)


def test_anomalies_are_above_the_threshold() -> None:
    model = nn.Sequential(nn.Identity(), nn.Tanh(), nn.Identity())
    x = torch.tensor([[0.0, 0.1], [3.0, 3.0]])
    found = kept(Anomalies(0.5))(model, x)
    assert found["anomaly"].tolist() == [False, True]
    assert found["score"].tolist() == pytest.approx(tasks.anomaly_scores(model, x).tolist())
    assert Anomalies(0.5)(model, x, threshold=0.0)["anomaly"].tolist() == [True, True]
    assert list(Anomalies()(model, x)) == ["score"]


def test_forecasts_have_a_column_for_each_step_and_feature() -> None:
    found = kept(Forecast(2, ("heat", "rain"))).read(torch.arange(8.0).view(2, 4))
    assert list(found) == ["heat t+1", "rain t+1", "heat t+2", "rain t+2"]
    assert found["rain t+2"].tolist() == [3, 7]
    assert list(Forecast(2).read(torch.zeros(1, 2))) == ["t+1", "t+2"]


def test_symbols_and_actions_are_the_likeliest() -> None:
    frames = torch.eye(3)[torch.tensor([[0, 0, 2, 0, 1]])]
    assert Symbols().read(frames) == [[0, 0, 1]]
    assert kept(Symbols(("a", "b"))).read(frames) == [["a", "a", "b"]]
    found = Actions().read({"policy": torch.tensor([[0.0, 2.0]]), "value": torch.zeros(1, 1)})
    assert found["action"].tolist() == [1]
    assert found["probability"].tolist() == pytest.approx([1 / (1 + np.exp(-2))])


def test_decoded_tokens_are_words_or_a_text_up_to_the_end() -> None:
    rows = torch.tensor([[3, 4, 2, 3], [4, 4, 4, 4], [2, 0, 0, 0]])
    assert kept(Decoded(WORDS, 4)).read(rows) == [["a", "b"], ["b", "b", "b", "b"], []]
    assert kept(Decoded(WORDS, 4, texts=True)).read(rows) == ["ab", "bbbb", ""]
    assert kept(Decoded((), 4)).read(rows) == [[3, 4], [4, 4, 4, 4], []]
    with pytest.raises(UserError, match=r"predict\(beams=0\)"):
        Decoded(WORDS, 4)(nn.Identity(), {}, beams=0)


def test_generated_samples_are_as_those_that_networks_learn_from() -> None:
    bytes_ = Arrays((3, 2, 2), "uint8", BYTES, (10.0, 250.0))
    outputs = torch.tensor([-9.0, 0.0, 1.004, 9.0]).repeat(2, 3)
    made = kept(Generated(bytes_)).read(outputs)
    assert made.dtype == np.uint8
    assert made[0, 0].ravel().tolist() == [10, 100, 150, 250]
    (image, _) = kept(Generated(Pictures(bytes_, True))).read(outputs)
    assert isinstance(image, Image.Image)
    assert (image.mode, np.asarray(image)[0, :, 0].tolist()) == ("RGB", [10, 100])
    last = Normalize(BYTES.mean, BYTES.deviation, (0, 3, 1, 2))
    assert kept(Generated(Arrays((3, 2, 2), "float32", last))).read(outputs).shape == (2, 2, 2, 3)
    with pytest.raises(UserError, match=r"makes \(5,\), and a sample is \(3, 2, 2\)"):
        Generated(bytes_).read(torch.zeros(2, 5))


def test_normalised_samples_come_back_as_they_were() -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 5, 4, 3), dtype=np.uint8)
    for given in (x, x.astype(np.float32)):
        schema = data.tensors(given, np.arange(40) % 2).schema
        assert isinstance(schema, Arrays)
        back = schema.unprepared(schema.preparation()(schema.tensors(given)))
        assert back.dtype == given.dtype
        assert np.allclose(back, given, atol=1e-3)


def test_parts_of_tables_and_lists_are_joined() -> None:
    boxes = Boxes(("cat",), 4, 5)
    table = pd.DataFrame({"class": ["cat"]})
    assert len(boxes.joined([[table], [table, table]])) == 3
