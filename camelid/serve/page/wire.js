// Talking to the server: the key, errors in its own words, and replies as they stream.

import { find } from "./dom.js";

const KEY = "camelid.key";

/** What the server refused, or that it could not be reached (status 0). */
export class ServerError extends Error {
  constructor(message, status = 0, code = null, retryAfter = null) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }
}

let asking = null;

/** Ask for the key, once however many requests wait for it. */
function askForKey(again) {
  asking ??= new Promise((resolve) => {
    const dialog = find("#key-dialog");
    find("#key-note").textContent = again
      ? "The server did not accept that key. Is it the one that the server was started with?"
      : "It is kept until you close this tab.";
    find("#key-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, find("#key").value.trim());
      find("#key").value = "";
      dialog.close();
    };
    dialog.onclose = () => {
      asking = null;
      resolve();
    };
    dialog.showModal();
  });
  return asking;
}

/** Return the server's answer; a body makes it a POST of JSON. Throws ServerError for a refusal. */
export async function call(path, { body, signal } = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method: body ? "POST" : "GET",
      headers,
      body: body && JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError("The server cannot be reached. Is it still running?");
  }
  if (response.status === 401) {
    const used = key;
    await askForKey(Boolean(key));
    if (sessionStorage.getItem(KEY) && sessionStorage.getItem(KEY) !== used)
      return call(path, { body, signal });
  }
  if (!response.ok) throw await explain(response);
  return response;
}

export const callJson = async (path, options) => (await call(path, options)).json();

async function explain(response) {
  const error = (await response.json().catch(() => null))?.error ?? {};
  const after = response.headers.get("Retry-After");
  const wait = response.status === 429 && after ? ` Try again in ${after} s.` : "";
  const message = error.message || `The server answered ${response.status} ${response.statusText}.`;
  return new ServerError(message + wait, response.status, error.code, after);
}

/** Yield the JSON values of a stream of server-sent events; stop at [DONE]. */
async function* readEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      const events = [];
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (data === "[DONE]") {
          yield events;
          return;
        }
        events.push(JSON.parse(data));
      }
      if (events.length) yield events;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * Ask for a reply; `onPiece(text, spans)` is called for what comes, spans being what was drafted of it.
 * Returns { finish, tokens, about }: why it ended, how many tokens it has, and the server's own extras.
 */
export async function complete(request, { signal, onPiece, onAbout }) {
  const body = { ...request, stream: true, stream_options: { include_usage: true } };
  const response = await call("/v1/chat/completions", { body, signal });
  const result = { finish: null, tokens: null, about: {} };
  for await (const events of readEvents(response)) {
    for (const event of events) {
      if (event.error)
        throw new ServerError(event.error.message ?? String(event.error), 500, event.error.code);
      const choice = event.choices?.[0];
      if (event.camelid) {
        const { drafted_spans: spans, ...about } = event.camelid;
        if (Object.keys(about).length) onAbout(Object.assign(result.about, about));
      }
      if (choice?.delta?.content) onPiece(choice.delta.content, event.camelid?.drafted_spans ?? []);
      result.finish = choice?.finish_reason ?? result.finish;
      result.tokens = event.usage?.completion_tokens ?? result.tokens;
    }
  }
  if (!result.finish) throw new ServerError("The connection ended before the answer did.");
  return result;
}
