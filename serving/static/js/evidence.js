// What supports the forecast: calibration, members, and the model in service.

import { legend, scale } from "./chart.js";
import { coverageChart, shapeOf } from "./coverage-chart.js";
import { empty, h, list, meaning, numbers, show, svg, table } from "./dom.js";
import { COVERAGES, HORIZONS, SESSIONS, count, day, memberName, percent, price, sessions, time } from "./format.js";

/** Show how often outcomes were inside the ranges when the live version was evaluated. */
export function showCalibration(section, status) {
  const scores = status.live?.metrics?.ensemble ?? {};
  const rows = COVERAGES.map((coverage) => ({
    stated: coverage / 100,
    observed: Object.fromEntries(
      HORIZONS.map((label) => [label, scores[SESSIONS[label]]?.[`coverage_${coverage}`]]).filter(([, share]) => share != null),
    ),
  })).filter((row) => Object.keys(row.observed).length > 0);
  if (rows.length === 0) {
    show(section, empty("The live version was registered without an evaluation of its ranges."));
    return;
  }
  const measured = HORIZONS.filter((label) => rows.some((row) => label in row.observed));
  const cells = ({ stated, observed }) => [percent(stated), ...measured.map((label) => (label in observed ? percent(observed[label], 1) : "\u2013"))];
  show(
    section,
    coverageChart(rows),
    legend([
      ["Stated", svg("line", { class: "stated", x1: 11, x2: 11, y1: 0, y2: 10 })],
      ...measured.map((label) => [sessions(SESSIONS[label]), shapeOf(label)]),
    ]),
    meaning(
      "What this means: a range of 80 % holds if 80 of 100 outcomes fall inside it. Marks to the left of the" +
      " line say that the ranges were too narrow, marks to the right that they were too wide. Measured out of" +
      " sample, before this version went into service.",
    ),
    numbers("Share of outcomes inside the range", ["Stated", ...measured.map((label) => sessions(SESSIONS[label]))], rows.map(cells)),
  );
}

/** Show each member's forecast of the volatility, and its weight. */
export function showMembers(section, forecast) {
  const { members, scale_weights: weights } = forecast;
  const names = Object.keys(weights).sort((one, other) => weights[other] - weights[one]);
  const rows = names.map((name) => [
    memberName(name),
    `\u00b1 ${percent(members[name].scale, 1)}`,
    h("span", {}, weightBar(weights[name]), ` ${percent(weights[name])}`),
  ]);
  show(
    section,
    table(`Volatility until ${day(forecast.target_session)}, before calibration`, ["Member", "Volatility", "Weight"], rows),
    meaning(
      "What this means: each member forecasts how far the price may move. Their weighted mean, after calibration, sets" +
      " the width of the ranges. All members share one expected return, because direction is close to a coin toss.",
    ),
  );
}

function weightBar(weight) {
  const x = scale([0, 1], [0, 56]);
  return h(
    "span",
    { class: "chart weight", "aria-hidden": "true" },
    svg(
      "svg",
      { viewBox: "0 0 56 8", width: 56, height: 8 },
      svg("rect", { class: "back", width: 56, height: 8, rx: 4 }),
      svg("rect", { class: "filled", width: x(weight), height: 8, rx: 4 }),
    ),
  );
}

/** Show the live version, its record against two references, and the challenger. */
export function showModel(section, status, comparison, horizon) {
  const { live } = status;
  if (!live) {
    show(section, empty("No version is live yet."));
    return;
  }
  const scores = live.metrics?.ensemble?.[SESSIONS[horizon]] ?? {};
  show(
    section,
    list([
      ["Version", evidence(live)],
      ["In service since", time(live.live_since)],
      ["Trained through", day(live.trained_through)],
      ["Trained on", `${count(live.trained_on.length)} tickers`],
      ["Against \u201cno change\u201d", skillText(scores.skill_naive)],
      ["Against GARCH(1,1)", skillText(scores.skill_garch)],
      ["Challenger", challengerText(comparison, horizon)],
      ["Refused versions", status.refused.length ? status.refused.map((entry) => entry.version).join(", ") : null],
    ]),
    meaning(
      `What this means: the errors are those of the whole distribution (CRPS), ${sessions(SESSIONS[horizon])} ahead,` +
      " on sessions that the model had not seen. GARCH is the usual model of volatility. Differences of a few" +
      " percent are normal in this field.",
    ),
  );
}

function evidence(live) {
  const text = `${live.name} ${live.version}`;
  return live.page ? h("a", { href: live.page, rel: "noreferrer" }, `${text}, with its evidence`) : text;
}

function skillText(skill) {
  if (skill === null || skill === undefined) return null;
  if (Math.abs(skill) < 0.0005) return "errors of the same size";
  return `errors ${percent(Math.abs(skill), 1)} ${skill > 0 ? "smaller" : "larger"}`;
}

function challengerText(comparison, horizon) {
  const challenger = comparison?.challenger;
  if (!challenger) return comparison?.challenger_note ?? null;
  const { prediction } = challenger.horizons[horizon];
  return `version ${challenger.model.version}, middle forecast ${price(prediction.price_target)}`;
}
