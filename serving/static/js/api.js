// Requests to the service, with the API key that the user has typed, if any.

const KEY = "stockcast-api-key";
const WAIT_MS = 15_000;

/** A response that is no success: a problem of RFC 9457, or no response at all (status 0). */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "The service sent an error without a reason.");
    this.status = status;
    this.code = problem.code ?? "";
    this.similar = problem.similar ?? [];
  }
}

export function saveKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** Fetch a path relative to the page; throw an `ApiError` unless the status is a success. */
export async function request(path, { headers = {}, signal } = {}) {
  const key = sessionStorage.getItem(KEY);
  const sent = key ? { ...headers, "X-API-Key": key } : headers;
  let response;
  try {
    response = await fetch(path, { headers: sent, signal, cache: "no-cache" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { detail: "The service does not respond." });
  }
  if (response.ok) return response;
  throw new ApiError(response.status, await response.json().catch(() => ({})));
}

/** Return the JSON body of a path. */
export async function getJson(path, signal) {
  const limit = AbortSignal.timeout(WAIT_MS);
  const either = signal ? AbortSignal.any([signal, limit]) : limit;
  try {
    return await (await request(path, { signal: either })).json();
  } catch (error) {
    if (limit.aborted) throw new ApiError(0, { detail: "The service did not respond in time." });
    throw error;
  }
}
