"""Learning curves as SVG."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

from optnas import maximize, minimize
from optnas.winner.curves import curves_svg
from optnas.winner.full_training import TrainingHistory


def history(seed: int, best: int, *accuracies: float) -> TrainingHistory:
    curve = [{"accuracy": each, "loss": 1 - each} for each in accuracies]
    return TrainingHistory(seed, curve, best, losses=[2 * (1 - each) for each in accuracies])


SEEDS = [history(0, 3, 0.2, 0.6, 0.9, 0.8), history(1, 2, 0.3, 0.7, 0.5)]


def test_each_seed_has_a_line_a_panel_and_a_dot_at_its_best_epoch() -> None:
    svg = curves_svg(SEEDS, maximize("accuracy"), {}, 1)
    root = ElementTree.fromstring(svg)
    assert len(root.findall("{*}g")) == 2
    assert re.findall("<title>(.*?)</title>", svg) == [
        "epoch 3: 0.9",
        "epoch 2: 0.7",
        "epoch 3: 0.1",
        "epoch 2: 0.3",
    ]
    widths = [each.get("stroke-width") for each in root.iter() if each.tag.endswith("polyline")]
    assert widths == ["1", "2", "1", "2", "1", "2"]
    # The dot is a point of its line: higher is better, and later further to the right.
    line, dot = root.find(".//{*}polyline"), root.find(".//{*}circle")
    assert line is not None
    assert dot is not None
    points = [tuple(map(float, point.split(","))) for point in str(line.get("points")).split()]
    assert points[2] == (float(str(dot.get("cx"))), float(str(dot.get("cy"))))
    assert points[2][1] == min(y for _, y in points)
    assert points == sorted(points)


def test_what_has_no_value_is_a_gap_and_a_name_is_no_markup() -> None:
    curve = [{"a": each} for each in (0.1, 0.2, math.nan, 0.4, math.inf, 0.3)]
    score = minimize("a + b", name="<b>")
    svg = curves_svg([TrainingHistory(0, curve, 1)], score, {"b": 1.0}, 0)
    assert svg.count("<polyline") == 3
    assert svg.count('<g transform="') == 1
    assert "&lt;b&gt;" in svg
    assert "nan" not in svg
    assert "inf" not in svg
    ElementTree.fromstring(svg)


def test_one_epoch_and_a_score_without_any_value_are_drawn_too() -> None:
    for curve in ([{"loss": 0.5}], [{"loss": math.nan}]):
        svg = curves_svg([TrainingHistory(0, curve, 1, losses=[0.7])], minimize("loss"), {}, 0)
        ElementTree.fromstring(svg)


def test_it_looks_right_in_a_browser(browser: Any) -> None:
    page = browser.new_page()
    page.set_content(curves_svg(SEEDS, maximize("accuracy"), {}, 1))
    boxes = page.evaluate(
        """[...document.querySelectorAll('text')].map(t => {
            const b = t.getBoundingClientRect(), s = t.ownerSVGElement.getBoundingClientRect();
            return [t.textContent, b.left - s.left, b.top - s.top, b.right - s.left, b.bottom - s.top,
                    s.width, s.height]})"""
    )
    page.close()
    assert len(boxes) > 20
    for text, left, top, right, bottom, width, height in boxes:
        assert -0.5 <= left < right <= width + 0.5, text
        assert -0.5 <= top < bottom <= height + 0.5, text
    for i, (one, left, top, right, bottom, *_) in enumerate(boxes):
        for other, l2, t2, r2, b2, *_ in boxes[:i]:
            assert right <= l2 or r2 <= left or bottom <= t2 or b2 <= top, (one, other)
