// Creation of HTML and SVG elements. Text is always set as text, never parsed.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

export const meaning = (text) => h("p", { class: "meaning" }, prose(text));

export const empty = (text) => h("p", { class: "empty" }, prose(text));

/** Return text in which `commands` between backticks are code. */
export const prose = (text) => text.split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));

/** Return a table. The first cell of each row is its header. */
export function table(caption, columns, rows) {
  const head = columns.map((name) => h("th", { scope: "col" }, name));
  const body = rows.map(([first, ...rest]) =>
    h("tr", {}, h("th", { scope: "row" }, first), rest.map((cell) => h("td", {}, cell))),
  );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)),
  );
}

/** Return a table that is closed at first. Each chart has one. */
export function numbers(caption, columns, rows) {
  return h("details", {}, h("summary", {}, `Table: ${caption}`), table(caption, columns, rows));
}

/** Return a definition list of `[term, description]` pairs. */
export function list(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined);
  return h("dl", { class: "list" }, shown.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}

/** Replace the content of a section. Open tables stay open, and the focus stays in its place. */
export function show(section, ...content) {
  const body = section.querySelector(".body") ?? section;
  const restore = remember(body);
  body.replaceChildren(...content.filter((item) => item !== null));
  restore();
  section.setAttribute("aria-busy", "false");
}

function remember(body) {
  const opened = [...body.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
  const focusable = () => [...body.querySelectorAll("[tabindex], summary, a")];
  const focused = focusable().indexOf(document.activeElement);
  return () => {
    for (const summary of body.querySelectorAll("summary")) {
      summary.parentElement.open = opened.includes(summary.textContent);
    }
    if (focused >= 0) focusable()[focused]?.focus({ preventScroll: true });
  };
}
