// The page of one study: reads it, keeps what is chosen, and draws all parts again when either changes.

import * as api from "./api.js";
import { Compare, MOST_PICKED } from "./compare.js";
import { Details } from "./details.js";
import { compile, searchOps, spelled } from "./filter.js";
import { fillTable } from "./fronttable.js";
import { Course, Matters } from "./matters.js";
import { Outcome } from "./outcome.js";
import { Parallel, usualAxes } from "./parallel.js";
import { KINDS, Scatter } from "./scatter.js";
import { el, plain, say, short } from "./shown.js";
import { frontOf, Trials } from "./trials.js";

const byId = (id) => document.getElementById(id);
// Milliseconds between two looks at the server: while trials run, while none does, and while it is away.
const [RUNNING, QUIET, AWAY] = [2000, 10000, 5000];

class Page {
  constructor(study) {
    this.study = study;
    this.trials = new Trials(study.objectives);
    this.cursor = "";
    this.hidden = new Set();
    this.ranges = new Map();
    this.picked = [];
    this.focus = null;
    this.axes = null;
    this.lines = null;
    this.restore();
    const pick = (number) => this.pick(number);
    const isPicked = (number) => this.picked.includes(number);
    this.tableHandlers = { focus: (row) => this.look(row), pick, isPicked };
    this.details = new Details(byId("details"), study, { pick, isPicked });
    this.compare = new Compare(byId("compare"), study, { unpick: pick });
    this.scatter = new Scatter(byId("front"), {
      hover: (row) => this.look(row),
      pick: (row) => this.pick(this.trials.number[row]),
      brush: (ranges) => {
        for (const [name, [low, high]] of Object.entries(ranges)) this.ranges.set(name, { low, high });
        this.draw();
      },
    });
    this.parallel = new Parallel(byId("parallel"), {
      brush: (name, range) => this.limit(name, range),
      hover: (row) => this.look(row),
    });
    this.matters = new Matters(byId("matters"), study, this.trials);
    this.outcome = new Outcome(byId("empty"), study);
    this.course = new Course(byId("course"), study, this.trials);
    this.listen();
  }

  listen() {
    for (const id of ["filter", "ops"]) {
      byId(id).addEventListener("input", () => {
        clearTimeout(this.typing);
        this.typing = setTimeout(() => this.draw(), 150);
      });
    }
    for (const id of ["x", "y"]) byId(id).addEventListener("change", () => { this.axes[id] = byId(id).value; this.setLog(id); this.draw(); });
    for (const id of ["logX", "logY"]) byId(id).addEventListener("change", () => { this.axes[id] = byId(id).checked; this.draw(); });
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("clear").addEventListener("click", () => this.clear());
    byId("front").addEventListener("keydown", (event) => this.key(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.look_again(0); });
  }

  // The trials that are shown, and the front among them.
  choose() {
    const { trials } = this;
    let tests = [];
    for (const [id, read] of [["filter", compile], ["ops", searchOps]]) {
      const field = byId(id);
      const wrong = byId(`${id}-wrong`);
      wrong.textContent = "";
      field.removeAttribute("aria-invalid");
      try {
        tests.push(read(field.value, trials));
      } catch (error) {
        wrong.textContent = plain(error.message);
        field.setAttribute("aria-invalid", "true");
      }
    }
    for (const [name, range] of this.ranges) {
      const data = trials.columns.get(name)?.data;
      if (data) tests.push((row) => (range.words ? range.words.has(data[row]) : data[row] >= range.low && data[row] <= range.high && data[row] !== null));
    }
    this.shown = [];
    for (let row = 0; row < trials.count; row++) {
      if (!this.hidden.has(trials.kind[row]) && tests.every((test) => test(row))) this.shown.push(row);
    }
    const complete = this.shown.filter((row) => trials.kind[row] === "complete");
    this.front = frontOf(trials, complete);
  }

  async draw() {
    const begun = performance.now();
    this.choose();
    this.tell();
    this.chips();
    this.legend();
    this.options();
    fillTable(byId("table"), this.trials, this.front, this.tableHandlers);
    const names = this.lines ?? usualAxes(this.trials, Math.max(3, Math.min(9, Math.floor(byId("parallel").clientWidth / 105))));
    this.parallel.draw(this.trials, this.shown, this.front, names, this.ranges);
    this.axisList(names);
    await this.scatter.draw(this.trials, this.shown, this.front, this.axes);
    this.marks();
    this.keep();
    document.documentElement.dataset.drawn = String(this.trials.count);
    this.took = performance.now() - begun;
    if (this.focus === null && this.shown.length) this.look(this.front[0] ?? this.shown[0], false);
    this.compare.show(this.trials, this.picked.filter((number) => this.trials.rows.has(number)));
  }

  tell() {
    const { trials, shown, front } = this;
    const all = trials.count.toLocaleString("en");
    const some = shown.length === trials.count ? `${all} trials` : `${shown.length.toLocaleString("en")} of ${all} trials`;
    const said = `${some}, ${front.length} on the front`;
    if (byId("count").textContent !== said) byId("count").textContent = said;
    this.outcome.tell(trials);
    byId("clear").hidden = !(byId("filter").value || byId("ops").value || this.ranges.size || this.hidden.size);
  }

  // The limits that were drawn, each with a button that removes it.
  chips() {
    byId("chips").replaceChildren(...[...this.ranges].map(([name, range]) => {
      const said = range.words ? `${spelled(name)}: ${[...range.words].map(short).join(", ")}` : `${short(range.low)} ≤ ${spelled(name)} ≤ ${short(range.high)}`;
      return el("li", {}, plain(said), el("button", { type: "button", "aria-label": `Remove the limit ${plain(said)}`, onclick: () => this.limit(name, null) }, "✕"));
    }));
  }

  legend() {
    const counts = {};
    for (const kind of this.trials.kind) counts[kind] = (counts[kind] ?? 0) + 1;
    const kinds = Object.keys(KINDS).filter((kind) => counts[kind]);
    const key = kinds.map((kind) => `${kind}${counts[kind]}${this.hidden.has(kind)}`).join();
    if (this.legendShown === key) return;
    this.legendShown = key;
    byId("kinds").replaceChildren(...kinds.map((kind) => el("label", {},
      el("input", { type: "checkbox", checked: !this.hidden.has(kind), onchange: ({ target }) => { this.hidden[target.checked ? "delete" : "add"](kind); this.legendShown = ""; this.draw(); } }),
      ` ${KINDS[kind].mark} ${counts[kind].toLocaleString("en")} ${KINDS[kind].words}`)));
  }

  // The quantities that the axes offer.
  options() {
    const { trials } = this;
    const names = trials.numeric().map(({ name }) => name);
    const objectives = this.study.objectives.map(({ name }) => name);
    for (const name of objectives) if (!names.includes(name)) names.push(name);
    if (!this.axes) {
      this.axes = { y: objectives[0], x: objectives[1] ?? names.find((name) => name !== objectives[0]) ?? objectives[0], ...this.wanted };
      for (const id of ["x", "y"]) if (!names.includes(this.axes[id])) this.axes[id] = objectives[0];
    }
    for (const id of ["x", "y"]) if (!this.logChosen?.[this.axes[id]]) this.setLog(id);
    const key = names.join("\n");
    if (this.optionsShown !== key) {
      this.optionsShown = key;
      for (const id of ["x", "y"]) byId(id).replaceChildren(...names.map((name) => el("option", { value: name }, plain(name))));
      const words = new Set();
      for (const set of new Set(trials.ops)) for (const word of set) words.add(word);
      byId("known-ops").replaceChildren(...[...words].sort().map((word) => el("option", { value: word })));
    }
    for (const id of ["x", "y"]) byId(id).value = this.axes[id];
    byId("logX").checked = this.axes.logX;
    byId("logY").checked = this.axes.logY;
  }

  setLog(id) {
    this.axes[id === "x" ? "logX" : "logY"] = this.trials.isWide(this.axes[id]);
  }

  axisList(names) {
    const key = `${[...this.trials.columns.keys()].join("\n")}|${names.join("\n")}`;
    if (this.axesShown === key) return;
    this.axesShown = key;
    byId("axes").replaceChildren(...[...this.trials.columns.values()].filter(({ data }) => data.some((value) => value !== null)).map(({ name }) =>
      el("label", {}, el("input", { type: "checkbox", checked: names.includes(name), onchange: ({ target }) => {
        this.lines = target.checked ? [...names, name] : names.filter((each) => each !== name);
        this.draw();
      } }), ` ${plain(name)}`)));
  }

  limit(name, range) {
    if (range) this.ranges.set(name, range);
    else {
      this.ranges.delete(name);
      this.scatter.clearBox();
    }
    this.draw();
  }

  clear() {
    byId("filter").value = byId("ops").value = "";
    this.ranges.clear();
    this.hidden.clear();
    this.legendShown = "";
    this.scatter.clearBox();
    this.draw();
    byId("filter").focus();
  }

  // Shows a trial in the panel; a redraw repeats nothing that was said.
  look(row, aloud = true) {
    this.focus = this.trials.number[row];
    this.details.show(this.trials, row, this.front.includes(row));
    this.marks();
    if (aloud) say(this.spoken(row));
  }

  spoken(row) {
    const { trials } = this;
    const values = this.study.objectives.map(({ name }) => `${name} ${short(trials.value(name, row))}`);
    return `Trial ${trials.number[row]}, ${trials.kind[row]}${this.front.includes(row) ? ", on the front" : ""}: ${values.join(", ")}`;
  }

  pick(number) {
    const at = this.picked.indexOf(number);
    if (at >= 0) this.picked.splice(at, 1);
    else if (this.picked.length < MOST_PICKED) this.picked.push(number);
    else {
      say(`At most ${MOST_PICKED} trials are compared`);
      return;
    }
    say(`${this.picked.length} picked${this.picked.length === 1 ? "; pick another one to compare" : ""}`);
    byId("picked").textContent = this.picked.length ? `${this.picked.length === 1 ? "One trial is" : `${this.picked.length} trials are`} picked${this.picked.length === 1 ? "; pick another to compare them" : ", compared below"}` : "";
    this.details.tellPicked();
    this.marks();
    this.keep();
    fillTable(byId("table"), this.trials, this.front, this.tableHandlers);
    this.compare.show(this.trials, this.picked);
  }

  marks() {
    const rows = this.picked.map((number) => this.trials.rows.get(number)).filter((row) => row !== undefined);
    const focus = this.trials.rows.get(this.focus) ?? null;
    this.scatter.mark(rows, focus);
    if (this.parallel.focus !== focus) {
      this.parallel.focus = focus;
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.parallel.trials && this.parallel.paint());
    }
  }

  // Arrows walk along the front, Enter picks.
  key(event) {
    if (event.target !== byId("front") || !this.front.length) return;
    const along = [...this.front].sort((a, b) => this.trials.value(this.axes.x, a) - this.trials.value(this.axes.x, b));
    const at = along.indexOf(this.trials.rows.get(this.focus));
    const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: along.length - 1 }[event.key];
    if (to !== undefined) this.look(along[Math.max(0, Math.min(along.length - 1, to))]);
    else if ((event.key === "Enter" || event.key === " ") && this.focus !== null) this.pick(this.focus);
    else return;
    event.preventDefault();
  }

  // What is chosen stands in the address, so that it can be sent to somebody.
  keep() {
    const kept = new URLSearchParams();
    const { x, y } = this.axes;
    if (byId("filter").value) kept.set("filter", byId("filter").value);
    if (byId("ops").value) kept.set("ops", byId("ops").value);
    if (y !== this.study.objectives[0].name || x !== this.study.objectives[1]?.name) { kept.set("x", x); kept.set("y", y); }
    if (this.picked.length) kept.set("trials", this.picked.join("."));
    const hash = kept.size ? `#${kept}` : "";
    if (location.hash !== hash) history.replaceState(null, "", `${location.pathname}${location.search}${hash}`);
  }

  restore() {
    const kept = new URLSearchParams(location.hash.slice(1));
    for (const id of ["filter", "ops"]) byId(id).value = kept.get(id) ?? "";
    this.wanted = kept.has("x") && kept.has("y") ? { x: kept.get("x"), y: kept.get("y") } : {};
    this.picked = (kept.get("trials") ?? "").split(".").filter(Boolean).map(Number).filter(Number.isInteger).slice(0, MOST_PICKED);
  }

  async read() {
    let wait = QUIET;
    try {
      const answer = await api.trials(this.study.id, this.cursor);
      const first = this.cursor === "";
      this.cursor = answer.cursor;
      const before = this.trials.count;
      const open = answer.open.number.join();
      const changed = this.trials.update(answer);
      byId("state").textContent = answer.open_count ? `${answer.open_count} open, updating` : "";
      byId("away").hidden = true;
      if (answer.open_count) wait = RUNNING;
      if (first || changed || before !== this.trials.count || open !== this.open || answer.open_count) {
        this.details.forget();
        await this.draw();
        if (this.focus !== null && this.trials.rows.has(this.focus)) this.look(this.trials.rows.get(this.focus), false);
      }
      this.open = open;
      this.matters.age();
      this.course.age();
    } catch (error) {
      byId("away").hidden = false;
      byId("away").textContent = plain(error.message);
      if (!(error instanceof api.Away)) console.error(error);
      wait = AWAY;
    }
    // Many trials take a while to draw, and the page is there to be looked at.
    this.look_again(Math.max(wait, 10 * (this.took ?? 0)));
  }

  look_again(wait) {
    clearTimeout(this.next);
    if (!document.hidden) this.next = setTimeout(() => this.read(), wait);
  }
}

// The study's name in this page's address; null for the list of studies.
function wanted() {
  const given = new URLSearchParams(location.search).get("study");
  if (given) return given;
  const name = decodeURIComponent(location.pathname.replace(/^\/optnas\/?/, ""));
  return name === "" ? null : name;
}

function list(studies) {
  byId("list").hidden = false;
  byId("studies").replaceChildren(...studies.map(({ name, page, trials, begun }) =>
    el("li", {}, el("a", { href: page }, plain(name) || "(no name)"), el("span", { class: "note" }, ` ${trials.toLocaleString("en")} trials${begun ? `, begun ${begun}` : ""}`))));
}

async function main() {
  const name = wanted();
  const studies = await api.studies();
  byId("away").hidden = true;
  const found = studies.find((each) => each.name === name);
  document.documentElement.dataset.ready = "yes";
  if (!found) {
    if (name !== null) byId("list").prepend(el("p", { class: "wrong" }, `There is no study ${plain(name)}.`));
    list(studies);
    return;
  }
  const study = await api.study(found.id);
  document.title = `${plain(study.name)} · optnas`;
  byId("name").textContent = plain(study.name);
  const { task, data, size } = study.about;
  byId("about").textContent = [task, data, size ? `${short(size)} architectures` : null].filter(Boolean).map(plain).join(" · ");
  byId("dashboard").href = study.dashboard;
  byId("others").hidden = studies.length < 2;
  byId("study").hidden = false;
  const page = new Page(study);
  window.optnas = page;
  await page.read();
}

async function begin() {
  try {
    await main();
  } catch (error) {
    byId("away").hidden = false;
    byId("away").textContent = plain(error.message);
    if (error instanceof api.Away) setTimeout(begin, AWAY);
    else console.error(error);
  }
}

begin();
