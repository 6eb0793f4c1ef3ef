// The timeline: tracks over one axis of time. Drag to zoom, click to point.
const board = byId("timeline");
const HEAD = 14, HEADS = 3; // a row of stimuli's names, px, and how many rows at most
let tracks = null, plot = { left: 0, right: 0 };
const xOf = (t) => plot.left + (t - view.from) / (view.until - view.from) * (plot.right - plot.left);
const timeOf = (x) => view.from + clamp((x - plot.left) / (plot.right - plot.left), 0, 1) * (view.until - view.from);

function paintTimeline() {
  const width = board.clientWidth, narrow = width < 520;
  plot = { left: narrow ? 8 : 132, right: width - 10 };
  const svg = draw("svg", { role: "img", "aria-labelledby": "timeline-text" }), cursor = draw("line", { class: "cursor", id: "cursor", y1: 14 });
  svg.append(draw("defs", {}, draw("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    draw("line", { x1: 0, x2: 0, y1: 0, y2: 6, stroke: "var(--bad)", "stroke-width": 1.1, opacity: 0.45 }))));
  const inside = draw("g", { "clip-path": "url(#plot)" });
  svg.append(inside, cursor);
  const [stimuli, heads] = stimulusNames();
  let y = 20 + HEAD * (heads - 1);
  const name = (text, height) => {
    if (narrow) { svg.append(draw("text", { class: "track-name", x: plot.left, y: y + 11 }, text)); y += 16; }
    else svg.append(draw("text", { class: "track-name", x: plot.left - 10, y: y + height / 2 + 4, "text-anchor": "end" }, text));
  };
  const rule = () => { svg.append(draw("line", { class: "track-line", x1: plot.left, x2: plot.right, y1: y, y2: y })); y += 9; };
  for (const [way, arrow] of [["up", "↑"], ["down", "↓"]]) {
    if (!T.deliveries[way].length) continue;
    const height = 58;
    name(`${arrow} delivered ${way}`, height);
    for (const outage of T.outages.filter((o) => o[0] === way)) inside.append(paintOutage(outage, y, height));
    inside.append(draw("path", { class: "curve", d: staircase(T.deliveries[way], y, height) }));
    y += height; rule();
  }
  for (const [node, path, times] of T.lanes) {
    name(narrow ? `${node} sends data ${path}` : `${node}: ${shortPath(node, path)}`, 15);
    inside.append(draw("path", { class: "ticks", d: ticks(times, y, 15) }));
    y += 15; rule();
  }
  for (const node of new Set(T.primaries.map((s) => s[0]))) {
    name(`primary path of ${node}`, 17);
    for (const [of, address, from, until] of T.primaries) if (of === node) inside.append(paintPrimary(address, from, until, y));
    y += 17; rule();
  }
  let explained = "";
  for (const quantity of new Set(T.curves.map((c) => c[0]))) {
    const height = 58, curves = T.curves.filter((c) => c[0] === quantity), scale = scaleOf(curves), needed = curves.map((c) => c[1]);
    if (needed.join("\n") !== explained) y += paintLegend(svg, needed, y);
    explained = needed.join("\n");
    name(narrow ? `${quantity}: ${scale.map(amount).join(" to ")}` : quantity, height);
    if (!narrow) scale.forEach((value, n) => svg.append(draw("text", { class: "track-name", x: plot.left - 10, y: y + (n ? 8 : height), "text-anchor": "end" }, amount(value))));
    inside.append(draw("line", { class: "track-line", x1: plot.left, x2: plot.right, y1: y, y2: y }), ...paintCurves(curves, scale, y, height));
    y += height; rule();
  }
  for (const { x, near, row, text } of stimuli) {
    inside.append(draw("line", { class: "stimulus-line", x1: x, x2: x, y1: 14 + HEAD * row, y2: y }));
    if (row < HEADS) svg.append(draw("text", { class: "stimulus-name", x: x + (near ? -5 : 5), y: 12 + HEAD * row, "text-anchor": near ? "end" : "start" }, text));
  }
  for (const t of axis()) svg.append(draw("text", { class: "track-name", x: xOf(t), y: y + 12, "text-anchor": "middle" }, `${+(t / 1e9).toFixed(6)} s`));
  svg.append(draw("defs", {}, draw("clipPath", { id: "plot" }, draw("rect", { x: plot.left, y: 0, width: Math.max(0, plot.right - plot.left), height: y + 2 }))));
  cursor.setAttribute("y2", y);
  svg.setAttribute("viewBox", `0 0 ${width} ${y + 20}`);
  svg.setAttribute("height", y + 20);
  tracks = svg;
  board.replaceChildren(svg);
  byId("timeline-text").textContent = T.outages.map(([way, from, until, bound]) => `Outage ${way} from ${seconds(from)} seconds, `
    + (until == null ? "never over" : `for ${span(until - from)}`) + (bound == null ? "" : `, bound ${span(bound * 1e9)}`)).join(". ") || "Deliveries over time, without an outage";
  paintCursor();
}

// Where each stimulus that is seen has its name: in the first row with room for it, so that no two lie over each other. Those
// for which no row has room have a line and no name. Returns them and the number of rows.
function stimulusNames() {
  const ends = [], out = [];
  for (const [t, text] of T.stimuli) {
    const x = xOf(t), wide = text.length * CHARACTER * 1.1 + 8, near = x > plot.right - 90, from = near ? x - wide : x;
    if (x < plot.left || x > plot.right) continue;
    let row = ends.findIndex((end) => end <= from);
    if (row < 0) row = ends.length;
    if (row < HEADS) ends[row] = from + wide;
    out.push({ x, near, row, text });
  }
  return [out, Math.max(1, ends.length)];
}

const shortPath = (node, path) => {
  const [source, destination] = path.split(" → ");
  const end = node === data.mobile ? `from ${source}` : `to ${destination}`;
  return end.length > 17 ? end.slice(0, 5) + "…" + end.slice(-9) : end;
};

// The number delivered by each instant, one step a pixel at most.
function staircase(times, y, height) {
  const first = lowerBound(times, view.from), last = lowerBound(times, view.until + 1), most = Math.max(1, last - first);
  let path = `M${plot.left} ${y + height}`, x0 = -1;
  for (let i = first; i < last; i++) {
    const x = Math.round(xOf(times[i]) * 2) / 2;
    if (x !== x0) { path += `H${x}`; x0 = x; }
    const next = i + 1 < last ? Math.round(xOf(times[i + 1]) * 2) / 2 : -2;
    if (next !== x) path += `V${(y + height - (i - first + 1) / most * (height - 4)).toFixed(1)}`;
  }
  return path + `H${xOf(Math.min(view.until, T.end)).toFixed(1)}`;
}

function ticks(times, y, height) {
  let path = "", before = -1;
  for (let i = lowerBound(times, view.from); i < times.length && times[i] <= view.until; i++) {
    const x = Math.round(xOf(times[i]) * 2) / 2;
    if (x !== before) path += `M${x} ${y}v${height}`;
    before = x;
  }
  return path;
}

function paintOutage([, from, until, bound], y, height) {
  const group = draw("g", { class: "outage" }), x1 = xOf(from), x2 = xOf(until ?? view.until);
  group.append(draw("rect", { x: x1, y, width: Math.max(1, x2 - x1), height }));
  const words = until == null ? "never delivered again" : span(until - from), at = x2 + 90 < plot.right ? x2 + 6 : Math.max(x1, plot.left) + 8;
  group.append(draw("text", { class: "halo", x: at, y: y + 14 }, words));
  if (bound) {
    const b = xOf(from + bound * 1e9), low = y + height - 7;
    group.append(draw("path", { class: "bound", d: `M${x1} ${low - 4}v8M${x1} ${low}H${b}M${b} ${low - 4}v8` }));
    group.append(draw("text", { class: "halo of-bound", x: at, y: at > x2 ? low + 4 : low - 8 }, `bound ${span(bound * 1e9)}`));
  }
  return group;
}

function paintPrimary(address, from, until, y) {
  const x1 = xOf(from), x2 = xOf(until), group = draw("g", { class: "primary" });
  group.append(draw("rect", { x: x1, y, width: Math.max(2, x2 - x1), height: 17, rx: 4 }));
  const left = Math.max(x1, plot.left) + 6, room = Math.min(x2, plot.right) - left;
  if (room > 30) group.append(draw("text", { x: left, y: y + 12.5 }, address.length * 6.3 > room ? address.slice(0, Math.max(1, Math.floor(room / 6.3) - 1)) + "…" : address));
  return group;
}

function axis() {
  const wanted = Math.max(2, (plot.right - plot.left) / 110), rough = (view.until - view.from) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough), out = [];
  for (let t = Math.ceil(view.from / step) * step; t <= view.until; t += step) if (xOf(t) < plot.right - 18) out.push(t);
  return out;
}

function paintCursor() {
  const line = tracks && tracks.querySelector("#cursor"), x = clamp(xOf(view.cursor), plot.left, plot.right);
  if (line) { line.setAttribute("x1", x); line.setAttribute("x2", x); }
}

function startTimeline() {
  const part = (what) => (what === "window" ? paintTimeline() : paintCursor());
  parts.push(part);
  paintTimeline();
  new ResizeObserver(soon(paintTimeline)).observe(board);
  let start = null, brush = null;
  const where = (event) => event.clientX - board.getBoundingClientRect().left;
  board.addEventListener("pointerdown", (event) => { if (event.button === 0) { start = where(event); board.setPointerCapture(event.pointerId); } });
  board.addEventListener("pointermove", (event) => {
    if (start === null) return;
    brush ||= tracks.appendChild(draw("rect", { class: "brush", y: 14, height: tracks.viewBox.baseVal.height - 34 }));
    const [a, b] = [start, where(event)].sort((x, y) => x - y);
    brush.setAttribute("x", a);
    brush.setAttribute("width", b - a);
  });
  const end = (event) => {
    if (start === null) return;
    const [a, b] = [start, where(event)].sort((x, y) => x - y);
    start = null;
    if (brush) { brush.remove(); brush = null; }
    if (event.type === "pointercancel") return;
    if (b - a > 6) { zoom(timeOf(a), timeOf(b)); } else { view.cursor = timeOf(a); changed("cursor"); }
  };
  board.addEventListener("pointerup", end);
  board.addEventListener("pointercancel", end);
}
