// Which numbers are shown, in the address bar and back: a link shows somebody else the same view.

export const NAMES = ["funnel", "version", "counts", "window", "form", "breakdown", "segment"];
const OTHER = "vs.";

// Returns the choices of an address: one, or two to compare. What it does not say, or says wrongly, is the usual.
export function fromAddress(search, funnels) {
  const query = new URLSearchParams(search);
  const first = usual(read(query, ""), funnels);
  const isCompared = [...query.keys()].some((name) => name.startsWith(OTHER));
  return isCompared ? [first, usual({ ...first, ...read(query, OTHER) }, funnels)] : [first];
}

export function toAddress(choices) {
  const query = new URLSearchParams();
  choices.forEach((choice, index) => {
    for (const name of NAMES) {
      if (isSaid(name, choice[name])) query.set(`${index ? OTHER : ""}${name}`, choice[name]);
    }
  });
  return `?${query}`;
}

// Returns the parameters with which the API is asked for a choice.
export function toQuery(choice) {
  const query = new URLSearchParams();
  for (const name of NAMES) if (isSaid(name, choice[name])) query.set(name, choice[name]);
  return query.toString();
}

export function infoOf(choice, funnels) {
  return funnels.find((each) => each.funnel === choice.funnel && String(each.version) === String(choice.version));
}

// Returns the choice with what is not offered replaced by what is usual.
export function usual(choice, funnels) {
  const info = infoOf(choice, funnels) ?? funnels.find((each) => each.funnel === choice.funnel) ?? funnels[0];
  if (!info) return { ...choice };
  const counts = choice.counts === "people" || !info.attempts.length ? "people" : "attempts";
  const windows = windowsOf(info, counts);
  const window = windows.find((each) => each.window === choice.window) ?? windows.find((each) => each.window === "1h") ?? windows[0];
  const form = window.forms.includes(choice.form) ? choice.form : window.forms[0];
  const breakdown = info.breakdowns.includes(choice.breakdown) ? choice.breakdown : "";
  const segment = breakdown ? choice.segment : undefined;
  return { funnel: info.funnel, version: String(info.version), counts, window: window.window, form, breakdown, segment };
}

export function windowsOf(info, counts) {
  return counts === "people" ? [{ window: info.people.unit, forms: info.people.forms }] : info.attempts;
}

// A segment may be the empty text.
function isSaid(name, value) {
  return value !== undefined && (value !== "" || name === "segment");
}

function read(query, prefix) {
  const found = {};
  for (const name of NAMES) if (query.has(prefix + name)) found[name] = query.get(prefix + name);
  return found;
}
