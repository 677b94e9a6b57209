// Numbers, dates and words as people read them.

const DAY = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric", timeZone: "UTC",
});
const DAY_OF_YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const MONTH = new Intl.DateTimeFormat("en-GB", { month: "short", year: "2-digit", timeZone: "UTC" });
const TIME = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const PRICE = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const SMALL_PRICE = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const COUNT = new Intl.NumberFormat("en");

export const HORIZONS = ["1d", "1w", "1m"];
export const SESSIONS = { "1d": 1, "1w": 5, "1m": 21 };
export const COVERAGES = ["80", "95", "99"];
const MEMBERS = {
  linear: "Linear",
  student: "Linear, heavy tails",
  forest: "Random forest",
  lstm: "LSTM network",
};

export const price = (value) => (Math.abs(value) < 1 ? SMALL_PRICE : PRICE).format(value);
export const count = (value) => COUNT.format(value);
export const day = (text) => DAY.format(new Date(`${text}T00:00:00Z`));
export const dayOfYear = (text) => DAY_OF_YEAR.format(new Date(`${text}T00:00:00Z`));
export const month = (text) => MONTH.format(new Date(`${text}T00:00:00Z`));
export const time = (text) => TIME.format(new Date(text));
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;
export const change = (share) => {
  const size = percent(Math.abs(share), 1);
  return Number.parseFloat(size) === 0 ? size : `${share > 0 ? "+" : "\u2212"}${size}`;
};
export const range = ([low, high]) => `${price(low)} to ${price(high)}`;
export const sessions = (n) => `${count(n)} session${n === 1 ? "" : "s"}`;
export const memberName = (name) => MEMBERS[name] ?? name;
