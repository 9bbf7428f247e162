// One trial beside the front: its drawing, its curve, its figures, and lines to copy.

import * as api from "./api.js";
import { curves } from "./curve.js";
import { arrow, KINDS } from "./scatter.js";
import { copyButton, el, plain, short } from "./shown.js";

// Milliseconds on a trial before its details are asked for: a mouse that sweeps over many stops at none.
const PAUSE = 12;

export class Details {
  constructor(node, study, { pick, isPicked }) {
    this.node = node;
    this.study = study;
    this.handlers = { pick, isPicked };
    this.number = null;
  }

  // Shows what the columns know at once, and the rest when it comes.
  show(trials, row, onFront) {
    const number = trials.number[row];
    const kind = trials.kind[row];
    if (this.number === number && this.kind === kind) return;
    Object.assign(this, { number, kind });
    clearTimeout(this.timer);
    this.request?.abort();
    const request = (this.request = new AbortController());
    const head =
      el("h2", {}, `Trial ${number} `, el("span", { class: `kind ${kind}` }, `${KINDS[kind].mark} ${KINDS[kind].words}`),
        onFront ? el("span", { class: "kind front" }, "on the front") : null);
    const known = [...trials.columns.values()].filter(({ group, data }) => group !== "params" && data[row] !== null);
    const figures = pairs(known.map(({ name, data }) => [`${plain(name)}${this.isObjective(name) ? arrow(trials.direction(name)) : ""}`, short(data[row])]));
    this.body = el("div", { class: "rest" }, figures);
    const content = el("div", { class: "sides" }, this.paper(), this.body);
    this.more = el("div", {});
    this.node.replaceChildren(el("div", { class: "top" }, head, this.buttons(number)), content, this.more);
    this.timer = setTimeout(async () => {
      // Whoever hovers waits for the drawing most, so it is asked for beside all else.
      if (trials.ops[row].size) this.sheet.replaceChildren(this.image(number));
      try {
        const found = await api.trial(this.study.id, number, request.signal);
        if (this.number === number) this.fill(found, figures);
      } catch (error) {
        if (error.name !== "AbortError") this.body.append(el("p", { class: "wrong" }, plain(error.message)));
      }
    }, PAUSE);
  }

  // Another look at a trial that runs: it may have reported since.
  forget() {
    if (["running", "waiting"].includes(this.kind)) this.number = null;
  }

  isObjective(name) {
    return this.study.objectives.some((each) => each.name === name);
  }

  // The drawing's place, until it is known whether there is one.
  paper() {
    this.sheet = el("div", { class: "paper waits", tabIndex: 0, role: "group", "aria-label": "Drawing" });
    return this.sheet;
  }

  image(number) {
    const [image, { sheet }] = [el("img", { class: "drawing", alt: `Drawing of the architecture of trial ${number}` }), this];
    image.addEventListener("load", () => sheet.classList.remove("waits"));
    image.src = api.drawingOf(this.study.id, number);
    return image;
  }

  buttons(number) {
    this.picker = el("button", { type: "button", class: "pick", onclick: () => this.handlers.pick(number) });
    this.tools = el("div", { class: "tools" }, this.picker);
    this.tellPicked();
    return this.tools;
  }

  tellPicked() {
    if (!this.picker) return;
    const picked = this.handlers.isPicked(this.number);
    this.picker.setAttribute("aria-pressed", String(picked));
    this.picker.textContent = picked ? "Picked" : "Compare";
  }

  fill(found, figures) {
    const { copy } = found;
    if (!found.drawing) {
      this.sheet.replaceChildren(el("p", { class: "note" }, "No drawing: its architecture is not on record, or cannot be read."));
      this.sheet.classList.remove("waits");
    }
    if (copy.text) this.tools.append(copyButton("Copy text", copy.text), copyButton("Copy parse()", copy.parse));
    if (copy.train) this.tools.append(copyButton("Copy train command", copy.train));
    const chart = found.rungs.length > 1 ? curves([found], this.study.objectives, 250, 120) : null;
    const broken = Object.entries(found.constraints).filter(([, violation]) => violation > 0);
    this.body.replaceChildren(...[
      found.reason ? el("p", { class: "reason" }, plain(found.reason)) : null,
      ...broken.map(([name, violation]) => el("p", { class: "reason" }, `breaks ${plain(name)} by ${short(violation)}`)),
      chart,
      figures,
      el("p", { class: "note" }, found.took === null ? "" : `Took ${short(found.took)} s, begun ${found.begun}. `,
        el("a", { href: `${this.study.dashboard}/trials?numbers=${found.number}` }, "In optuna-dashboard")),
    ].filter(Boolean));
    // Tables have the whole width.
    this.more.replaceChildren(...[
      found.layers ? folded("Layers", layersTable(found.layers)) : null,
      Object.keys(found.params).length ? folded("Parameters", table(Object.entries(found.params).map(([name, value]) => [plain(name), short(value)]))) : null,
      found.architecture ? folded("Text", el("code", { class: "text" }, plain(found.architecture))) : null,
    ].filter(Boolean));
  }
}

// Figures in two columns, where a table would be twice as high.
function pairs(rows) {
  return el("dl", { class: "pairs" }, rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function table(rows) {
  return el("table", { class: "figures" }, el("tbody", {}, rows.map(([name, value]) =>
    el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)))));
}

const unfolded = new Set();

// What somebody unfolded stays so for the next trial.
function folded(name, content) {
  const made = el("details", { open: unfolded.has(name) }, el("summary", {}, name), content);
  made.addEventListener("toggle", () => (made.open ? unfolded.add(name) : unfolded.delete(name)));
  return made;
}

function layersTable(rows) {
  const share = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(0)} %`);
  const shape = (value) => {
    if (value === null || value === undefined) return "–";
    if (Array.isArray(value)) return value.join("×") || "1";
    return Object.entries(value).map(([name, each]) => `${name} ${shape(each)}`).join(", ");
  };
  return el("div", { class: "scrolled", tabIndex: 0, role: "group", "aria-label": "Layers" }, el("table", { class: "layers" },
    el("thead", {}, el("tr", {}, ["layer", "output", "params", "FLOPs", "share"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows.map((row) => {
      const name = el("td", {}, `${plain(short(row.layer))}${row.times > 1 ? ` ×${row.times}` : ""}`);
      name.style.paddingLeft = `${row.level}em`;
      return el("tr", {}, name, el("td", {}, shape(row.shape)), el("td", {}, short(row.params)), el("td", {}, short(row.flops)), el("td", {}, share(row.share)));
    }))));
}
