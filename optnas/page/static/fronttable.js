// The front as a table, which says to a screen reader what the plot shows.

import { arrow } from "./scatter.js";
import { el, plain, short } from "./shown.js";

const MOST_PARAMS = 6;
const MOST_ROWS = 200;

// Fills the table with the front's trials. `handlers` are `focus(row)`, `pick(number)` and `isPicked(number)`.
export function fillTable(node, trials, front, handlers) {
  const focused = node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const objectives = trials.objectives.map(({ name }) => name);
  const columns = [...objectives, ...costs(trials, front, objectives), ...params(trials, front)];
  const head = el("tr", {}, el("th", { scope: "col" }, "compare"), el("th", { scope: "col" }, "trial"),
    columns.map((name) => el("th", { scope: "col" }, `${plain(name)}${objectives.includes(name) ? arrow(trials.direction(name)) : ""}`)));
  const rows = front.slice(0, MOST_ROWS).map((row) => line(trials, row, columns, handlers));
  node.replaceChildren(
    el("caption", {}, front.length ? `The front: ${front.length} trial${front.length === 1 ? "" : "s"}, best ${plain(objectives[0])} first${front.length > MOST_ROWS ? `, of which ${MOST_ROWS} are listed` : ""}` : "The front is empty: no complete trial is shown"),
    el("thead", {}, head), el("tbody", {}, rows));
  if (focused) node.querySelector(`[data-key="${focused}"]`)?.focus();
}

function line(trials, row, columns, { focus, pick, isPicked }) {
  const number = trials.number[row];
  const box = el("input", { type: "checkbox", checked: isPicked(number), "aria-label": `Compare trial ${number}`, onchange: () => pick(number) });
  box.dataset.key = `pick-${number}`;
  const show = el("button", { type: "button", class: "number", onfocus: () => focus(row), onclick: () => focus(row) }, String(number));
  show.dataset.key = `show-${number}`;
  const cells = columns.map((name) => {
    const value = trials.value(name, row);
    return el("td", { class: typeof value === "number" ? "number" : "" }, short(value));
  });
  return el("tr", { onmouseenter: () => focus(row) }, el("td", {}, box), el("td", {}, show), cells);
}

// The costs that are worth a column: the usual ones, and what was measured.
export function costs(trials, rows, objectives) {
  const usual = ["flops", "params"];
  const exact = ["flops", "macs", "params", "activations", "elementwise", "depth", "width"];
  const found = [...trials.columns.values()].filter(({ group }) => group === "costs").map(({ name }) => name);
  return found.filter((name) => !objectives.includes(name) && (usual.includes(name) || !exact.includes(name)) && rows.some((row) => trials.value(name, row) !== null));
}

// The parameters that differ most on the front.
function params(trials, front) {
  const told = [...trials.columns.values()].filter(({ group }) => group === "params").map(({ name, data }) => {
    const values = front.map((row) => data[row]).filter((value) => value !== null);
    return { name, distinct: new Set(values).size, share: values.length / Math.max(1, front.length) };
  });
  const best = told.filter(({ distinct }) => distinct > 1).sort((a, b) => b.share - a.share || a.distinct - b.distinct).slice(0, MOST_PARAMS);
  return told.filter((each) => best.includes(each)).map(({ name }) => name);
}
