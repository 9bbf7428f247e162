// Trials as marks on a canvas over the axes of plotly.js: its own marks are an element each, of which ten thousand take
// seconds, and those by WebGL compile code at run time, which the page's Content-Security-Policy forbids.

import { el } from "./shown.js";

// The outline of each symbol around (0, 0), whose radius is 1.
const OUTLINES = {
  circle: (pen) => pen.arc(0, 0, 1, 0, 2 * Math.PI),
  triangle: (pen) => polygon(pen, [[-1.05, -0.7], [1.05, -0.7], [0, 1.1]]),
  diamond: (pen) => polygon(pen, [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]]),
  square: (pen) => polygon(pen, [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]),
  cross: (pen) => { polygon(pen, [[-0.9, -0.9], [0.9, 0.9]]); polygon(pen, [[-0.9, 0.9], [0.9, -0.9]]); },
};

export class Points {
  constructor(node) {
    this.node = node;
    this.canvas = el("canvas", { class: "points", "aria-hidden": "true" });
    node.append(this.canvas);
    this.groups = [];
    this.rows = [];
    this.places = new Float32Array(0);
  }

  // Takes groups `{ rows, symbol, radius, colour, filled, opacity, edge }`, of which the last lie on top.
  set(groups) {
    this.groups = groups;
    this.rows = groups.flatMap(({ rows }) => rows);
  }

  // Draws each row where `place(row)` says, as [left, top] in pixels, or not at all.
  paint(place) {
    const { clientWidth: width, clientHeight: height } = this.node;
    const ratio = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
    const pen = this.canvas.getContext("2d");
    this.places = new Float32Array(2 * this.rows.length).fill(NaN);
    this.drawn = 0;
    let at = 0;
    for (const group of this.groups) {
      const mark = stamp(group, ratio);
      pen.globalAlpha = group.opacity;
      for (const row of group.rows) {
        const found = place(row);
        if (found) {
          this.places.set(found, 2 * at);
          pen.drawImage(mark, found[0] * ratio - mark.width / 2, found[1] * ratio - mark.height / 2);
          this.drawn++;
        }
        at++;
      }
    }
  }

  // The row that is drawn nearest to a place, at most `within` pixels away; of equal ones the one on top.
  nearest(left, top, within) {
    let best = within ** 2;
    let found = null;
    for (let i = 0; i < this.rows.length; i++) {
      const distance = (this.places[2 * i] - left) ** 2 + (this.places[2 * i + 1] - top) ** 2;
      if (distance <= best) [best, found] = [distance, this.rows[i]];
    }
    return found;
  }
}

function polygon(pen, corners) {
  corners.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  if (corners.length > 2) pen.closePath();
}

// One mark as a picture, which is drawn many times faster than its outline.
function stamp({ symbol, radius, colour, filled, edge }, ratio) {
  const side = Math.ceil((2.6 * radius + 4) * ratio);
  const mark = el("canvas", { width: side, height: side });
  const pen = mark.getContext("2d");
  pen.translate(side / 2, side / 2);
  pen.scale(radius * ratio, radius * ratio);
  pen.beginPath();
  OUTLINES[symbol](pen);
  pen.fillStyle = colour;
  pen.strokeStyle = edge ?? colour;
  pen.lineWidth = (edge ? 1 : 1.3) / radius;
  if (filled) pen.fill();
  if (!filled || edge) pen.stroke();
  return mark;
}
