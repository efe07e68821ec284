// The page: asks what there is, follows what is chosen, and draws what comes.

import { ask, follow, onTokenNeeded } from "./api.js";
import { fromAddress, infoOf, toAddress, toQuery, usual } from "./choice.js";
import { drawChoice } from "./choices.js";
import { h, render } from "./dom.js";
import { drawActor, drawCohorts, drawHealth, drawSegments, drawTimes } from "./panels.js";
import { chosenLanguage, clock, count, languages, moment, share, speak, t } from "./text.js";
import { bottleneckText, drawView, unitOf } from "./view.js";

const HEALTH_EVERY_MS = 5000;
const COHORTS_EVERY_MS = 10000;
const SPOKEN_EVERY_MS = 30000;

const at = (id) => document.getElementById(id);
const page = {
  funnels: null, as_of: null, choices: [], views: [], connections: [], ends: [],
  health: null, cohorts: null, actor: {}, error: "", spokenMs: 0,
};

// What is drawn

function draw() {
  drawTop();
  drawNotice();
  if (!page.funnels) return;
  const isEmpty = !page.funnels.length;
  const last = page.choices.length - 1;
  const button = h("button", { type: "button", class: "quiet", id: "compare", on: { click: compare } }, t(last ? "comparing" : "compare"));
  render(at("choices"), isEmpty ? h("p", { class: "empty" }, t("funnels.none")) : page.choices.map((choice, number) => drawChoice(
    choice, page.funnels, page.views[number]?.segments, number, (different) => change(number, different), number === last ? button : null)));
  const known = page.choices.map((choice, number) => [page.views[number], infoOf(choice, page.funnels), number]).filter(([view]) => view);
  at("views").classList.toggle("two", page.choices.length > 1);
  render(at("views"), known.map(([view, info, number]) => drawView(view, info, number > 0)));
  const [view, info] = known.find(([, , number]) => number === 0) ?? [];
  panel("segments", view && drawSegments(view, info, (segment) => change(0, { segment })));
  panel("times", view && drawTimes(view, info));
  panel("cohorts", view && drawCohorts(page.cohorts, view));
  panel("actor", drawActor(page.actor, lookUp));
  panel("health", drawHealth(page.health));
}

function panel(id, drawn) {
  at(id).hidden = !drawn;
  render(at(id), drawn ?? []);
}

function drawTop() {
  const state = overall();
  const asOf = page.views[0]?.as_of ?? page.as_of;
  const names = { live: "live", stale: "stale", lost: "lost_connection", connecting: "connecting", paused: "paused", waiting: "connecting", not_counted: "live" };
  document.title = page.choices[0] ? `${infoOf(page.choices[0], page.funnels).title || page.choices[0].funnel} · ${t("funnel")}` : t("funnel");
  render(at("top"),
    h("h1", null, h("img", { src: "static/icon.svg", alt: "", width: 28, height: 28 }), t("funnel")),
    h("p", { class: `state ${state}`, id: "state" }, t(names[state]), asOf ? h("span", { class: "muted" }, " ", t("as.of", { time: clock(asOf) })) : null),
    h("div", { class: "radios", role: "group", "aria-label": t("language") }, languages().map((language) => h("label", null,
      h("input", { type: "radio", name: "language", value: language, checked: language === chosenLanguage(), on: { change: () => { speak(language); draw(); } } }),
      h("span", { lang: language }, language.toUpperCase())))));
}

function drawNotice() {
  const asOf = page.views[0]?.as_of;
  const state = overall();
  const text = page.error
    || (state === "stale" ? t("notice.stale", { time: moment(asOf) }) : "")
    || (state === "lost" ? (asOf ? t("notice.lost", { time: moment(asOf) }) : t("notice.lost.never")) : "");
  at("notice").hidden = !text;
  render(at("notice"), text);
  document.body.classList.toggle("old", Boolean(text) && !page.error);
}

// Returns the worst that is to be said of what is shown.
function overall() {
  if (document.hidden) return "paused";
  if (page.connections.includes("lost")) return "lost";
  const states = page.views.filter(Boolean).map((view) => view.state);
  return ["stale", "waiting", "not_counted", "live"].find((state) => states.includes(state)) ?? "connecting";
}

// A screen reader is told what is shown when it was chosen, and now and then while it changes.
function say(isAsked) {
  const [view] = page.views;
  const now = Date.now();
  if (!view?.outcome || (!isAsked && now - page.spokenMs < SPOKEN_EVERY_MS)) return;
  const info = infoOf(page.choices[0], page.funnels);
  page.spokenMs = now;
  at("spoken").textContent = t("spoken", {
    funnel: info.title || info.funnel, entered: count(view.outcome.entered), unit: t(`${unitOf(view, info)}.of`),
    conversion: share(view.outcome.conversion), bottleneck: bottleneckText(view, info),
  });
}

// What is chosen

function change(number, different) {
  const choices = [...page.choices];
  choices[number] = usual({ ...choices[number], ...different }, page.funnels);
  choose(choices);
}

function compare() {
  const [first] = page.choices;
  if (page.choices.length > 1) choose([first]);
  else choose([first, usual({ ...first, form: first.form === "rolling" ? "matured" : first.form === "current" ? "previous" : first.form }, page.funnels)]);
}

function choose(choices, isNew = true) {
  const before = page.choices.map(toQuery);
  page.choices = choices;
  page.error = "";
  if (isNew) history.pushState(null, "", toAddress(choices));
  choices.forEach((choice, number) => { 
    if (toQuery(choice) === before[number]) return;
    // Numbers of another funnel or window are not shown under this choice's name, not even for a moment.
    page.views[number] = undefined;
    listen(number);
  });
  while (page.ends.length > choices.length) {
    page.ends.pop()();
    page.views.pop();
    page.connections.pop();
  }
  page.views.length = Math.min(page.views.length, choices.length);
  if (toQuery(choices[0]) !== before[0]) askCohorts();
  draw();
}

function listen(number) {
  page.ends[number]?.();
  if (document.hidden) return;
  const choice = page.choices[number];
  let isFirst = true;
  page.ends[number] = follow(toQuery(choice), (view) => {
    page.views[number] = view;
    draw();
    if (number === 0) say(isFirst);
    isFirst = false;
  }, (state) => {
    page.connections[number] = state;
    if (state instanceof Error) page.error = t("error", { text: state.message });
    if (state !== "open") askFunnels();
    draw();
  });
}

// What is asked for now and then

// A stream that ends may have ended because other funnels, or other versions, are live now.
async function askFunnels() {
  const found = await ask("funnels").catch(() => null);
  if (!found?.funnels.length) return;
  page.funnels = found.funnels;
  const choices = page.choices.map((choice) => usual(choice, page.funnels));
  if (choices.some((choice, number) => toQuery(choice) !== toQuery(page.choices[number]))) choose(choices);
}

async function askHealth() {
  if (document.hidden) return;
  page.health = await ask("health").catch(() => page.health);
  draw();
}

async function askCohorts() {
  const [choice] = page.choices;
  if (document.hidden || !choice) return;
  const info = infoOf(choice, page.funnels);
  const window = choice.counts === "people" ? "" : `?window=${encodeURIComponent(choice.window)}`;
  if (!info.attempts.length) return;
  const found = await ask(`funnels/${info.funnel}/${info.version}/cohorts${window}`).catch((error) => ({ error: error.message }));
  if (choice === page.choices[0]) {
    page.cohorts = found;
    draw();
  }
}

async function lookUp(pseudonym) {
  try {
    page.actor = { found: await ask(`actors/${encodeURIComponent(pseudonym)}`) };
  } catch (error) {
    page.actor = { error: error.message };
  }
  draw();
}

function askForToken(said, isWrong) {
  const dialog = at("token");
  return new Promise((resolve) => {
    const submit = (event) => {
      event.preventDefault();
      const token = new FormData(event.target).get("token").trim();
      if (!token) return;
      dialog.close();
      resolve(token);
    };
    render(dialog,
      h("form", { class: "stack", on: { submit } },
        h("h2", { id: "token-title" }, t(isWrong ? "token.wrong" : "token.title")),
        h("p", null, said),
        h("label", { for: "token-text" }, t("token.label")),
        h("input", { id: "token-text", name: "token", type: "password", autocomplete: "off", required: "required", pattern: "\\s*[!-~]+\\s*" }),
        h("p", { class: "note" }, t("token.hint")),
        h("button", { type: "submit" }, t("token.open"))));
    dialog.oncancel = (event) => event.preventDefault();
    dialog.showModal();
  });
}

async function begin() {
  speak();
  draw();
  onTokenNeeded(askForToken);
  for (;;) {
    try {
      const { funnels, as_of: asOf } = await ask("funnels");
      page.funnels = funnels;
      page.as_of = asOf;
      break;
    } catch (error) {
      page.error = error.status ? t("error", { text: error.message }) : t("notice.lost.never");
      draw();
      await new Promise((resume) => setTimeout(resume, 2000));
    }
  }
  page.error = "";
  if (page.funnels.length) choose(fromAddress(location.search, page.funnels), false);
  else draw();
  askHealth();
  setInterval(askHealth, HEALTH_EVERY_MS);
  setInterval(askCohorts, COHORTS_EVERY_MS);
}

window.addEventListener("popstate", () => choose(fromAddress(location.search, page.funnels), false));
// A page that nobody sees costs nothing, and leaves the browser's few connections to those that are seen.
document.addEventListener("visibilitychange", () => {
  if (!page.funnels?.length) return;
  if (document.hidden) page.ends.forEach((end) => end?.());
  else {
    page.choices.forEach((_, number) => listen(number));
    askHealth();
    askCohorts();
  }
  draw();
});

begin();
