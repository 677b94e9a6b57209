// The ticker field: a combobox after the ARIA pattern, with a filtered list.

import { h } from "./dom.js";

const MAX_SHOWN = 12;

/**
 * Connect the field.
 *
 * `find(text, count)` resolves to `{ticker, exchange, reason}` objects; `choose(ticker)` is called.
 */
export function connectSearch(form, find, choose) {
  const input = form.querySelector("input");
  const listbox = form.querySelector("ul");
  let active = -1;
  let asked = 0;

  const options = () => [...listbox.children];

  function close() {
    asked += 1;
    listbox.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  async function open() {
    asked += 1;
    const question = asked;
    const found = await find(input.value.trim(), MAX_SHOWN).catch(() => []);
    // A late response to an earlier request must not replace a newer one.
    if (question !== asked) return;
    listbox.replaceChildren(...found.map((entry, at) => option(entry, at)));
    listbox.hidden = found.length === 0;
    active = -1;
    input.setAttribute("aria-expanded", String(found.length > 0));
    input.removeAttribute("aria-activedescendant");
  }

  function activate(at) {
    const all = options();
    if (all.length === 0) return;
    active = (at + all.length) % all.length;
    all.forEach((item, index) => item.setAttribute("aria-selected", String(index === active)));
    input.setAttribute("aria-activedescendant", all[active].id);
    all[active].scrollIntoView({ block: "nearest" });
  }

  function accept(ticker) {
    close();
    input.value = "";
    if (ticker) choose(ticker);
  }

  input.addEventListener("input", open);
  input.addEventListener("focus", open);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", async (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (listbox.hidden) await open();
      activate(event.key === "ArrowDown" ? active + 1 : active < 0 ? -1 : active - 1);
    } else if (event.key === "Escape") {
      close();
    }
  });
  // The list must not take the focus, since the blur would close it before the click.
  listbox.addEventListener("mousedown", (event) => event.preventDefault());
  listbox.addEventListener("click", (event) => {
    accept(event.target.closest("[role=option]")?.dataset.ticker);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = options()[active] ?? exact(options(), input.value);
    accept(chosen?.dataset.ticker ?? input.value.trim().toUpperCase());
  });
}

function exact(options, text) {
  return options.find((item) => item.dataset.ticker === text.trim().toUpperCase());
}

function option({ ticker, exchange, reason }, at) {
  const attributes = { id: `option-${at}`, role: "option", "aria-selected": "false", "data-ticker": ticker };
  return h("li", attributes, ticker, h("span", {}, reason ? "no forecast" : exchange));
}
