// Draws a dashboard from its JSON and the answers to its queries, for eyes and for tests: what Grafana would show, in its grid.
// window.draw({board, answers, choices, from, to}); answers[panel id][letter] is Prometheus' result.
import { configOf, framesOf } from './frames.js';
import { PALETTE, colourOf, isMissing, textOf } from './values.js';

const CELL = 30, GAP = 8;

const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
};
const svg = (tag, attributes, ...children) => {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.append(...children);
  return made;
};

const numbersOf = (frame) => frame.fields.filter((field) => field.type === 'number');
const last = (values) => values.findLast((value) => !isMissing(value)) ?? null;

function nothing(panel) {
  return element('div', { className: 'none' }, panel.fieldConfig.defaults.noValue);
}

function fit(node, largest, width) {
  for (let size = largest; size >= 12; size -= 1) {
    node.style.fontSize = `${size}px`;
    if (node.scrollWidth <= width) break;
  }
}

function stat(panel, frames, body) {
  const found = frames.flatMap(numbersOf).map((field) => ({ field, value: last(field.values) }));
  if (!found.length) return body.append(nothing(panel));
  const box = element('div', { className: 'stats' });
  body.append(box);
  const showsName = panel.options.textMode === 'value_and_name' || found.length > 1;
  for (const { field, value } of found) {
    const config = configOf(panel, field);
    const text = element('strong', {}, textOf(value, config));
    if (panel.options.colorMode !== 'none') text.style.color = colourOf(value, config);
    const cell = element('div', {}, ...(showsName ? [element('span', { title: field.name }, field.name)] : []), text);
    box.append(cell);
  }
  for (const text of box.querySelectorAll('strong')) fit(text, Math.min(44, body.clientHeight * (showsName ? 0.45 : 0.6)), text.parentElement.clientWidth);
}

function bargauge(panel, frames, body) {
  const bars = panel.options.reduceOptions.values
    ? frames.flatMap((frame) => {
      const [value] = numbersOf(frame);
      const names = frame.fields.filter((field) => field.type === 'string');
      return value.values.map((each, at) => ({ name: names.map((field) => field.values[at]).join(' '), value: each, field: value }));
    }).slice(0, panel.options.reduceOptions.limit)
    : frames.flatMap(numbersOf).map((field) => ({ name: field.name, value: last(field.values), field }));
  if (!bars.length) return body.append(nothing(panel));
  const config = configOf(panel, bars[0].field);
  const most = Math.max(config.max ?? 0, ...bars.map((bar) => bar.value)) || 1;
  const box = element('div', { className: 'bars' });
  body.append(box);
  const wide = (texts) => `${Math.min(Math.max(...texts.map((text) => text.length)) * 7.4 + 6, body.clientWidth * 0.42)}px`;
  const columns = `${wide(bars.map((bar) => bar.name))} 1fr ${wide(bars.map((bar) => textOf(bar.value, config)))}`;
  for (const bar of bars) {
    const drawn = element('div', { className: 'bar' });
    drawn.style.width = `${(100 * bar.value) / most}%`;
    const line = element('div', {}, element('span', { title: bar.name }, bar.name), element('div', { className: 'track' }, drawn),
      element('strong', {}, textOf(bar.value, config)));
    line.style.gridTemplateColumns = columns;
    box.append(line);
  }
}

const shade = (value, config) => `rgb(31, 96, 196, ${0.08 + 0.85 * Math.max(0, Math.min(1, value / (config.max ?? 1)))})`;

function table(panel, frames, body) {
  const [frame] = frames;
  if (!frame?.fields[0]?.values.length) return body.append(nothing(panel));
  const columns = frame.fields.map((field) => ({ field, config: configOf(panel, field) }));
  const perPage = Math.floor((body.clientHeight - 30 - 22) / 30);
  const count = frame.fields[0].values.length;
  const isPaged = count > perPage + 0.7;
  const rows = Array.from({ length: isPaged ? perPage : count }, (_, at) => element('tr', {}, ...columns.map(({ field, config }) => {
    const value = field.values[at];
    const cell = element('td', { className: field.type === 'string' ? 'text' : '' }, textOf(value, config, field.type));
    if (isMissing(value)) cell.classList.add('missing');
    else if (config.custom.cellOptions.type === 'color-text') cell.style.color = colourOf(value, config);
    else if (config.custom.cellOptions.type === 'color-background' && field.type === 'number') cell.style.background = shade(value, config);
    return cell;
  })));
  const head = element('tr', {}, ...columns.map(({ field }) => element('th', { className: field.type === 'string' ? 'text' : '', title: field.name }, field.name)));
  body.append(element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows)));
  if (isPaged) body.append(element('div', { className: 'pages' }, `1 - ${perPage} of ${count} rows`));
}

const clock = (at, span) => {
  const text = new Date(at).toISOString();
  return span > 2 * 86400e3 ? text.slice(5, 10) : text.slice(11, 16);
};

function ticks(least, most, count) {
  const rough = (most - least) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(least / step) * step; at <= most + step * 1e-6; at += step) found.push(at);
  return found;
}

function plane(body, from, to, room) {
  const width = body.clientWidth - 16, height = body.clientHeight - 12 - room.below;
  const place = { left: room.left, right: width - 6, top: 6, bottom: height - 18 };
  const x = (at) => place.left + ((at - from) / (to - from)) * (place.right - place.left);
  const drawing = svg('svg', { width, height });
  for (let part = 1; part < 6; part += 1) {
    const at = from + ((to - from) * part) / 6;
    drawing.append(svg('line', { x1: x(at), x2: x(at), y1: place.top, y2: place.bottom, stroke: '#2a2d33' }));
    drawing.append(svg('text', { x: x(at), y: height - 4, 'text-anchor': 'middle' }, clock(at, to - from)));
  }
  body.append(drawing);
  return { drawing, x, place };
}

function timeseries(panel, frames, body, { from, to }) {
  const lines = frames.map((frame) => ({ times: frame.fields[0].values, field: frame.fields[1], config: configOf(panel, frame.fields[1]) }));
  if (!lines.length) return body.append(nothing(panel));
  const values = lines.flatMap((line) => line.field.values).filter(Number.isFinite);
  const { config } = lines[0];
  const least = config.min ?? Math.min(...values), most = config.max ?? (Math.max(...values) || 1);
  const marks = ticks(least, most * 1.02, 4);
  const texts = marks.map((mark) => textOf(mark, { ...config, decimals: undefined }));
  const { drawing, x, place } = plane(body, from, to, { left: Math.max(...texts.map((text) => text.length)) * 6.6 + 10, below: 22 });
  const y = (value) => place.bottom - ((value - least) / (most * 1.02 - least || 1)) * (place.bottom - place.top);
  marks.forEach((mark, at) => drawing.append(
    svg('line', { x1: place.left, x2: place.right, y1: y(mark), y2: y(mark), stroke: '#2a2d33' }),
    svg('text', { x: place.left - 6, y: y(mark) + 4, 'text-anchor': 'end' }, texts[at])));
  const names = element('div', { className: 'legend' });
  lines.forEach(({ times, field, config: { custom } }, at) => {
    const colour = PALETTE[at % PALETTE.length];
    const gap = times.length > 1 ? 1.5 * Math.min(...times.slice(1).map((time, i) => time - times[i])) : 0;
    const path = times.map((time, i) => `${i && time - times[i - 1] <= gap ? 'L' : 'M'}${x(time).toFixed(1)},${y(field.values[i]).toFixed(1)}`).join('');
    drawing.append(svg('path', { d: path, fill: 'none', stroke: colour, 'stroke-width': custom.lineWidth,
      ...(custom.lineStyle ? { 'stroke-dasharray': custom.lineStyle.dash.join(' ') } : {}) }));
    if (times.length === 1) drawing.append(svg('circle', { cx: x(times[0]), cy: y(field.values[0]), r: 3, fill: colour }));
    const swatch = element('i');
    swatch.style.background = colour;
    names.append(element('span', {}, swatch, field.name));
  });
  body.append(names);
}

function heatmap(panel, frames, body, { from, to }) {
  const buckets = frames.map((frame) => ({ le: Number(frame.name.replace('+Inf', 'Infinity')), times: frame.fields[0].values, values: frame.fields[1].values }))
    .sort((one, other) => one.le - other.le);
  const total = buckets.length ? buckets.at(-1).values : [];
  if (!total.some((value) => value > 0)) return body.append(nothing(panel));
  const cells = buckets.map((bucket, at) => bucket.values.map((value, i) => value - (at ? buckets[at - 1].values[i] : 0)));
  const used = cells.map((row, at) => (row.some((value) => value > 1e-9) ? at : -1)).filter((at) => at >= 0);
  const shown = buckets.map((_, at) => at).slice(Math.max(0, used[0] - 1), used.at(-1) + 2);
  const { drawing, x, place } = plane(body, from, to, { left: 62, below: 0 });
  const height = (place.bottom - place.top) / shown.length;
  const most = Math.max(...cells.flat());
  const step = buckets[0].times.length > 1 ? buckets[0].times[1] - buckets[0].times[0] : to - from;
  shown.forEach((bucket, at) => {
    const top = place.bottom - (at + 1) * height;
    drawing.append(svg('text', { x: place.left - 6, y: top + 4, 'text-anchor': 'end' },
      buckets[bucket].le === Infinity ? '∞' : textOf(buckets[bucket].le, { unit: panel.options.yAxis.unit })));
    cells[bucket].forEach((value, i) => value > 1e-9 && drawing.append(svg('rect', {
      x: x(buckets[bucket].times[i] - step), y: top, width: Math.max(1, x(from + step) - x(from) - panel.options.cellGap),
      height: height - panel.options.cellGap, fill: `rgb(87, 148, 242, ${0.12 + 0.88 * (value / most) ** panel.options.color.exponent})` })));
  });
}

const DRAW = { stat, bargauge, table, timeseries, heatmap };

window.draw = ({ board, answers, choices, from, to }) => {
  document.title = board.title;
  const chosen = board.templating.list.slice(1).map((variable) => element('label', {}, variable.label, element('b', {}, choices[variable.name] === '$__all' ? 'All' : choices[variable.name])));
  document.body.replaceChildren(element('header', {}, element('h1', {}, board.title), ...chosen,
    element('nav', {}, ...board.links.map((link) => element('span', {}, link.title)))));
  const main = element('main');
  document.body.append(main);
  const column = (main.clientWidth + GAP) / 24;
  for (const panel of board.panels) {
    const { x, y, w, h } = panel.gridPos;
    const box = element('section', { className: panel.type === 'row' ? 'row' : 'panel', id: `panel-${panel.id}` });
    Object.assign(box.style, { left: `${x * column}px`, top: `${y * (CELL + GAP)}px`, width: `${w * column - GAP}px`, height: `${h * (CELL + GAP) - GAP}px` });
    main.append(box);
    if (panel.type === 'row') { box.append(panel.title); continue; }
    const body = element('div', { className: 'body' });
    box.append(element('h2', { title: panel.description }, panel.title, ...(panel.timeFrom ? [element('i', {}, `  Last ${panel.timeFrom}`)] : [])), body);
    const range = panel.timeFrom ? { from: to - 7 * 86400e3, to } : { from, to };
    DRAW[panel.type](panel, framesOf(panel, answers[panel.id]), body, range);
  }
  main.style.height = `${Math.max(...board.panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * (CELL + GAP)}px`;
};

// What a reader would stumble over: [panel's title, what is wrong].
window.faults = () => [...document.querySelectorAll('.panel')].flatMap((panel) => {
  const title = panel.querySelector('h2').textContent;
  const cut = [...panel.querySelectorAll('h2, th, .stats span, .stats strong, .bars strong')]
    .filter((each) => each.scrollWidth > each.clientWidth + 1 || (each.matches('strong') && each.scrollWidth > each.parentElement.clientWidth + 1))
    .map((each) => `cut off: ${each.textContent}`);
  const low = [...panel.querySelectorAll('.bars')].filter((each) => each.scrollHeight > each.clientHeight + 1).map(() => 'bars do not fit');
  const [odd] = panel.textContent.match(/NaN|undefined|Infinity|null|No data/) ?? [];
  const hasMark = panel.querySelector('.none, strong, td, path, circle, rect');
  return [...cut, ...low, ...(odd ? [`says ${odd}`] : []), ...(hasMark ? [] : ['empty'])].map((fault) => [title, fault]);
});
// Panels that say why there is nothing: title -> what they say.
window.reasons = () => Object.fromEntries([...document.querySelectorAll('.panel:has(.none)')]
  .map((panel) => [panel.querySelector('h2').textContent, panel.querySelector('.none').textContent]));
