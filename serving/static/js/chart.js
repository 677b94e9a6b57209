// What every chart needs: scales, ticks, a frame of the width of its place, and a legend.

import { h, svg } from "./dom.js";

export const scale = ([from, to], [start, end]) => (value) =>
  start + ((value - from) / (to - from || 1)) * (end - start);

/** Return about `wanted` round numbers between two values. */
export function ticks(low, high, wanted) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high; at += 1) found.push(at * step);
  return found;
}

export const points = (pairs) => pairs.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");

/**
 * Return a place that draws `draw(width)` as SVG children now and whenever its width changes.
 *
 * The drawing is hidden from screen readers behind `label`; a table has the numbers.
 */
export function chart(label, height, draw) {
  const place = h("div", { class: "chart" });
  let width = 0;
  const render = () => {
    const present = Math.round(place.clientWidth);
    if (present === 0 || present === width) return;
    width = present;
    const attributes = { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label };
    place.replaceChildren(svg("svg", attributes, draw(width)));
  };
  new ResizeObserver(render).observe(place);
  return place;
}

export function legend(entries) {
  const items = entries.map(([name, shape]) => h("li", {}, sample(shape), name));
  return h("ul", { class: "legend chart", "aria-hidden": "true" }, items);
}

function sample(shape) {
  return svg("svg", { viewBox: "0 0 22 10" }, shape);
}
