// Filters typed as constraints, such as `params <= 50_000 and latency_ms < 5`, read without eval.

const TOKEN = /\s*(?:(?<number>(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)|(?<quoted>`[^`]*`)|(?<text>"[^"]*"|'[^']*')|(?<word>[\p{L}_][\p{L}\p{N}_]*(?:\.[\p{L}\p{N}_]+)*)|(?<sign>\*\*|<=|>=|==|!=|&&|\|\||[-+*\/%<>=()!,]))/uy;
const FUNCTIONS = {
  abs: Math.abs, exp: Math.exp, log: Math.log, log2: Math.log2, log10: Math.log10,
  max: Math.max, min: Math.min, sqrt: Math.sqrt,
};
const COMPARE = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "==": (a, b) => a === b, "!=": (a, b) => a !== b,
};
const DEEPEST = 50;
const MOST = 2000;

export class FilterError extends Error {}

// Returns a function of a row that says whether it is kept. A comparison with a value that a trial does not
// have keeps no trial, also behind `not`.
export function compile(text, trials) {
  if (text.length > MOST) throw new FilterError(`A filter has at most ${MOST} characters`);
  if (!text.trim()) return () => true;
  const reader = new Reader(tokens(text), trials);
  const test = reader.either(0);
  reader.end();
  if (!test.logical) throw new FilterError(`Compare it with something, as in ${example(trials)}`);
  return (row) => test(row) === true;
}

function tokens(text) {
  const found = [];
  TOKEN.lastIndex = 0;
  while (text.slice(TOKEN.lastIndex).trim()) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new FilterError(`Not understood: ${text.slice(at).trim().slice(0, 30)}`);
    const [kind, value] = Object.entries(match.groups).find(([, each]) => each !== undefined);
    found.push({ kind, value });
  }
  return found;
}

function example(trials) {
  const cost = ["params", "flops"].find((name) => trials.columns.has(name));
  return cost ? `${cost} <= 50_000` : `${trials.objectives[0].name} > 0.5`;
}

class Reader {
  constructor(list, trials) {
    this.list = list;
    this.trials = trials;
    this.at = 0;
  }

  peek(...values) {
    const token = this.list[this.at];
    return token && token.kind !== "text" && token.kind !== "quoted" && values.includes(token.value);
  }

  take(...values) {
    return this.peek(...values) ? this.list[this.at++].value : null;
  }

  end() {
    const token = this.list[this.at];
    if (!token) return;
    if (token.value === "=") throw new FilterError("Write == for “is”");
    throw new FilterError(`Something is missing before ${token.value}`);
  }

  either(depth) {
    return this.joined(depth, ["or", "||"], (each) => this.both(each), (a, b) => (row) => {
      const left = a(row);
      if (left === true) return true;
      const right = b(row);
      return right === true ? true : left === null || right === null ? null : false;
    });
  }

  both(depth) {
    return this.joined(depth, ["and", "&&"], (each) => this.negated(each), (a, b) => (row) => {
      const left = a(row);
      if (left === false) return false;
      const right = b(row);
      return right === false ? false : left === null || right === null ? null : true;
    });
  }

  joined(depth, words, part, join) {
    let left = part(depth);
    while (this.peek(...words)) {
      const word = this.take(...words);
      const right = part(depth);
      for (const side of [left, right]) {
        if (!side.logical) throw new FilterError(`Write a comparison on both sides of ${word}`);
      }
      left = logical(join(left, right));
    }
    return left;
  }

  negated(depth) {
    deep(depth);
    if (!this.take("not", "!")) return this.comparison(depth);
    const part = this.negated(depth + 1);
    if (!part.logical) throw new FilterError("Write a comparison after not");
    return logical((row) => { const found = part(row); return found === null ? null : !found; });
  }

  comparison(depth) {
    const sides = [this.sum(depth)];
    const signs = [];
    while (this.peek(...Object.keys(COMPARE))) {
      signs.push(this.take(...Object.keys(COMPARE)));
      sides.push(this.sum(depth));
    }
    if (!signs.length) return sides[0];
    for (const side of sides) if (side.logical) throw new FilterError("A comparison has numbers or names on its sides");
    return logical((row) => {
      const values = sides.map((side) => side(row));
      if (values.some((value) => value === null || Number.isNaN(value))) return null;
      return signs.every((sign, i) => {
        const [a, b] = typeof values[i] === typeof values[i + 1] ? [values[i], values[i + 1]] : [String(values[i]), String(values[i + 1])];
        return COMPARE[sign](a, b);
      });
    });
  }

  sum(depth) {
    return this.chain(depth, ["+", "-"], (each) => this.product(each));
  }

  product(depth) {
    return this.chain(depth, ["*", "/", "%"], (each) => this.signed(each));
  }

  chain(depth, signs, part) {
    let left = part(depth);
    while (this.peek(...signs)) left = arithmetic(this.take(...signs), left, part(depth));
    return left;
  }

  signed(depth) {
    deep(depth);
    const sign = this.take("-", "+");
    if (!sign) return this.power(depth);
    const part = this.signed(depth + 1);
    return sign === "-" ? arithmetic("-", () => 0, part) : part;
  }

  power(depth) {
    const base = this.atom(depth);
    return this.take("**") ? arithmetic("**", base, this.signed(depth + 1)) : base;
  }

  atom(depth) {
    deep(depth);
    const token = this.list[this.at++];
    if (!token) throw new FilterError("Something is missing at the end");
    const { kind, value } = token;
    if (kind === "number") {
      const number = Number(value.replaceAll("_", ""));
      if (Number.isNaN(number)) throw new FilterError(`${value} is no number`);
      return () => number;
    }
    if (kind === "text") return () => value.slice(1, -1);
    if (kind === "quoted") return this.column(value.slice(1, -1));
    if (value === "(") {
      const inner = this.either(depth + 1);
      if (!this.take(")")) throw new FilterError("A ) is missing");
      return inner;
    }
    if (kind === "word" && this.peek("(")) return this.call(value, depth);
    if (kind === "word" && !["and", "or", "not"].includes(value)) return this.column(value);
    this.at--;
    throw new FilterError(`Something is missing before ${value}`);
  }

  call(name, depth) {
    if (!Object.hasOwn(FUNCTIONS, name)) {
      throw new FilterError(`There is no ${name}(…); there are ${Object.keys(FUNCTIONS).join(", ")}`);
    }
    this.take("(");
    const given = [this.sum(depth + 1)];
    while (this.take(",")) given.push(this.sum(depth + 1));
    if (!this.take(")")) throw new FilterError("A ) is missing");
    return (row) => {
      const values = given.map((each) => each(row));
      return values.some((value) => typeof value !== "number") ? null : FUNCTIONS[name](...values);
    };
  }

  column(name) {
    if (name === "trial") return (row) => this.trials.number[row];
    if (name === "state") return (row) => this.trials.kind[row];
    const column = this.trials.columns.get(name);
    if (!column) throw new FilterError(`There is no ${name}. ${nearest(name, this.trials)}`);
    return (row) => column.data[row] ?? null;
  }
}

function nearest(name, trials) {
  const names = [...trials.columns.keys(), "trial", "state"];
  const close = names.filter((each) => each.toLowerCase().includes(name.toLowerCase().slice(0, 3)));
  const some = (close.length ? close : names).slice(0, 6);
  return `${close.length ? "Is it" : "There are"} ${some.map(spelled).join(", ")}${some.length < names.length && !close.length ? ", …" : ""}${close.length ? "?" : ""}`;
}

// A name as it is typed in a filter.
export function spelled(name) {
  return /^[\p{L}_][\p{L}\p{N}_]*(\.[\p{L}\p{N}_]+)*$/u.test(name) ? name : `\`${name}\``;
}

function logical(test) {
  return Object.assign(test, { logical: true });
}

function arithmetic(sign, a, b) {
  if (a.logical || b.logical) throw new FilterError(`${sign} stands between numbers`);
  const work = {
    "+": (x, y) => x + y, "-": (x, y) => x - y, "*": (x, y) => x * y, "/": (x, y) => x / y, "**": (x, y) => x ** y,
    // Python's, whose sign is the divisor's.
    "%": (x, y) => x - y * Math.floor(x / y),
  }[sign];
  return (row) => {
    const x = a(row);
    const y = b(row);
    return typeof x === "number" && typeof y === "number" ? work(x, y) : null;
  };
}

function deep(depth) {
  if (depth > DEEPEST) throw new FilterError(`It is nested deeper than ${DEEPEST} levels`);
}

// Returns a function of a row that says whether its architecture has all ops of a search, such as `mish sepconv`.
export function searchOps(text, trials) {
  const words = text.toLowerCase().split(/[\s,]+/).filter(Boolean);
  if (!words.length) return () => true;
  const vocabulary = new Set();
  for (const set of new Set(trials.ops)) for (const word of set) vocabulary.add(word);
  // A word that is an op stands for itself alone, any other for all that contain it.
  const wanted = words.map((word) => {
    const exact = [...vocabulary].filter((each) => each.toLowerCase() === word);
    return exact.length ? exact : [...vocabulary].filter((each) => each.toLowerCase().includes(word));
  });
  const none = words.find((_, i) => !wanted[i].length);
  if (none !== undefined) throw new FilterError(`No architecture has ${none}`);
  return (row) => wanted.every((some) => some.some((word) => trials.ops[row].has(word)));
}
