// Where the ladder's rows stand. Time runs downwards, true to scale where that is readable: labels get room, silences are
// folded, and stretches of steady packets are counted in one row. A row: kind, number, t, end, top, bottom (px).
const ROW = 21, NEXT = 7, LONGEST = 46, FOLD = 32, CHARACTER = 6.7;

const unfolded = new Set(); // first arrows of stretches that were opened by hand

function mergedRows(from, until) {
  const rows = [];
  let a = lowerBound(L.t, from);
  const last = lowerBound(L.t, until + 1);
  const notices = L.notices;
  let n = lowerBound(notices, from, (x) => x[0]);
  while (true) {
    const arrow = a < last, notice = n < notices.length && notices[n][0] <= until;
    if (!arrow && !notice) return rows;
    if (arrow && (!notice || L.t[a] <= notices[n][0])) { rows.push({ kind: "arrow", number: a, t: L.t[a], end: L.t[a] + L.d[a] }); a++; }
    else { rows.push({ kind: "notice", number: n, t: notices[n][0], end: notices[n][0] }); n++; }
  }
}

function foldedRows(rows) {
  const out = [];
  let quiet = [];
  const close = () => {
    if (quiet.length < FEWEST || unfolded.has(quiet[0].number)) out.push(...quiet);
    else {
      const journeys = new Map(quiet.map((row) => [L.j[row.number], row.number]));
      const count = (test) => { let n = 0; for (const i of journeys.values()) if (test(i)) n++; return n; };
      out.push({
        kind: "fold", number: quiet[0].number, t: quiet[0].t, end: quiet[quiet.length - 1].t,
        packets: journeys.size, data: count((i) => L.kinds[L.k[i]] === "data"),
        lost: count((i) => L.f[i] & LOST), again: count((i) => L.f[i] & AGAIN),
      });
    }
    quiet = [];
  };
  for (const row of rows) {
    if (row.kind === "arrow" && !(L.f[row.number] & TOLD)) quiet.push(row);
    else { close(); out.push(row); }
  }
  close();
  return out;
}

const ahead = (i) => {
  if (L.b[i] >= 0 && L.b[i] !== L.a[i]) return L.b[i];
  const last = L.columns.length - 1;
  return L.a[i] === last && last ? last - 1 : Math.min(L.a[i] + 1, last);
};
const labelOf = (i) => (L.f[i] & AGAIN ? "↻ " : "") + L.labels[L.l[i]]
  + (L.w[i] >= 0 ? `  [${L.tunnels[L.w[i]]}]` : "") + (L.paths[i] ? `  (${L.paths[i]})` : "");
const foldWords = (row) => `${row.packets} packets, ${row.data} with data`
  + (row.again ? `, ${row.again} sent again` : "") + (row.lost ? `, ${row.lost} lost` : "") + `, in ${span(row.end - row.t)}`;

// Places every row; returns {rows, height, silences, ends} where ends[i] is the lowest bottom of rows 0..i.
function layOut(rows, columnX) {
  const instants = [];
  for (let r = 0; r < rows.length; r++) {
    instants.push([rows[r].t, r, 0]);
    if (rows[r].kind !== "notice") instants.push([rows[r].end, r, 1]);
  }
  instants.sort((x, y) => x[0] - y[0] || x[1] - y[1] || x[2] - y[2]);
  const labelled = new Float64Array(columnX.length).fill(-1e9);
  const silences = [];
  let y = 24, before = instants.length ? instants[0][0] : 0, folding = 0;
  for (const [t, r, part] of instants) {
    const row = rows[r], step = t - before;
    let px = step ? (folding ? NEXT : clamp(step / 1e6, NEXT, LONGEST)) : 0;
    if (step > SILENCE && !folding) { silences.push({ y: y + LONGEST / 2 + 6, length: step }); px = LONGEST + 12; }
    y += px;
    if (row.kind === "fold") {
      y += part ? FOLD : ROW / 2;
      folding += part ? -1 : 1;
      labelled.fill(y - ROW / 4);
    } else if (!part) {
      const column = row.kind === "arrow" ? L.a[row.number] : L.notices[row.number][1];
      const room = columnX.length > 1 ? Math.abs(columnX[1] - columnX[0]) / 2 : 200;
      const length = row.kind === "arrow" ? labelOf(row.number).length : L.notices[row.number][2].length + 3;
      if (length * CHARACTER < room) { y = Math.max(y, labelled[column] + ROW); labelled[column] = y; }
      else { for (const other of labelled) y = Math.max(y, other + ROW); labelled.fill(y); }
    }
    if (part) row.bottom = y; else { row.top = y; row.bottom = y; }
    before = t;
  }
  const ends = new Float64Array(rows.length);
  let lowest = 0;
  for (let r = 0; r < rows.length; r++) ends[r] = lowest = Math.max(lowest, rows[r].bottom);
  return { rows, height: y + 40, silences, ends };
}
