// One view: what was chosen, the figures of the whole, the funnel as bars, and the table with every number.

import { h } from "./dom.js";
import { clock, count, exactShare, length, moment, money, share, stageText, t, windowText } from "./text.js";

// Returns what is counted, as a word of its own ("attempts", "people", "units").
export function unitOf(view, info) {
  return view.choice.counts === "people" ? (info.counts_units ? "units" : "people") : "attempts";
}

// Returns in words of which entrants the numbers are.
export function howCounted(view, info) {
  const unit = t(unitOf(view, info));
  const { counts, form, window } = view.choice;
  if (counts === "people") return t(`how.${form}`, { unit, start: view.period_start ? moment(view.period_start) : "" });
  return t(`how.${form}`, { unit, window: windowText(window), length: length(info.window_seconds) });
}

// Returns why there are no numbers, or "" if there are some.
export function whyEmpty(view, info) {
  if (!view.outcome) return view.state === "waiting" || view.state === "not_counted" ? t(view.state) : view.as_of ? t(view.since ? "before.since" : "not_counted") : t("waiting");
  if (view.outcome.entered) return "";
  const { counts, form, window } = view.choice;
  const when = counts === "people" ? t("when.people") : t(form === "matured" ? "when.matured" : "when.attempts", { window: windowText(window), length: length(info.window_seconds) });
  return t(view.choice.segment === null ? "nobody" : "nobody.segment", { when });
}

// Of people nobody has dropped off for good before the period is over: what is not decided is no 0.
function isOpen(view) {
  return view.choice.form === "current";
}

export function drawView(view, info, isCompared) {
  const empty = whyEmpty(view, info);
  const name = info.title || info.funnel;
  return h("article", { class: "card view" },
    h("header", { class: "view-head" },
      h("h2", null, isCompared ? h("span", { class: "muted" }, t("compared"), " ") : null, name,
        h("span", { class: "tag" }, t("version", { version: info.version })),
        view.choice.segment === null ? null : h("span", { class: "tag" }, `${view.choice.breakdown}: ${view.choice.segment || "“”"}`)),
      h("p", { class: "how" }, howCounted(view, info)),
    ),
    empty ? h("p", { class: "empty" }, empty) : null,
    view.outcome ? [
      drawFigures(view, info),
      drawMarks(view, info),
      view.outcome.entered ? drawBottleneck(view, info) : null,
      drawBars(view, info),
      ...notes(view, info).map((text) => h("p", { class: "note" }, text)),
      drawSteps(view, info),
    ] : null,
  );
}

function drawFigures(view, info) {
  const { outcome } = view;
  const unit = t(`${unitOf(view, info)}.of`);
  const entered = outcome.entered;
  const part = (number) => (entered ? share(number / entered) : "");
  const time = outcome.time_to_convert;
  const about = outcome.conversion === null ? t("undecided")
    : isOpen(view) ? t("open.period")
    : outcome.dropoff === null ? t("drop.unknown")
    : t("drop.share", { share: share(outcome.dropoff) });
  return h("dl", { class: "figures" },
    figure("entered", t("entered"), count(entered), unit),
    figure("converted", t("converted"), count(outcome.converted), unit),
    figure("conversion", t("conversion"), share(outcome.conversion), about),
    figure("pending", t("pending"), count(outcome.pending), entered ? t("still.time", { share: part(outcome.pending) }) : unit),
    figure("time", t("time"), time ? length(time.median_seconds_from_buckets) : "–",
      time ? t("median.p90", { p90: length(time.percentiles_seconds_from_buckets.p90) }) : t("times.none")),
  );
}

function figure(id, name, value, about) {
  return h("div", { class: "figure", "data-figure": id },
    h("dt", null, name), h("dd", { class: "value" }, value), h("dd", { class: "about" }, about));
}

// The conversion on a scale with its target and benchmarks; whether the target is reached is known once all is decided.
function drawMarks(view, info) {
  const { conversion } = view.outcome;
  const marks = [...(info.target === null ? [] : [{ name: t("target"), share: info.target, isTarget: true }]), ...info.benchmarks];
  if (!marks.length) return null;
  const end = Math.min(1, 1.2 * Math.max(conversion ?? 0, ...marks.map((mark) => mark.share)));
  const isDecided = conversion !== null && !view.outcome.pending && (view.choice.form === "matured" || view.choice.form === "previous");
  const judged = (mark) => (mark.isTarget && isDecided ? ` · ${mark.share <= conversion ? t("target.reached") : t("target.missed", { share: share(mark.share - conversion) })}` : "");
  return h("div", { class: "marks" },
    h("div", { class: "track", "aria-hidden": "true" },
      h("div", { class: "fill", style: { "--width": (conversion ?? 0) / end } }),
      marks.map((mark) => h("i", { class: mark.isTarget ? "mark target" : "mark", style: { "--at": mark.share / end } }))),
    h("ul", null, marks.map((mark) => h("li", { class: mark.isTarget ? "target" : null }, `${mark.name} ${exactShare(mark.share)}${judged(mark)}`))));
}

function drawBottleneck(view, info) {
  const found = view.bottleneck;
  if (!found) return view.outcome.dropoff === null || isOpen(view) ? null : h("p", { class: "note" }, t("bottleneck.none"));
  return h("p", { class: "bottleneck", "data-step": found.step }, bottleneckText(view, info));
}

export function bottleneckText(view, info) {
  const found = view.bottleneck;
  if (!found) return "";
  return t("bottleneck.text", {
    n: count(found.lost), unit: t(`${unitOf(view, info)}.of`), from: found.name, to: found.next_name, share: share(found.share),
  });
}

// The bars say with widths what the table says with numbers, so they are a picture to a screen reader.
function drawBars(view, info) {
  const { steps, entered } = view.outcome;
  const largest = Math.max(entered, ...steps.map((step) => step.reached));
  const width = (step) => (largest ? step.reached / largest : 0);
  const required = steps.filter((step) => !step.optional);
  // How far this bar would come if the step before it had reached its target.
  const aim = (step) => {
    const before = required[required.indexOf(step) - 1];
    const target = before && info.steps[before.step - 1].target;
    return target && largest ? (before.reached * target) / largest : 0;
  };
  const rows = steps.map((step, index) => {
    const about = info.steps[index];
    const next = step.optional ? undefined : required[required.indexOf(step) + 1];
    const isNarrowest = view.bottleneck?.step === step.step;
    return [
      h("div", { class: step.optional ? "bar optional" : "bar", "data-step": step.step },
        h("div", { class: "bar-name" },
          h("span", { class: "number" }, step.step), h("span", { class: "name" }, step.name),
          [about.stage, about.group].map(stageText).filter((tag) => tag && tag !== step.name).map((tag) => h("span", { class: "tag" }, tag)),
          about.optional ? h("span", { class: "tag" }, t("optional")) : null),
        h("div", { class: "track" },
          h("div", { class: "fill", style: { "--width": width(step) } }),
          aim(step) ? h("i", { class: "mark target", style: { "--at": aim(step) } }) : null),
        h("div", { class: "bar-value" }, h("b", null, count(step.reached)), h("span", null, share(step.reached_share)))),
      next ? h("div", { class: isNarrowest ? "gap narrowest" : "gap", "data-step": step.step },
        h("div", { class: "slope", style: { "--from": width(step), "--to": width(next) } }),
        h("div", { class: "gap-text" }, gapText(step, next, isOpen(view), about.target))) : null,
    ];
  });
  return h("div", { class: "bars", role: "img", "aria-label": t("bars", { n: steps.length, how: howCounted(view, info) }) }, rows);
}

function gapText(step, next, open, target) {
  if (!step.reached) return "";
  if (step.conversion === null) return `${t("step.undecided")} · ${t("step.pending", { n: count(step.pending) })}`;
  const lost = step.dropped
    ? t("step.dropped", { n: count(step.dropped), share: share(step.dropoff) })
    : step.excluded || open || step.dropoff === null ? "" : t("step.none");
  const time = next.from_previous;
  return [
    lost,
    step.excluded ? t("step.excluded", { n: count(step.excluded) }) : "",
    step.pending ? t("step.pending", { n: count(step.pending) }) : "",
    time ? t("step.time", { median: length(time.median_seconds_from_buckets) }) : "",
    target === null ? "" : t("step.target", { share: exactShare(target) }),
  ].filter(Boolean).join(" · ");
}

function notes(view, info) {
  const found = [];
  if (view.distinct !== null) found.push(t("distinct", { n: count(view.distinct) }));
  else if (info.counts_units) found.push(t("units.note"));
  const windowSeconds = secondsOf(view.choice.window);
  if (view.choice.form === "rolling" && view.since && windowSeconds && Date.parse(view.since) > Date.parse(view.as_of) - windowSeconds * 1000) {
    found.push(t("since", { since: clock(view.since) }));
  }
  return found;
}

function secondsOf(window) {
  const found = /^(\d+)(ms|[smhdw])$/.exec(window);
  return found ? Number(found[1]) * { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800 }[found[2]] : 0;
}

function drawSteps(view, info) {
  const { steps } = view.outcome;
  const unit = t(unitOf(view, info));
  const currencies = [...new Set(steps.flatMap((step) => [...step.values, ...(step.stopped_values ?? [])].map((each) => each.currency)))];
  const hasExcluded = steps.some((step) => step.excluded);
  const hasEntries = steps.some((step) => step.entered_at !== undefined);
  const isLast = (index) => index === steps.length - 1;
  const columns = [
    { name: t("reached"), cell: (step) => count(step.reached) },
    { name: t("share"), cell: (step) => share(step.reached_share) },
    hasEntries && { name: t("from"), cell: (step) => (step.entered_at === undefined ? "" : count(step.entered_at)) },
    { name: t("went.on"), cell: (step, index) => (isLast(index) || step.optional ? "" : share(step.conversion)) },
    { name: t("dropoff"), cell: (step, index) => (isLast(index) || step.optional ? "" : share(isOpen(view) ? null : step.dropoff)) },
    { name: t("dropped"), cell: (step, index) => (isLast(index) || step.optional ? "" : count(isOpen(view) ? null : step.dropped)) },
    hasExcluded && { name: t("excluded"), cell: (step, index) => (isLast(index) || step.optional ? "" : count(step.excluded)) },
    { name: t("pending"), cell: (step, index) => (isLast(index) || step.optional ? "" : count(step.pending)) },
    view.standing && { name: t("standing"), cell: (step, index) => (step.optional ? "" : count(view.standing[index])) },
    { name: t("median"), cell: (step, index) => (index ? length(step.from_previous?.median_seconds_from_buckets) : "") },
    { name: t("p90"), cell: (step, index) => (index ? length(step.from_previous?.percentiles_seconds_from_buckets?.p90) : "") },
    info.steps.some((step) => step.target !== null) && { name: t("target"), cell: (step, index) => (info.steps[index].target === null ? "" : exactShare(info.steps[index].target)) },
    ...view.age_matched.map((matched) => ({ name: t("within", { age: windowText(matched.age) }), cell: (step, index) => withinText(matched, step, info.steps[index]) })),
    ...currencies.flatMap((currency) => moneyColumns(currency, steps)),
  ].filter(Boolean);
  return table("steps", t("steps.caption", { how: howCounted(view, info) }), [`${t("step")} (${unit})`, ...columns.map((column) => column.name)],
    steps.map((step, index) => ({
      class: step.step === view.bottleneck?.step ? "narrowest" : null,
      head: h("span", null, h("span", { class: "number" }, step.step), " ", step.name),
      cells: columns.map((column) => column.cell(step, index)),
    })));
}

// Returns the share that went on within an age, and beside it the one that should.
function withinText(matched, step, about) {
  const found = matched.steps.find((each) => each.step === step.step);
  const target = about.target_within.find((each) => each.age === matched.age);
  if (!found) return "";
  return target ? `${share(found.conversion)} / ${exactShare(target.share)}` : share(found.conversion);
}

function moneyColumns(currency, steps) {
  const of = (list) => (list ?? []).find((each) => each.currency === currency);
  const column = (key, found) => steps.some((step) => found(step)) && {
    name: `${t(key)} (${currency || "–"})`, cell: (step) => (found(step) ? money(found(step), currency) : ""),
  };
  return [
    column("value", (step) => of(step.values)?.total),
    column("average", (step) => of(step.values)?.average),
    column("lost", (step) => of(step.stopped_values)?.lost),
    column("at.stake", (step) => of(step.stopped_values)?.at_stake),
  ];
}

// Returns a table in a region that scrolls by itself where it is too wide; rows: {head, cells, class?}.
export function table(id, caption, head, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { "data-table": id },
      h("caption", null, caption),
      h("thead", null, h("tr", null, head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", null, rows.map((row) => h("tr", { class: row.class },
        h("th", { scope: "row" }, row.head), row.cells.map((cell) => (typeof cell === "object" && cell?.share !== undefined
          ? h("td", { class: "heat", style: { "--heat": cell.share ?? 0 } }, cell.text)
          : h("td", null, cell))))))));
}
