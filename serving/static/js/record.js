// Past forecasts of a ticker against their outcomes.

import { chart, legend, scale, ticks } from "./chart.js";
import { h, meaning, numbers, show, svg } from "./dom.js";
import { SESSIONS, change, count, day, month, percent, sessions } from "./format.js";

const HEIGHT = 240;
const EDGE = { top: 10, right: 58, bottom: 28, left: 8 };
const SOURCES = {
  walk_forward: "They were made out of sample, when the live version was evaluated before it went into service.",
};

/** Show the newest past forecasts and the accuracy of all of them. */
export function showRecord(section, { ticker, horizon, source, accuracy, forecasts }) {
  const ahead = sessions(SESSIONS[horizon]);
  const inside = forecasts.filter(isInside).length;
  section.hidden = false;
  show(
    section,
    h("p", {}, summary(accuracy, ahead)),
    chart(
      `Returns over ${ahead}: ${inside} of ${forecasts.length} outcomes inside the 80 % range. The table has the numbers.`,
      HEIGHT,
      (width) => draw(width, forecasts),
    ),
    legend([
      ["80 % range", svg("line", { class: "range", x1: 11, x2: 11, y1: 1, y2: 9 })],
      ["Outcome inside", svg("circle", { class: "hit", cx: 11, cy: 5, r: 3.5 })],
      ["Outcome outside", svg("path", { class: "miss", d: cross(11, 5) })],
    ]),
    meaning(
      `What this means: each bar is one past forecast of the change over ${ahead}, and each mark is what happened. About` +
      ` 1 mark in 5 should lie outside. ${overlap(horizon)}${SOURCES[source] ?? ""} The chart shows the newest` +
      ` ${count(forecasts.length)}.`,
    ),
    numbers(
      `Past forecasts of ${ticker}, ${ahead} ahead`,
      ["Target session", "Middle", "80 % range", "Outcome", "Inside"],
      forecasts.toReversed().map((past) => [
        day(past.target_session), change(past.expected_return), past.intervals["80"].map(change).join(" to "),
        change(past.actual_return), isInside(past) ? "yes" : "no",
      ]),
    ),
  );
}

function summary({ forecasts, first_as_of: first, last_as_of: last, coverage, direction, ...errors }, ahead) {
  const base = errors.direction_base_rate;
  const guessed = direction === null ? "" : ` The direction was right in ${percent(direction)} of them; always naming the more` +
    ` frequent direction would have been right in ${percent(base)}.`;
  return (
    `Of ${count(forecasts)} forecasts ${ahead} ahead, made from ${day(first)} to ${day(last)}, ${percent(coverage["80"])}` +
    ` of the outcomes were inside the 80 % range. The middle forecast missed by ${percent(errors.mean_absolute_error, 2)} on` +
    ` average; \u201cno change\u201d missed by ${percent(errors.mean_absolute_error_naive, 2)}.${guessed}`
  );
}

const overlap = (horizon) =>
  SESSIONS[horizon] > 1 ? "Neighbouring forecasts share sessions, so marks outside come in groups. " : "";

function isInside({ intervals, actual_return: actual }) {
  const [low, high] = intervals["80"];
  return low <= actual && actual <= high;
}

const cross = (x, y) => `M${x - 4} ${y - 2.6}l1.4-1.4 2.6 2.6 2.6-2.6 1.4 1.4-2.6 2.6 2.6 2.6-1.4 1.4-2.6-2.6-2.6 2.6-1.4-1.4 2.6-2.6z`;

function draw(width, forecasts) {
  const values = [0, ...forecasts.flatMap((past) => [...past.intervals["80"], past.actual_return])];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const y = scale([low, high], [HEIGHT - EDGE.bottom, EDGE.top]);
  const x = scale([-0.5, forecasts.length - 0.5], [EDGE.left, width - EDGE.right]);
  const grid = ticks(low, high, 6).flatMap((value) => [
    svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }),
    svg("text", { x: width - EDGE.right + 8, y: y(value) + 4 }, change(value)),
  ]);
  const marks = forecasts.flatMap((past, at) => {
    const [bottom, top] = past.intervals["80"];
    const place = x(at);
    const outcome = y(past.actual_return);
    return [
      svg("line", { class: "range", x1: place, x2: place, y1: y(bottom), y2: y(top) }),
      isInside(past)
        ? svg("circle", { class: "hit", cx: place, cy: outcome, r: 3 })
        : svg("path", { class: "miss", d: cross(place, outcome) }),
    ];
  });
  const ends = [[0, "start"], [forecasts.length - 1, "end"]].map(([at, anchor]) =>
    svg("text", { x: anchor === "start" ? EDGE.left : width - EDGE.right, y: HEIGHT - 8, "text-anchor": anchor }, month(forecasts[at].target_session)),
  );
  return [...grid, ...marks, ...ends];
}
