// The study's trials as columns: finished ones first, in the order in which they ended, then open ones.

const GROUPS = ["values", "costs", "metrics", "params"];

export class Trials {
  constructor(objectives) {
    this.objectives = objectives;
    this.clear();
  }

  clear() {
    this.finished = 0;
    this.count = 0;
    this.number = [];
    this.kind = [];
    this.ops = [];
    this.columns = new Map();
    for (const { name } of this.objectives) this.columns.set(name, { name, group: "values", data: [] });
    this.rows = new Map();
  }

  // Takes an answer of the server; returns whether anything changed among the finished.
  update(answer) {
    if (answer.reset) this.clear();
    this.truncate(this.finished);
    this.append(answer.finished);
    this.finished = this.count;
    this.append(answer.open);
    return answer.reset || answer.finished.number.length > 0;
  }

  truncate(count) {
    for (let row = count; row < this.count; row++) this.rows.delete(this.number[row]);
    for (const list of [this.number, this.kind, this.ops]) list.length = count;
    for (const column of this.columns.values()) column.data.length = Math.min(column.data.length, count);
    this.count = count;
  }

  append(part) {
    const before = this.count;
    for (const number of part.number) {
      this.rows.set(number, this.count);
      this.number.push(number);
      this.count++;
    }
    for (const code of part.kind.codes) this.kind.push(part.kind.words[code]);
    const sets = part.ops.sets.map((codes) => new Set(codes.map((code) => part.ops.words[code])));
    for (const code of part.ops.codes) this.ops.push(sets[code]);
    for (const group of GROUPS) {
      for (const [name, given] of Object.entries(part[group])) {
        const { data } = this.columnFor(name, group);
        while (data.length < before) data.push(null);
        const values = Array.isArray(given) ? given : given.codes.map((code) => given.words[code] ?? null);
        // A cost that is an objective, too, is known of more trials as the one than as the other.
        for (let i = 0; i < values.length; i++) data[before + i] = values[i] ?? data[before + i] ?? null;
      }
    }
    for (const { data } of this.columns.values()) while (data.length < this.count) data.push(null);
  }

  columnFor(name, group) {
    let key = name;
    if (group === "params" && this.columns.has(name) && this.columns.get(name).group !== "params") {
      key = `params.${name}`;
    }
    if (!this.columns.has(key)) this.columns.set(key, { name: key, group, data: [] });
    return this.columns.get(key);
  }

  value(name, row) {
    return this.columns.get(name)?.data[row] ?? null;
  }

  // Columns of numbers: what an axis can show.
  numeric() {
    return [...this.columns.values()].filter(({ data, group }) =>
      group !== "params" && data.some((value) => typeof value === "number"));
  }

  direction(name) {
    const objective = this.objectives.find((each) => each.name === name);
    if (objective) return objective.direction;
    return this.columns.get(name)?.group === "costs" ? "minimize" : null;
  }

  // Whether a logarithmic axis says more: positive values over more than a factor of ten, smaller ones better.
  isWide(name) {
    const values = this.columns.get(name)?.data.filter((value) => typeof value === "number") ?? [];
    if (!values.length || this.direction(name) === "maximize") return false;
    const [low, high] = extent(values);
    return low > 0 && high > 10 * low;
  }

  isSearchedByLog(name) {
    const column = this.columns.get(name);
    const values = column?.data.filter((value) => typeof value === "number") ?? [];
    if (column?.group !== "params" || !values.length) return false;
    const [low, high] = extent(values);
    return low > 0 && high > 50 * low;
  }
}

export function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// The rows that no other of `rows` dominates; of equal ones the first.
export function frontOf(trials, rows, objectives = trials.objectives) {
  const signs = objectives.map(({ direction }) => (direction === "maximize" ? -1 : 1));
  const columns = objectives.map(({ name }) => trials.columns.get(name).data);
  const losses = (row) => columns.map((data, i) => data[row] * signs[i]);
  const known = rows.filter((row) => columns.every((data) => typeof data[row] === "number"));
  const points = known.map((row) => ({ row, at: losses(row) }));
  points.sort((a, b) => {
    for (let i = 0; i < a.at.length; i++) if (a.at[i] !== b.at[i]) return a.at[i] - b.at[i];
    return trials.number[a.row] - trials.number[b.row];
  });
  const best = [];
  for (const point of points) {
    // Sorted by all objectives, nothing that comes later dominates what came before.
    if (!best.some((other) => other.at.every((value, i) => value <= point.at[i]))) best.push(point);
  }
  return best.map(({ row }) => row);
}
