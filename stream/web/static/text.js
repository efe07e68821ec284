// Words, numbers and times in the reader's language. A number that cannot be said is a dash, never 0.

export const UNKNOWN = "–";

export const TEXTS = {
  en: {
    language: "Language",
    attempts: "Attempts", people: "People", units: "Units",
    "attempts.of": "attempts", "people.of": "people", "units.of": "units",
    "one.attempts": "attempt", "one.people": "person", "one.units": "unit",
    view: "View", funnel: "Funnel", counts: "Count", window: "Entered in the last", period: "Entered in",
    form: "Form", rolling: "So far", matured: "Matured",
    "rolling.hint": "the newest entrants, some of whom still have time",
    "matured.hint": "shifted back by the funnel's window: everybody's outcome is decided",
    breakdown: "Split by", segment: "Segment", nothing: "nothing", whole: "all together",
    compare: "Compare", comparing: "Stop comparing", compared: "Compared with",
    hour: "hour", day: "day", week: "week", month: "month",
    "hour.current": "This hour", "hour.previous": "The hour before",
    "day.current": "This day", "day.previous": "The day before",
    "week.current": "This week", "week.previous": "The week before",
    "month.current": "This month", "month.previous": "The month before",
    entered: "Entered", converted: "Converted", conversion: "Conversion", pending: "Pending", dropped: "Dropped",
    excluded: "Excluded", dropoff: "Drop-off", reached: "Reached", step: "Step", share: "Of entered", standing: "Here now",
    "went.on": "Went on", median: "Median", p90: "90 %", time: "Time to convert", value: "Value", average: "Average",
    lost: "Lost", "at.stake": "At stake", optional: "optional", stage: "Stage",
    "of.entered": "{share} of {count} entered", "median.p90": "median; 90 % took at most {p90}",
    "still.time": "{share} still have time", "drop.share": "{share} dropped off", "drop.unknown": "drop-off not known yet", "open.period": "the period is not over",
    target: "Target", "target.reached": "reached", "target.missed": "{share} to go", "step.target": "target {share}", within: "Within {age}",
    "step.dropped": "{n} dropped ({share})", "step.lost": "{n} lost ({share})", "step.excluded": "{n} excluded",
    "step.pending": "{n} pending", "step.none": "nobody lost", "step.undecided": "nobody decided yet",
    "step.time": "median {median}", "entered.at": "{n} entered here",
    bottleneck: "Bottleneck", "bottleneck.text": "Bottleneck: {n} {unit} lost between {from} and {to}, {share} of those who got there.",
    "bottleneck.none": "Nobody was lost.",
    "undecided": "nothing decided yet", "nobody": "Nobody entered {when}.", "nobody.segment": "Nobody of this segment entered {when}.",
    "when.attempts": "in the last {window}", "when.matured": "in the {window} before the funnel's window of {length}", "when.people": "in this period",
    "how.rolling": "{unit} that entered in the last {window}, so far",
    "how.matured": "{unit} that entered in {window}, shifted back by {length}: all decided",
    "how.current": "{unit} that entered since {start}, so far",
    "how.previous": "{unit} that entered in the period from {start}",
    "distinct": "These are units (sessions or held values) of {n} people.",
    "units.note": "This funnel counts each session or held value by itself.",
    "since": "Counted since {since}: the window is not full yet.",
    "before.since": "The funnel did not count in this period yet.",
    waiting: "Nothing is counted yet: no worker has stored a number.", not_counted: "No worker counts this version yet.",
    live: "Live", stale: "Not live", lost_connection: "No connection", connecting: "Connecting", paused: "Paused",
    "as.of": "as of {time}",
    "notice.stale": "These numbers are not live: they stand as of {time}. See Health below for the partitions that are behind.",
    "notice.lost": "The connection is lost, and is tried again. The numbers stand as of {time}.",
    "notice.lost.never": "There is no connection; it is tried again.",
    steps: "Steps", "steps.caption": "Each step · {how}",
    segments: "Segments", "segments.caption": "By {breakdown}, side by side · {how}", "segments.none": "No segment has entrants in this window.",
    "times.caption": "From entry to conversion · {how}", "times.none": "Nobody converted, so there is no time to show.",
    "at.most": "At most", "more.than": "More than {time}", count: "Number",
    cohorts: "Entry cohorts", "cohorts.caption": "Attempts by when they entered, {slot} each, newest first", "cohorts.none": "Nobody entered in the last {window}.",
    "cohorts.people": "Cohorts count attempts.",
    from: "From",
    actor: "One actor", "actor.label": "Pseudonymised id", "actor.hint": "24 hexadecimal digits, as dead letters and “funnel explain --actor ID” show them. Ids themselves are not taken.",
    explain: "Explain", "actor.none": "Nothing is known of it in any funnel.", attempt: "Attempt", outcome: "Outcome", "deepest": "Deepest step",
    event: "Event", why: "What it did", closed: "Closed", "pending.until": "pending until {time}", "stands.at": "now at step {step}, until {time}", "stands.nowhere": "has no open attempt",
    "sealed": "What is older than the allowed lateness is folded; nothing is known of its events.", "no.events": "No event is kept by itself any more.",
    health: "Health", ready: "ready", "not.ready": "not ready: {reason}", partition: "Partition", lag: "Waiting", watermark: "Watermark", age: "Written", "ago": "{time} ago",
    unknown: "not known", records: "Records", "without": "Nothing valid was ever written to partitions {list}.", "not.counted.list": "No worker counts these yet: {list}.",
    "health.caption": "Partitions of the log", "corrections": "corrections", "gaps": "skipped by an operator",
    invalid: "invalid", future: "future", unmatched: "unmatched", late: "late", duplicate: "duplicate", bot: "bot", accepted: "accepted",
    "token.title": "A token is needed", "token.wrong": "That token is not the right one", "token.label": "Token", "token.open": "Open",
    "token.hint": "It is kept in this tab until you close it.",
    "funnels.none": "The settings name no funnel.", "error": "The server says: {text}",
    "spoken": "{funnel}: {entered} {unit} entered, {conversion} converted. {bottleneck}", "unit.note": "counts {unit}", version: "version {version}",
    "bars": "Funnel of {n} steps, {how}. The table below has every number.",
    "stage.awareness": "awareness", "stage.interest": "interest", "stage.consideration": "consideration", "stage.intent": "intent",
    "stage.evaluation": "evaluation", "stage.action": "action", "stage.decision": "decision", "stage.purchase": "purchase",
    "stage.top": "top", "stage.middle": "middle", "stage.bottom": "bottom",
    "why.counted": "counted", "why.late": "late", "why.duplicate": "copy", "why.bot": "bot", "why.invalid": "invalid", "why.future": "from the future", "why.no_match": "no match",
    "why.ahead": "later", "why.order": "order", "why.other_chain": "other chain", "why.too_soon": "too soon", "why.excluded": "excluded", "why.exclusion": "exclusion",
    "why.removed": "removed", "why.broken": "broken chain", "why.broke": "broke a chain", "why.consumed": "consumed", "why.outside_window": "outside the window",
    "why.other_unit": "other unit", "why.not_first": "not the first", "why.foreign": "foreign",
  },
  fr: {
    language: "Langue",
    attempts: "Tentatives", people: "Personnes", units: "Unités",
    "attempts.of": "tentatives", "people.of": "personnes", "units.of": "unités",
    "one.attempts": "tentative", "one.people": "personne", "one.units": "unité",
    view: "Vue", funnel: "Entonnoir", counts: "Compter", window: "Entrées des dernières", period: "Entrées pendant",
    form: "Forme", rolling: "Jusqu’ici", matured: "Mûr",
    "rolling.hint": "les entrées les plus récentes, dont certaines ont encore du temps",
    "matured.hint": "décalé de la fenêtre de l’entonnoir : toutes les issues sont connues",
    breakdown: "Répartir par", segment: "Segment", nothing: "rien", whole: "tous ensemble",
    compare: "Comparer", comparing: "Ne plus comparer", compared: "Comparé avec",
    hour: "heure", day: "jour", week: "semaine", month: "mois",
    "hour.current": "Cette heure", "hour.previous": "L’heure d’avant",
    "day.current": "Ce jour", "day.previous": "Le jour d’avant",
    "week.current": "Cette semaine", "week.previous": "La semaine d’avant",
    "month.current": "Ce mois", "month.previous": "Le mois d’avant",
    entered: "Entrées", converted: "Conversions", conversion: "Taux de conversion", pending: "En cours", dropped: "Abandons",
    excluded: "Exclusions", dropoff: "Taux d’abandon", reached: "Atteint", step: "Étape", share: "Des entrées", standing: "Ici maintenant",
    "went.on": "Ont continué", median: "Médiane", p90: "90 %", time: "Durée jusqu’à la conversion", value: "Valeur", average: "Moyenne",
    lost: "Perdu", "at.stake": "En jeu", optional: "facultative", stage: "Stade",
    "of.entered": "{share} de {count} entrées", "median.p90": "médiane ; 90 % ont mis au plus {p90}",
    "still.time": "{share} ont encore du temps", "drop.share": "{share} ont abandonné", "drop.unknown": "abandon pas encore connu", "open.period": "la période n’est pas finie",
    target: "Objectif", "target.reached": "atteint", "target.missed": "il manque {share}", "step.target": "objectif {share}", within: "En {age}",
    "step.dropped": "{n} abandons ({share})", "step.lost": "{n} pertes ({share})", "step.excluded": "{n} exclusions",
    "step.pending": "{n} en cours", "step.none": "aucune perte", "step.undecided": "rien n’est encore décidé",
    "step.time": "médiane {median}", "entered.at": "{n} entrées ici",
    bottleneck: "Goulot", "bottleneck.text": "Goulot : {n} {unit} perdues entre {from} et {to}, soit {share} de celles arrivées là.",
    "bottleneck.none": "Aucune perte.",
    "undecided": "rien n’est encore décidé", "nobody": "Aucune entrée {when}.", "nobody.segment": "Aucune entrée de ce segment {when}.",
    "when.attempts": "sur les dernières {window}", "when.matured": "sur {window} avant la fenêtre de l’entonnoir ({length})", "when.people": "dans cette période",
    "how.rolling": "{unit} entrées sur {window}, jusqu’ici",
    "how.matured": "{unit} entrées sur {window}, décalé de {length} : tout est décidé",
    "how.current": "{unit} entrées depuis le {start}, jusqu’ici",
    "how.previous": "{unit} entrées dans la période du {start}",
    "distinct": "Ce sont les unités (sessions ou valeurs fixées) de {n} personnes.",
    "units.note": "Cet entonnoir compte chaque session ou valeur fixée pour elle-même.",
    "since": "Compté depuis {since} : la fenêtre n’est pas encore pleine.",
    "before.since": "L’entonnoir ne comptait pas encore dans cette période.",
    waiting: "Rien n’est encore compté : aucun worker n’a enregistré de chiffre.", not_counted: "Aucun worker ne compte encore cette version.",
    live: "En direct", stale: "Pas en direct", lost_connection: "Pas de connexion", connecting: "Connexion", paused: "En pause",
    "as.of": "au {time}",
    "notice.stale": "Ces chiffres ne sont pas en direct : ils datent du {time}. Voir plus bas, sous État, les partitions en retard.",
    "notice.lost": "La connexion est perdue ; nouvel essai en cours. Les chiffres datent du {time}.",
    "notice.lost.never": "Pas de connexion ; nouvel essai en cours.",
    steps: "Étapes", "steps.caption": "Chaque étape · {how}",
    segments: "Segments", "segments.caption": "Par {breakdown}, côte à côte · {how}", "segments.none": "Aucun segment n’a d’entrées dans cette fenêtre.",
    "times.caption": "De l’entrée à la conversion · {how}", "times.none": "Aucune conversion, donc aucune durée à montrer.",
    "at.most": "Au plus", "more.than": "Plus de {time}", count: "Nombre",
    cohorts: "Cohortes d’entrée", "cohorts.caption": "Tentatives selon leur entrée, par {slot}, les plus récentes d’abord", "cohorts.none": "Aucune entrée sur {window}.",
    "cohorts.people": "Les cohortes comptent des tentatives.",
    from: "Depuis",
    actor: "Un acteur", "actor.label": "Identifiant pseudonymisé", "actor.hint": "24 chiffres hexadécimaux, tels que les montrent les dead letters et « funnel explain --actor ID ». Les identifiants mêmes ne sont pas acceptés.",
    explain: "Expliquer", "actor.none": "Rien n’est connu de lui dans aucun entonnoir.", attempt: "Tentative", outcome: "Issue", "deepest": "Étape la plus profonde",
    event: "Événement", why: "Effet", closed: "Close", "pending.until": "en cours jusqu’à {time}", "stands.at": "maintenant à l’étape {step}, jusqu’à {time}", "stands.nowhere": "n’a pas de tentative ouverte",
    "sealed": "Ce qui est plus vieux que le retard admis est replié ; ses événements ne sont plus connus.", "no.events": "Aucun événement n’est plus gardé séparément.",
    health: "État", ready: "prêt", "not.ready": "pas prêt : {reason}", partition: "Partition", lag: "En attente", watermark: "Filigrane", age: "Écrit", "ago": "il y a {time}",
    unknown: "inconnu", records: "Enregistrements", "without": "Rien de valide n’a jamais été écrit dans les partitions {list}.", "not.counted.list": "Aucun worker ne les compte encore : {list}.",
    "health.caption": "Partitions du journal", "corrections": "corrections", "gaps": "sautés par un opérateur",
    invalid: "invalides", future: "futurs", unmatched: "sans étape", late: "en retard", duplicate: "doublons", bot: "robots", accepted: "acceptés",
    "token.title": "Un jeton est nécessaire", "token.wrong": "Ce jeton n’est pas le bon", "token.label": "Jeton", "token.open": "Ouvrir",
    "token.hint": "Il est gardé dans cet onglet jusqu’à sa fermeture.",
    "funnels.none": "Les réglages ne nomment aucun entonnoir.", "error": "Le serveur répond : {text}",
    "spoken": "{funnel} : {entered} {unit} entrées, {conversion} de conversion. {bottleneck}", "unit.note": "compte des {unit}", version: "version {version}",
    "bars": "Entonnoir de {n} étapes, {how}. Le tableau ci-dessous contient tous les chiffres.",
    "stage.awareness": "notoriété", "stage.interest": "intérêt", "stage.consideration": "considération", "stage.intent": "intention",
    "stage.evaluation": "évaluation", "stage.action": "action", "stage.decision": "décision", "stage.purchase": "achat",
    "stage.top": "haut", "stage.middle": "milieu", "stage.bottom": "bas",
    "why.counted": "compté", "why.late": "en retard", "why.duplicate": "copie", "why.bot": "robot", "why.invalid": "invalide", "why.future": "du futur", "why.no_match": "sans étape",
    "why.ahead": "plus tard", "why.order": "ordre", "why.other_chain": "autre chaîne", "why.too_soon": "trop tôt", "why.excluded": "exclu", "why.exclusion": "exclusion",
    "why.removed": "retiré", "why.broken": "chaîne rompue", "why.broke": "a rompu une chaîne", "why.consumed": "consommé", "why.outside_window": "hors fenêtre",
    "why.other_unit": "autre unité", "why.not_first": "pas le premier", "why.foreign": "étranger",
  },
};

const UNITS = {
  en: { y: "y", w: "w", d: "d", h: "h", m: "min", s: "s", ms: "ms" },
  fr: { y: "a", w: "sem.", d: "j", h: "h", m: "min", s: "s", ms: "ms" },
};
const LENGTHS = [["y", 31536000], ["w", 604800], ["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
const LANGUAGE = "funnel-language";

let language = "en";
let region = "en";
let formats = {};

export function languages() {
  return Object.keys(TEXTS);
}

export function chosenLanguage() {
  return language;
}

export function speak(wanted) {
  const known = (each) => languages().find((name) => each?.toLowerCase().startsWith(name));
  language = known(wanted) ?? known(localStorage.getItem(LANGUAGE)) ?? navigator.languages.map(known).find(Boolean) ?? "en";
  if (wanted) localStorage.setItem(LANGUAGE, language);
  document.documentElement.lang = language;
  // Numbers and times as the reader's country writes them, where it speaks this language.
  region = navigator.languages.find((each) => known(each) === language) ?? language;
  formats = {
    count: new Intl.NumberFormat(region),
    tenths: new Intl.NumberFormat(region, { maximumFractionDigits: 1 }),
    share: new Intl.NumberFormat(region, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }),
    exact: new Intl.NumberFormat(region, { style: "percent", maximumFractionDigits: 3 }),
    clock: new Intl.DateTimeFormat(region, { timeStyle: "medium" }),
    moment: new Intl.DateTimeFormat(region, { dateStyle: "medium", timeStyle: "medium" }),
    short: new Intl.DateTimeFormat(region, { dateStyle: "short", timeStyle: "short" }),
  };
}

// Returns a text with its {places} filled in; a key that has no text shows itself.
export function t(key, places = {}) {
  const text = TEXTS[language][key] ?? TEXTS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => places[name] ?? "");
}

// Returns a stage or group of the usual stage models as one says it; any other as it is.
export function stageText(name) {
  return TEXTS[language][`stage.${name}`] ?? name;
}

export function count(number) {
  return number === null || number === undefined ? UNKNOWN : formats.count.format(number);
}

export function share(part) {
  return part === null || part === undefined ? UNKNOWN : formats.share.format(part);
}

// A share as it was written in the settings, with as many digits as it has.
export function exactShare(part) {
  return formats.exact.format(part);
}

export function clock(instant) {
  return instant ? formats.clock.format(new Date(instant)) : UNKNOWN;
}

export function moment(instant) {
  return instant ? formats.moment.format(new Date(instant)) : UNKNOWN;
}

// Returns a moment without its date if that is today's.
export function lately(instant) {
  const date = new Date(instant);
  return date.toDateString() === new Date().toDateString() ? formats.clock.format(date) : formats.short.format(date);
}

// Returns seconds as one or two units: 2 min 5 s, 3 d 4 h, 1 y 40 d.
export function length(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const names = UNITS[language];
  if (seconds < 1) return seconds === 0 ? `0 ${names.s}` : `${count(Math.round(seconds * 1000))} ${names.ms}`;
  if (seconds < 10) return `${formats.tenths.format(seconds)} ${names.s}`;
  const first = LENGTHS.findIndex(([, size]) => seconds >= size);
  const [name, size] = LENGTHS[first];
  const many = Math.floor(seconds / size);
  const [smaller, least] = name === "y" ? LENGTHS[2] : LENGTHS[first + 1] ?? [];
  const few = smaller ? Math.floor((seconds - many * size) / least) : 0;
  return few ? `${many} ${names[name]} ${few} ${names[smaller]}` : `${many} ${names[name]}`;
}

// Returns a window of the settings, such as 24h, as people write it.
export function windowText(name) {
  return name.replace(/^(\d+)(ms|[smhdw])$/, (_, number, unit) => `${number} ${UNITS[language][unit]}`);
}

// Returns an exact sum, which comes as text, in its currency.
export function money(amount, currency) {
  if (/^[A-Z]{3}$/.test(currency)) {
    try {
      return new Intl.NumberFormat(region, { style: "currency", currency }).format(amount);
    } catch {
      // not one that is known
    }
  }
  return `${formats.count.format(amount)} ${currency}`.trim();
}
