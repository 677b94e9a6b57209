// The summary at the top, and the chart of prices and forecasts.

import { legend } from "./chart.js";
import { h, meaning, numbers, show, svg } from "./dom.js";
import { fanChart } from "./fan-chart.js";
import { COVERAGES, HORIZONS, SESSIONS, change, day, percent, price, range, sessions } from "./format.js";

// About half a year, so that the fan stays readable on a phone.
const SHOWN_SESSIONS = 126;

/** Show the forecast of the chosen horizon in one sentence and four figures. */
export function showSummary(section, { ticker, analysis, forecasts, horizon, quote }) {
  const exchange = analysis?.exchange;
  section.querySelector("h1").replaceChildren(ticker, exchange ? h("span", { class: "name" }, exchange) : "");
  const forecast = forecasts[horizon];
  const facts = section.querySelector("#facts");
  facts.replaceChildren(lead(forecast), figures(forecast, quote));
  section.setAttribute("aria-busy", "false");
}

function lead({ prediction, target_session: target, as_of: asOf, horizon }) {
  const { expected_return: move, probability_up: up } = prediction;
  const moved = Math.abs(move) < 0.0005 ? "about the same as" : `${percent(Math.abs(move), 1)} ${move > 0 ? "above" : "below"}`;
  return h(
    "p",
    { class: "lead" },
    `From the close of ${day(asOf)}, the middle forecast for ${day(target)} (${sessions(SESSIONS[horizon])} later)`,
    ` is ${price(prediction.price_target)}, ${moved} that close.`,
    ` The model gives a rise a probability of ${percent(up)}.`,
  );
}

function figures({ prediction, current_price: close, as_of: asOf }, quote) {
  const entries = [
    ["Last close", price(close), day(asOf)],
    quote ? ["Price now", price(quote.price), quote.source] : null,
    ["Middle forecast", h("span", { "data-testid": "target" }, price(prediction.price_target)), change(prediction.expected_return)],
    ["Probability of a rise", percent(prediction.probability_up), null],
    ["80 % range", range(prediction.intervals["80"]), null],
  ];
  const shown = entries.filter((entry) => entry !== null);
  return h(
    "dl",
    { class: "figures" },
    shown.map(([term, value, note]) =>
      h("div", {}, h("dt", {}, term), h("dd", {}, value, note ? h("small", {}, ` ${note}`) : null)),
    ),
  );
}

/** Show the chart of past closes and of the fan, with its table. */
export function showOutlook(section, { ticker, forecasts, horizon, analysis, analysisNote }) {
  const { sessions: dates = [], closes = [] } = analysis?.prices ?? {};
  const past = dates.map((session, at) => ({ session, close: closes[at] })).slice(-SHOWN_SESSIONS);
  const rows = HORIZONS.filter((label) => forecasts[label]).map((label) => {
    const { target_session: target, prediction } = forecasts[label];
    const ranges = COVERAGES.map((coverage) => range(prediction.intervals[coverage]));
    return [day(target), sessions(SESSIONS[label]), price(prediction.price_target), percent(prediction.probability_up), ...ranges];
  });
  const columns = ["Target session", "Ahead", "Middle", "Probability of a rise", ...COVERAGES.map((c) => `${c} % range`)];
  show(
    section,
    ...fanChart(ticker, past, forecasts, horizon),
    legend([
      ["Close", svg("line", { class: "price", x1: 0, x2: 22, y1: 5, y2: 5 })],
      ["Middle forecast", svg("line", { class: "middle", x1: 0, x2: 22, y1: 5, y2: 5 })],
      ...COVERAGES.map((c) => [`${c} % range`, svg("rect", { class: `band-${c}`, width: 22, height: 10, rx: 2 })]),
    ]),
    past.length === 0 && analysisNote ? meaning(`Past closes are not shown: ${analysisNote}`) : null,
    meaning(
      "What this means: half of the probability lies above the middle forecast and half below. The price" +
      " should end inside the 80 % range 8 times in 10, and outside the 99 % range once in 100. The fan widens" +
      " because uncertainty grows with time; it is computed 1, 5 and 21 sessions ahead and drawn smoothly between.",
    ),
    numbers(`Forecasts of ${ticker}`, columns, rows),
    past.length ? numbers("Closes, adjusted for splits and dividends", ["Session", "Close"], past.toReversed().map((bar) => [day(bar.session), price(bar.close)])) : null,
  );
}
