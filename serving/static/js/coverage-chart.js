// Stated against observed share of outcomes inside the ranges, one row for each range.

import { chart, scale } from "./chart.js";
import { svg } from "./dom.js";

const ROW = 52;
const LOWEST = 0.7;
const SHAPES = {
  "1d": (x, y) => svg("circle", { class: "hit", cx: x, cy: y, r: 5 }),
  "1w": (x, y) => svg("rect", { class: "hit", x: x - 4.5, y: y - 4.5, width: 9, height: 9 }),
  "1m": (x, y) => svg("path", { class: "hit", d: `M${x} ${y - 6}l6 10.5h-12z` }),
};

export const shapeOf = (horizon) => SHAPES[horizon](11, 5);

/** Return the chart. `rows` are `{stated, observed: {horizon: share}}` objects. */
export function coverageChart(rows) {
  const label = "Share of outcomes inside the ranges, stated and observed. The table has the numbers.";
  const lowest = Math.min(LOWEST, ...rows.flatMap((row) => Object.values(row.observed)));
  const height = rows.length * ROW + 24;
  return chart(label, height, (width) => {
    const x = scale([lowest, 1], [52, width - 12]);
    const axis = [0.7, 0.8, 0.9, 1].filter((value) => value >= lowest).flatMap((value) => [
      svg("line", { class: "grid", x1: x(value), x2: x(value), y1: 0, y2: height - 24 }),
      svg("text", { x: x(value), y: height - 6, "text-anchor": value === 1 ? "end" : "middle" }, `${Math.round(100 * value)} %`),
    ]);
    return [...axis, ...rows.flatMap((row, at) => drawRow(row, at * ROW + ROW / 2, x))];
  });
}

function drawRow({ stated, observed }, y, x) {
  const marks = Object.entries(observed).map(([horizon, share], at) => SHAPES[horizon](x(share), y + (at - 1) * 9));
  return [
    svg("text", { class: "strong", x: 0, y: y + 4 }, `${Math.round(100 * stated)} %`),
    svg("line", { class: "stated", x1: x(stated), x2: x(stated), y1: y - 20, y2: y + 20 }),
    ...marks,
  ];
}
