// The pickers: which numbers to show.

import { infoOf, windowsOf } from "./choice.js";
import { h } from "./dom.js";
import { t, windowText } from "./text.js";

// `sides` are the segments last seen of the choice's breakdown; `change` takes what is to be different; `more` follows.
export function drawChoice(choice, funnels, sides, number, change, more) {
  const info = infoOf(choice, funnels);
  const windows = windowsOf(info, choice.counts);
  const forms = windows.find((each) => each.window === choice.window).forms;
  const isPeople = choice.counts === "people";
  const id = (name) => `${name}-${number}`;
  return h("div", { class: "choice", role: "group", "aria-label": number ? t("compared") : t("view") },
    select(id("funnel"), t("funnel"), `${choice.funnel}@${choice.version}`,
      funnels.map((each) => [`${each.funnel}@${each.version}`, `${each.title || each.funnel} · ${each.version}`]),
      (key) => {
        const found = funnels.find((each) => `${each.funnel}@${each.version}` === key);
        change({ funnel: found.funnel, version: String(found.version) });
      }),
    radios(id("counts"), t("counts"), choice.counts,
      [...(info.attempts.length ? [["attempts", t("attempts")]] : []), ["people", t(info.counts_units ? "units" : "people")]],
      (counts) => change({ counts })),
    isPeople ? null : radios(id("window"), t("window"), choice.window, windows.map((each) => [each.window, windowText(each.window)]), (window) => change({ window })),
    radios(id("form"), isPeople ? t("period") : t("form"), choice.form,
      forms.map((form) => [form, isPeople ? t(`${info.people.unit}.${form}`) : t(form), isPeople ? null : t(`${form}.hint`)]),
      (form) => change({ form })),
    info.breakdowns.length ? select(id("breakdown"), t("breakdown"), choice.breakdown,
      [["", t("nothing")], ...info.breakdowns.map((name) => [name, name])], (breakdown) => change({ breakdown, segment: undefined })) : null,
    choice.breakdown ? select(id("segment"), t("segment"), choice.segment === undefined ? "*" : `=${choice.segment}`,
      [["*", t("whole")], ...segmentsOf(choice, sides).map((name) => [`=${name}`, name || "“”"])],
      (value) => change({ segment: value === "*" ? undefined : value.slice(1) })) : null,
    more,
  );
}

function segmentsOf(choice, sides) {
  const names = (sides ?? []).map((side) => side.segment);
  return choice.segment === undefined || names.includes(choice.segment) ? names : [choice.segment, ...names];
}

function select(id, name, value, options, change) {
  return h("div", { class: "field" },
    h("label", { for: id }, name),
    h("select", { id, value, on: { change: (event) => change(event.target.value) } },
      options.map(([key, text]) => h("option", { value: key }, text))));
}

function radios(id, name, value, options, change) {
  return h("fieldset", { class: "field" },
    h("legend", null, name),
    h("div", { class: "radios" }, options.map(([key, text, hint]) => h("label", { title: hint },
      h("input", { type: "radio", name: id, value: key, checked: key === value, on: { change: () => change(key) } }),
      h("span", null, text)))));
}
