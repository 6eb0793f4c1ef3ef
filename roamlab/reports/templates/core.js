// What all parts of the page share: the data, the view, and small helpers. Text from a capture is only ever set as text.
document.documentElement.classList.add("js");
const data = JSON.parse(document.getElementById("data").textContent);
const TOLD = 1, LOST = 2, AGAIN = 4, UNDER_WAY = 8, APPEARED = 16, UNHEARD = 32;
const SILENCE = 2e8, FEWEST = 3;
const byId = (id) => document.getElementById(id);
const sums = (steps) => {
  const out = new Float64Array(steps.length);
  let total = 0;
  for (let i = 0; i < steps.length; i++) out[i] = total += steps[i];
  return out;
};
// The first index whose value is at least `wanted`, in a sorted list.
const lowerBound = (list, wanted, value = (x) => x) => {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value(list[middle]) < wanted) low = middle + 1; else high = middle;
  }
  return low;
};
const clamp = (x, low, high) => Math.max(low, Math.min(high, x));
const SVG = "http://www.w3.org/2000/svg";
const draw = (name, attributes, ...children) => {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) if (attributes[key] != null) made.setAttribute(key, attributes[key]);
  for (const child of children) made.append(child);
  return made;
};
const make = (name, attributes, ...children) => {
  const made = document.createElement(name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  made.append(...children);
  return made;
};
const seconds = (ns) => (ns / 1e9).toFixed(6);
const span = (ns) => ns < 1e7 ? `${(ns / 1e6).toFixed(1)} ms` : ns < 1e9 ? `${Math.round(ns / 1e6)} ms` : `${(ns / 1e9).toFixed(2)} s`;

const L = data.ladder, T = data.timeline;
L.t = sums(L.t);
for (const way in T.deliveries) T.deliveries[way] = sums(T.deliveries[way]);
for (const lane of T.lanes) lane[2] = sums(lane[2]);

// The view: the stretch of time that is shown, the instant that is pointed at, and whether steady packets are folded.
const view = { from: 0, until: T.end, cursor: T.stimuli.length ? T.stimuli[0][0] : 0, folded: true };
const parts = [];
const changed = (what, from) => { for (const part of parts) if (part !== from) part(what); };
const soon = (work) => {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; work(); });
  };
};
const calm = matchMedia("(prefers-reduced-motion: reduce)");
