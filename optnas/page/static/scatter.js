// The front: two quantities of all shown trials, drawn by plotly.js, which the server has from the installed plotly.

import { el, plain } from "./shown.js";
import { extent, frontOf } from "./trials.js";

export const KINDS = {
  complete: { symbol: "circle", mark: "●", words: "complete" },
  pruned: { symbol: "circle-open", mark: "○", words: "pruned" },
  infeasible: { symbol: "triangle-down-open", mark: "▽", words: "infeasible" },
  failed: { symbol: "x-thin-open", mark: "×", words: "failed" },
  running: { symbol: "diamond-open", mark: "◇", words: "running" },
  waiting: { symbol: "square-open", mark: "□", words: "waiting" },
};
const MOST_SIZE = 8;

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
    this.rings = el("div", { class: "rings", "aria-hidden": "true" });
    node.append(this.plot, this.rings);
    this.handlers = { hover, pick, brush };
    this.coarse = matchMedia("(pointer: coarse)").matches;
    this.ready = null;
    this.marked = [];
  }

  async draw(trials, shown, front, axes) {
    const Plotly = await plotly;
    this.trials = trials;
    this.axes = axes;
    await Plotly.react(this.plot, this.traces(trials, shown, front, axes), this.layout(trials, axes), {
      displaylogo: false,
      responsive: true,
      doubleClick: "reset",
      modeBarButtonsToRemove: ["lasso2d", "autoScale2d", "hoverClosestCartesian", "hoverCompareCartesian", "toggleSpikelines"],
    });
    this.ready ??= this.listen();
    this.place();
  }

  traces(trials, shown, front, { x, y }) {
    const css = getComputedStyle(this.node);
    const colour = (name) => css.getPropertyValue(name).trim();
    const onFront = new Set(front);
    const [xs, ys] = [x, y].map((name) => trials.columns.get(name)?.data ?? []);
    const groups = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, []]));
    const missing = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, []]));
    for (const row of shown) {
      if (onFront.has(row) || typeof xs[row] !== "number") continue;
      (typeof ys[row] === "number" ? groups : missing)[trials.kind[row]].push(row);
    }
    this.hasRug = Object.values(missing).some((rows) => rows.length);
    const size = shown.length > 3000 ? 5 : shown.length > 500 ? 6 : MOST_SIZE;
    const points = (rows, more) => ({
      type: "scatter", mode: "markers", hoverinfo: "none", customdata: rows,
      x: rows.map((row) => xs[row]), y: rows.map((row) => ys[row]), ...more,
    });
    const found = [];
    for (const [kind, rows] of Object.entries(groups)) {
      const running = kind === "running";
      const marker = {
        symbol: KINDS[kind].symbol, size: kind === "complete" ? size : size + 1, opacity: kind === "complete" ? 0.75 : 0.9,
        color: colour(running ? "--accent" : kind === "complete" ? "--dot" : "--dot-other"), line: { width: 1.3 },
      };
      if (kind === "complete") marker.line.width = 0;
      if (rows.length) found.push(points(rows, { marker, name: kind }));
      if (missing[kind].length) {
        found.push(points(missing[kind], {
          y: missing[kind].map(() => 0), yaxis: "y2", name: `${kind}, no ${y}`, marker: { ...marker, size: size + 1, color: colour("--dot-other"), line: { width: 1.3 } },
        }));
      }
    }
    const directed = [x, y].every((name) => trials.direction(name));
    const at = front.filter((row) => typeof xs[row] === "number" && typeof ys[row] === "number");
    if (directed && x !== y) {
      const pair = [x, y].map((name) => ({ name, direction: trials.direction(name) }));
      const stairs = frontOf(trials, shown.filter((row) => trials.kind[row] === "complete"), pair);
      // From the best along x on, the best so far stays until the next trial is better.
      stairs.sort((a, b) => (xs[a] - xs[b]) * (pair[0].direction === "maximize" ? -1 : 1));
      found.push(points(stairs, { mode: "lines", hoverinfo: "skip", line: { color: colour("--accent"), width: 1.5, shape: "hv" } }));
    }
    found.push(points(at, { name: "front", marker: { color: colour("--accent"), size: MOST_SIZE + 1, line: { width: 1, color: colour("--paper") } } }));
    return found;
  }

  layout(trials, { x, y, logX, logY }) {
    const css = getComputedStyle(this.node);
    const colour = (name) => css.getPropertyValue(name).trim();
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
      font: { family: css.fontFamily, size: 12, color: colour("--soft") },
      showlegend: false, hovermode: "closest", hoverdistance: 24,
      dragmode: this.coarse ? false : "select",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--faint"), activecolor: colour("--accent") },
      newselection: { line: { color: colour("--accent"), width: 1 } },
      // Below the strip of missing values, where there is one.
      xaxis: { ...axis(x, logX), ...(this.hasRug ? { anchor: "free", position: 0 } : {}) },
      yaxis: { ...axis(y, logY), domain: [this.hasRug ? 0.09 : 0, 1] },
      yaxis2: { domain: [0, 0.05], range: [-1, 1], fixedrange: true, visible: false, anchor: "x" },
      annotations: this.hasRug ? [{
        text: escaped(`no ${y}`), xref: "paper", yref: "paper", x: 1, y: 0.025, xanchor: "right", yanchor: "bottom", yshift: 6,
        showarrow: false, font: { size: 11, color: colour("--faint") },
      }] : [],
    };
  }

  listen() {
    this.plot.on("plotly_hover", ({ points }) => this.handlers.hover(points[0].customdata));
    this.plot.on("plotly_click", ({ points }) => {
      this.handlers.hover(points[0].customdata);
      if (!this.coarse) this.handlers.pick(points[0].customdata);
    });
    this.plot.on("plotly_selected", (event) => {
      if (!event?.range?.x) return;
      const { x, y } = event.range;
      this.handlers.brush({ [this.axes.x]: sorted(x), ...(y ? { [this.axes.y]: sorted(y) } : {}) });
    });
    this.plot.on("plotly_afterplot", () => this.place());
    this.plot.on("plotly_relayouting", () => this.rings.replaceChildren());
    return true;
  }

  // Forgets the box that was drawn, as its filter was removed.
  clearBox() {
    this.cleared = (this.cleared ?? 0) + 1;
  }

  // Marks rows by rings, which are moved without drawing ten thousand points again.
  mark(picked, focus) {
    this.marked = [...picked.map((row) => [row, "ring picked"]), ...(focus === null ? [] : [[focus, "ring"]])];
    this.place();
  }

  place() {
    const layout = this.plot._fullLayout;
    if (!layout || !this.trials) return;
    const rings = [];
    for (const [row, name] of this.marked) {
      const [x, y] = [this.trials.value(this.axes.x, row), this.trials.value(this.axes.y, row)];
      if (typeof x !== "number") continue;
      const vertical = typeof y === "number" ? layout.yaxis : layout.yaxis2;
      // There is no strip for missing values where none is shown.
      if (!vertical) continue;
      const left = layout.xaxis.d2p(x);
      const top = vertical.d2p(typeof y === "number" ? y : 0);
      if (!(left >= 0 && left <= layout.xaxis._length && top >= 0 && top <= vertical._length)) continue;
      const ring = el("span", { class: name });
      ring.style.left = `${left + layout.xaxis._offset}px`;
      ring.style.top = `${top + vertical._offset}px`;
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
  return high > 100 * low ? { dtick: 1 } : { dtick: "D2" };
}

function sorted([a, b]) {
  return a < b ? [a, b] : [b, a];
}
