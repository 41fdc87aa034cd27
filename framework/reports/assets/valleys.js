// Paths over contours, with a slider for the step.

const FRAMES = 80, FRAME_MILLISECONDS = 60;
const player = { frame: FRAMES, timer: null };

// The chosen problem if it is a function of two variables, else the first that is.
function valleyName() { return page.valley in data.trajectories ? page.valley : Object.keys(data.trajectories)[0]; }
function valley() { return data.trajectories[valleyName()]; }

// Early steps are farther apart: frames follow the square of time.
function frameStep(paths, frame) {
  const last = Math.max(...paths.map(path => path.step[path.step.length - 1]));
  return Math.round(last * (frame / FRAMES) ** 2);
}

function upTo(path, step) {
  let end = path.step.findIndex(each => each > step);
  if (end < 0) end = path.step.length;
  return { x: path.x.slice(0, end), y: path.y.slice(0, end) };
}

function trajectoryCharts() {
  const drawn = valley();
  const paths = drawn.paths.filter(path => page.shows(path.entrant)), step = paths.length ? frameStep(paths, player.frame) : 0;
  return [{
    title: valleyName(), label: `Paths on ${valleyName()}`, height: narrow() ? 400 : 560,
    traces: [contourTrace(drawn), minimaTrace(drawn), ...paths.flatMap(path => pathTraces(path, step))],
    layout: {
      xaxis: axis("x (no unit)", { range: [drawn.x[0], drawn.x[drawn.x.length - 1]], showgrid: false }),
      yaxis: axis("y (no unit)", { range: [drawn.y[0], drawn.y[drawn.y.length - 1]], showgrid: false }), hovermode: "closest",
    },
  }];
}

function contourTrace(drawn) {
  const shades = page.dark ? [[0, "#39434f"], [1, "#14181c"]] : [[0, "#ffffff"], [1, "#b9c2cb"]];
  return {
    type: "contour", x: drawn.x, y: drawn.y, z: drawn.heights, colorscale: shades, ncontours: 24, hoverinfo: "skip",
    line: { width: 0.7, color: page.dark ? "#56616d" : "#9aa5b1" }, zmin: 0, zmax: 1,
    colorbar: colorbar(`loss (${plain(unitOf(data.problems.find(problem => problem.name === valleyName()), "loss"))})`, { tickvals: drawn.ticks, ticktext: drawn.losses.map(loss => numberText(loss, 2)) }),
  };
}

function minimaTrace(drawn) {
  return {
    x: drawn.minima.map(point => point[0]), y: drawn.minima.map(point => point[1]), type: "scatter", mode: "markers",
    marker: { symbol: "star", size: 20, color: page.colors.ink, line: { color: page.colors.ground, width: 1 } },
    hovertemplate: "minimum at (%{x:.4g}, %{y:.4g})<extra></extra>",
  };
}

function pathTraces(path, step) {
  const { color, dash, symbol } = look(path.entrant), { x, y } = upTo(path, step), name = shortName(path.entrant);
  return [
    {
      x, y, type: "scatter", mode: "lines", name, line: { color, dash, width: 2.5 }, customdata: path.step.map((each, at) => [each, path.loss[at]]),
      hovertemplate: "step %{customdata[0]}, loss %{customdata[1]:.4g}<extra>%{fullData.name}</extra>",
    },
    {
      x: x.slice(-1), y: y.slice(-1), type: "scatter", mode: "markers", name, hoverinfo: "skip",
      marker: { color, symbol, size: 12, line: { color: page.colors.ground, width: 1.5 } },
    },
  ];
}

function showFrame() {
  const chart = document.querySelector("#trajectories .plot"), drawn = valley();
  if (!chart) return;
  const paths = drawn.paths.filter(path => page.shows(path.entrant));
  if (!paths.length) return;
  const step = frameStep(paths, player.frame), parts = paths.map(path => upTo(path, step));
  const moved = parts.flatMap(({ x, y }) => [{ x, y }, { x: x.slice(-1), y: y.slice(-1) }]);
  Plotly.animate(chart, { data: moved, traces: moved.map((_, at) => at + 2) },
    { mode: "immediate", frame: { duration: 0, redraw: false }, transition: { duration: 0 } });
  const slider = document.getElementById("frame");
  slider.value = player.frame;
  slider.setAttribute("aria-valuetext", `step ${step}`);
  document.getElementById("frame-step").textContent = `step ${step.toLocaleString("en")}`;
}

function pause() {
  clearInterval(player.timer);
  player.timer = null;
  const button = document.getElementById("play");
  if (button) button.textContent = "Play";
}

function play() {
  if (player.timer) return pause();
  if (player.frame >= FRAMES) player.frame = 0;
  document.getElementById("play").textContent = "Pause";
  player.timer = setInterval(() => {
    player.frame += 1;
    showFrame();
    if (player.frame >= FRAMES) pause();
  }, FRAME_MILLISECONDS);
}

function trajectoryControls() {
  const paths = valley().paths.filter(path => page.shows(path.entrant));
  const step = paths.length ? frameStep(paths, player.frame) : 0;
  const slider = element("input", {
    type: "range", id: "frame", min: 0, max: FRAMES, value: player.frame, "aria-valuetext": `step ${step}`,
    oninput: event => { pause(); player.frame = Number(event.target.value); showFrame(); },
  });
  const names = Object.keys(data.trajectories).map(name => [name, cut(name, 30)]);
  return [
    ...choice("valley", "Problem", names, valleyName(), name => { pause(); page.valley = name; redraw("trajectories"); }),
    element("button", { type: "button", id: "play", onclick: play }, "Play"),
    element("label", {}, "Step ", slider, element("output", { id: "frame-step" }, `step ${step.toLocaleString("en")}`)),
  ];
}

function trajectoryNote() {
  return "Animations (GIF) and pictures (SVG) of the paths are in the folder of this file." +
    (valley().thinned ? " Long paths are thinned out; paths.csv has all points." : "");
}
