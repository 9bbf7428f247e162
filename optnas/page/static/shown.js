// Texts and numbers as people see them, and small parts of the page.

// The same characters as in optnas/shown.py: what steers a terminal or turns the direction of writing.
const STEERS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

export function plain(text) {
  return String(text).toWellFormed().replace(STEERS, (letter) => {
    const code = letter.codePointAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
  });
}

const UNITS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

// A few digits: 0.9861, 921.8 k, 1.23 M.
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value === "string") return plain(value.replace(/\d+\.\d{5,}(e-?\d+)?/g, (long) => digits(Number(long))));
  const size = Math.abs(value);
  if (!(size < 1e16)) return String(value);
  for (const [unit, letter] of UNITS) {
    if (size >= 10 * unit || (size >= unit && unit > 1e3)) return `${digits(value / unit)} ${letter}`;
  }
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return size >= 1 || size < 1e-3 ? digits(value) : String(Number(value.toFixed(4)));
}

function digits(value) {
  return String(Number(value.toPrecision(4)));
}

// A change, with its sign and two digits.
export function signed(value) {
  return `${value >= 0 ? "+" : "−"}${short(Number(Math.abs(value).toPrecision(2)))}`;
}

// An element with properties and children; texts become text nodes, never markup.
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && !name.includes("-")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Tells what happened to those who do not see it.
export function say(text) {
  document.getElementById("said").textContent = plain(text);
}

// A button that copies a text. Over plain HTTP from another machine browsers have no clipboard.
export function copyButton(label, text) {
  const button = el("button", { type: "button", class: "copy", title: plain(text) }, label);
  button.addEventListener("click", async () => {
    const done = await copied(text);
    button.textContent = done ? "Copied" : "Not copied";
    say(done ? `Copied: ${label}` : "The browser refused to copy");
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { value: text, class: "unseen", readOnly: true });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
