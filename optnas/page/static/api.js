// The server's JSON, which optnas/page/README.md describes.

const ROOT = "/optnas/api/studies";
const MOST_DETAILS = 300;
// Milliseconds between two questions whether it is computed.
const COMPUTING = 1000;

export class Away extends Error {}

async function get(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Away("The server does not answer. Is optnas dashboard still running?");
  }
  if (answer.status === 401) throw new Away("The server wants its token: open the address that it printed.");
  const data = await answer.json();
  if (!answer.ok) throw answer.status >= 500 ? new Away(data.error) : new Error(data.error);
  return data;
}

export const studies = () => get(ROOT);
export const study = (id) => get(`${ROOT}/${id}`);
// Asked for before it is known whether there is one: an error would stand in the browser's console.
export const drawingOf = (id, number) => `${ROOT}/${id}/trials/${number}/drawing.svg?quiet`;
export const trials = (id, cursor) => get(`${ROOT}/${id}/trials?after=${encodeURIComponent(cursor)}`);

// What the server computes beside its other answers: asked for until it is there.
async function computed(path, signal) {
  for (;;) {
    const found = await get(path, { signal });
    if (found.ready) return found;
    await new Promise((resolve) => { setTimeout(resolve, COMPUTING); });
  }
}

export const matters = (id, of, signal) => computed(`${ROOT}/${id}/matters?of=${encodeURIComponent(of)}`, signal);
export const outcome = (id) => get(`${ROOT}/${id}/outcome`);
export const parts = (id) => get(`${ROOT}/${id}/parts`);
export const figure = (id, name, signal) => computed(`${ROOT}/${id}/figures/${name}`, signal);

const known = new Map();

// A trial's details; those of finished trials are kept.
export async function trial(id, number, signal) {
  const key = `${id}/${number}`;
  if (known.has(key)) return known.get(key);
  const found = await get(`${ROOT}/${id}/trials/${number}`, { signal });
  if (!["running", "waiting"].includes(found.kind)) {
    known.set(key, found);
    if (known.size > MOST_DETAILS) known.delete(known.keys().next().value);
  }
  return found;
}

// The drawing at an address that a trial's details tell, to stand in the page.
export async function drawing(address) {
  if (!address) return null;
  const answer = await fetch(address);
  if (!answer.ok) return null;
  const parsed = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  return parsed.localName === "svg" ? document.importNode(parsed, true) : null;
}
