// From answers of Prometheus to Grafana's frames, and through the transformations that the dashboards use.
// A frame is {name, fields: [{name, type, labels, values}]}.

const legend = (format, labels) => format === '__auto'
  ? Object.entries(labels).map(([key, value]) => `${key}="${value}"`).join(', ')
  : format.replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? '');

const points = (series) => (series.values ?? [series.value]).map(([at, text]) => [at * 1000, Number(text)]);

function tableFrame(target, series, several) {
  const rows = series.flatMap((each) => points(each).map(([at, value]) => ({ Time: at, ...each.metric, value })));
  const names = [...new Set(series.flatMap((each) => Object.keys(each.metric)))].sort();
  const field = (name, type) => ({ name, type, values: rows.map((row) => row[name] ?? '') });
  const value = { name: several ? `Value #${target.refId}` : 'Value', type: 'number', values: rows.map((row) => row.value) };
  return { refId: target.refId, fields: [field('Time', 'time'), ...names.map((name) => field(name, 'string')), value] };
}

function seriesFrames(target, series) {
  return series.map((each) => ({
    refId: target.refId,
    name: legend(target.legendFormat, each.metric),
    fields: [
      { name: 'Time', type: 'time', values: points(each).map(([at]) => at) },
      { name: legend(target.legendFormat, each.metric), type: 'number', labels: each.metric, values: points(each).map(([, value]) => value) },
    ],
  }));
}

export function framesOf(panel, answers) {
  const frames = panel.targets.flatMap((target) => {
    const series = answers[target.refId];
    if (!series.length) return [];
    return target.format === 'table' ? [tableFrame(target, series, panel.targets.length > 1)] : seriesFrames(target, series);
  });
  return panel.transformations.reduce((found, { id, options }) => TRANSFORM[id](found, options), frames);
}

const rowsOf = ({ fields }) => fields[0].values.map((_, at) => Object.fromEntries(fields.map((each) => [each.name, each.values[at]])));
const fromRows = (fields, rows) => ({ fields: fields.map((each) => ({ ...each, values: rows.map((row) => row[each.name]) })) });

const TRANSFORM = {
  merge(frames) {
    if (!frames.length) return [];
    const fields = [...new Map(frames.flatMap((frame) => frame.fields).map((each) => [each.name, each])).values()];
    const keys = fields.map((each) => each.name).filter((name) => frames.every((frame) => frame.fields.some((each) => each.name === name)));
    const rows = new Map();
    for (const row of frames.flatMap(rowsOf)) {
      const key = JSON.stringify(keys.map((name) => row[name]));
      rows.set(key, { ...rows.get(key), ...row });
    }
    return [fromRows(fields, [...rows.values()])];
  },
  sortBy(frames, { sort: [{ field, desc }] }) {
    const compare = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : String(a ?? '').localeCompare(String(b ?? '')));
    return frames.map((frame) => (frame.fields.some((each) => each.name === field)
      ? fromRows(frame.fields, rowsOf(frame).sort((one, other) => compare(one[field], other[field]) * (desc ? -1 : 1))) : frame));
  },
  organize(frames, { excludeByName, indexByName, renameByName }) {
    const place = (name) => indexByName[name] ?? Infinity;
    return frames.map((frame) => ({
      fields: frame.fields.filter((each) => !excludeByName[each.name])
        .map((each, at) => [each, at]).sort(([a, i], [b, j]) => (place(a.name) - place(b.name) || i - j) || 0)
        .map(([each]) => ({ ...each, name: renameByName[each.name] ?? each.name })),
    }));
  },
  groupingToMatrix(frames, { rowField, columnField, valueField }) {
    if (!frames.length) return [];
    const rows = rowsOf(frames[0]);
    const unique = (name) => [...new Set(rows.map((row) => row[name]))];
    const cell = new Map(rows.map((row) => [`${row[rowField]}\n${row[columnField]}`, row[valueField]]));
    const kind = frames[0].fields.find((each) => each.name === rowField).type;
    const corner = { name: `${rowField}\\${columnField}`, type: kind, values: unique(rowField) };
    return [{ fields: [corner, ...unique(columnField).map((column) => (
      { name: column, type: 'number', values: corner.values.map((row) => cell.get(`${row}\n${column}`) ?? null) }))] }];
  },
};

export function configOf(panel, field) {
  const config = structuredClone(panel.fieldConfig.defaults);
  for (const { matcher, properties } of panel.fieldConfig.overrides) {
    const hit = { byName: () => matcher.options === field.name, byType: () => matcher.options === field.type,
      byRegexp: () => new RegExp(matcher.options.slice(1, -1)).test(field.name) }[matcher.id]();
    if (hit) for (const { id, value } of properties) {
      const path = id.split('.');
      const last = path.pop();
      path.reduce((into, key) => (into[key] ??= {}), config)[last] = value;
    }
  }
  return config;
}
