// Histograms of likeness, one above the other, with the limit that a door asks for.

import { svg } from "./dom.js";

const WIDEST = 900, NARROWEST = 280, LEFT = 12, RIGHT = 12, HIGH = 96, HEAD = 16, FOOT = 22, GAP = 26;

// rows: [{name, kind, counts}]; edges: one more than counts; limits: [{at, kind, text}]; width: CSS pixels there are.
export function histograms({ rows, edges, limits, label, width }) {
  const wide = Math.min(Math.max(width, NARROWEST), WIDEST);
  const [low, high] = [edges[0], edges[edges.length - 1]];
  const column = (value) => LEFT + ((value - low) / (high - low)) * (wide - LEFT - RIGHT);
  const tall = HEAD + rows.length * (HIGH + GAP) + FOOT;
  return svg("svg.chart", { viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": label },
    ticks(low, high).map((value) => [
      svg("line.rule", { x1: column(value), x2: column(value), y1: 0, y2: tall - FOOT }),
      svg("text", { x: column(value), y: tall - 6, "text-anchor": "middle" }, value.toFixed(1)),
    ]),
    rows.map((row, index) => bars(row, edges, column, HEAD + index * (HIGH + GAP) + GAP)),
    limits.map(({ at, kind, text }) => [
      svg(`line.${kind}`, { x1: column(at), x2: column(at), y1: 0, y2: tall - FOOT }),
      text ? svg("text.limit-text", { x: column(at) + (at > (low + high) / 2 ? -6 : 6), y: 12, "text-anchor": at > (low + high) / 2 ? "end" : "start" }, text) : null,
    ]));
}

function bars({ name, kind, counts }, edges, column, top) {
  const most = Math.max(...counts, 1);
  return svg("g", {}, svg("text", { x: LEFT, y: top - 6 }, name), counts.map((count, index) => {
    const tall = (count / most) * HIGH, left = column(edges[index]);
    return count ? svg(`rect.${kind}`, { x: left, y: top + HIGH - tall, width: Math.max(column(edges[index + 1]) - left - 1, 1), height: tall }) : null;
  }), svg("line.axis", { x1: LEFT, x2: column(edges[edges.length - 1]), y1: top + HIGH, y2: top + HIGH }));
}

function ticks(low, high) {
  const found = [];
  for (let tenth = Math.ceil(low * 10); tenth <= high * 10; tenth += 2) found.push(tenth / 10);
  return found;
}
