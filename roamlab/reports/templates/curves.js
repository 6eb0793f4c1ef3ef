// The kernel's own figures over time: curves of one quantity share a scale, and one thing's curves look the same in every track.
const curved = [...new Set(T.curves.map((c) => c[1]))];
const amount = (value) => value.toLocaleString("en", { maximumFractionDigits: 1 });

// Neighbours differ in colour and in the kind of line; none of 16 are the same.
function lookOf(of) {
  const n = curved.indexOf(of);
  return `c${n % 4} d${(n + Math.floor(n / 4)) % 4}`;
}

// The least and the greatest value that is seen now: from 0 where none is negative, never of no height.
function scaleOf(curves) {
  const seen = [];
  for (const [, , points] of curves) points.forEach(([t, value], i) => {
    const until = i + 1 < points.length ? points[i + 1][0] : t;
    if (value !== null && t <= view.until && until >= view.from) seen.push(value);
  });
  const low = seen.reduce((a, b) => Math.min(a, b), Infinity), high = seen.reduce((a, b) => Math.max(a, b), -Infinity);
  return low < 0 ? [low - 1, high + 1] : [0, Math.max(1, high)];
}

// A line's look and its name, for all lines of the tracks below; returns the height that this takes.
function paintLegend(svg, names, y) {
  let x = plot.left, row = y;
  for (const of of [...names, null]) {
    const words = of ?? "last recorded", sample = of === null ? 12 : 24, wide = sample + 6 + words.length * CHARACTER + 12;
    if (x > plot.left && x + wide > plot.right) { x = plot.left; row += 16; }
    svg.append(of === null ? draw("circle", { class: "dot", cx: x + 6, cy: row + 8, r: 2.6 })
      : draw("line", { class: `curve ${lookOf(of)}`, x1: x, x2: x + sample, y1: row + 8, y2: row + 8 }));
    svg.append(draw("text", { class: "track-name", x: x + sample + 6, y: row + 12 }, words));
    x += wide;
  }
  return row - y + 24;
}

// What holds until the next point is drawn as a step; a gap is where there is no such figure.
function paintCurves(curves, [low, high], y, height) {
  const at = (value) => (y + height - (value - low) / (high - low) * (height - 4)).toFixed(1), out = [];
  for (const [, of, points] of curves) {
    let path = "", drawing = false;
    for (const [t, value] of points) {
      const x = xOf(t).toFixed(1);
      if (drawing) path += `H${x}`;
      if (value !== null) path += drawing ? `V${at(value)}` : `M${x} ${at(value)}`;
      drawing = value !== null;
    }
    out.push(draw("path", { class: `curve ${lookOf(of)}`, d: path }));
    const [t, value] = points[points.length - 1];
    if (drawing) out.push(draw("circle", { class: `dot ${lookOf(of)}`, cx: xOf(t), cy: at(value), r: 2.6 }));
  }
  return out;
}
