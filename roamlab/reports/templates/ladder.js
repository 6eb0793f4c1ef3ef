// The ladder: only the rows in sight are in the document. The list is a listbox; the chosen row is its active descendant.
const ladder = byId("ladder"), tall = byId("tall"), fieldsPanel = byId("fields");
const marksAt = new Map(); // "arrow 12" -> [[number, atArrival], ...]
for (const [number, what, row, arrival] of data.marks) {
  const key = `${what} ${row}`;
  if (!marksAt.has(key)) marksAt.set(key, []);
  marksAt.get(key).push([number, arrival]);
}
let narrow = false;
let placed = { rows: [], height: 0, silences: [], ends: [] }, columnX = [], width = 0, canvas = null, chosen = null;
let following = false; // whether a scroll is the page's own doing
const keyOf = (row) => `${row.kind} ${row.number}`;

function measure() {
  width = ladder.clientWidth;
  narrow = width < 520;
  const gutter = narrow ? 92 : 122, right = narrow ? 26 : 42, n = L.columns.length;
  columnX = L.columns.map((_, i) => gutter + 8 + (n > 1 ? (width - gutter - 8 - right) * i / (n - 1) : 0));
  byId("heads").replaceChildren(...L.columns.map((name, i) => {
    const head = make("span", { title: name }, name);
    head.style.left = `${columnX[i]}px`;
    return head;
  }));
}

function relay() {
  const rows = mergedRows(view.from, view.until);
  placed = layOut(view.folded ? foldedRows(rows) : rows, columnX);
  tall.style.height = `${placed.height}px`;
  const packets = new Set(rows.filter((row) => row.kind === "arrow").map((row) => L.j[row.number])).size;
  byId("count").textContent = `${packets.toLocaleString("en")} packets in ${span(view.until - view.from)}`;
}

function paint() {
  const top = ladder.scrollTop, height = ladder.clientHeight, margin = 200;
  const low = Math.max(0, top - margin), high = top + height + margin;
  const svg = draw("svg", { width, height: high - low, viewBox: `0 ${low} ${width} ${high - low}`, role: "presentation" });
  svg.style.top = `${low}px`;
  for (const x of columnX) svg.append(draw("line", { class: "axis", x1: x, x2: x, y1: Math.max(low, 4), y2: Math.min(high, placed.height - 10) }));
  for (const silence of placed.silences) if (silence.y > low && silence.y < high) svg.append(paintSilence(silence));
  svg.append(draw("line", { class: "now", x1: 0, x2: width, y1: yOf(view.cursor), y2: yOf(view.cursor) }));
  let said = -99;
  for (let r = lowerBound(placed.ends, low); r < placed.rows.length && placed.rows[r].top <= high; r++) {
    const row = placed.rows[r];
    if (row.bottom < low) continue;
    const group = paintRow(row, r);
    const y = row.kind === "fold" ? (row.top + row.bottom) / 2 : row.top;
    if (y - said > 14) { group.append(draw("text", { class: "time halo", x: narrow ? 42 : 66, y: y + 4, "text-anchor": "end" }, narrow ? (row.t / 1e9).toFixed(3) : seconds(row.t))); said = y; }
    svg.append(group);
  }
  if (canvas) canvas.remove();
  canvas = svg;
  tall.append(svg);
  const here = chosen && byId(optionId(chosen));
  if (here) ladder.setAttribute("aria-activedescendant", here.id); else ladder.removeAttribute("aria-activedescendant");
}
const repaint = soon(paint);
const optionId = (row) => `row-${row.kind}-${row.number}`;

function paintRow(row, position) {
  const group = draw("g", { role: "option", id: optionId(row), "data-row": position });
  const isChosen = chosen && keyOf(chosen) === keyOf(row);
  group.setAttribute("aria-selected", isChosen ? "true" : "false");
  group.append(draw("rect", { class: "wash", x: 0, width, y: Math.min(row.top - 15, row.bottom), height: Math.max(20, row.bottom - row.top + 19) }));
  let label;
  if (row.kind === "arrow") label = paintArrow(group, row);
  else if (row.kind === "fold") label = paintFold(group, row);
  else label = paintNotice(group, row);
  if (isChosen) group.classList.add("chosen");
  group.setAttribute("aria-label", `${seconds(row.t)} seconds, ${label}`);
  const numbers = marksAt.get(keyOf(row)) || [];
  numbers.forEach(([number, arrival], i) => {
    const y = arrival ? row.bottom : row.top, x = columnX[0] - 14 - 19 * (numbers.length - 1 - i);
    group.append(draw("g", { class: "mark" }, draw("circle", { cx: x, cy: y, r: 8.5 }), draw("text", { x, y: y + 4, "text-anchor": "middle" }, String(number))));
    label += `, step ${number}`;
  });
  return group;
}

function paintArrow(group, row) {
  const i = row.number, flags = L.f[i], x1 = columnX[L.a[i]], target = columnX[ahead(i)], way = target >= x1 ? 1 : -1;
  let x2 = target, y2 = row.bottom;
  group.classList.add("arrow", L.kinds[L.k[i]]);
  if (flags & AGAIN) group.classList.add("again");
  if (L.w[i] >= 0) group.append(draw("line", { class: "tunnel", x1: x1 + 6 * way, y1: row.top, x2: x2 - 6 * way, y2 }));
  if (L.b[i] < 0) {
    x2 = x1 + (target - x1) * 0.62;
    y2 = Math.min(y2, row.top + 10);
    if (flags & LOST) group.classList.add("lost");
  }
  group.append(draw("line", { class: "shaft", x1, y1: row.top, x2, y2 }));
  if (L.b[i] < 0) group.append(draw("text", { class: "cross", x: x2 + 7 * way, y: y2 + 5, "text-anchor": "middle" }, flags & LOST ? "✗" : "…"));
  else {
    const angle = Math.atan2(y2 - row.top, x2 - x1), tip = (a) => `${x2 - 10 * Math.cos(angle + a)},${y2 - 10 * Math.sin(angle + a)}`;
    group.append(draw("polygon", { class: "tip", points: `${x2},${y2} ${tip(0.42)} ${tip(-0.42)}` }));
  }
  const bold = /^(asconf|mobileip)$/.test(L.kinds[L.k[i]]);
  const words = labelOf(i), room = Math.floor((way > 0 ? width - x1 - 12 : x1 - 80) / (bold ? CHARACTER * 1.12 : CHARACTER)) - 1;
  group.append(draw("text", { class: "halo", x: x1 + 9 * way, y: row.top - 4, "text-anchor": way > 0 ? "start" : "end" },
    words.length > room ? words.slice(0, Math.max(1, room - 1)) + "…" : words));
  const end = L.b[i] >= 0 ? `to ${L.columns[L.b[i]]}` : flags & LOST ? "lost" : flags & UNHEARD ? "to a group" : "under way";
  return `${L.labels[L.l[i]]} from ${L.columns[L.a[i]]} ${end}${flags & AGAIN ? ", sent again" : ""}${L.w[i] >= 0 ? ", tunnelled" : ""}`;
}

function paintFold(group, row) {
  group.classList.add("fold");
  const left = columnX[0], right = columnX[columnX.length - 1], middle = (row.top + row.bottom) / 2;
  const words = foldWords(row);
  group.append(draw("rect", { class: "band", x: left - 6, width: right - left + 12, y: middle - 13, height: 26, rx: 7 }));
  group.append(draw("text", { x: (left + right) / 2, y: middle + 4, "text-anchor": "middle" },
    words.length * CHARACTER > right - left ? `${row.packets} packets${row.lost ? `, ${row.lost} lost` : ""}, ${span(row.end - row.t)}` : words));
  return `${words}; Enter unfolds`;
}

function paintNotice(group, row) {
  const [, column, text, stimulus] = L.notices[row.number];
  group.classList.add("notice");
  const x = columnX[column], last = column > 0 && x > (columnX[0] + columnX[columnX.length - 1]) / 2, y = row.top;
  if (stimulus) {
    group.classList.add("stimulus");
    group.append(draw("line", { x1: columnX[0], x2: columnX[columnX.length - 1], y1: y, y2: y }));
  }
  group.append(draw("circle", { cx: x, cy: y, r: 4 }));
  const room = Math.floor((last ? x - 80 : width - x - 12) / CHARACTER) - 2;
  group.append(draw("text", { class: "halo", x: x + (last ? -10 : 10), y: y + 4, "text-anchor": last ? "end" : "start" },
    text.length > room ? text.slice(0, Math.max(1, room - 1)) + "…" : text));
  return `event of ${L.columns[column]}: ${text}`;
}

function paintSilence(silence) {
  const group = draw("g", { class: "silence", "aria-hidden": "true" });
  for (const x of columnX) for (const dy of [-4, 4]) group.append(draw("line", { class: "axis", x1: x - 7, x2: x + 7, y1: silence.y + dy + 3, y2: silence.y + dy - 3 }));
  group.append(draw("text", { x: (columnX[0] + columnX[columnX.length - 1]) / 2, y: silence.y + 4, "text-anchor": "middle" }, `${span(silence.length)} of silence`));
  return group;
}

// Between the ladder's pixels and the run's time.
function yOf(t) {
  const r = lowerBound(placed.rows, t, (row) => row.t);
  if (!placed.rows.length) return 0;
  return r < placed.rows.length ? placed.rows[r].top : placed.rows[placed.rows.length - 1].top;
}
function timeAt(y) {
  const r = lowerBound(placed.rows, y, (row) => row.top);
  return placed.rows.length ? placed.rows[Math.min(r, placed.rows.length - 1)].t : view.cursor;
}
function scrollToTime(t) {
  following = true;
  ladder.scrollTop = yOf(t) - ladder.clientHeight / 3;
  repaint();
}

function choose(row, { scroll = true } = {}) {
  chosen = row;
  view.cursor = row.t;
  showFields(row);
  if (scroll && (row.top < ladder.scrollTop + 24 || row.bottom > ladder.scrollTop + ladder.clientHeight - 24)) {
    following = true;
    ladder.scrollTop = row.top - ladder.clientHeight / 3;
  }
  paint();
  changed("cursor", ladderPart);
}
const position = () => chosen ? placed.rows.findIndex((row) => keyOf(row) === keyOf(chosen)) : -1;
function unfold(row) {
  unfolded.add(row.number);
  relay();
  const first = placed.rows.find((other) => other.kind === "arrow" && other.number === row.number);
  if (first) choose(first);
}
// Chooses an arrow or event by its number, opening the stretch and the window that hide it.
function reveal(kind, number) {
  const t = kind === "arrow" ? L.t[number] : L.notices[number][0];
  if (t < view.from || t > view.until) { view.from = 0; view.until = T.end; changed("window"); }
  const find = () => placed.rows.find((row) => row.kind === kind && row.number === number);
  let row = find();
  if (!row) {
    const fold = placed.rows.find((other) => other.kind === "fold" && other.t <= t && other.end >= t);
    if (fold) { unfolded.add(fold.number); relay(); row = find(); }
  }
  if (row) { choose(row); ladder.focus(); }
}

let everyField = null; // read when first asked for: it is the larger part of the page
function showFields(row) {
  fieldsPanel.hidden = false;
  if (row.kind !== "arrow") {
    const text = row.kind === "fold" ? foldWords(row) : L.notices[row.number][2];
    fieldsPanel.replaceChildren(make("h3", {}, text), make("p", { class: "soft" }, `${seconds(row.t)} s`));
    return;
  }
  everyField ||= JSON.parse(byId("field-data").textContent);
  const i = row.number, flags = L.f[i], journey = L.j[i], [shape, ...values] = everyField.packets[journey], seen = everyField.seen[journey];
  const tree = make("div", { class: "tree" });
  let value = 0;
  for (const [depth, name, hasValue] of everyField.shapes[shape]) {
    const line = make("div", hasValue ? {} : { class: "group" }, make("span", {}, name));
    line.style.paddingLeft = `${depth * 0.8}rem`;
    if (hasValue) line.append(make("span", {}, everyField.values[values[value++]]));
    tree.append(line);
  }
  const body = make("tbody", {}), tunnelled = seen.some((nic, s) => s % 3 === 0 && everyField.nics[nic][2]);
  for (let s = 0; s < seen.length; s += 3) {
    const [nic, direction, tunnel] = everyField.nics[seen[s]];
    body.append(make("tr", {}, make("th", { scope: "row" }, nic), make("td", {}, direction.toLowerCase()),
      make("td", { class: "number" }, `+${(seen[s + 1] / 1e6).toFixed(3)} ms`), make("td", { class: "number" }, String(seen[s + 2])), ...(tunnelled ? [make("td", {}, tunnel)] : [])));
  }
  const heads = ["seen at", "way", "after", "packet", ...(tunnelled ? ["in the tunnel"] : [])].map((text) => make("th", { scope: "col" }, text));
  const fate = flags & LOST ? "lost: this is where it was seen last" : flags & UNDER_WAY ? "under way when the capture ended" : flags & UNHEARD ? "for a group; nobody is seen to have heard it" : flags & APPEARED ? "first seen as it arrived" : "arrived";
  fieldsPanel.replaceChildren(
    make("h3", {}, labelOf(i)),
    make("p", { class: "soft" }, `${seconds(row.t)} s, ${fate}${flags & AGAIN ? "; something in it had been sent before" : ""}`),
    make("div", { class: "columns" }, tree, make("div", {}, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body))));
}

function ladderPart(what) {
  if (what === "window" || what === "fold") { relay(); scrollToTime(clamp(view.cursor, view.from, view.until)); }
  else scrollToTime(view.cursor);
}

function startLadder() {
  if (!ladder) return;
  parts.push(ladderPart);
  measure();
  relay();
  scrollToTime(view.cursor);
  ladder.addEventListener("scroll", () => {
    if (!following) { view.cursor = timeAt(ladder.scrollTop + ladder.clientHeight / 3); changed("cursor", ladderPart); }
    following = false;
    repaint();
  }, { passive: true });
  ladder.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option) return;
    const row = placed.rows[Number(option.dataset.row)];
    if (row.kind === "fold" && chosen && keyOf(chosen) === keyOf(row)) unfold(row); else choose(row, { scroll: false });
  });
  ladder.addEventListener("keydown", (event) => {
    const at = position(), last = placed.rows.length - 1, from = at < 0 ? lowerBound(placed.rows, view.cursor, (row) => row.t) - 1 : at;
    const to = { ArrowDown: from + 1, ArrowUp: from - 1, PageDown: from + 10, PageUp: from - 10, Home: 0, End: last }[event.key];
    if (to !== undefined && last >= 0) { event.preventDefault(); choose(placed.rows[clamp(to, 0, last)]); }
    else if (event.key === "Enter" && chosen) {
      event.preventDefault();
      if (chosen.kind === "fold") unfold(chosen); else { showFields(chosen); fieldsPanel.focus(); }
    }
  });
  fieldsPanel.addEventListener("keydown", (event) => { if (event.key === "Escape") ladder.focus(); });
  new ResizeObserver(() => { if (ladder.clientWidth && ladder.clientWidth !== width) { measure(); relay(); scrollToTime(view.cursor); } }).observe(ladder);
}
