// Learning curves: the first objective that changes during training, at each report.

import { plain, short, svg } from "./shown.js";
import { extent } from "./trials.js";

export const DASHES = ["", "6 3", "2 3", "8 3 2 3", "1 3", "10 4"];

// Returns a chart of the trials' curves, or null where none was reported.
export function curves(details, objectives, width = 320, height = 150) {
  const index = objectives.findIndex((_, i) => details.some(({ rungs }) => new Set(rungs.map((rung) => rung[i + 1])).size > 1));
  const at = index < 0 ? 0 : index;
  const lines = details.map(({ rungs }) => rungs.filter((rung) => typeof rung[at + 1] === "number").map((rung) => [rung[0], rung[at + 1]]));
  const points = lines.flat();
  if (points.length < 2) return null;
  const [firstStep, lastStep] = extent(points.map(([step]) => step));
  const [low, high] = extent(points.map(([, value]) => value));
  const [left, right, top, bottom] = [46, 12, 10, 24];
  const x = (step) => left + ((step - firstStep) / (lastStep - firstStep || 1)) * (width - left - right);
  const y = (value) => height - bottom - ((value - low) / (high - low || 1)) * (height - top - bottom);
  const name = plain(objectives[at].name);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "curves", role: "img",
    "aria-label": `${name} by step: ${details.map(({ number }, i) => `trial ${number} ${lines[i].map(([step, value]) => `${step}: ${short(value)}`).join(", ")}`).join("; ")}` });
  const text = (said, more) => { const made = svg("text", more); made.textContent = said; chart.append(made); };
  chart.append(svg("path", { d: `M${left} ${top}V${height - bottom}H${width - right}`, class: "frame" }));
  text(short(high), { x: left - 5, y: top + 4, "text-anchor": "end" });
  text(short(low), { x: left - 5, y: height - bottom + 4, "text-anchor": "end" });
  const steps = [...new Set(points.map(([step]) => step))].sort((a, b) => a - b);
  const some = steps.length > 8 ? [steps[0], steps[steps.length - 1]] : steps;
  for (const step of some) text(step, { x: x(step), y: height - 9, "text-anchor": "middle" });
  text(name, { x: left + 6, y: top + 4, class: "name" });
  lines.forEach((line, i) => {
    if (!line.length) return;
    const d = line.map(([step, value], j) => `${j ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    chart.append(svg("path", { d, class: `line series-${i}`, "stroke-dasharray": DASHES[i] ?? "" }));
    for (const [step, value] of line) chart.append(svg("circle", { cx: x(step), cy: y(value), r: 2.5, class: `point series-${i}` }));
  });
  return chart;
}
