// The page: what is chosen, which panels are in view, and drawing them.

let data;
const MOST_SHOWN = 8;
const page = {
  problem: 0, along: "step", figure: null, cost: "steps", field: "lr", best: 100, valley: null, dark: false, hidden: new Set(),
  allProblems: false, allEntrants: false, colors: {}, overall: [],
  shows(entrant) { return !page.hidden.has(entrant); },
  shown() { return data.entrants.map((_, entrant) => entrant).filter(page.shows); },
};

// A sandbox forbids downloads: a frame, or a page with an origin of its own.
const restricted = window.self !== window.top || (location.protocol !== "file:" && window.origin === "null");

const panels = [
  { id: "overview", charts: overviewCharts, controls: overviewControls, note: overviewNote },
  { id: "curves", source: "curves", charts: curveCharts, controls: curveControls, note: curveNote },
  { id: "target", charts: targetCharts, controls: costControls, note: targetNote },
  { id: "budget", source: "tuning", charts: budgetCharts },
  { id: "sensitivity", source: "tuning", charts: sensitivityCharts, controls: fieldControls, note: trialsNote },
  { id: "parallel", source: "tuning", charts: parallelCharts, controls: bestControls, note: trialsNote },
  { id: "trajectories", source: "trajectories", charts: trajectoryCharts, controls: trajectoryControls, note: trajectoryNote },
  { id: "profile", source: "profile", charts: profileCharts, controls: costControls },
  { id: "ranks", source: "ranks", charts: rankCharts, note: rankNote },
  { id: "heat", source: "heat", charts: heatCharts, note: heatNote },
  { id: "improvement", source: "improvement", charts: improvementCharts },
];
const tables = [];

function draw(panel) {
  panel.stale = false;
  const section = document.getElementById(panel.id);
  const made = panel.charts(), holder = section.querySelector(".charts");
  holder.classList.toggle("many", made.length > 1);
  while (holder.children.length > made.length) {
    Plotly.purge(holder.lastChild.querySelector(".plot"));
    holder.lastChild.remove();
  }
  while (holder.children.length < made.length) holder.append(frame()); // all at first: they share the width
  made.forEach((chart, at) => drawChart(holder.children[at], chart));
  section.querySelector(".note").textContent = (panel.note && panel.note()) || (made.length ? "" : `${data.problems[page.problem].name} has no such data.`);
  section.dataset.drawn = "true";
}

function frame() {
  return element("div", { class: "chart" }, element("h3"), element("div", { class: "plot", role: "img" }));
}

function drawChart(holder, { title, detail, label, height, traces, layout }) {
  const [heading, plot] = holder.children, { ink, grid, ground, raised, line } = page.colors;
  heading.replaceChildren(title || "", ...(detail ? [element("small", {}, ` ${detail}`)] : []));
  plot.setAttribute("aria-label", label);
  const ticks = { gridcolor: grid, linecolor: line, tickfont: { size: 12 }, ticks: "", zeroline: false, exponentformat: "power" };
  const axes = Object.fromEntries(Object.entries(layout).filter(([name]) => /^[xy]axis/.test(name))
    .map(([name, own]) => [name, { ...ticks, ...own, ...(own.title ? { title: { font: { size: 13 }, ...own.title } } : {}) }]));
  plot.style.height = `${height}px`;
  Plotly.react(plot, traces, {
    width: plot.clientWidth, height, paper_bgcolor: "transparent", plot_bgcolor: "transparent", showlegend: false,
    font: { family: getComputedStyle(document.body).fontFamily, color: ink, size: 13 },
    hoverlabel: { bgcolor: raised, bordercolor: line, font: { color: ink } },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    ...layout, ...axes, margin: { l: 16, r: 8, t: 12, b: 48, ...layout.margin },
  }, { displayModeBar: false, displaylogo: false, typesetMath: false });
}

function redraw(...ids) {
  for (const panel of panels) {
    if (ids.length && !ids.includes(panel.id)) continue;
    if (panel.absent) continue;
    panel.stale = true;
    if (panel.visible) draw(panel);
    controls(panel);
  }
}

function controls(panel) {
  const holder = document.querySelector(`#${panel.id} .controls`);
  const chosen = document.activeElement?.dataset?.choice;
  holder.replaceChildren(...(panel.controls ? panel.controls() : []), ...saveControls(panel));
  if (chosen) holder.querySelector(`[data-choice="${CSS.escape(chosen)}"]`)?.focus();
}

function saveControls(panel) {
  if (restricted) return [];
  const save = async () => {
    if (panel.stale) draw(panel);
    for (const plot of document.querySelectorAll(`#${panel.id} .plot`)) await Plotly.downloadImage(plot, { format: "svg", filename: panel.id });
  };
  return [element("button", { type: "button", class: "save", onclick: save }, "Save as SVG")];
}

// A group of buttons of which one is chosen.
function choice(name, title, options, chosen, choose) {
  if (options.length < 2) return [];
  return [element("fieldset", {}, element("legend", {}, title), ...options.map(([value, text]) => element("label", {},
    element("input", { type: "radio", name, value, checked: value === chosen, "data-choice": `${name}-${value}`, onchange: () => choose(value) }), text)))];
}

function toggle(text, pressed, press) {
  return element("button", { type: "button", "aria-pressed": String(pressed), "data-choice": text, onclick: press }, text);
}

function overviewControls() {
  const made = [], most = Math.max(...data.standings.map(listed => listed.length), 0);
  const flip = name => () => { page[name] = !page[name]; redraw("overview"); };
  if (data.problems.length > FIRST_PROBLEMS) made.push(toggle(`All ${data.problems.length} problems`, page.allProblems, flip("allProblems")));
  if (most > FIRST_ENTRANTS) made.push(toggle(`All ${most} entrants`, page.allEntrants, flip("allEntrants")));
  return made;
}

function curveControls() {
  const curves = data.curves.problems[page.problem];
  const along = [["step", "steps"], ["epoch", "epochs"], ["seconds", "seconds"]]
    .filter(([name]) => curves.lines.some(line => line[name].some(value => value !== null)));
  const figure = curves.figures.includes(page.figure) ? page.figure : curves.figures[0];
  return [
    ...choice("along", "Axis", along, page.along, value => { page.along = value; redraw("curves"); }),
    ...choice("figure", "Figure", curves.figures.map(name => [name, name]), figure, value => { page.figure = value; redraw("curves"); }),
  ];
}

function costControls() {
  const timed = data.standings.flat().every(each => each.stepSeconds !== null);
  const name = costControls.count = (costControls.count ?? 0) + 1; // radio buttons of two panels are two groups
  return timed ? choice(`cost-${name}`, "Count", [["steps", "steps"], ["seconds", "seconds"]], page.cost, value => {
    page.cost = value;
    redraw("target", "profile");
    tables.forEach(fill => fill());
  }) : [];
}

function fieldControls() {
  const fields = tunedFields(), field = fields.includes(page.field) ? page.field : fields[0];
  return choice("field", "Field", fields.map(name => [name, name]), field, value => { page.field = value; redraw("sensitivity"); });
}

function bestControls() {
  const shown = element("output", {}, `${page.best} %`);
  return [element("label", {}, "Best ", element("input", {
    type: "range", min: 1, max: 100, value: page.best, "data-choice": "best",
    oninput: event => { page.best = Number(event.target.value); shown.textContent = `${page.best} %`; draw(panels.find(each => each.id === "parallel")); },
  }), shown, " of the trials")];
}

function swatch(entrant) {
  const { color, stroke } = look(entrant), space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg"), path = document.createElementNS(space, "path");
  picture.setAttribute("width", 26); picture.setAttribute("height", 10); picture.setAttribute("aria-hidden", "true");
  path.setAttribute("d", "M0 5H26"); path.setAttribute("stroke", color); path.setAttribute("stroke-width", 3);
  path.setAttribute("stroke-dasharray", stroke);
  picture.append(path, mark(entrant, space));
  return picture;
}

// The entrant's symbol as Plotly draws it.
function mark(entrant, space) {
  const { color, symbol } = look(entrant), drawn = document.createElementNS(space, "path");
  const shapes = {
    circle: "M13 1a4 4 0 1 0 .01 0z", square: "M9.5 1.5h7v7h-7z", diamond: "M13 0l5 5-5 5-5-5z", "triangle-up": "M13 0l5 9H8z",
    cross: "M11.5 0h3v3.5H18v3h-3.500V10h-3V6.500H8v-3h3.500z", x: "M9 2l2-2 2 3 2-3 2 2-2.500 3L17 8l-2 2-2-3-2 3-2-2 2.500-3z",
    "triangle-down": "M13 10l5-9H8z", pentagon: "M13 0l5 3.800-2 5.700h-6l-2-5.700z", star: "M13 0l1.500 3.500 3.500.300-2.700 2.400.800 3.600L13 8l-3.100 1.800.800-3.600L8 3.800l3.500-.300z",
    hexagon: "M13 0l4.300 2.500v5L13 10 8.700 7.500v-5z",
  };
  drawn.setAttribute("d", shapes[symbol]);
  drawn.setAttribute("fill", color);
  return drawn;
}

function legend() {
  const holder = document.getElementById("legend"), set = hidden => { page.hidden = hidden; legend(); redraw(...byEntrant); };
  const best = data.entrants.map((_, entrant) => entrant).sort((a, b) => page.overall[a] - page.overall[b]);
  const focused = document.activeElement?.dataset?.entrant;
  const made = best.map(entrant => element("button", {
    type: "button", "aria-pressed": String(page.shows(entrant)), "data-entrant": String(entrant), title: data.entrants[entrant],
    onclick: () => { const hidden = new Set(page.hidden); if (!hidden.delete(entrant)) hidden.add(entrant); set(hidden); },
  }, swatch(entrant), element("span", {}, data.entrants[entrant])));
  const groups = [["all", "All", new Set()], ["none", "None", new Set(best)]];
  if (best.length > MOST_SHOWN) groups.splice(1, 0, ["best", `Best ${MOST_SHOWN}`, new Set(best.slice(MOST_SHOWN))]);
  const buttons = groups.map(([name, text, hidden]) =>
    element("button", { type: "button", class: "all", "data-entrant": name, onclick: () => set(hidden) }, text));
  holder.replaceChildren(...(best.length > 1 ? [...buttons, ...made] : []));
  if (focused) holder.querySelector(`[data-entrant="${focused}"]`)?.focus();
}

const byEntrant = ["curves", "budget", "sensitivity", "parallel", "trajectories", "profile"];

function problemChoice() {
  const select = document.getElementById("problem");
  select.replaceChildren(...data.problems.map((problem, at) => element("option", { value: String(at) }, cut(problem.name, 60))));
  document.getElementById("problem-choice").hidden = data.problems.length < 2;
  select.addEventListener("change", () => {
    pause();
    page.problem = Number(select.value);
    page.valley = data.problems[page.problem].name;
    redraw("curves", "target", "budget", "sensitivity", "parallel", "trajectories");
    tables.forEach(fill => fill());
  });
}

function theme(dark) {
  page.dark = dark;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.getElementById("theme").setAttribute("aria-pressed", String(dark));
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "muted", "line", "grid", "ground", "raised"]) page.colors[name] = style.getPropertyValue(`--${name}`).trim();
  if (data) { legend(); redraw(); }
}

function watchTheme() {
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  preferred.addEventListener("change", () => theme(preferred.matches));
  document.getElementById("theme").addEventListener("click", () => theme(!page.dark));
  theme(preferred.matches);
}

function contents() {
  const list = document.getElementById("contents");
  for (const heading of document.querySelectorAll("section:not(.first) > h2:first-child"))
    list.append(element("li", {}, element("a", { href: `#${heading.parentElement.id}` }, heading.textContent)));
}

// Panels are drawn when they come into view, so that pages of large studies open at once.
function watchPanels() {
  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries) {
      const panel = panels.find(each => each.id === entry.target.id);
      panel.visible = entry.isIntersecting;
      if (panel.visible && panel.stale) draw(panel);
    }
  }, { rootMargin: "300px" });
  for (const panel of panels) {
    const section = document.getElementById(panel.id), reason = data[panel.source];
    panel.absent = typeof reason === "string";
    if (panel.absent) {
      section.querySelector(".note").textContent = reason;
      section.querySelector(".about").remove();
    } else {
      panel.stale = true;
      controls(panel);
      watcher.observe(section);
    }
  }
}

// Plotly's own way of following the window's width loses the height; labels depend on the width, too.
function watchWidth() {
  let width = document.body.clientWidth, timer = null;
  new ResizeObserver(() => {
    if (document.body.clientWidth === width || document.body.style.width) return;
    width = document.body.clientWidth;
    clearTimeout(timer);
    timer = setTimeout(redraw, 150);
  }).observe(document.body);
}

function watchPrinting() {
  let dark = false;
  addEventListener("beforeprint", () => {
    dark = page.dark;
    document.body.style.width = "700px";
    theme(false);
    panels.filter(panel => !panel.absent).forEach(draw);
  });
  addEventListener("afterprint", () => { document.body.style.width = ""; theme(dark); });
}

function overall() {
  return data.entrants.map((_, entrant) => {
    const ranks = data.standings.map(listed => listed.findIndex(each => each.entrant === entrant)).filter(at => at >= 0);
    return ranks.length ? ranks.reduce((a, b) => a + b, 0) / ranks.length : Infinity;
  });
}

async function start() {
  const [library, packed] = [await unpacked("plotly"), await unpacked("data")];
  document.head.append(element("script", {}, library));
  data = JSON.parse(packed);
  page.overall = overall();
  const worst = data.entrants.map((_, entrant) => entrant).sort((a, b) => page.overall[a] - page.overall[b]).slice(MOST_SHOWN);
  page.hidden = new Set(worst);
  contents();
  problemChoice();
  legend();
  standingsTable();
  problemsTable();
  if (data.pairs.first.length) tables.push(pairsTable());
  else document.querySelector("#pairs .note").textContent = "There are no pairs of entrants with the same seeds.";
  if (typeof data.profile !== "string") tables.push(profileTable());
  tables.push(speedUpsTable());
  watchPanels();
  watchPrinting();
  watchWidth();
  for (const button of document.querySelectorAll("[data-copies]"))
    button.addEventListener("click", () => copy(document.getElementById(button.dataset.copies).textContent));
  document.getElementById("exports").textContent = restricted ? "To save pictures, open the file itself: this frame does not allow downloads." : "";
  document.documentElement.dataset.ready = "true";
}

watchTheme();
start().catch(error => {
  const trouble = document.getElementById("trouble");
  trouble.hidden = false;
  trouble.textContent = `The charts cannot be drawn in this browser (${error}). The data files beside this page have all numbers.`;
  throw error;
});
