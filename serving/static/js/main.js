// The page: loads a ticker, shows its sections, and keeps them up to date.

import { ApiError, getJson, saveKey } from "./api.js";
import { empty, h, prose, show } from "./dom.js";
import { showCalibration, showMembers, showModel } from "./evidence.js";
import { showOutlook, showSummary } from "./forecast.js";
import { HORIZONS, sessions } from "./format.js";
import { showHealth } from "./health.js";
import { showRecord } from "./record.js";
import { connectSearch } from "./search.js";
import { follow } from "./stream.js";

const at = (id) => document.getElementById(id);
const PAST_FORECASTS = 60;
const RETRY_MS = 5_000;
// No response, and a service without forecasts or with too much to do.
const PASSING = [0, 429, 503];
const CONNECTION = { connecting: "Connecting", live: "Live", lost: "Reconnecting" };

const page = { ticker: null, horizon: "1w", forecasts: {}, status: null, comparison: null, analysis: null, quote: null };
let leaving = new AbortController();
let later = null;

function readAddress() {
  const query = new URLSearchParams(location.search);
  const horizon = query.get("horizon");
  return { ticker: query.get("ticker")?.toUpperCase(), horizon: HORIZONS.includes(horizon) ? horizon : "1w" };
}

function writeAddress(replace = false) {
  const address = `?${new URLSearchParams({ ticker: page.ticker, horizon: page.horizon })}`;
  if (address === location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
}

async function start() {
  const { ticker, horizon } = readAddress();
  page.horizon = horizon;
  at("horizons").querySelector(`[value="${horizon}"]`).checked = true;
  let first;
  try {
    await loadStatus();
    first = ticker ?? (await firstTicker());
  } catch (error) {
    report(error, start);
    return;
  }
  await choose(first, { replace: true });
}

const find = async (search, limit) =>
  (await getJson(`universe?${new URLSearchParams({ search, limit })}`)).tickers;

async function firstTicker() {
  const followed = await find("", 100);
  return (followed.find((entry) => entry.reason === null) ?? followed[0]).ticker;
}

async function loadStatus() {
  page.status = await getJson("models/status");
  const health = await getJson("health").catch((error) => (error.status === 503 ? null : Promise.reject(error)));
  showCalibration(at("calibration"), page.status);
  if (health) showHealth(at("data"), health, page.status);
  else show(at("data"), empty("No forecasts are live."));
}

/** Load and follow a ticker. A later choice ends the requests of this one. */
async function choose(ticker, { replace = false } = {}) {
  leaving.abort();
  clearTimeout(later);
  leaving = new AbortController();
  const { signal } = leaving;
  Object.assign(page, { ticker, forecasts: {}, comparison: null, analysis: null, analysisNote: null, quote: null });
  writeAddress(replace);
  at("summary").setAttribute("aria-busy", "true");
  try {
    const answers = await Promise.all(
      HORIZONS.map((horizon) => getJson(`predict/${encodeURIComponent(ticker)}?horizon=${horizon}`, signal)),
    );
    page.forecasts = Object.fromEntries(answers.map((forecast) => [forecast.horizon, forecast]));
  } catch (error) {
    if (!signal.aborted) report(error, () => choose(ticker, { replace: true }));
    return;
  }
  page.ticker = page.forecasts[page.horizon].ticker;
  document.title = `${page.ticker} \u00b7 Stockcast`;
  showForecasts();
  loadComparison(signal);
  loadAnalysis(signal);
  loadRecord(signal);
  follow(page.ticker, signal, onEvent, showConnection);
}

async function loadComparison(signal) {
  try {
    page.comparison = await getJson(`models/compare/${encodeURIComponent(page.ticker)}`, signal);
  } catch (error) {
    if (!(error instanceof ApiError)) return;
  }
  showModel(at("model"), page.status, page.comparison, page.horizon);
}

async function loadAnalysis(signal) {
  try {
    page.analysis = await getJson(`analysis/${encodeURIComponent(page.ticker)}?include=prices`, signal);
  } catch (error) {
    if (!(error instanceof ApiError)) return;
    page.analysisNote = error.message;
  }
  showSummary(at("summary"), page);
  showOutlook(at("outlook"), page);
}

async function loadRecord(signal) {
  const section = at("record");
  try {
    const query = new URLSearchParams({ horizon: page.horizon, days: PAST_FORECASTS });
    const path = `history/${encodeURIComponent(page.ticker)}?${query}`;
    showRecord(section, await getJson(path, signal));
  } catch (error) {
    if (signal.aborted || !(error instanceof ApiError)) return;
    section.hidden = false;
    show(section, empty(`The record is not shown: ${error.message}`));
  }
}

function showForecasts() {
  showSummary(at("summary"), page);
  showOutlook(at("outlook"), page);
  showMembers(at("members"), page.forecasts[page.horizon]);
  showModel(at("model"), page.status, page.comparison, page.horizon);
  showAge(page.forecasts[page.horizon]);
}

function showAge({ data_age_sessions: age, prediction }) {
  at("notice").replaceChildren();
  if (age > 0) notify(prose(`These forecasts use prices that are ${sessions(age)} old. ${prediction.signal_note ?? ""}`));
}

function onEvent(name, data) {
  if (name === "forecast" && data.forecasts && data.ticker === page.ticker) {
    const changed = HORIZONS.some((label) => page.forecasts[label].timestamp !== data.forecasts[label].timestamp);
    page.forecasts = data.forecasts;
    if (changed) {
      showForecasts();
      flash(at("facts"));
    }
  } else if (name === "quote" && data.ticker === page.ticker) {
    page.quote = data;
    showSummary(at("summary"), page);
  } else if (name === "forecasts") {
    refreshStatus();
  }
}

async function refreshStatus() {
  try {
    await loadStatus();
    await Promise.all([loadComparison, loadAnalysis, loadRecord].map((load) => load(leaving.signal)));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

function flash(element) {
  element.classList.remove("changed");
  requestAnimationFrame(() => element.classList.add("changed"));
}

function showConnection(state) {
  const place = at("connection");
  place.dataset.state = state;
  place.textContent = CONNECTION[state];
}

function notify(...content) {
  at("notice").replaceChildren(h("div", { class: "notice" }, content));
}

/** Say what failed and how to go on. What may pass by itself is tried again. */
function report(error, retry) {
  if (!(error instanceof ApiError)) throw error;
  clearTimeout(later);
  if (PASSING.includes(error.status)) later = setTimeout(retry, RETRY_MS);
  at("summary").setAttribute("aria-busy", "false");
  if (error.status === 401) {
    notify(keyForm(retry));
    return;
  }
  const links = error.similar.map((ticker) => h("a", { href: `?ticker=${encodeURIComponent(ticker)}` }, ticker));
  const button = h("button", { type: "button" }, "Try again");
  button.addEventListener("click", retry);
  notify(h("span", {}, prose(error.message)), links, button);
}

function keyForm(retry) {
  const input = h("input", { type: "password", id: "key", autocomplete: "off", required: "" });
  const form = h("form", {}, h("label", { for: "key" }, "This service needs an API key: "), input, " ", h("button", { class: "main" }, "Use key"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    saveKey(input.value.trim());
    retry();
  });
  return form;
}

at("horizons").addEventListener("change", (event) => {
  page.horizon = event.target.value;
  if (!page.ticker) return;
  writeAddress();
  if (!page.forecasts[page.horizon]) return;
  showForecasts();
  loadRecord(leaving.signal);
});
addEventListener("popstate", () => {
  const { ticker, horizon } = readAddress();
  page.horizon = horizon;
  at("horizons").querySelector(`[value="${horizon}"]`).checked = true;
  if (ticker) choose(ticker, { replace: true });
});
connectSearch(at("search"), find, (ticker) => {
  choose(ticker);
  at("main").focus();
});
showConnection("connecting");
start();
