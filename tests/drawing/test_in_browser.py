"""In a browser, with its fonts, texts of drawings are within their boxes and clear of each other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from optnas import ops
from optnas.drawing.activations import plot
from tests.drawing.test_hostile_names import HOSTILE
from tests.spaces.test_ready import SPACES

# A pixel of slack, as what is measured is the line's box and not the ink.
FAULTS = """
() => {
  const faults = [];
  const box = (node) => {
    const { left, right, top, bottom } = node.getBoundingClientRect();
    const less = node.tagName === "text" ? (bottom - top) * 0.3 : 0;
    return { left, right, top: top + less, bottom: bottom - less, said: node.textContent };
  };
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
    && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const within = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1
    && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  for (const svg of document.querySelectorAll("svg")) {
    const picture = box(svg), texts = [...svg.querySelectorAll("text")].map(box);
    const boxes = [...svg.querySelectorAll("rect.box")].map(box);
    texts.forEach((text, i) => {
      if (!within(text, picture)) faults.push(["outside", text.said]);
      for (const other of boxes) {
        if (meet(text, other) && !within(text, other)) faults.push(["leaves", text.said, other.said]);
      }
      for (const other of texts.slice(i + 1)) {
        if (meet(text, other)) faults.push(["meet", text.said, other.said]);
      }
    });
  }
  return [document.querySelectorAll("svg").length, faults];
}
"""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    yield opened
    opened.close()


def assert_readable(page, drawings) -> None:
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.set_content("".join(f"<p>{drawing.svg}</p>" for drawing in drawings))
    count, faults = page.evaluate(FAULTS)
    assert count == len(drawings)
    assert faults == []
    assert said == []
    assert asked == []


def test_architectures_and_spaces_are_readable(page):
    drawings = [plot("mish"), plot("act(exp(x))")]
    for name, (space, (shape, context)) in SPACES.items():
        rng = random.Random(name)
        drawings += [space.draw(), space.sample(rng).draw(shape, **context)]
        drawings.append(space.sample(rng).draw(shape, expand=True, **context))
    assert_readable(page, drawings)


def test_hostile_texts_stay_within_their_boxes_and_run_nothing(page):
    trees = [ops.seq(ops.positions(kind=name), ops.conv(name), ops.relu()) for name in HOSTILE]
    assert_readable(page, [tree.draw() for tree in trees])


def test_texts_are_dark_on_light_and_light_on_dark(page):
    drawing = ops.seq(ops.conv(8), ops.norm(), ops.swish()).draw((3, 8, 8))
    colours = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.set_content(drawing.svg)
        colours[scheme] = page.evaluate(
            "() => ['rect.box', 'text:not([class])'].map((what) =>"
            " getComputedStyle(document.querySelector(what)).fill)"
        )
    (box, text), (dark_box, dark_text) = (map(_brightness, colours[s]) for s in ("light", "dark"))
    assert box > 200 > 60 > text
    assert dark_text > 200 > 90 > dark_box


def _brightness(colour: str) -> float:
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) / 3
