// Picked trials beside each other: drawings with what differs outlined, curves over each other, figures.

import * as api from "./api.js";
import { curves, DASHES } from "./curve.js";
import { copyButton, el, plain, short, svg } from "./shown.js";

export const MOST_PICKED = 6;

export class Compare {
  constructor(node, study, { unpick }) {
    this.node = node;
    this.study = study;
    this.unpick = unpick;
    this.shown = "";
  }

  // Shows the trials of these numbers; with fewer than two there is nothing to compare.
  async show(trials, numbers) {
    const key = numbers.join();
    if (this.shown === key) return;
    this.shown = key;
    this.node.hidden = numbers.length < 2;
    if (numbers.length < 2) {
      this.node.replaceChildren();
      return;
    }
    const found = await Promise.all(numbers.map(async (number) => {
      const details = await api.trial(this.study.id, number);
      return [details, await api.drawing(details.drawing)];
    }));
    if (this.shown !== key) return;
    const details = found.map(([each]) => each);
    const drawings = found.map(([, drawing]) => drawing);
    const apart = outlined(drawings);
    const chart = curves(details, this.study.objectives, Math.max(260, Math.min(560, this.node.clientWidth - 4)), 220);
    this.node.replaceChildren(
      el("h2", {}, `${numbers.length} trials compared`),
      el("div", { class: "beside" }, details.map((each, i) => this.column(each, drawings[i], i, apart))),
      el("div", { class: "below" },
        el("div", {}, chart ? el("figure", {}, chart, el("figcaption", {}, details.map(({ number }, i) => key_(number, i)))) : "",
          this.figures(trials, details, ["params"], "Parameters that differ")),
        this.figures(trials, details, ["values", "costs", "metrics"], "Figures")),
    );
  }

  column({ number, copy }, drawing, i, apart) {
    const only = apart[i];
    const drop = el("button", { type: "button", class: "drop", "aria-label": `Compare without trial ${number}`, onclick: () => this.unpick(number) }, "✕");
    return el("section", { class: "picked-trial", "aria-label": `Trial ${number}` },
      el("h3", {}, key_(number, i), drop),
      drawing ? el("div", { class: "paper", tabIndex: 0, role: "group", "aria-label": `Drawing of trial ${number}` }, drawing) : el("p", { class: "note" }, "No drawing."),
      el("p", { class: "note" }, only.length ? `Only here: ${only.map((each) => short(each)).join(", ")}` : drawing && i ? "The same layers as the first." : ""),
      el("div", { class: "tools" }, copy.text ? [copyButton("Copy text", copy.text), copyButton("Copy parse()", copy.parse)] : [], copy.train ? copyButton("Copy train command", copy.train) : []));
  }

  figures(trials, details, order, caption) {
    const rows = details.map(({ number }) => trials.rows.get(number));
    const columns = [...trials.columns.values()].filter(({ data, group }) => order.includes(group) && rows.some((row) => data[row] !== null));
    columns.sort((a, b) => order.indexOf(a.group) - order.indexOf(b.group));
    const head = el("tr", {}, el("th", { scope: "col" }, ""), details.map(({ number }, i) => el("th", { scope: "col" }, key_(number, i))));
    const body = columns.map(({ name, data, group }) => {
      const values = rows.map((row) => data[row]);
      const same = values.every((value) => value === values[0]);
      if (same && group === "params") return null;
      return el("tr", { class: same ? "same" : "differs" }, el("th", { scope: "row" }, plain(name)), values.map((value, i) =>
        el("td", {}, short(value), i && !same ? el("small", {}, difference(value, values[0], group, trials.direction(name))) : "")));
    });
    if (!body.some(Boolean)) return "";
    return el("div", { class: "scrolled", tabIndex: 0, role: "group", "aria-label": caption },
      el("table", { class: "figures compared" }, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, body.filter(Boolean))));
  }
}

function key_(number, i) {
  const sample = svg("svg", { class: "curves key", viewBox: "0 0 26 10", width: 26, height: 10, "aria-hidden": "true" },
    svg("path", { d: "M1 5H25", class: `line series-${i}`, "stroke-dasharray": DASHES[i] ?? "" }));
  return el("span", { class: "key" }, sample, ` Trial ${number}`);
}

// How far a figure is from the first trial's: costs in percent, the rest as it is.
function difference(value, first, group, direction) {
  if (typeof value !== "number" || typeof first !== "number" || value === first) return "";
  const sign = value > first ? "+" : "−";
  if (group === "params") return "";
  if (direction === "minimize" && first > 0) {
    const ratio = value / first;
    return ratio >= 10 ? ` ×${short(Number(ratio.toPrecision(3)))}` : ` ${sign}${short(Number(Math.abs(100 * (ratio - 1)).toPrecision(3)))} %`;
  }
  return ` ${sign}${short(Number(Math.abs(value - first).toPrecision(3)))}`;
}

// Outlines in each drawing the boxes that the others do not have, and returns their texts.
function outlined(drawings) {
  const boxes = drawings.map((drawing) => (drawing ? [...drawing.querySelectorAll("rect > title")].map((title) =>
    ({ rect: title.parentNode, text: title.textContent.split("\n")[0] })) : []));
  return boxes.map((own, i) => {
    const others = i ? [boxes[0]] : boxes.slice(1);
    const apart = own.filter((box) => !others.every((other) => common(own, other).has(box)));
    if (!drawings[i] || others.some((other) => !other.length)) return [];
    for (const { rect } of apart) {
      const at = (name) => Number(rect.getAttribute(name));
      rect.after(svg("rect", { x: at("x") - 3, y: at("y") - 3, width: at("width") + 6, height: at("height") + 6, rx: 6, class: "differs" }));
    }
    return apart.map(({ text }) => text);
  });
}

// The boxes of `a` that stand in the longest common subsequence with `b`.
function common(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i][j] = a[i].text === b[j].text ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const found = new Set();
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i].text === b[j].text) {
      found.add(a[i]);
      i++;
      j++;
    } else if (lengths[i + 1][j] >= lengths[i][j + 1]) i++;
    else j++;
  }
  return found;
}
