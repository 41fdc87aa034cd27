// Charts of results: each function returns the charts of a panel, as {title, label, height, traces, layout}.

const FIRST_PROBLEMS = 4, FIRST_ENTRANTS = 10, MOST_GROUPS = 8;

function axis(title, more = {}) {
  return { title: { text: title, standoff: 8 }, automargin: true, zeroline: false, ...more };
}

function rows(labels) {
  return {
    tickvals: labels.map((_, at) => at), ticktext: labels, range: [labels.length - 0.4, -0.6], automargin: true,
    zeroline: false, showgrid: false, fixedrange: true, ticks: "outside", ticklen: 7, tickcolor: "transparent",
  };
}

const TOP = { side: "top", automargin: true, showgrid: false, fixedrange: true };

// Shades on which the page's text can be read in both themes.
function shades(...names) {
  const light = { low: "#f0a058", none: "#f5f7f9", high: "#5aa9dc" }, dark = { low: "#9a4d17", none: "#1e2329", high: "#1a609c" };
  return names.map((name, at) => [at / (names.length - 1), (page.dark ? dark : light)[name]]);
}

function colorbar(title, more = {}) {
  return { title: { text: title, side: "right", font: { size: 12 } }, tickfont: { size: 11 }, thickness: 12, len: 1, outlinewidth: 0, ...more };
}

function overviewCharts() {
  const shown = page.allProblems ? data.problems.length : Math.min(FIRST_PROBLEMS, data.problems.length);
  return data.problems.slice(0, shown).map((problem, at) => overviewChart(problem, at));
}

function overviewChart(problem, at) {
  const all = data.standings[at];
  const listed = page.allEntrants ? all : all.slice(0, FIRST_ENTRANTS);
  const edges = listed.flatMap(each => [each.mean, each.low, each.high]);
  const seen = listed.flatMap(each => each.values);
  const scale = scaleOf([...edges, ...seen], problem.greater);
  const range = rangeOf(edges, scale, 0.3) ?? [0, 1];
  const traces = [
    ...listed.map((each, row) => intervalTrace(each, row)),
    seedTrace(listed, range, scale),
    {
      x: listed.map(each => each.mean), y: listed.map((_, row) => row), mode: "markers", type: "scatter",
      marker: {
        size: 11, color: listed.map(each => look(each.entrant).color), line: { width: listed.map(each => each.worse ? 2 : 0) },
        symbol: listed.map(each => look(each.entrant).symbol + (each.worse ? "-open" : "")),
      },
      text: listed.map(standingText), hovertemplate: "%{text}<extra></extra>",
    },
    ...groupTraces(data.groups[at], listed.map(each => each.entrant)),
  ];
  const labels = listed.map(each => `${each.rank}  ${shortName(each.entrant)}`);
  const more = all.length - listed.length;
  return {
    title: problem.name,
    detail: [more ? `best ${listed.length} of ${all.length} entrants` : "", visibleText(problem)].filter(Boolean).join("; "),
    label: `${problem.figure} on ${problem.name}: ${listed.map(each => `${each.rank} ${data.entrants[each.entrant]} ${numberText(each.mean)}`).join(", ")}`,
    height: 74 + 25 * listed.length, traces,
    layout: {
      xaxis: axis(figureTitle(problem, problem.figure, problem.greater), { ...scaleAxis(scale, range), domain: [0, 0.9] }),
      xaxis2: { domain: [0.91, 1], visible: false, range: [-0.6, Math.max(3, data.groups[at].length) - 0.4], fixedrange: true },
      yaxis: rows(labels), hovermode: "closest", margin: { t: 6 },
    },
  };
}

// Smaller differences could not have been seen.
function visibleText(problem) {
  if (problem.constant) return "every seed gave the same figures: p does not measure chance";
  if (data.entrants.length < 2) return "";
  if (!problem.visible) return "too few seeds to detect a difference";
  const [middle, low, high] = problem.visible.map(size => numberText(size, 2));
  return `smallest detectable difference about ${middle}${low === high ? "" : ` (by pair ${low} to ${high})`}`;
}

function intervalTrace(each, row) {
  return {
    x: [each.low, each.high], y: [row, row], mode: "lines", type: "scatter", hoverinfo: "skip",
    line: { width: 6, color: look(each.entrant).color + "73" },
  };
}

function seedTrace(listed, range, scale) {
  const x = [], y = [], symbol = [], color = [], text = [];
  const [low, high] = scale === "log" ? range.map(edge => 10 ** edge) : range;
  listed.forEach((each, row) => {
    for (const value of each.values) {
      if (value === null) continue;
      x.push(Math.min(high, Math.max(low, value)));
      y.push(row);
      symbol.push(value < low ? "triangle-left" : value > high ? "triangle-right" : "circle");
      color.push(look(each.entrant).color);
      text.push(`${shortName(each.entrant)}: a seed at ${numberText(value)}`);
    }
  });
  return {
    x, y, text, mode: "markers", type: "scatter", hovertemplate: "%{text}<extra></extra>", cliponaxis: false,
    marker: { size: symbol.map(name => name === "circle" ? 4 : 8), symbol, color, opacity: 0.45, line: { width: 0 } },
  };
}

function standingText(each) {
  const lines = [
    `<b>${shortName(each.entrant)}</b>, rank ${each.rank}`,
    `mean ${numberText(each.mean)} ± ${numberText(each.deviation)} over ${each.seeds} seeds`,
    `interquartile mean ${numberText(each.middle)} [${numberText(each.low)}, ${numberText(each.high)}]`,
    each.difference === 0 ? "best mean" :
      each.worse ? `worse than the best, p ${pText(each.p)}` : `not distinguishable from the best, p ${pText(each.p)}`,
  ];
  if (each.setting) lines.push(plain(cut(each.setting, 60)));
  if (each.diverged + each.failed) lines.push(`${each.diverged} diverged, ${each.failed} failed`);
  return lines.join("<br>");
}

// Vertical lines that join the entrants of each group; groups of one are left out.
function groupTraces(groups, order) {
  const joined = groups.map(group => group.map(entrant => order.indexOf(entrant)).filter(row => row >= 0))
    .filter(group => group.length > 1).slice(0, MOST_GROUPS);
  return joined.map((group, at) => ({
    x: group.map(() => at), y: group, xaxis: "x2", mode: "lines+markers", type: "scatter",
    line: { color: page.colors.muted, width: 2.5 }, marker: { color: page.colors.muted, size: 6 },
    hovertemplate: "not distinguishable:<br>" + group.map(row => shortName(order[row])).slice(0, 12).join("<br>") + "<extra></extra>",
  }));
}

function overviewNote() {
  const few = Math.max(...data.groups.map(groups => groups.filter(group => group.length > 1).length), 0) > MOST_GROUPS;
  return few ? `Of the groups that are not distinguishable, the first ${MOST_GROUPS} are drawn; the table of pairs has all.` : "";
}

function curveCharts() {
  const problem = data.problems[page.problem], curves = data.curves.problems[page.problem];
  const figure = curves.figures.includes(page.figure) ? page.figure : curves.figures[0];
  if (!figure) return [];
  const lines = curves.lines.filter(line => page.shows(line.entrant));
  const greater = directionOf(problem, figure), scale = scaleOf(curves.ranges[figure], greater);
  const units = { step: "optimizer steps (number)", epoch: "epochs (number)", seconds: "training time (seconds)" };
  const traces = lines.flatMap(line => curveTraces(line, figure));
  return [{
    title: problem.name, label: `${figure} of ${lines.length} entrants on ${problem.name}`, height: 440, traces,
    layout: {
      xaxis: axis(units[page.along]),
      yaxis: axis(figureTitle(problem, figure, greater), scaleAxis(scale, rangeOf(curves.ranges[figure], scale))),
      hovermode: "closest",
    },
  }];
}

function curveTraces(line, figure) {
  const { color, dash, symbol } = look(line.entrant), x = line[page.along], [middle, low, high] = line.figures[figure];
  const traces = [{
    x, y: middle, type: "scatter", mode: "lines+markers", name: shortName(line.entrant), line: { color, dash, width: 2 },
    marker: { symbol, size: 7, maxdisplayed: 7 }, customdata: low.map((each, at) => [each, high[at]]),
    hovertemplate: "%{y:.4g} (quartiles %{customdata[0]:.4g} to %{customdata[1]:.4g})<br>at %{x:.5~g}" +
      `<extra>%{fullData.name}</extra>`,
  }];
  if (line.seeds > 1) traces.unshift({
    x: [...x, ...x.slice().reverse()], y: [...high, ...low.slice().reverse()], type: "scatter", mode: "none",
    fill: "toself", fillcolor: color + "2e", hoverinfo: "skip",
  });
  return traces;
}

function curveNote() {
  const lost = data.curves.problems[page.problem].lines.filter(line => line.lost && page.shows(line.entrant));
  const parts = lost.map(line => `${data.entrants[line.entrant]}: ${line.lost} of ${line.seeds} seeds diverged or failed.`);
  if (data.curves.thinned) parts.push(`Curves are thinned out to ${data.curves.thinned} points; curves.csv has all.`);
  return parts.join(" ");
}

function targetCharts() {
  const problem = data.problems[page.problem];
  const reached = data.standings[page.problem].filter(each => each.reach);
  if (problem.target === null || !reached.length) return [];
  const cost = each => page.cost === "seconds" ? each.stepSeconds : 1;
  const times = reached.filter(each => cost(each) !== null).map(each => {
    const scaled = value => value === null ? null : value * cost(each);
    return { ...each, median: scaled(each.reach.median), low: scaled(each.reach.low), high: scaled(each.reach.high) };
  }).sort((a, b) => (a.median ?? Infinity) - (b.median ?? Infinity));
  const finite = times.flatMap(each => [each.median, each.low, each.high]).filter(value => value !== null);
  const top = finite.length ? Math.max(...finite) : 1, miss = top * 1.12;
  const traces = times.flatMap((each, row) => targetTraces(each, row, miss));
  const unit = page.cost === "seconds" ? "training time to target (seconds)" : "steps to target (optimizer steps)";
  return [{
    title: problem.name, detail: `${problem.validation} ${problem.greater ? "≥" : "≤"} ${numberText(problem.target)}` +
      (problem.targetSource ? `, source: ${problem.targetSource}` : ""),
    label: `${unit} on ${problem.name}`, height: 90 + 27 * times.length, traces,
    layout: {
      xaxis: axis(unit, { range: [0, miss * 1.06] }), hovermode: "closest", margin: { t: 24 },
      yaxis: rows(times.map(each => `${shortName(each.entrant)}  ${each.reach.reached}/${each.seeds}`)),
      shapes: [{ type: "line", x0: miss, x1: miss, yref: "paper", y0: 0, y1: 1, line: { color: page.colors.muted, dash: "dot", width: 1 } }],
      annotations: [{ x: miss, yref: "paper", y: 1, yanchor: "bottom", text: "missed", showarrow: false }],
    },
  }];
}

function targetTraces(each, row, miss) {
  const { color, symbol } = look(each.entrant), missed = each.median === null;
  return [
    {
      x: [each.low ?? miss, each.high ?? miss], y: [row, row], type: "scatter", mode: "lines", hoverinfo: "skip",
      line: { color: color + "99", width: 5, dash: each.high === null ? "dot" : "solid" },
    },
    {
      x: [each.median ?? miss], y: [row], type: "scatter", mode: "markers", cliponaxis: false,
      marker: { color, size: 11, symbol: missed ? "x-thin-open" : symbol, line: { width: missed ? 3 : 1, color } },
      hovertemplate: `${shortName(each.entrant)}: ` + (missed ? "median missed" : numberText(each.median)) +
        `<br>95 % interval ${numberText(each.low)} to ${each.high === null ? "missed" : numberText(each.high)}` +
        `<br>reached by ${each.reach.reached} of ${each.seeds} seeds<extra></extra>`,
    },
  ];
}

function targetNote() {
  const problem = data.problems[page.problem];
  return problem.target === null ? `${problem.name} has no target.` : "After each name: seeds that reached the target.";
}

function profileCharts() {
  const lines = (page.cost === "seconds" && data.profile.seconds || data.profile.steps).filter(line => page.shows(line.entrant));
  return [{
    title: counted(data.profile.problems.length, "problem") + " with a target", label: "Performance profile", height: 400,
    traces: lines.map(line => {
      const { color, dash, symbol } = look(line.entrant);
      return {
        x: line.factors, y: line.shares, type: "scatter", mode: "lines+markers", name: shortName(line.entrant),
        line: { color, dash, shape: "hv", width: 2 }, marker: { symbol, size: 7 }, text: line.factors.map(() => numberText(line.score)),
        hovertemplate: "%{y:.3g} of the problems within %{x:.3g} times the best; score %{text}<extra>%{fullData.name}</extra>",
      };
    }),
    layout: {
      xaxis: axis("factor τ of the best entrant's " + (page.cost === "seconds" ? "seconds" : "steps") + " (ratio)", { range: [0.95, data.limit * 1.02] }),
      yaxis: axis("problems (share from 0 to 1)", { range: [-0.03, 1.05] }), hovermode: "closest",
    },
  }];
}

function rankCharts() {
  const { order, ranks, difference, groups } = data.ranks;
  const traces = [
    {
      x: order.map(entrant => ranks[entrant]), y: order.map((_, row) => row), type: "scatter", mode: "markers",
      marker: { size: 11, color: order.map(entrant => look(entrant).color), symbol: order.map(entrant => look(entrant).symbol) },
      error_x: { type: "constant", value: difference / 2, color: page.colors.muted, thickness: 1.5, width: 4 },
      text: order.map(entrant => `${shortName(entrant)}: mean rank ${numberText(ranks[entrant])}`),
      hovertemplate: "%{text}<extra></extra>",
    },
    ...groupTraces(groups, order),
  ];
  return [{
    title: "", label: "Mean ranks: " + order.map(entrant => `${data.entrants[entrant]} ${numberText(ranks[entrant])}`).join(", "),
    height: 80 + 25 * order.length, traces,
    layout: {
      xaxis: axis("mean rank (1 is best)", { domain: [0, 0.9] }), hovermode: "closest",
      xaxis2: { domain: [0.91, 1], visible: false, range: [-0.6, Math.max(3, groups.length) - 0.4], fixedrange: true },
      yaxis: rows(order.map(entrant => shortName(entrant))),
    },
  }];
}

function rankNote() {
  return `Critical difference: ${numberText(data.ranks.difference)} ranks, over ${data.ranks.problems} problems. ` +
    "The horizontal lines are half of it to each side: lines that do not meet are distinguishable.";
}

function heatCharts() {
  const order = data.entrants.map((_, entrant) => entrant).sort((a, b) => page.overall[a] - page.overall[b]);
  const best = data.standings.map(listed => new Set(listed.filter(each => !each.worse).map(each => each.entrant)));
  const labels = data.problems.map((problem, at) => plain(cut(problem.name, narrow() ? 12 : 22)) + (data.heat.scaled[at] ? " *" : ""));
  const large = data.problems.length <= (narrow() ? 3 : 9) && order.length <= 30;
  return [{
    title: "", label: "Mean figure relative to the best, by entrant and problem", height: Math.max(240, 120 + 26 * order.length),
    traces: [{
      type: "heatmap", z: order.map(entrant => data.heat.relative[entrant]), zmin: 0, zmax: 1, colorscale: shades("none", "high"), xgap: 1, ygap: 1,
      x: labels.map((_, at) => at), y: order.map((_, row) => row),
      text: order.map(entrant => data.heat.means[entrant].map((mean, at) =>
        (best[at].has(entrant) ? "● " : "") + (large ? numberText(mean, 3) : ""))),
      texttemplate: "%{text}", textfont: { color: page.colors.ink }, hoverongaps: false,
      customdata: order.map(entrant => data.heat.means[entrant].map((mean, at) =>
        `${shortName(entrant)} on ${plain(cut(data.problems[at].name, 30))}: mean ${numberText(mean)}` +
        (best[at].has(entrant) ? "<br>not distinguishable from the best" : ""))),
      hovertemplate: "%{customdata}<br>relative to the best %{z:.3g}<extra></extra>",
      colorbar: colorbar("relative to best (ratio)"),
    }],
    layout: {
      xaxis: { tickvals: labels.map((_, at) => at), ticktext: labels, ...TOP },
      yaxis: rows(order.map(entrant => shortName(entrant))), margin: { b: 8 },
    },
  }];
}

function heatNote() {
  const scaled = data.heat.scaled.some(Boolean);
  return "Rows are sorted by the mean of the ranks over the problems." +
    (scaled ? " *: figures of this problem are not all positive; 0 is the worst entrant." : "");
}

function improvementCharts() {
  const order = data.entrants.map((_, entrant) => entrant).sort((a, b) => page.overall[a] - page.overall[b]);
  const labels = order.map(entrant => shortName(entrant));
  const places = labels.map((_, at) => at), few = order.length <= (narrow() ? 5 : 16);
  return [{
    title: "", label: "Probability that a run of the row's entrant is better than one of the column's", height: Math.max(260, 140 + 26 * order.length),
    traces: [{
      type: "heatmap", zmin: 0, zmax: 1, colorscale: shades("low", "none", "high"),
      xgap: 1, ygap: 1, x: places, y: places, hoverongaps: false,
      z: order.map(row => order.map(column => data.improvement.chances[row][column])),
      texttemplate: few ? "%{z:.2f}" : "", textfont: { color: page.colors.ink },
      customdata: order.map(row => order.map(column => `${shortName(row)} better than ${shortName(column)}`)),
      hovertemplate: "%{customdata}: %{z:.3f}<extra></extra>",
      colorbar: colorbar("probability (0 to 1)"),
    }],
    layout: {
      xaxis: { tickvals: places, ticktext: labels, ...TOP, title: { text: narrow() ? "" : "than a run of" } },
      yaxis: { ...rows(labels), title: { text: "a run of", standoff: 6 } }, margin: { b: 8 },
    },
  }];
}
