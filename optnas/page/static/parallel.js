// Parallel coordinates with brushing, on a canvas: those of plotly.js need WebGL and compile code at run time, which
// the page's Content-Security-Policy forbids, and cannot be reached by the keyboard.

import { el, plain, short } from "./shown.js";
import { extent } from "./trials.js";

const TOP = 44;
const BOTTOM = 26;
const SIDE = 56;
const MISSING = 22;
const NEAR = 26;
const MOST_LINES = 3000;
// As many different numbers have a place each.
const MOST_STEPS = 9;

export class Parallel {
  // Calls `brush(name, range)` with `{low, high}`, `{words}` or null, and `hover(row)`.
  constructor(node, { brush, hover }) {
    this.node = node;
    this.canvas = el("canvas", { role: "img", "aria-label": "Parallel coordinates" });
    this.heads = el("div", { class: "heads" });
    node.append(this.canvas, this.heads);
    this.handlers = { brush, hover };
    this.drag = null;
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", (event) => this.up(event));
    new ResizeObserver(() => this.trials && this.paint()).observe(node);
  }

  draw(trials, shown, front, names, ranges) {
    Object.assign(this, { trials, shown, front, ranges });
    this.scales = names.map((name) => scaleOf(trials, name));
    this.canvas.setAttribute("aria-label",
      `Parallel coordinates of ${shown.length} trials over ${names.map(plain).join(", ")}. The buttons of the axes set limits.`);
    this.paint();
  }

  paint() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const css = getComputedStyle(this.node);
    const colour = (name) => css.getPropertyValue(name).trim();
    const step = this.scales.length > 1 ? (width - 2 * SIDE) / (this.scales.length - 1) : 0;
    this.places = this.scales.map((_, i) => SIDE + i * step);
    this.height = height;
    const onFront = new Set(this.front);
    const others = this.shown.filter((row) => !onFront.has(row));
    const every = Math.max(1, Math.ceil(others.length / MOST_LINES));
    pen.lineWidth = 1;
    pen.strokeStyle = colour("--dot");
    pen.globalAlpha = Math.max(0.06, Math.min(0.5, 60 / Math.max(1, others.length / every)));
    for (let i = 0; i < others.length; i += every) this.line(pen, others[i]);
    pen.globalAlpha = 0.9;
    pen.strokeStyle = colour("--accent");
    pen.lineWidth = 1.5;
    for (const row of this.front) this.line(pen, row);
    if (this.focus !== null && this.focus !== undefined) {
      pen.strokeStyle = colour("--ink");
      pen.lineWidth = 2.5;
      pen.globalAlpha = 1;
      this.line(pen, this.focus);
    }
    this.axes(pen, css, colour, step);
    this.drawn = { lines: Math.ceil(others.length / every) + this.front.length, of: this.shown.length };
  }

  line(pen, row) {
    pen.beginPath();
    this.scales.forEach((scale, i) => {
      const y = this.y(scale, this.trials.value(scale.name, row));
      if (i) pen.lineTo(this.places[i], y);
      else pen.moveTo(this.places[i], y);
    });
    pen.stroke();
  }

  y(scale, value) {
    const bottom = this.height - BOTTOM;
    if (value === null) return bottom;
    const end = bottom - (scale.missing ? MISSING : 0);
    return end - scale.place(value) * (end - TOP);
  }

  axes(pen, css, colour, step) {
    pen.globalAlpha = 1;
    pen.font = `11px ${css.fontFamily}`;
    const heads = [];
    this.labels = [];
    this.scales.forEach((scale, i) => {
      const x = this.places[i];
      const [top, end] = [TOP, this.height - BOTTOM];
      pen.strokeStyle = colour("--rule");
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(x, top);
      pen.lineTo(x, end - (scale.missing ? MISSING : 0));
      pen.stroke();
      const range = this.ranges.get(scale.name);
      if (range) this.bar(pen, scale, x, range, colour);
      for (const [text, y] of this.ticks(scale)) this.labels.push(label(pen, text, x, y, colour));
      const head = el("button", {
        type: "button", class: range ? "head limited" : "head", title: plain(scale.name),
        "aria-label": `Limit ${plain(scale.name)}${range ? ", limited" : ""}`, onclick: () => this.ask(scale),
      }, plain(scale.name));
      head.style.left = `${x}px`;
      head.style.maxWidth = `${Math.max(56, Math.min(step - 6, 160))}px`;
      heads.push(head);
    });
    const focused = [...this.heads.children].indexOf(document.activeElement);
    this.heads.replaceChildren(...heads);
    if (focused >= 0) heads[focused]?.focus();
  }

  ticks(scale) {
    const ticks = scale.steps
      ? scale.steps.map((step) => [short(step), this.y(scale, step)])
      : [[short(scale.low), this.y(scale, scale.low)], [short(scale.high), this.y(scale, scale.high)]];
    if (scale.missing) ticks.push(["none", this.height - BOTTOM]);
    return ticks;
  }

  bar(pen, scale, x, range, colour) {
    pen.fillStyle = colour("--accent");
    pen.globalAlpha = 0.35;
    const spans = range.words
      ? scale.steps.filter((step) => range.words.has(step)).map((step) => [this.y(scale, step) - 7, this.y(scale, step) + 7])
      : [[this.y(scale, Math.min(range.high, scale.high)), this.y(scale, Math.max(range.low, scale.low))]];
    for (const [from, to] of spans) pen.fillRect(x - 5, from, 10, Math.max(3, to - from));
    pen.globalAlpha = 1;
  }

  nearest(event) {
    const at = this.places?.findIndex((x) => Math.abs(x - event.offsetX) <= NEAR) ?? -1;
    return at < 0 ? null : this.scales[at];
  }

  // A finger that moves up and down scrolls the page; it limits an axis by the axis's button.
  down(event) {
    const scale = event.pointerType === "touch" ? null : this.nearest(event);
    if (!scale) return;
    this.drag = { scale, from: event.offsetY };
    this.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    this.canvas.style.cursor = this.nearest(event) ? "ns-resize" : "default";
    if (!this.drag || Math.abs(event.offsetY - this.drag.from) < 4) return;
    this.drag.to = event.offsetY;
    this.ranges = new Map(this.ranges).set(this.drag.scale.name, this.rangeOf(this.drag));
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  up() {
    if (!this.drag) return;
    const { scale, to } = this.drag;
    const range = to === undefined ? null : this.rangeOf(this.drag);
    this.drag = null;
    this.handlers.brush(scale.name, range);
  }

  rangeOf({ scale, from, to }) {
    const [top, bottom] = from < to ? [from, to] : [to, from];
    if (scale.steps) {
      const words = scale.steps.filter((step) => { const y = this.y(scale, step); return y >= top - 3 && y <= bottom + 3; });
      return words.length ? { words: new Set(words) } : null;
    }
    const end = this.height - BOTTOM - (scale.missing ? MISSING : 0);
    const value = (y) => scale.value(Math.max(0, Math.min(1, (end - y) / (end - TOP))));
    return { low: value(bottom), high: value(top) };
  }

  // Asks for limits in a dialog, for the keyboard, touch and screen readers.
  ask(scale) {
    const range = this.ranges.get(scale.name);
    const fields = scale.steps
      ? scale.steps.map((step) => el("label", {}, el("input", { type: "checkbox", value: String(step), checked: !range?.words || range.words.has(step) }), ` ${short(step)}`))
      : ["low", "high"].map((end) => el("label", {}, end === "low" ? "at least " : "at most ",
        el("input", { name: end, type: "number", step: "any", value: range ? Number(range[end].toPrecision(6)) : scale[end] })));
    const dialog = el("dialog", { class: "limits", "aria-label": `Limit ${plain(scale.name)}` },
      el("form", { method: "dialog" }, el("h3", {}, plain(scale.name)), ...fields,
        el("div", { class: "buttons" }, el("button", { value: "set" }, "Limit"), el("button", { value: "clear" }, "Clear"))));
    dialog.addEventListener("close", () => {
      const inputs = [...dialog.querySelectorAll("input")];
      dialog.remove();
      [...this.heads.children][this.scales.indexOf(scale)]?.focus();
      if (dialog.returnValue === "clear") this.handlers.brush(scale.name, null);
      if (dialog.returnValue !== "set") return;
      if (scale.steps) {
        const words = new Set(scale.steps.filter((_, i) => inputs[i].checked));
        this.handlers.brush(scale.name, words.size === scale.steps.length ? null : { words });
      } else {
        const [low, high] = inputs.map((input) => input.valueAsNumber);
        this.handlers.brush(scale.name, { low: Number.isNaN(low) ? scale.low : low, high: Number.isNaN(high) ? scale.high : high });
      }
    });
    this.node.append(dialog);
    dialog.showModal();
  }
}

// Writes a label on a ground of its own, as lines end at its height, and returns where that is.
function label(pen, text, x, y, colour) {
  const said = text.length > 12 ? `${text.slice(0, 11)}…` : text;
  const box = { x: x + 5, y: y - 8, width: pen.measureText(said).width + 6, height: 16 };
  pen.fillStyle = colour("--paper");
  pen.beginPath();
  pen.roundRect(box.x, box.y, box.width, box.height, 4);
  pen.fill();
  pen.fillStyle = colour("--soft");
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillText(said, box.x + 3, y);
  return box;
}

function scaleOf(trials, name) {
  const { data } = trials.columns.get(name);
  const there = data.filter((value) => value !== null);
  const missing = there.length < data.length;
  const distinct = [...new Set(there)];
  const texts = distinct.some((value) => typeof value !== "number");
  if (texts || distinct.length <= MOST_STEPS) {
    const steps = distinct.sort((a, b) => (texts ? String(a).localeCompare(String(b)) : a - b)).slice(0, 40);
    const places = new Map(steps.map((step, i) => [step, steps.length > 1 ? i / (steps.length - 1) : 0.5]));
    return { name, missing, steps, place: (value) => places.get(value) ?? 1 };
  }
  const [low, high] = extent(there);
  const log = trials.isWide(name) || trials.isSearchedByLog(name);
  const [from, to] = log ? [Math.log(low), Math.log(high)] : [low, high];
  return {
    name, missing, low, high,
    place: (value) => ((log ? Math.log(value) : value) - from) / (to - from || 1),
    value: (place) => { const found = from + place * (to - from); return log ? Math.exp(found) : found; },
  };
}

// The columns that tell most: objectives, parameters of most trials, costs beside them.
export function usualAxes(trials, most) {
  const differs = ({ data }) => new Set(data.filter((value) => value !== null)).size > 1;
  const covered = ({ data }) => data.reduce((count, value) => count + (value !== null), 0);
  const all = [...trials.columns.values()].filter(differs);
  const params = all.filter(({ group }) => group === "params");
  const best = [...params].sort((a, b) => covered(b) - covered(a)).slice(0, most);
  const values = all.filter(({ group }) => group === "values");
  return [...values, ...params.filter((column) => best.includes(column))].slice(0, most).map(({ name }) => name);
}
