"""The page in a browser: the trials that filters, axes and a box on the front leave in it."""

from __future__ import annotations

from tests.page.conftest import Opens
from tests.page.seen import DRAWN, Searched, count, drawn, numbers_in_table, place_of


def test_a_filter_keeps_what_it_says(opens: Opens, address: str, searched: Searched) -> None:
    watched = drawn(opens, address)
    trials = searched[1].trials
    limit = sorted(t.user_attrs["costs"]["params"] for t in trials)[len(trials) // 2]
    kept = sum(t.user_attrs["costs"]["params"] <= limit for t in trials)
    watched.page.locator("#filter").fill(f"params <= {limit:_} and depth > 0")
    watched.until(f"document.getElementById('count').textContent.startsWith('{kept} of ')")
    watched.page.locator("#ops").fill("mish")
    mish = sum(
        "mish" in t.user_attrs["architecture"] and t.user_attrs["costs"]["params"] <= limit for t in trials
    )
    watched.until(f"document.getElementById('count').textContent.startsWith('{mish} of ')")
    # The address keeps it.
    again = opens(watched.page.url)
    again.until(DRAWN)
    assert count(again) == count(watched)
    watched.page.locator("#clear").click()
    watched.until(f"document.getElementById('count').textContent.startsWith('{len(trials)} trials')")


WRONG = {
    "params <": "missing at the end",
    "parms <= 3": "There is no parms. Is it",
    "params = 3": "Write == for",
    "params": "Compare it with something",
    "(params < 3": "A ) is missing",
    "params < 3 and depth": "on both sides of and",
    "eval(params) < 3": "There is no eval(…)",
    "params; alert(1)": "Not understood: ;",
    "`<img src=x onerror=alert(1)>` > 1": "There is no <img src=x onerror=alert(1)>",
    "constructor > 1": "There is no constructor",
    "__proto__ > 1": "There is no __proto__",
    "toString(3) > 1": "There is no toString(…)",
    "(" * 200 + "1" + ")" * 200 + " > 0": "nested deeper",
}


def test_a_filter_that_is_wrong_says_what(opens: Opens, address: str) -> None:
    watched = drawn(opens, address)
    for text, said in WRONG.items():
        watched.page.locator("#filter").fill(text)
        watched.until(f"document.getElementById('filter-wrong').textContent.includes({said!r})")
        assert watched.page.locator("#filter").get_attribute("aria-invalid") == "true"
    watched.page.locator("#filter").fill("")
    watched.until("document.getElementById('filter-wrong').textContent === ''")
    watched.page.locator("#ops").fill("gelu")
    watched.until("document.getElementById('ops-wrong').textContent === 'No architecture has gelu'")


RIGHT = {
    "flops / params > 10 ** 1": lambda t: t["flops"] / t["params"] > 10,
    "not params > 1_000": lambda t: not t["params"] > 1_000,
    "500 < params <= 1500 or depth == 2": lambda t: 500 < t["params"] <= 1500 or t["depth"] == 2,
    "-params % 7 == 3": lambda t: -t["params"] % 7 == 3,
    "log10(flops) < 5 && max(width, depth) != 8": lambda t: (
        t["flops"] < 1e5 and max(t["width"], t["depth"]) != 8
    ),
    "layer0.op == 'conv' and trial < 9": lambda t: t["op"] == "conv" and t["trial"] < 9,
    "2 ** 3 ** 2 == 512 and -2 ** 2 == -4": lambda t: True,
    # A trial that was not trained has no accuracy, so nothing is true of it.
    "not accuracy > 2": lambda t: t["accuracy"] is not None,
    "state == 'infeasible'": lambda t: t["accuracy"] is None,
}


def test_a_filter_computes_as_a_constraint_does(opens: Opens, address: str, searched: Searched) -> None:
    watched = drawn(opens, address)
    rows = [
        {
            **t.user_attrs["costs"],
            "op": t.params["layer0.op"],
            "trial": t.number,
            "accuracy": t.values[0] if t.values else None,
        }
        for t in searched[1].trials
    ]
    script = """async (text) => {
        const { compile } = await import("/optnas/static/filter.js");
        const test = compile(text, optnas.trials);
        return optnas.trials.number.filter((_, row) => test(row));
    }"""
    for text, right in RIGHT.items():
        assert watched.page.evaluate(script, text) == [row["trial"] for row in rows if right(row)], text


def test_brushing_an_axis_filters_the_front(opens: Opens, address: str, searched: Searched) -> None:
    watched = drawn(opens, address)
    before = count(watched)
    watched.page.locator("#parallel").scroll_into_view_if_needed()
    box = watched.page.locator("#parallel canvas").bounding_box()
    x, end = watched.page.evaluate("[optnas.parallel.places[1], optnas.parallel.height]")
    watched.page.mouse.move(box["x"] + x, box["y"] + end - 30)
    watched.page.mouse.down()
    watched.page.mouse.move(box["x"] + x, box["y"] + end - 110, steps=5)
    watched.page.mouse.up()
    watched.until("document.querySelector('#chips li')")
    low, high = watched.page.evaluate("(({ low, high }) => [low, high])(optnas.ranges.get('flops'))")
    kept = sum(low <= t.user_attrs["costs"]["flops"] <= high for t in searched[1].trials)
    assert 0 < kept < len(searched[1].trials)
    assert count(watched).startswith(f"{kept} of ")
    plotted = "optnas.scatter.points.drawn"
    assert watched.page.evaluate(plotted) == kept
    watched.page.locator("#chips button").click()
    watched.until(f"document.getElementById('count').textContent === {before!r}")
    assert watched.page.evaluate(plotted) == len(searched[1].trials)


def test_no_line_strikes_through_a_label_of_an_axis(opens: Opens, address: str) -> None:
    watched = drawn(opens, address)
    watched.page.locator("#parallel").scroll_into_view_if_needed()
    # Within a label's box, less its round corners, there is the same with all lines as without any.
    struck = """() => {
        const plot = optnas.parallel;
        const { width: across, height: down } = plot.canvas;
        const copy = Object.assign(document.createElement("canvas"), { width: across, height: down });
        const pen = copy.getContext("2d", { willReadFrequently: true });
        const inside = () => {
            pen.clearRect(0, 0, across, down);
            pen.drawImage(plot.canvas, 0, 0);
            return plot.labels.map(({ x, y, width, height }) => {
                const box = [x + 2, y + 2, width - 4, height - 4];
                const seen = box.map((each) => Math.round(each * devicePixelRatio));
                return [...pen.getImageData(...seen).data].join();
            });
        };
        const names = plot.scales.map(({ name }) => name);
        plot.draw(plot.trials, plot.shown, plot.front, names, plot.ranges);
        const with_ = inside();
        plot.focus = null;
        plot.draw(plot.trials, [], [], names, plot.ranges);
        return [with_.length, inside().filter((each, i) => each !== with_[i]).length];
    }"""
    labels, different = watched.page.evaluate(struck)
    assert labels > 10
    assert different == 0


def test_an_axis_is_limited_by_the_keyboard_too(opens: Opens, address: str, searched: Searched) -> None:
    watched = drawn(opens, address)
    watched.page.get_by_role("button", name="Limit layer0.op").press("Enter")
    watched.page.get_by_role("dialog").get_by_label("sepconv").uncheck()
    watched.page.keyboard.press("Enter")
    kept = sum(t.params["layer0.op"] == "conv" for t in searched[1].trials)
    watched.until(f"document.getElementById('count').textContent.startsWith('{kept} of ')")


def test_no_button_of_the_front_uploads_it(opens: Opens, address: str) -> None:
    watched = drawn(opens, address)
    buttons = watched.page.evaluate(
        "[...document.querySelectorAll('#front .modebar-btn')].map(b => b.outerHTML)"
    )
    assert len(buttons) > 2
    assert not [each for each in buttons if "share" in each.lower() or "cloud" in each.lower()]


def test_a_box_on_the_front_limits_both_axes(opens: Opens, address: str) -> None:
    watched = drawn(opens, address)
    x, y = place_of(watched, numbers_in_table(watched)[0])
    watched.page.mouse.move(x - 60, y - 12)
    watched.page.mouse.down()
    watched.page.mouse.move(x + 20, y + 80, steps=6)
    watched.page.mouse.up()
    watched.until("optnas.ranges.has('flops') && optnas.ranges.has('accuracy')")
    assert " of 14 trials" in count(watched)
