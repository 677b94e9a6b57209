// Age of the data, sources, and what needs attention.

import { empty, h, list, meaning, prose, show } from "./dom.js";
import { count, day, percent, sessions, time } from "./format.js";

/** Show data age, providers and open issues. */
export function showHealth(section, health, status) {
  const snapshot = status.snapshot;
  const issues = health.issues ?? [];
  show(
    section,
    list([
      ["Newest session", snapshot ? day(snapshot.as_of.newest) : null],
      ["Age of the data", health.data_age_sessions === null ? null : ageText(health.data_age_sessions)],
      ["Tickers", `${count(health.tickers)} with a forecast, ${count(health.tickers_without_forecast)} without`],
      ["Drift of the inputs", driftText(status.drift)],
      ["Forecasts computed", snapshot ? time(snapshot.computed_at) : null],
      ["Price providers", health.providers.map(({ name, state }) => `${name} (${state === "closed" ? "up" : "paused"})`).join(", ") || null],
      ["Model registry", health.registry],
    ]),
    issues.length
      ? h("ul", { class: "issues" }, issues.map((issue) => h("li", {}, prose(issue.detail))))
      : empty("No open issue."),
    meaning(
      "What this means: a forecast continues from the newest session. If sessions have closed since, its target is" +
      " nearer than it seems, or has passed already. Inputs have changed if the last quarter differs from the two years" +
      " before it.",
    ),
  );
}

function driftText(drift) {
  if (!drift) return "not measured yet; the pipeline measures it after each ingest";
  const { drifted, features, retraining_share: limit, as_of: asOf } = drift;
  return `${drifted.length} of ${features} inputs have changed (${day(asOf)}); training starts at ${percent(limit)}`;
}

const ageText = (age) => (age === 0 ? "up to date" : `${sessions(age)} closed since`);
