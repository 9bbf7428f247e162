// What matters in the study, and how the search went: computed by the server when somebody unfolds it.

import * as api from "./api.js";
import { costs } from "./fronttable.js";
import { el, plain, short, signed } from "./shown.js";

const FIGURES = { hypervolume: "How far the front has come: 1 is an ideal trial", curves: "How the networks learned", preferences: "What the front chooses more or less often than by chance" };

// A folded section whose content is asked for when it is opened, and again by a button once more trials have finished.
class Folded {
  constructor(node, study, trials) {
    Object.assign(this, { node, study, trials });
    this.told = node.querySelector(".told");
    node.addEventListener("toggle", () => { if (node.open && !this.told.childElementCount) this.ask(); });
  }

  async ask() {
    this.request?.abort();
    const request = (this.request = new AbortController());
    this.told.replaceChildren(el("p", { class: "note" }, "computing …"));
    try {
      const found = await this.read(request.signal);
      if (!request.signal.aborted) this.show(found);
    } catch (error) {
      if (!request.signal.aborted) this.told.replaceChildren(el("p", { class: "wrong" }, plain(error.message)), this.again("Try again"));
    }
  }

  // How old it is, where trials have finished since: to be called after each look at the server.
  age() {
    if (this.finished === undefined || !this.told.childElementCount) return;
    const since = this.trials.finished - this.finished;
    this.told.querySelector(".age")?.remove();
    if (since > 0) this.told.prepend(el("p", { class: "note age" }, `${since.toLocaleString("en")} trials have finished since this was computed. `, this.again("Compute again")));
  }

  again(label) {
    return el("button", { type: "button", onclick: () => this.ask() }, label);
  }
}

export class Matters extends Folded {
  constructor(node, study, trials) {
    super(node, study, trials);
    this.choice = node.querySelector(".of");
    this.choice.addEventListener("change", () => this.ask());
  }

  read(signal) {
    if (!this.choice.length) {
      const objectives = this.study.objectives.map(({ name }) => name);
      const names = [...objectives, ...costs(this.trials, [...this.trials.number.keys()], objectives)];
      this.choice.replaceChildren(...names.map((name) => el("option", { value: name }, plain(name))));
    }
    const asked = [api.matters(this.study.id, this.choice.value, signal), api.parts(this.study.id)];
    return Promise.all(asked).then(([found, parts]) => ({ ...found, parts }));
  }

  show(found) {
    this.finished = found.finished;
    if (found.lacks) {
      this.told.replaceChildren(el("p", { class: "note" }, plain(found.lacks)), ...found.parts.map(partsTable));
      return;
    }
    const of = plain(found.of);
    const beside = found.cost ? ` at equal ${plain(found.cost)}` : "";
    this.told.replaceChildren(...[
      el("ul", { class: "sentences" }, found.sentences.map((said) => el("li", {}, plain(said)))),
      el("div", { class: "tables" }, el("div", {},
        found.importances.length ? shares(`Share of the differences in ${of} that each explains`, "parameter", found.importances) : null,
        found.kinds.length ? shares("All layers together", "parameters", found.kinds) : null,
        found.pairs.length ? shares("What two explain only together", "parameters", found.pairs.map((pair) => ({ ...pair, name: pair.names.join(" × ") }))) : null),
        found.effects.length ? effects(`What a choice changes in ${of}${beside}, with 90 % intervals`, found.effects) : null),
      found.chance ? el("p", { class: "note" }, plain(found.chance)) : null,
      ...found.parts.map(partsTable),
    ].filter(Boolean));
    this.age();
  }
}

const percent = (share) => (share >= 0.005 ? `${(100 * share).toFixed(0)}%` : "<1%");

function headed(caption, names, rows, kind) {
  return el("table", { class: `matters ${kind}` }, el("caption", {}, caption),
    el("thead", { class: "unseen" }, el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, rows));
}

// A bar for each share, with a line over one standard deviation to both sides.
function shares(caption, name, rows) {
  return headed(caption, [name, "bar", "share"], rows.map((row) => {
    const bar = el("span", { class: "bar-of" }, placed("fill", 0, row.mean), row.deviation ? placed("whisker", row.mean - row.deviation, row.mean + row.deviation) : null);
    const said = percent(row.mean) + (row.deviation ? ` ± ${percent(row.deviation)}` : "");
    return el("tr", {}, el("th", { scope: "row" }, plain(row.name)), el("td", { "aria-hidden": "true" }, bar), el("td", { class: "said" }, said));
  }), "shares");
}

// A dot in its interval for each choice, all on one scale, with a line at no change.
function effects(caption, found) {
  const ends = found.flatMap(({ choices }) => choices.flatMap(({ low, high }) => [low, high])).filter((end) => end !== null);
  const [least, most] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const at = (value) => (value - least) / (most - least || 1);
  const rows = found.flatMap(({ name, told, choices }) => choices.map(({ value, mean, low, high }, i) => {
    const interval = el("span", { class: "interval" }, placed("zero", at(0), at(0)), placed("whisker", at(low), at(high)), placed("dot", at(mean), at(mean)));
    const row = el("tr", { class: told ? "" : "untold" }, el("th", { scope: "row" }, plain(value)),
      el("td", { "aria-hidden": "true" }, interval), el("td", { class: "said" }, signed(mean), el("small", {}, `${signed(low)} to ${signed(high)}`)));
    if (i) return row;
    return [el("tr", { class: "name" }, el("th", { scope: "rowgroup", colSpan: 3 }, plain(name), told ? null : el("small", {}, "may be chance"))), row];
  }).flat());
  return headed(caption, ["value", "interval", "change"], rows, "effects");
}

// How the fully trained network depends on its parts, as optnas explain --run measured it.
function partsTable({ trial, metrics, samples, ablations }) {
  const names = ["loss", ...Object.keys(metrics).filter((name) => name !== "loss").slice(0, 1)];
  const change = (of, name) => signed(of[name] - metrics[name]);
  return el("div", { class: "scrolled", tabIndex: 0, role: "group", "aria-label": `What trial ${trial} depends on` }, el("table", { class: "layers parts" },
    el("caption", {}, `What trial ${trial} depends on, trained fully (${names.map((name) => `${plain(name)} ${short(metrics[name])}`).join(", ")} on ${samples.toLocaleString("en")} samples): the change without each part, and with half of its output`),
    el("thead", {}, el("tr", {}, ["part", ...names.map(plain), "half: loss"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ablations.map(({ place, part, how, metrics: without, halved }) => {
      const name = el("td", { title: how }, plain(part));
      name.style.paddingLeft = `${place.split(".").length - 1}em`;
      return el("tr", {}, name, names.map((each) => el("td", {}, change(without, each))), el("td", {}, change(halved, "loss")));
    }))));
}

function placed(kind, from, to) {
  const made = el("span", { class: kind });
  const [low, high] = [Math.max(0, Math.min(1, from)), Math.max(0, Math.min(1, to))];
  made.style.left = `${100 * low}%`;
  made.style.width = `${100 * (high - low)}%`;
  return made;
}

export class Course extends Folded {
  constructor(node, study, trials) {
    super(node, study, trials);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (this.found) this.draw(); });
  }

  read(signal) {
    return Promise.all(Object.keys(FIGURES).map((name) => api.figure(this.study.id, name, signal)));
  }

  show(found) {
    this.found = found;
    this.finished = Math.max(...found.map(({ finished }) => finished ?? 0)) || undefined;
    const captions = Object.values(FIGURES);
    this.places = found.map(({ lacks }, i) => (lacks ? null : el("div", { class: "course", role: "img", "aria-label": captions[i] })));
    this.told.replaceChildren(...found.map(({ lacks }, i) => el("figure", {}, el("figcaption", {}, captions[i]), this.places[i] ?? el("p", { class: "note" }, plain(lacks)))));
    this.draw();
    this.age();
  }

  draw() {
    const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
    this.found.forEach(({ data, layout, dark }, i) => {
      const place = this.places[i];
      if (!place) return;
      const narrow = place.clientWidth < 500;
      const { title, ...rest } = isDark ? recoloured(layout, dark) : layout;
      const margin = { ...rest.margin, t: 30, ...(narrow ? { l: 50, r: 8 } : {}) };
      // What stands around it is the page.
      const clear = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
      window.Plotly.react(place, isDark ? recoloured(data, dark) : data, { ...rest, margin, ...clear, autosize: true }, { responsive: true, displaylogo: false, displayModeBar: false });
    });
  }
}

function recoloured(value, by) {
  if (typeof value === "string") return Object.hasOwn(by, value) ? by[value] : value;
  if (Array.isArray(value)) return value.map((each) => recoloured(each, by));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, recoloured(each, by)]));
}
