// The front: two quantities of all shown trials on axes of plotly.js, which the server has from the installed plotly.

import { Points } from "./points.js";
import { el, plain } from "./shown.js";
import { extent, frontOf } from "./trials.js";

export const KINDS = {
  complete: { symbol: "circle", mark: "●", words: "complete" },
  pruned: { symbol: "circle", mark: "○", words: "pruned" },
  "learned nothing": { symbol: "circle", mark: "◌", words: "learned nothing" },
  infeasible: { symbol: "triangle", mark: "▽", words: "infeasible" },
  failed: { symbol: "cross", mark: "×", words: "failed" },
  running: { symbol: "diamond", mark: "◇", words: "running" },
  waiting: { symbol: "square", mark: "□", words: "waiting" },
};
const [MOST_RADIUS, FRONT_RADIUS] = [4, 4.5];
// Pixels: how near the mouse is to a trial that it shows, and how far it moves in a click.
const [NEAR, STILL] = [24, 4];
// The strip of trials without a value on the upward axis, as shares of the plot's height from below.
const [STRIP, ABOVE_STRIP] = [0.025, 0.09];

const plotly = new Promise((resolve, reject) => {
  const script = document.getElementById("plotly");
  if (window.Plotly) resolve(window.Plotly);
  script.addEventListener("load", () => resolve(window.Plotly));
  script.addEventListener("error", () => reject(new Error("plotly.js could not be loaded from the server")));
});

export class Scatter {
  // Calls `hover(row)`, `pick(row)` and `brush(ranges)`, the latter with the limits of a drawn box by column name.
  constructor(node, { hover, pick, brush }) {
    this.node = node;
    this.plot = el("div", { class: "plot" });
    node.append(this.plot);
    this.points = new Points(node);
    this.rings = el("div", { class: "rings", "aria-hidden": "true" });
    node.append(this.rings);
    this.handlers = { hover, pick, brush };
    this.coarse = matchMedia("(pointer: coarse)").matches;
    this.ready = null;
    this.marked = [];
  }

  async draw(trials, shown, front, axes) {
    const Plotly = await plotly;
    this.trials = trials;
    this.axes = axes;
    [this.xs, this.ys] = [axes.x, axes.y].map((name) => trials.columns.get(name)?.data ?? []);
    const css = getComputedStyle(this.node);
    this.colour = (name) => css.getPropertyValue(name).trim();
    this.points.set(this.groups(trials, shown, front));
    await Plotly.react(this.plot, [this.extent(), ...this.stairs(trials, shown)], this.layout(trials, css.fontFamily), {
      displaylogo: false,
      showSendToCloud: false, // A study is its owner's: no press of a button uploads it.
      responsive: true,
      doubleClick: "reset",
      modeBarButtonsToRemove: ["lasso2d", "autoScale2d", "hoverClosestCartesian", "hoverCompareCartesian", "toggleSpikelines"],
    });
    this.ready ??= this.listen();
    this.paint();
  }

  // What is drawn as marks: trials by kind, and the front on top.
  groups(trials, shown, front) {
    const onFront = new Set(front);
    const byKind = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, []]));
    for (const row of shown) if (!onFront.has(row) && typeof this.xs[row] === "number") byKind[trials.kind[row]].push(row);
    this.hasStrip = Object.values(byKind).some((rows) => rows.some((row) => typeof this.ys[row] !== "number"));
    const radius = shown.length > 3000 ? 2.5 : shown.length > 500 ? 3 : MOST_RADIUS;
    const found = Object.entries(byKind).map(([kind, rows]) => {
      const whole = kind === "complete";
      return {
        rows, symbol: KINDS[kind].symbol, filled: whole, radius: whole ? radius : radius + 0.5, opacity: whole ? 0.75 : 0.9,
        colour: this.colour(kind === "running" ? "--accent" : whole ? "--dot" : "--dot-other"),
      };
    });
    const rows = front.filter((row) => typeof this.xs[row] === "number" && typeof this.ys[row] === "number");
    found.push({ rows, symbol: "circle", filled: true, radius: FRONT_RADIUS, opacity: 1, colour: this.colour("--accent"), edge: this.colour("--paper") });
    return found;
  }

  // Two unseen marks, from which plotly.js takes the ends of the axes.
  extent() {
    const { logX, logY } = this.axes;
    const ends = (data, log) => {
      const known = this.points.rows.map((row) => data[row]).filter((value) => typeof value === "number" && (!log || value > 0));
      // Without both, plotly.js would show neither.
      return known.length ? extent(known) : log ? [1, 10] : [0, 1];
    };
    return { type: "scatter", mode: "markers", hoverinfo: "skip", x: ends(this.xs, logX), y: ends(this.ys, logY), marker: { size: 2 * FRONT_RADIUS, opacity: 0 } };
  }

  // The best along one axis for each value on the other, where both have a direction.
  stairs(trials, shown) {
    const { x, y } = this.axes;
    if (x === y || ![x, y].every((name) => trials.direction(name))) return [];
    const pair = [x, y].map((name) => ({ name, direction: trials.direction(name) }));
    const rows = frontOf(trials, shown.filter((row) => trials.kind[row] === "complete"), pair);
    // From the best along x on, the best so far stays until the next trial is better.
    rows.sort((a, b) => (this.xs[a] - this.xs[b]) * (pair[0].direction === "maximize" ? -1 : 1));
    return [{
      type: "scatter", mode: "lines", hoverinfo: "skip", line: { color: this.colour("--accent"), width: 1.5, shape: "hv" },
      x: rows.map((row) => this.xs[row]), y: rows.map((row) => this.ys[row]),
    }];
  }

  layout(trials, family) {
    const { x, y, logX, logY } = this.axes;
    const { colour } = this;
    const narrow = this.node.clientWidth < 520;
    const axis = (name, log) => ({
      type: log ? "log" : "linear",
      title: { text: escaped(`${name}${arrow(trials.direction(name))}`), standoff: 10, font: { size: 13 } },
      gridcolor: colour("--grid"), linecolor: colour("--rule"), zeroline: false, automargin: true, exponentformat: "SI",
      ...(log ? logTicks(trials, name) : { nticks: narrow ? 5 : 8 }),
    });
    return {
      autosize: true,
      uirevision: `${x}|${y}|${logX}|${logY}`,
      selectionrevision: `${x}|${y}|${this.cleared ?? 0}`,
      margin: { l: narrow ? 48 : 64, r: 14, t: 30, b: 48 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family, size: 12, color: colour("--soft") },
      showlegend: false, hovermode: false,
      dragmode: this.coarse ? false : "select",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--faint"), activecolor: colour("--accent") },
      newselection: { line: { color: colour("--accent"), width: 1 } },
      // Below the strip of missing values, where there is one.
      xaxis: { ...axis(x, logX), ...(this.hasStrip ? { anchor: "free", position: 0 } : {}) },
      yaxis: { ...axis(y, logY), domain: [this.hasStrip ? ABOVE_STRIP : 0, 1] },
      annotations: this.hasStrip ? [{
        text: escaped(`no ${y}`), xref: "paper", yref: "paper", x: 1, y: STRIP, xanchor: "right", yanchor: "bottom", yshift: 6,
        showarrow: false, font: { size: 11, color: colour("--faint") },
      }] : [],
    };
  }

  listen() {
    const under = (event) => {
      const box = this.node.getBoundingClientRect();
      return this.points.nearest(event.clientX - box.left, event.clientY - box.top, NEAR);
    };
    let pressed = null;
    this.plot.addEventListener("mousemove", (event) => {
      const row = event.buttons ? null : under(event);
      if (row !== null && row !== this.over) this.handlers.hover(row);
      this.over = row;
    });
    // plotly.js lays a cover over the page while a button is down, which takes the click.
    this.plot.addEventListener("pointerdown", (event) => {
      pressed = event.button === 0 && !event.target.closest?.(".modebar") ? event : null;
    });
    addEventListener("pointerup", (event) => {
      const still = pressed && Math.hypot(event.clientX - pressed.clientX, event.clientY - pressed.clientY) < STILL;
      const row = still ? under(event) : null;
      pressed = null;
      if (row === null) return;
      this.handlers.hover(row);
      if (!this.coarse) this.handlers.pick(row);
    });
    this.plot.on("plotly_selected", (event) => {
      if (!event?.range?.x) return;
      const { x, y } = event.range;
      this.handlers.brush({ [this.axes.x]: sorted(x), ...(y ? { [this.axes.y]: sorted(y) } : {}) });
    });
    this.plot.on("plotly_afterplot", () => this.paint());
    this.plot.on("plotly_relayouting", () => this.paint());
    return true;
  }

  // Forgets the box that was drawn, as its filter was removed.
  clearBox() {
    this.cleared = (this.cleared ?? 0) + 1;
  }

  // Marks rows by rings, which are moved without drawing ten thousand points again.
  mark(picked, focus) {
    this.marked = [...picked.map((row) => [row, "ring picked"]), ...(focus === null ? [] : [[focus, "ring"]])];
    this.ring(this.placing());
  }

  paint() {
    const place = this.placing();
    this.points.paint(place);
    this.ring(place);
  }

  // Returns the function that says where a row is, in pixels from the left and the top; null where it is not shown.
  placing() {
    const { xaxis, yaxis, _size: size } = this.plot._fullLayout ?? {};
    if (!xaxis || !this.trials) return () => null;
    const { xs, ys, hasStrip } = this;
    const strip = size.t + size.h * (1 - STRIP);
    return (row) => {
      if (typeof xs[row] !== "number") return null;
      const left = xaxis.d2p(xs[row]);
      if (!(left >= 0 && left <= xaxis._length)) return null;
      if (typeof ys[row] !== "number") return hasStrip ? [left + xaxis._offset, strip] : null;
      const top = yaxis.d2p(ys[row]);
      return top >= 0 && top <= yaxis._length ? [left + xaxis._offset, top + yaxis._offset] : null;
    };
  }

  ring(place) {
    const rings = [];
    for (const [row, name] of this.marked) {
      const found = place(row);
      if (!found) continue;
      const ring = el("span", { class: name });
      [ring.style.left, ring.style.top] = found.map((pixels) => `${pixels}px`);
      rings.push(ring);
    }
    this.rings.replaceChildren(...rings);
  }
}

// plotly takes some tags of HTML for markup.
function escaped(text) {
  return plain(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

export function arrow(direction) {
  return direction === "maximize" ? " ↑" : direction === "minimize" ? " ↓" : "";
}

function logTicks(trials, name) {
  const [low, high] = extent(trials.columns.get(name).data.filter((value) => typeof value === "number"));
  // Without a format plotly writes 2 and 5 in place of 2k and 5k; as an SI prefix "m" would be taken for million.
  return { dtick: high > 100 * low ? 1 : "D2", tickformat: low >= 1 ? "~s" : "~g" };
}

function sorted([a, b]) {
  return a < b ? [a, b] : [b, a];
}
