// Server-sent events by fetch, because an EventSource cannot send an API key.

import { ApiError, request } from "./api.js";

const RETRY_MS = 3_000;
// The service sends a heartbeat every 15 s.
const SILENCE_MS = 40_000;

/**
 * Follow the changes of a ticker until `signal` aborts.
 *
 * `onEvent(name, data)` receives each event, `onState(state)` "live" or "lost".
 */
export async function follow(ticker, signal, onEvent, onState) {
  let lastId = null;
  while (!signal.aborted) {
    const silence = new AbortController();
    let timer = null;
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
    };
    try {
      const headers = lastId ? { "Last-Event-ID": lastId } : {};
      const both = AbortSignal.any([signal, silence.signal]);
      wait();
      const path = `events?tickers=${encodeURIComponent(ticker)}`;
      const response = await request(path, { headers, signal: both });
      onState("live");
      for await (const event of parse(response.body)) {
        wait();
        lastId = event.id ?? lastId;
        handle(() => onEvent(event.name, event.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      // A lost connection is a TypeError of `fetch`; a silent one was aborted above.
      if (!(error instanceof ApiError || error instanceof TypeError || error.name === "AbortError")) throw error;
    } finally {
      clearTimeout(timer);
    }
    if (signal.aborted) return;
    onState("lost");
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Report an error of the page itself, which is no reason to connect again. */
function handle(event) {
  try {
    event();
  } catch (error) {
    reportError(error);
  }
}

async function* parse(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer += value;
    const blocks = buffer.split(/\r?\n\r?\n/);
    buffer = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split(/\r?\n/).map((line) => line.split(/: (.*)/s).slice(0, 2)),
      );
      if (fields.event) yield { name: fields.event, id: fields.id, data: JSON.parse(fields.data) };
    }
  }
}
