// Charts of the tuning.

function budgetCharts() {
  const problem = data.problems[page.problem], lines = data.tuning.problems[page.problem].budget;
  if (!lines.length) return [];
  const values = lines.flatMap(line => line.best), scale = scaleOf(values, problem.greater);
  return [{
    title: problem.name, label: `Expected best ${problem.validation} after k trials on ${problem.name}`, height: 400,
    traces: lines.filter(line => page.shows(line.entrant)).map(line => {
      const { color, dash, symbol } = look(line.entrant);
      return {
        x: line.trials, y: line.best, type: "scatter", mode: "lines+markers", name: shortName(line.entrant),
        line: { color, dash, width: 2 }, marker: { symbol, size: 7, maxdisplayed: 9 },
        hovertemplate: "%{y:.4g} after %{x} trials<extra>%{fullData.name}</extra>",
      };
    }),
    layout: {
      xaxis: axis("tuning budget k (number of trials)"), hovermode: "closest",
      yaxis: axis(figureTitle(problem, problem.validation, problem.greater), scaleAxis(scale, rangeOf(values, scale))),
    },
  }];
}

function trialsOf(entrant) {
  const trials = data.tuning.problems[page.problem];
  return trials.entrant.flatMap((each, at) => each === entrant ? [at] : []);
}

function tunedFields() { return Object.keys(data.tuning.problems[page.problem].fields); }

function sensitivityCharts() {
  const problem = data.problems[page.problem], trials = data.tuning.problems[page.problem], fields = tunedFields();
  const field = fields.includes(page.field) ? page.field : fields[0];
  if (!field) return [];
  const values = trials.fields[field], scale = scaleOf(values), heights = scaleOf(trials.figure, problem.greater);
  const traces = page.shown().flatMap(entrant => sensitivityTraces(entrant, trials, field, fields));
  return [{
    title: problem.name, label: `${problem.validation} against ${field} on ${problem.name}`, height: 420, traces,
    layout: {
      xaxis: axis(`${plain(field)} (${scale === "log" ? "value, logarithmic" : "value"})`, scaleAxis(scale, rangeOf(values, scale))), hovermode: "closest",
      yaxis: axis(figureTitle(problem, problem.validation, problem.greater), scaleAxis(heights, rangeOf(trials.figure, heights))),
    },
  }];
}

// A line joins the trials if they differ in this field alone; else neighbours differ in other fields, too.
function sensitivityTraces(entrant, trials, field, fields) {
  const at = trialsOf(entrant).filter(trial => trials.fields[field][trial] !== null)
    .sort((a, b) => trials.fields[field][a] - trials.fields[field][b]);
  if (!at.length) return [];
  const alone = fields.every(name => name === field || at.every(trial => trials.fields[name][trial] === null));
  const { color, dash, symbol } = look(entrant), chosen = at.filter(trial => trials.chosen[trial]);
  const settings = trial => fields.filter(name => trials.fields[name][trial] !== null)
    .map(name => `${plain(name)}=${numberText(trials.fields[name][trial])}`).join(", ");
  const text = trial => `${shortName(entrant)} ${settings(trial)}: ${numberText(trials.figure[trial])}` +
    (trials.diverged[trial] ? `<br>${trials.diverged[trial]} runs diverged` : "") + (trials.chosen[trial] ? "<br>chosen" : "");
  const points = (where, more) => ({
    x: where.map(trial => trials.fields[field][trial]), y: where.map(trial => trials.figure[trial]), type: "scatter",
    text: where.map(text), hovertemplate: "%{text}<extra></extra>", name: shortName(entrant), ...more,
  });
  return [
    points(at, { mode: alone ? "lines+markers" : "markers", line: { color, dash, width: 1.5 }, marker: { color, symbol, size: 7, opacity: 0.85 } }),
    points(chosen, { mode: "markers", cliponaxis: false, marker: { color: page.colors.ink, symbol: "circle-open", size: 16, line: { width: 2.5 } } }),
  ];
}

function parallelCharts() {
  const problem = data.problems[page.problem], trials = data.tuning.problems[page.problem], fields = tunedFields();
  if (!fields.length) return [];
  const axes = [...fields.map(name => ({ name, values: trials.fields[name] })), { name: problem.validation, values: trials.figure }]
    .map((each, at) => scaled(each, at === fields.length && problem.greater));
  const order = trials.figure.map((_, at) => at).sort((a, b) => (trials.figure[a] - trials.figure[b]) * (problem.greater ? -1 : 1));
  const kept = new Set(order.slice(0, Math.max(1, Math.ceil(order.length * page.best / 100))));
  const traces = page.shown().flatMap(entrant => {
    const at = trialsOf(entrant).filter(trial => kept.has(trial));
    return [parallelTrace(entrant, at.filter(trial => !trials.chosen[trial]), axes, false), parallelTrace(entrant, at.filter(trial => trials.chosen[trial]), axes, true)];
  });
  return [{
    title: problem.name, detail: `${kept.size} of ${order.length} trials`, label: `Trials on ${problem.name}`, height: 420, traces,
    layout: {
      xaxis: { tickvals: axes.map((_, at) => at), ticktext: axes.map(each => plain(cut(each.name, narrow() ? 12 : 24)) + (each.log ? "<br>(log)" : "")), range: [-0.05 * (axes.length - 1), (narrow() ? 1.2 : 1.08) * (axes.length - 1)], showgrid: false, zeroline: false, showline: false, fixedrange: true, side: "top" },
      yaxis: { visible: false, range: [-0.06, 1.06], fixedrange: true }, hovermode: "closest", margin: { t: 48, b: 8 },
      shapes: axes.map((_, at) => ({ type: "line", x0: at, x1: at, y0: 0, y1: 1, line: { color: page.colors.muted, width: 1 } })),
      annotations: axes.flatMap((each, at) => each.ticks.map(([height, value]) => ({
        x: at, y: height, text: numberText(value, each.log ? 2 : 3), showarrow: false, xanchor: "left", xshift: 5, bgcolor: page.colors.ground, font: { size: 11 },
      }))),
    },
  }];
}

function scaled({ name, values }, greater) {
  const log = scaleOf(values, greater) === "log", known = values.filter(value => value !== null).map(value => log ? Math.log10(value) : value);
  const low = known.reduce((a, b) => Math.min(a, b), Infinity), high = known.reduce((a, b) => Math.max(a, b), -Infinity), span = high - low || 1;
  const heights = values.map(value => value === null ? null : ((log ? Math.log10(value) : value) - low) / span);
  const ticks = known.length ? shares(log, low, span).map(height => [height, log ? 10 ** (low + height * span) : low + height * span]) : [];
  return { name, values, log, heights, ticks };
}

// Where an axis has labels: at powers of ten, of many at some, else at quarters.
function shares(log, low, span) {
  if (!log || span < 2) return [0, 0.25, 0.5, 0.75, 1];
  const first = Math.ceil(low), step = Math.ceil((low + span - first) / 6) || 1;
  return Array.from({ length: Math.floor((low + span - first) / step) + 1 }, (_, at) => (first + at * step - low) / span);
}

function parallelTrace(entrant, trials, axes, chosen) {
  const x = [], y = [], text = [];
  for (const trial of trials) {
    const words = axes.filter(each => each.values[trial] !== null).map(each => `${plain(each.name)} ${numberText(each.values[trial])}`);
    axes.forEach((each, at) => {
      if (each.heights[trial] === null) return; // fields that this entrant does not have
      x.push(at); y.push(each.heights[trial]); text.push(`<b>${shortName(entrant)}</b><br>` + words.join("<br>"));
    });
    x.push(null); y.push(null); text.push("");
  }
  const { color, dash, symbol } = look(entrant);
  return {
    x, y, text, type: "scatter", mode: "lines+markers", hovertemplate: "%{text}<extra></extra>", name: shortName(entrant),
    line: { color, dash, width: chosen ? 4 : 1 }, marker: { symbol, size: chosen ? 9 : 4 }, opacity: chosen ? 1 : 0.5,
  };
}

function trialsNote() {
  const share = data.tuning.thinned;
  return share ? `The page has the best and an even selection, ${numberText(100 * share, 2)} %, of the trials; trials.csv has all.` : "";
}
