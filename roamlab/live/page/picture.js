// The ladder and the time line: both keep what they show, and no more.
import { element } from "./map.js";

const ROWS = 60, ROW = 24, WINDOW = 30;

export class Ladder {
  constructor(place) { this.place = place; this.legs = []; this.quiet = false; this.stale = false; }

  add(leg) {
    this.legs.push(leg);
    if (this.legs.length > 600) this.legs.splice(0, 300);
    if (!leg.quiet || this.quiet) this.stale = true;
  }

  clear() { this.legs = []; this.stale = true; }

  frame() {
    if (!this.stale) return;
    this.stale = false;
    const shown = this.legs.filter((leg) => this.quiet || !leg.quiet).sort((a, b) => a.t - b.t).slice(-ROWS);
    const names = [...new Set(shown.flatMap((leg) => [leg.a, leg.b]).filter(Boolean))];
    const order = (name) => (name === "mn" ? 0 : name === "cn" ? 2 : 1);
    names.sort((a, b) => order(a) - order(b));
    const width = 460, first = 86, gap = names.length > 1 ? (width - first - 40) / (names.length - 1) : 0;
    const column = (name) => first + Math.max(0, names.indexOf(name)) * gap;
    const height = 30 + shown.length * ROW;
    const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `The last ${shown.length} packets` });
    for (const name of names) {
      svg.append(element("text", { x: column(name), y: 14 }, name), element("line", { x1: column(name), y1: 20, x2: column(name), y2: height }));
    }
    shown.forEach((leg, row) => {
      const y = 46 + row * ROW, x1 = column(leg.a), to = column(leg.b || leg.a);
      const x2 = leg.lost ? x1 + (to - x1) * 0.6 : to, way = Math.sign(x2 - x1) || 1;
      const group = element("g", { class: `${leg.kind}${leg.lost ? " lost" : ""}` },
        element("line", { x1, y1: y, x2: x2 - way * 6, y2: y, class: "shaft" }),
        element("path", { d: `M${x2} ${y}l${-way * 8} -4v8z`, class: "tip" }),
        element("text", { x: (x1 + x2) / 2, y: y - 5 }, leg.label.length > 56 ? `${leg.label.slice(0, 55)}…` : leg.label));
      svg.append(element("text", { x: 62, y: y + 4, class: "time" }, leg.t.toFixed(4)), group);
    });
    const follows = this.place.scrollTop + this.place.clientHeight > this.place.scrollHeight - 40;
    this.place.replaceChildren(svg);
    if (follows) this.place.scrollTop = this.place.scrollHeight;
  }
}

export class TimeLine {
  constructor(canvas) { this.canvas = canvas; this.pen = canvas.getContext("2d"); this.flows = []; this.acts = []; }

  flow(fact) { this.flows.push(fact); }

  act(fact) { this.acts.push(fact); }

  clear() { this.flows = []; this.acts = []; }

  frame(now, palette) {
    const ratio = devicePixelRatio || 1, wide = this.canvas.clientWidth, high = this.canvas.clientHeight;
    if (this.canvas.width !== Math.round(wide * ratio)) this.canvas.width = Math.round(wide * ratio);
    if (this.canvas.height !== Math.round(high * ratio)) this.canvas.height = Math.round(high * ratio);
    const pen = this.pen, start = Math.max(0, now - WINDOW), x = (t) => 44 + ((t - start) / WINDOW) * (wide - 54);
    if (this.flows.length > 4000) this.flows = this.flows.filter((fact) => fact.t > now - 2 * WINDOW);
    if (this.acts.length > 400) this.acts = this.acts.slice(-200);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, wide, high);
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "left";
    const lanes = { up: 58, down: 96 };
    for (const [way, y] of Object.entries(lanes)) {
      pen.fillStyle = palette.other;
      pen.fillText(way, 4, y);
      pen.fillRect(44, y + 4, wide - 54, 1);
    }
    pen.fillStyle = palette.data;
    const each = Math.max(1, (0.05 / WINDOW) * (wide - 54) - 0.5);
    for (const { t, way, got = 0 } of this.flows) {
      if (t < start || t > now || !got) continue;
      const tall = Math.min(26, 4 + got * 4);
      pen.fillRect(x(t), lanes[way] + 4 - tall, each, tall);
    }
    pen.fillStyle = palette.other;
    for (let t = Math.ceil(start / 5) * 5; t <= start + WINDOW; t += 5) pen.fillText(`${t} s`, x(t), high - 4);
    let place = 0;
    for (const { t, words } of this.acts) {
      if (t < start || t > now) continue;
      pen.fillStyle = palette.asconf;
      pen.fillRect(x(t), 6, 1.5, high - 24);
      pen.fillText(words.slice(0, 28), x(t) + 4, 12 + 12 * (place++ % 2));
    }
  }
}
