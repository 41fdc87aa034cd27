// How entrants, figures and numbers are named and drawn.

const LIGHT = ["#0072B2", "#D55E00", "#009E73", "#B5559A", "#B57A00", "#3A9AD9", "#1b1f24", "#7A6A00"];
const DARK = ["#5AB0F0", "#FF8A3D", "#2CC79A", "#E69AC8", "#F5B93A", "#A5DBFF", "#e8ebee", "#E8DC4A"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const STROKES = ["", "6 3", "2 2", "6 2 2 2", "10 3", "10 2 2 2"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "pentagon", "star", "hexagon"];

// Colour, dash and symbol change together, so that entrants differ in grey, too; all three repeat after 240 entrants.
function look(entrant) {
  const turn = Math.floor(entrant / 8);
  return {
    color: (page.dark ? DARK : LIGHT)[entrant % 8],
    dash: DASHES[(entrant + turn) % 6],
    stroke: STROKES[(entrant + turn) % 6],
    symbol: SYMBOLS[(entrant + turn) % 10],
  };
}

// Plotly reads some tags and entities in texts: all that came from outside is shown as it was typed. Characters that
// change the direction of writing are left out: they would turn around the numbers after a name.
function plain(text) {
  return String(text).replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "").replace(/\s+/g, " ").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function cut(text, most) {
  const letters = [...String(text)];
  return letters.length <= most ? String(text) : letters.slice(0, most - 1).join("") + "…";
}

function narrow() { return document.documentElement.clientWidth < 640; }

function shortName(entrant) { return plain(cut(data.entrants[entrant], narrow() ? 14 : 26)); }

function numberText(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e7)) return value.toExponential(digits - 2);
  return value.toLocaleString("en", { maximumSignificantDigits: digits, minimumSignificantDigits: 1 });
}

function pText(value) { return value === null ? "–" : value < 0.001 ? "< 0.001" : value.toFixed(3); }

function metricOf(name) { return name.slice(name.indexOf("/") + 1); }

function figureTitle(problem, name, greater) {
  const way = greater === undefined ? "" : greater ? ", higher is better" : ", lower is better";
  return plain(cut(name, 40)) + (narrow() ? "<br>" : " ") + `(${plain(cut(unitOf(problem, metricOf(name)), 40))}${way})`;
}

function unitOf(problem, metric) { return Object.hasOwn(problem.units, metric) ? problem.units[metric] : "unit of the metric"; }

// Whether greater values are better; undefined for metrics by which the problem does not compare.
function directionOf(problem, name) {
  if ([problem.figure, problem.validation].some(own => metricOf(own) === metricOf(name))) return problem.greater;
  return metricOf(name) === "loss" ? false : undefined;
}

// Positive values over more than 1.5 decades are drawn on a logarithmic axis, unless greater ones are better.
function scaleOf(values, greater = false) {
  if (greater) return "linear";
  const known = values.filter(value => value !== null && Number.isFinite(value));
  if (!known.length) return "linear";
  const low = known.reduce((a, b) => Math.min(a, b)), high = known.reduce((a, b) => Math.max(a, b));
  return low > 0 && high / low > 31 ? "log" : "linear";
}

// An axis with few labels: over 2.2 decades or more, Plotly labels powers of ten alone, and others when zoomed in. It
// draws powers larger than other labels.
function scaleAxis(scale, range) {
  if (scale !== "log" || !range || range[1] - range[0] < 2.2) return { type: scale, range };
  return { type: scale, range, nticks: Math.min(narrow() ? 5 : 9, Math.ceil(range[1] - range[0])), tickfont: { size: 10 } };
}

function counted(number, what) { return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`; }

function rangeOf(values, scale, margin = 0.06) {
  const known = values.filter(value => value !== null && Number.isFinite(value) && (scale === "linear" || value > 0));
  if (!known.length) return undefined;
  const shown = scale === "log" ? known.map(Math.log10) : known;
  const low = shown.reduce((a, b) => Math.min(a, b)), high = shown.reduce((a, b) => Math.max(a, b));
  const pad = (high - low) * margin || Math.abs(high) * margin || 1;
  return [low - pad, high + pad];
}

async function unpacked(id) {
  const packed = document.getElementById(id).textContent;
  const bytes = Uint8Array.from(atob(packed), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}
