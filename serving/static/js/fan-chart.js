// Past closes and the forecast fan: bands for 80, 95 and 99 % over the next sessions.

import { chart, points, scale, ticks } from "./chart.js";
import { h, svg } from "./dom.js";
import { COVERAGES, HORIZONS, SESSIONS, day, dayOfYear, month, price, range } from "./format.js";

const HEIGHT = 340;
const EDGE = { top: 12, right: 58, bottom: 28, left: 8 };
const STEPS = 42;

/**
 * Return the chart and the line that describes the session under the pointer.
 *
 * `closes` are `{session, close}` objects, the oldest first; `forecasts` are by horizon.
 */
export function fanChart(ticker, closes, forecasts, horizon) {
  const readout = h("p", { class: "readout", "aria-live": "polite" }, hint());
  const label = `Closes and forecast fan of ${ticker}. The table below has the numbers.`;
  const place = chart(label, HEIGHT, (width) => draw(width, closes, forecasts, horizon, place, readout));
  place.tabIndex = 0;
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", `${label} Left and right keys read the sessions.`);
  return [place, readout];
}

const hint = () => "Point at the chart, or focus it and use the left and right keys.";

function draw(width, closes, forecasts, horizon, place, readout) {
  const known = HORIZONS.filter((name) => forecasts[name]);
  const last = SESSIONS[known.at(-1)];
  const start = forecasts[known[0]].current_price;
  const past = closes.length > 1 ? closes : [{ session: forecasts[known[0]].as_of, close: start }];
  // The fan takes a third of the width at least, however long the history is.
  const share = past.length > 1 ? Math.max(0.36, last / (last + past.length)) : 1;
  const plot = { left: EDGE.left, right: width - EDGE.right, top: EDGE.top, bottom: HEIGHT - EDGE.bottom };
  const now = past.length > 1 ? plot.right - share * (plot.right - plot.left) : plot.left;
  const pastX = scale([-(past.length - 1), 0], [plot.left, now]);
  const nextX = scale([0, last], [now, plot.right]);
  const x = (at) => (at <= 0 ? pastX(at) : nextX(at));
  const outer = known.flatMap((name) => forecasts[name].prediction.intervals["99"]);
  const values = [...past.map((bar) => bar.close), ...outer];
  const pad = (Math.max(...values) - Math.min(...values)) * 0.04;
  const y = scale([Math.min(...values) - pad, Math.max(...values) + pad], [plot.bottom, plot.top]);
  const drawing = [
    ...grid(values, y, plot),
    ...COVERAGES.toReversed().map((coverage) => band(coverage, known, forecasts, start, x, y)),
    svg("polyline", { class: "price", points: points(past.map((bar, at) => [x(at - past.length + 1), y(bar.close)])) }),
    svg("polyline", { class: "middle", points: points(middle(known, forecasts, start).map(([at, value]) => [x(at), y(value)])) }),
    svg("line", { class: "now", x1: now, x2: now, y1: plot.top, y2: plot.bottom }),
    ...chosen(forecasts[horizon], horizon, x, y),
    ...dates(past, forecasts, known, x, plot),
  ];
  const cursor = svg("line", { class: "cursor", y1: plot.top, y2: plot.bottom, visibility: "hidden" });
  const stops = [
    ...past.map((bar, at) => ({ at: at - past.length + 1, text: `${day(bar.session)}: close ${price(bar.close)}` })),
    ...known.map((name) => ({ at: SESSIONS[name], text: describe(forecasts[name]) })),
  ];
  follow(place, cursor, stops, x, readout, plot);
  return [...drawing, cursor];
}

function grid(values, y, plot) {
  return ticks(Math.min(...values), Math.max(...values), 5).flatMap((value) => [
    svg("line", { class: "grid", x1: plot.left, x2: plot.right, y1: y(value), y2: y(value) }),
    svg("text", { x: plot.right + 8, y: y(value) + 4 }, price(value)),
  ]);
}

/** Values between two horizons follow the square root of time, as the width of a random walk. */
function between(known, start, valueOf) {
  const knots = [[0, start], ...known.map((name) => [SESSIONS[name], valueOf(name)])];
  const last = knots.at(-1)[0];
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const at = last * (step / STEPS) ** 2;
    const next = Math.max(1, knots.findIndex(([knot]) => knot >= at - 1e-9));
    const [[from, low], [to, high]] = [knots[next - 1], knots[next]];
    const part = (Math.sqrt(at) - Math.sqrt(from)) / (Math.sqrt(to) - Math.sqrt(from));
    return [at, low + part * (high - low)];
  });
}

const middle = (known, forecasts, start) =>
  between(known, start, (name) => forecasts[name].prediction.price_target);

function band(coverage, known, forecasts, start, x, y) {
  const side = (at) => between(known, start, (name) => forecasts[name].prediction.intervals[coverage][at]);
  const outline = [...side(0), ...side(1).toReversed()].map(([at, value]) => [x(at), y(value)]);
  return svg("polygon", { class: `band-${coverage}`, points: points(outline) });
}

function chosen(forecast, horizon, x, y) {
  if (!forecast) return [];
  const at = x(SESSIONS[horizon]);
  const [low, high] = forecast.prediction.intervals["80"];
  return [
    svg("line", { class: "chosen", x1: at, x2: at, y1: y(low), y2: y(high) }),
    svg("circle", { class: "mark", cx: at, cy: y(forecast.prediction.price_target), r: 5 }),
  ];
}

function dates(past, forecasts, known, x, plot) {
  const marks = past.length > 1 ? [[-(past.length - 1), month(past[0].session), "start"]] : [];
  marks.push([0, dayOfYear(forecasts[known[0]].as_of), past.length > 1 ? "middle" : "start"]);
  marks.push([SESSIONS[known.at(-1)], dayOfYear(forecasts[known.at(-1)].target_session), "end"]);
  return marks.map(([at, text, anchor]) =>
    svg("text", { x: x(at), y: plot.bottom + 20, "text-anchor": anchor }, text),
  );
}

const describe = (forecast) =>
  `${day(forecast.target_session)}: middle ${price(forecast.prediction.price_target)},` +
  ` 80 % range ${range(forecast.prediction.intervals["80"])}`;

/** Read the stop that is nearest to the pointer, or the next one by key. */
function follow(place, cursor, stops, x, readout, plot) {
  let index = -1;
  const read = (at) => {
    index = Math.min(stops.length - 1, Math.max(0, at));
    const position = x(stops[index].at);
    for (const name of ["x1", "x2"]) cursor.setAttribute(name, position);
    cursor.setAttribute("visibility", "visible");
    readout.textContent = stops[index].text;
  };
  place.onpointermove = (event) => {
    const box = place.getBoundingClientRect();
    const wanted = Math.min(plot.right, event.clientX - box.left);
    const distances = stops.map((stop) => Math.abs(x(stop.at) - wanted));
    read(distances.indexOf(Math.min(...distances)));
  };
  place.onpointerleave = () => {
    cursor.setAttribute("visibility", "hidden");
    readout.textContent = hint();
  };
  place.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    read(index < 0 ? stops.length - (step > 0 ? HORIZONS.length : HORIZONS.length + 1) : index + step);
  };
}
