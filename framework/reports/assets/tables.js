// A table that is sorted, filtered and copied, also by keyboard.

const FIRST_ROWS = 150;

// columns: {title, unit, value: row => number or text, text: row => shown text, word, wrap, lead, stick}
function makeTable(holder, caption, columns, allRows, mark = () => "") {
  const state = { column: null, down: false, words: "", all: false };
  const body = element("tbody"), count = element("span", { class: "count" });
  const heads = columns.map((column, at) => element("th", { scope: "col", class: [column.word && "word", column.stick && "stick"].filter(Boolean).join(" "), "aria-sort": "none" },
    element("button", { type: "button", onclick: () => sortBy(at) }, element("span", {}, column.title), ...(column.unit ? [element("small", {}, column.unit)] : []))));
  const more = element("button", { type: "button", onclick: () => { state.all = true; fill(); } }, "Show all rows");
  const textOf = (column, row) => column.text ? column.text(row) : String(column.value(row) ?? "–");

  function selected() {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const found = allRows().filter(row => {
      const text = columns.map(column => textOf(column, row)).join(" ").toLowerCase();
      return words.every(word => text.includes(word));
    });
    if (state.column === null) return found;
    const { value } = columns[state.column], sign = state.down ? -1 : 1;
    const missing = each => each === null || each === undefined;
    return found.map(row => [value(row), row]).sort(([a], [b]) => // what is missing comes last in both directions
      missing(a) || missing(b) ? missing(a) - missing(b) :
        sign * (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b)).map(([, row]) => row);
  }

  function fill() {
    const found = selected(), shown = state.all ? found : found.slice(0, FIRST_ROWS);
    body.replaceChildren(...shown.map(row => element("tr", { class: mark(row) }, ...columns.map(column => {
      const text = textOf(column, row);
      return element("td", { class: [column.word && "word", column.wrap && "wrap", column.lead && "lead", column.stick && "stick"].filter(Boolean).join(" "), ...(text.length > 30 ? { title: text } : {}) }, text);
    }))));
    count.textContent = `${shown.length} of ${allRows().length} rows`;
    more.hidden = shown.length === found.length;
  }

  function sortBy(at) {
    state.down = state.column === at && !state.down;
    state.column = at;
    heads.forEach((head, place) => head.setAttribute("aria-sort", place === at ? state.down ? "descending" : "ascending" : "none"));
    fill();
  }

  function copied() {
    const clean = text => text.replace(/[\t\r\n]+/g, " ");
    const lines = selected().map(row => columns.map(column => clean(column.copy ? String(column.copy(row) ?? "") : textOf(column, row))).join("\t"));
    return [columns.map(column => column.title).join("\t"), ...lines].join("\n");
  }

  const filter = element("input", { type: "search", autocomplete: "off", spellcheck: "false", oninput: event => { state.words = event.target.value; fill(); } });
  holder.replaceChildren(
    element("div", { class: "tools" }, element("label", {}, "Filter ", filter),
      element("button", { type: "button", class: "copy", onclick: () => copy(copied()) }, "Copy table"), more, count),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      element("table", { "aria-label": caption }, element("thead", {}, element("tr", {}, ...heads)), body)),
  );
  fill();
  return fill;
}

// The old command works from disk and in sandboxes, where the Clipboard API is not allowed.
function copy(text) {
  const area = element("textarea", { readonly: true, "aria-label": "Text to copy", style: "position:fixed;top:0;left:0;opacity:0" });
  const before = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  say(done ? "Copied." : "Copying is not allowed here: open the file itself.");
}

function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { said.textContent = ""; }, 4000);
}

function numeric(title, key, unit, digits = 5) {
  const value = typeof key === "function" ? key : row => row[key];
  return { title, unit, value, text: row => numberText(value(row), digits), copy: value };
}

function standingsTable() {
  const all = data.standings.flatMap((listed, problem) => listed.map(each => ({ ...each, problem })));
  const reach = (name, miss) => row => row.reach === null ? null : row.reach[name] ?? miss;
  const steps = row => row.reach === null ? "–" : row.reach.median === null ? "missed" :
    `${numberText(row.reach.median)} [${numberText(row.reach.low)}, ${row.reach.high === null ? "missed" : numberText(row.reach.high)}]`;
  const columns = [
    { title: "Problem", word: true, value: row => data.problems[row.problem].name },
    { title: "Rank", value: row => row.rank, lead: true },
    { title: "Entrant", word: true, lead: true, stick: true, value: row => data.entrants[row.entrant] },
    { title: "Setting", word: true, value: row => row.setting || null },
    { ...numeric("Mean", "mean", "± std"), text: row => `${numberText(row.mean)} ± ${numberText(row.deviation, 2)}` },
    { ...numeric("Difference", "difference", "to the best"), text: row => row.difference === 0 ? "best" : numberText(row.difference, 3) },
    { title: "p", value: row => row.difference === 0 ? null : row.p, text: row => row.difference === 0 ? "–" : `${pText(row.p)}${row.worse ? "" : " not distinguishable"}`, copy: row => row.p },
    { ...numeric("To target", reach("median", Infinity), "steps, 95 % interval"), text: steps },
    { title: "Reached", unit: "seeds", value: reach("reached"), text: row => row.reach === null ? "–" : `${row.reach.reached}/${row.seeds}` },
    numeric("Median", "median"), { ...numeric("IQM", "middle", "95 % interval"), text: row => `${numberText(row.middle)} [${numberText(row.low)}, ${numberText(row.high)}]` },
    { title: "Figure", word: true, value: row => data.problems[row.problem].figure },
    numeric("Diverged", "diverged", "runs"), numeric("Failed", "failed", "runs"),
    numeric("Steps", "steps", "mean", 7), numeric("Gradients", "evaluations", "mean evaluations", 7),
    { ...numeric("Step", "stepSeconds", "µs"), text: row => row.stepSeconds === null ? "–" : numberText(row.stepSeconds * 1e6, 3), copy: row => row.stepSeconds === null ? null : row.stepSeconds * 1e6 },
    { title: "Notes", word: true, wrap: true, value: row => row.notes || null },
  ];
  makeTable(document.querySelector("#standings .table"), "Standings", columns, () => all, row => row.worse ? "" : "alike");
}

function pairsTable() {
  const { pairs } = data;
  const rowsOf = () => pairs.problem.flatMap((problem, at) => problem === page.problem ? [{
    first: pairs.first[at], second: pairs.second[at], difference: pairs.difference[at], p: pairs.p[at],
    detectable: pairs.detectable[at], distinguishable: pairs.distinguishable[at],
  }] : []);
  const verdict = row => !row.distinguishable ? "not distinguishable" :
    `${data.entrants[row.difference > 0 === data.problems[page.problem].greater ? row.first : row.second]} is better`;
  const fill = makeTable(document.querySelector("#pairs .table"), "Pairs", [
    { title: "First", word: true, value: row => data.entrants[row.first] },
    { title: "Second", word: true, value: row => data.entrants[row.second] },
    numeric("Difference", "difference", "first − second", 4),
    { title: "p", unit: "adjusted", value: row => row.p, text: row => pText(row.p), copy: row => row.p },
    { title: "Verdict", word: true, value: verdict },
    { ...numeric("Smallest detectable", row => row.detectable ?? Infinity, "difference", 3), text: row => row.detectable === null ? "too few seeds" : numberText(row.detectable, 3) },
  ], rowsOf);
  const fewer = pairs.first.length < pairs.all ? ` Of all ${pairs.all.toLocaleString("en")} pairs, those with the smallest p are here; pairs.csv has all.` : "";
  const named = () => { document.querySelector("#pairs .note").textContent = `Problem: ${data.problems[page.problem].name}.${fewer}`; };
  named();
  return () => { named(); fill(); };
}

function profileTable() {
  return makeTable(document.querySelector("#profile .table"), "Profile scores", [
    { title: "Entrant", word: true, lead: true, value: row => data.entrants[row.entrant] },
    numeric("Score", "score", "1 is best", 3), numeric("Solved", "solved", `of ${counted(data.profile.problems.length, "problem")}`),
  ], () => (page.cost === "seconds" && data.profile.seconds || data.profile.steps).slice().sort((a, b) => b.score - a.score));
}

// The decimal points are below each other, except of extreme ones.
function speedText(mean, problems) {
  if (mean === null) return "–";
  return `${mean >= 0.1 && mean < 1e4 ? mean.toFixed(2) : numberText(mean, 3)} (${problems})`;
}

// One column per entrant; the first entrants of rows and columns have the best mean ranks.
function speedUpsTable() {
  const section = document.getElementById("speed-ups");
  const found = () => data.profile.speedUps[page.cost] ?? data.profile.speedUps.steps;
  const reason = typeof data.profile === "string" ? data.profile : typeof found() === "string" ? found() : "";
  if (reason) {
    section.querySelector(".about").remove();
    section.querySelector(".note").textContent = reason;
    return () => {};
  }
  const order = data.entrants.map((_, entrant) => entrant).sort((a, b) => page.overall[a] - page.overall[b]);
  const fill = makeTable(section.querySelector(".table"), "Speed-ups", [
    { title: "Entrant", word: true, lead: true, stick: true, value: row => data.entrants[row] },
    ...order.map(column => ({
      title: cut(data.entrants[column], 26), value: row => row === column ? null : found().means[row][column],
      text: row => row === column ? "" : speedText(found().means[row][column], found().problems[row][column]),
    })),
  ], () => order);
  const named = () => {
    const unit = data.profile.speedUps.seconds && page.cost === "seconds" ? "Seconds" : "Steps";
    section.querySelector(".note").textContent = `${unit} to the targets of ${counted(data.profile.problems.length, "problem")}. Above 1, the row's entrant is faster.`;
  };
  named();
  return () => { named(); fill(); };
}

function problemsTable() {
  makeTable(document.querySelector("#problems .table"), "Problems", [
    { title: "Problem", word: true, lead: true, value: row => row.name },
    { title: "Figure", word: true, value: row => row.figure }, { title: "Chosen by", word: true, value: row => row.validation },
    { title: "Better", word: true, value: row => row.greater ? "higher" : "lower" },
    { title: "Diverged counts as", word: true, value: row => row.worst || null },
    { ...numeric("Target", "target") }, { title: "Target from", word: true, value: row => row.targetSource || null },
    { title: "Budget", word: true, value: row => row.budget || null }, { title: "Source", word: true, wrap: true, value: row => row.source || null },
  ], () => data.problems);
}
