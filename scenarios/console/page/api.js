// Calls of the control endpoint: questions, actions, and the stream of hops.

/** Asks; rejects with an Error whose message is for people. */
export async function get(path, query = {}) {
  return await answerOf(await fetch(`${path}${queryText(query)}`, { headers: { accept: "application/json" } }));
}

/** Takes an action: one step of a scenario. */
export async function act(step) {
  const body = JSON.stringify(step);
  return await answerOf(
    await fetch("/api/actions", { method: "POST", body, headers: { "content-type": "application/json" } }),
  );
}

/**
 * Follows the hops that fit `where`, beginning with the last ones, also after a break (`opened`). `take` gets each, `state` what is left out, `failed` a message.
 * Returns a function that ends it.
 */
export function follow({ where, last, rate }, { opened, take, state, failed }) {
  const events = new EventSource(`/api/hops${queryText({ where, last, rate })}`);
  events.onmessage = ({ data }) => take(JSON.parse(data));
  events.addEventListener("state", ({ data }) => state(JSON.parse(data)));
  events.onopen = () => {
    // After a break it begins with the last ones again.
    opened();
    failed("");
  };
  events.onerror = () => failed(events.readyState === EventSource.CLOSED ? "the stream has ended" : "reconnecting …");
  return () => events.close();
}

/** Why a filter can't be used; empty where it can. */
export async function problemOf(where) {
  const response = await fetch(`/api/hops${queryText({ where, last: 0, follow: "no" })}`);
  const text = await response.text();
  return response.ok ? "" : JSON.parse(text).error;
}

function queryText(query) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined)).toString();
  return text === "" ? "" : `?${text}`;
}

async function answerOf(response) {
  const answer = await response.json().catch(() => ({ error: `it answers with ${response.status}` }));
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
