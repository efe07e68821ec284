// What stands below the funnel: segments side by side, times, cohorts, one actor, health.

import { h } from "./dom.js";
import { count, lately, length, moment, share, t, windowText } from "./text.js";
import { howCounted, table, unitOf, whyEmpty } from "./view.js";

export function drawSegments(view, info, choose) {
  if (!view.segments) return null;
  const how = howCounted(view, info);
  const head = [view.choice.breakdown, t("entered"), t("converted"), t("conversion"), t("pending"), ...info.steps.map((step) => `${step.step} ${step.name}`)];
  const rows = view.segments.map((side) => ({
    class: side.segment === view.choice.segment ? "chosen" : null,
    head: h("button", { type: "button", class: "link", "aria-pressed": side.segment === view.choice.segment, on: { click: () => choose(side.segment === view.choice.segment ? undefined : side.segment) } }, side.segment || "“”"),
    cells: [
      count(side.entered), count(side.converted), share(side.conversion), count(side.pending),
      ...side.reached.map((reached) => ({ share: side.entered ? reached / side.entered : 0, text: h("span", null, count(reached), h("small", null, side.entered ? share(reached / side.entered) : "")) })),
    ],
  }));
  return [
    h("h2", null, t("segments")),
    rows.length ? table("segments", t("segments.caption", { breakdown: view.choice.breakdown, how }), head, rows) : h("p", { class: "empty" }, t("segments.none")),
  ];
}

export function drawTimes(view, info) {
  if (!view.outcome) return null;
  const unit = t(unitOf(view, info));
  const buckets = view.outcome.time_to_convert?.histogram ?? [];
  const most = Math.max(0, ...buckets.map((bucket) => bucket.timed));
  return [
    h("h2", null, t("time")),
    buckets.length
      ? table("times", t("times.caption", { how: howCounted(view, info) }), [t("at.most"), unit],
        buckets.map((bucket) => ({
          head: bucket.at_most_seconds === null ? t("more.than", { time: length(31536000) }) : length(bucket.at_most_seconds),
          cells: [h("span", { class: "column", style: { "--width": bucket.timed / most } }, h("span", null, count(bucket.timed)))],
        })))
      : h("p", { class: "empty" }, whyEmpty(view, info) || t("times.none")),
  ];
}

export function drawCohorts(cohorts, view) {
  if (!cohorts) return null;
  if (cohorts.error) return [h("h2", null, t("cohorts")), h("p", { class: "empty" }, cohorts.error)];
  const rows = cohorts.cohorts.map((cohort) => ({
    head: h("time", { datetime: cohort.start }, lately(cohort.start)),
    cells: [
      count(cohort.entered),
      ...cohort.reached.map((reached) => ({ share: cohort.entered ? reached / cohort.entered : 0, text: count(reached) })),
      share(cohort.conversion), count(cohort.pending),
    ],
  }));
  return [
    h("h2", null, t("cohorts")),
    view.choice.counts === "people" ? h("p", { class: "note" }, t("cohorts.people")) : null,
    rows.length
      ? table("cohorts", t("cohorts.caption", { slot: length(cohorts.slot_seconds) }),
        [t("from"), t("entered"), ...cohorts.steps.map((name, index) => `${index + 1} ${name}`), t("conversion"), t("pending")], rows)
      : h("p", { class: "empty" }, cohorts.as_of ? t("cohorts.none", { window: windowText(cohorts.window) }) : t("waiting")),
  ];
}

export function drawActor(actor, lookUp) {
  const submit = (event) => {
    event.preventDefault();
    lookUp(new FormData(event.target).get("pseudonym").trim());
  };
  return [
    h("h2", null, t("actor")),
    h("form", { class: "line", on: { submit } },
      h("label", { for: "pseudonym" }, t("actor.label")),
      h("input", { id: "pseudonym", name: "pseudonym", autocomplete: "off", spellcheck: "false", "aria-describedby": "pseudonym-hint" }),
      h("button", { type: "submit" }, t("explain"))),
    h("p", { class: "note", id: "pseudonym-hint" }, t("actor.hint")),
    h("div", { "aria-live": "polite" },
      actor.error ? h("p", { class: "empty" }, actor.error) : null,
      actor.found && !actor.found.funnels.length ? h("p", { class: "empty" }, t("actor.none")) : null,
      (actor.found?.funnels ?? []).map(drawExplained)),
  ];
}

function drawExplained(funnel) {
  const step = (number) => (number ? `${number} ${funnel.steps[number - 1]}` : "");
  return h("section", { class: "explained" },
    h("h3", null, funnel.title || funnel.funnel, h("span", { class: "tag" }, t("version", { version: funnel.version }))),
    funnel.units.map((unit) => [
      unit.unit.length ? h("p", { class: "note" }, unit.unit.map((held) => `${held.property}=${held.value}`).join(", ")) : null,
      h("p", null, unit.stage ? t("stands.at", { step: step(unit.stage), time: moment(unit.until) }) : t("stands.nowhere")),
      unit.sealed ? h("p", { class: "note" }, t("sealed")) : null,
      unit.attempts.length ? table("attempts", t("attempts"), [t("attempt"), t("entered"), t("deepest"), t("outcome")],
        unit.attempts.map((attempt) => ({
          head: count(attempt.attempt),
          cells: [moment(attempt.entered), step(attempt.step), attempt.pending_until ? t("pending.until", { time: moment(attempt.pending_until) }) : t(attempt.outcome)],
        }))) : null,
    ]),
    funnel.events.length
      ? table("events", t("event"), [t("from"), t("event"), t("why"), ""], funnel.events.map((event) => ({
        head: moment(event.time), cells: [event.id ?? "", t(`why.${event.why}`), h("span", { lang: "en" }, event.text)],
      })))
      : h("p", { class: "note" }, t("no.events")));
}

export function drawHealth(health) {
  if (!health) return null;
  const { records } = health;
  const verdicts = ["accepted", "unmatched", "duplicate", "late", "invalid", "future", "bot"];
  return [
    h("h2", null, t("health")),
    h("p", null, h("span", { class: health.ready ? "state live" : "state lost" }, health.ready ? t("ready") : t("not.ready", { reason: health.reason }))),
    health.not_counted.length ? h("p", { class: "empty" }, t("not.counted.list", { list: health.not_counted.join(", ") })) : null,
    h("dl", { class: "figures small" },
      verdicts.map((verdict) => h("div", { class: "figure", "data-figure": verdict }, h("dt", null, t(verdict)), h("dd", { class: "value" }, count(records[verdict])))),
      h("div", { class: "figure", "data-figure": "corrections" }, h("dt", null, t("corrections")), h("dd", { class: "value" }, count(health.corrections))),
      health.gaps ? h("div", { class: "figure", "data-figure": "gaps" }, h("dt", null, t("gaps")), h("dd", { class: "value" }, count(health.gaps))) : null),
    health.partitions.length
      ? table("partitions", t("health.caption"), [t("partition"), t("lag"), t("watermark"), t("age")], health.partitions.map((each) => ({
        class: each.age_seconds > 10 ? "narrowest" : null,
        head: count(each.partition),
        cells: [each.lag === null ? t("unknown") : count(each.lag), moment(each.watermark), t("ago", { time: length(Math.round(each.age_seconds)) })],
      })))
      : h("p", { class: "empty" }, t("waiting")),
    health.without_rollup.length ? h("p", { class: "note" }, t("without", { list: health.without_rollup.join(", ") })) : null,
  ];
}
