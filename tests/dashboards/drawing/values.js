// Values as text and colour, as Grafana shows them.

const COLOURS = { blue: '#5794f2', green: '#73bf69', orange: '#ff9830', red: '#f2495c', text: '#ccccdc' };
export const PALETTE = ['#73bf69', '#f2cc0c', '#8ab8ff', '#ff780a', '#f2495c', '#5794f2', '#b877d9', '#705da0', '#37872d', '#fade2a',
  '#447ebc', '#c15c17', '#890f02', '#0a437c', '#6d1f62', '#584477', '#b7dbab', '#f4d598', '#70dbed', '#f9ba8f'];

const trimmed = (number, decimals) => (decimals === undefined
  ? String(Number(number.toPrecision(3))) : number.toFixed(decimals));

const scaled = (value, decimals, steps) => {
  const [size, suffix] = steps.find(([each]) => Math.abs(value) >= each) ?? steps.at(-1);
  return trimmed(value / size, decimals) + suffix;
};

const UNITS = {
  none: (value, decimals) => trimmed(value, decimals),
  short: (value, decimals) => (Math.abs(value) < 1000 ? trimmed(value, decimals) : scaled(value, decimals, [[1e9, ' Bil'], [1e6, ' Mil'], [1e3, ' K']])),
  percentunit: (value, decimals) => `${trimmed(value * 100, decimals)}%`,
  locale: (value, decimals) => value.toLocaleString('en', { maximumFractionDigits: decimals ?? 3 }),
  cps: (value, decimals) => `${UNITS.short(value, decimals)} c/s`,
  bytes: (value, decimals) => scaled(value, decimals, [[2 ** 30, ' GiB'], [2 ** 20, ' MiB'], [2 ** 10, ' KiB'], [1, ' B']]),
  s: (value, decimals) => (value === 0 ? '0 s' : scaled(value, decimals,
    [[31536000, ' years'], [604800, ' weeks'], [86400, ' days'], [3600, ' hours'], [60, ' mins'], [1, ' s'], [1e-3, ' ms'], [1e-6, ' µs']])),
  string: String,
  dateTimeAsIso: (value) => new Date(value).toISOString().slice(0, 19).replace('T', ' '),
};

export const isMissing = (value) => value === null || value === undefined || value === '';

export function textOf(value, config, type = 'number') {
  if (isMissing(value)) return config.noValue;
  if (type === 'time') return UNITS.dateTimeAsIso(value);
  if (type === 'string') return String(value);
  if (!Number.isFinite(value)) return String(value);
  return config.unit.startsWith('suffix:') ? trimmed(value, config.decimals) + config.unit.slice(7) : UNITS[config.unit](value, config.decimals);
}

export function colourOf(value, config) {
  const steps = config.thresholds.steps.filter((step) => step.value === null || value >= step.value);
  return COLOURS[steps.at(-1).color];
}
