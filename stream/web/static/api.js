// Asks the API, and follows its streams. A token that is asked for is kept until the tab is closed.

const TOKEN = "funnel-token";
const SILENT_MS = 16000; // the server says something every five seconds
const PAUSES_MS = [500, 1000, 2000, 4000, 8000];

export class Refused extends Error {
  constructor(status, said) {
    super(said.error);
    this.status = status;
    this.allowed = said.allowed ?? [];
  }
}

let askForToken = null;
let asking = null;

export function onTokenNeeded(ask) {
  askForToken = ask;
}

export async function ask(path) {
  const answer = await request(`api/v1/${path}`);
  return answer.json();
}

async function request(path, options = {}) {
  for (;;) {
    const used = sessionStorage.getItem(TOKEN);
    const headers = used ? { Authorization: `Bearer ${used}` } : {};
    const answer = await fetch(path, { headers, cache: "no-store", ...options });
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({ error: `HTTP ${answer.status}` }));
    if (answer.status !== 401) throw new Refused(answer.status, said);
    if (sessionStorage.getItem(TOKEN) === used) {
      asking ??= askForToken(said.error, Boolean(used)).finally(() => { asking = null; });
      sessionStorage.setItem(TOKEN, await asking);
    }
  }
}

// Calls `onView` with each document of a stream and `onState` with "open", "lost" or a Refused; returns what ends it.
export function follow(query, onView, onState) {
  let ended = false;
  let failures = 0;
  let current = null;

  async function listen() {
    const abort = new AbortController();
    current = abort;
    let alarm = setTimeout(() => abort.abort(), SILENT_MS);
    try {
      const answer = await request(`api/v1/stream?${query}`, { signal: abort.signal });
      onState("open");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done || ended) return;
        failures = 0;
        clearTimeout(alarm);
        alarm = setTimeout(() => abort.abort(), SILENT_MS);
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        // Only the newest is of interest, however many came at once.
        const newest = events.map(data).filter(Boolean).pop();
        if (newest) onView(JSON.parse(newest));
      }
    } finally {
      clearTimeout(alarm);
    }
  }

  async function keepListening() {
    while (!ended) {
      try {
        await listen();
      } catch (error) {
        if (ended) return;
        if (error instanceof Refused && error.status < 500) {
          onState(error);
          return;
        }
      }
      if (ended) return;
      onState("lost");
      const pause = PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)];
      await new Promise((resume) => setTimeout(resume, pause));
    }
  }

  keepListening();
  return () => {
    ended = true;
    current?.abort();
  };
}

function data(event) {
  const line = event.split("\n").find((each) => each.startsWith("data: "));
  return line?.slice("data: ".length);
}
