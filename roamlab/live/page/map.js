// The network: an SVG that a hand can act on, and a canvas over it on which packets move.
const SVG = "http://www.w3.org/2000/svg";
const COLUMN = 150, ROW = 96, LEFT = 70, TOP = 48;

export function element(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export class NetworkMap {
  // drawing: what `about` says; onMove(node, nic, segment): a hand has chosen a place.
  constructor(place, drawing, acts, onMove) {
    this.drawing = drawing;
    this.acts = acts;
    this.onMove = onMove;
    this.spots = new Map(drawing.spots.map((spot) => [spot.name, spot]));
    this.nics = new Map(); // node -> Map(nic -> {segment, up})
    this.addressed = new Map();
    for (const { name, nic, segment } of drawing.roamers) this.nics.set(name, new Map([[nic, { segment, up: true }]]));
    this.near = new Map();
    for (const { a, b } of drawing.wires) { this.link(a, b); this.link(b, a); }
    this.width = LEFT * 2 + COLUMN * drawing.columns;
    this.height = TOP * 2 + ROW * Math.max(1, drawing.rows - 1);
    this.svg = element("svg", { viewBox: `0 0 ${this.width} ${this.height}`, role: "group", "aria-label": "The network" });
    this.canvas = document.createElement("canvas");
    place.append(this.svg, this.canvas);
    this.pen = this.canvas.getContext("2d");
    this.wired = element("g"); this.roaming = element("g");
    this.svg.append(this.wired, this.roaming);
    this.segmentShapes = new Map();
    this.drawWired();
    this.drawRoaming();
    this.hops = [];
    this.colours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.colours());
  }

  link(a, b) {
    if (!this.near.has(a)) this.near.set(a, new Set());
    this.near.get(a).add(b);
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(`--${name}`).trim();
    this.palette = { data: of("data"), sack: of("faint"), asconf: of("asconf"), mobileip: of("asconf"), setup: of("good"),
      end: of("bad"), heartbeat: of("warn"), tunnel: of("odd"), advertisement: of("asconf"), other: of("soft"), lost: of("bad") };
  }

  at(name) {
    const spot = this.spots.get(name);
    if (spot) return [LEFT + COLUMN * spot.column, TOP + ROW * spot.row];
    const nics = this.nics.get(name);
    if (!nics) return null;
    const rows = [...nics.values()].map((nic) => this.spots.get(nic.segment)?.row).filter((row) => row !== undefined);
    const row = rows.length ? rows.reduce((sum, each) => sum + each, 0) / rows.length : 0;
    return [LEFT, TOP + ROW * row];
  }

  drawWired() {
    for (const { a, b, ms } of this.drawing.wires) {
      const [x1, y1] = this.at(a), [x2, y2] = this.at(b);
      this.wired.append(element("line", { x1, y1, x2, y2, class: "wire" }));
      if (ms) this.wired.append(element("text", { x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 7, class: "delay" }, `${ms} ms`));
    }
    for (const spot of this.drawing.spots) {
      const [x, y] = this.at(spot.name);
      const segment = spot.role === "segment";
      const wide = Math.max(segment ? 84 : 48, spot.name.length * 7 + 14);
      const shape = spot.role === "correspondent" ? element("circle", { cx: x, cy: y, r: 20 })
        : element("rect", { x: x - wide / 2, y: y - 16, width: wide, height: 32, rx: segment ? 16 : 6 });
      const group = element("g", { class: `spot ${spot.role}` }, shape, element("text", { x, y: y + 4 }, spot.name));
      if (spot.note) group.append(element("text", { x, y: y + 31, class: "note" }, spot.note));
      if (segment) this.segmentShapes.set(spot.name, group);
      this.wired.append(group);
    }
  }

  drawRoaming() {
    const focused = document.activeElement?.closest?.(".plug")?.dataset.key;
    this.roaming.replaceChildren();
    for (const [node, nics] of this.nics) {
      const [x, y] = this.at(node);
      const lines = element("g"), plugs = element("g");
      let place = 0;
      for (const [nic, { segment, up }] of nics) {
        const to = this.at(segment);
        const px = x + 34, py = y + (place - (nics.size - 1) / 2) * 26;
        if (to) lines.append(element("line", { x1: px, y1: py, x2: to[0] - 42, y2: to[1], class: up ? "air" : "air down" }));
        plugs.append(this.plug(node, nic, segment, px, py, up));
        place += 1;
      }
      this.roaming.append(lines, element("g", { class: "roamer" }, element("circle", { cx: x - 6, cy: y, r: 22, class: "body" }),
        element("text", { x: x - 6, y: y + 4 }, node)), plugs);
    }
    if (focused) for (const plug of this.roaming.querySelectorAll(".plug")) if (plug.dataset.key === focused) plug.focus();
  }

  plug(node, nic, segment, x, y, up) {
    const label = `${nic} of ${node}, on ${segment}${up ? "" : ", without a link"}`;
    const group = element("g", { class: "plug", transform: `translate(${x} ${y})`, "data-key": `${node} ${nic}` },
      element("circle", { r: 11 }), element("text", { y: -14 }, nic));
    if (!this.acts) { group.setAttribute("role", "img"); group.setAttribute("aria-label", label); return group; }
    group.setAttribute("role", "button");
    group.setAttribute("tabindex", "0");
    group.setAttribute("aria-label", `${label}; arrow keys choose a segment, Enter moves it there`);
    let chosen = null;
    const choose = (name) => {
      chosen = name;
      for (const [each, shape] of this.segmentShapes) shape.classList.toggle("target", each === name);
    };
    const done = (go) => {
      const to = chosen;
      choose(null);
      group.classList.remove("held");
      group.setAttribute("transform", `translate(${x} ${y})`);
      if (go && to && to !== segment) this.onMove(node, nic, to);
    };
    group.addEventListener("keydown", (event) => {
      const names = this.drawing.segments;
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (step) choose(names[(names.indexOf(chosen ?? segment) + step + names.length) % names.length]);
      else if (event.key === "Enter" || event.key === " ") done(true);
      else if (event.key === "Escape") done(false);
      else return;
      event.preventDefault();
    });
    group.addEventListener("blur", () => { if (!group.classList.contains("held")) choose(null); });
    // A touch that begins here scrolls nothing: touch-action does not reach inside an SVG everywhere.
    group.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
    group.addEventListener("pointerdown", (event) => {
      this.held = true;
      group.setPointerCapture(event.pointerId);
      group.classList.add("held");
      event.preventDefault();
      group.focus();
    });
    group.addEventListener("pointermove", (event) => {
      if (!group.classList.contains("held")) return;
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      group.setAttribute("transform", `translate(${point.x} ${point.y})`);
      choose(this.nearest(point));
    });
    group.addEventListener("pointerup", () => { this.held = false; done(true); });
    group.addEventListener("pointercancel", () => { this.held = false; done(false); });
    return group;
  }

  nearest(point) {
    let best = null, least = 90;
    for (const name of this.drawing.segments) {
      const [x, y] = this.at(name);
      const away = Math.hypot(point.x - x, point.y - y);
      if (away < least) [best, least] = [name, away];
    }
    return best;
  }

  // A fact about a NIC; true where what is drawn has changed.
  nic({ node, nic, segment = "", up = true, gone = false }) {
    const nics = this.nics.get(node);
    if (!nics) return false;
    if (gone) nics.delete(nic);
    else nics.set(nic, { segment: segment || nics.get(nic)?.segment || "", up });
    this.stale = true;
    return true;
  }

  // The places that a packet passes between two nodes: a segment between them, where there is one.
  way(a, b) {
    const from = this.at(a), to = this.at(b);
    if (!from || !to) return null;
    if (this.near.get(a)?.has(b)) return [from, to];
    const near = (name) => this.near.get(name) ?? new Set([...(this.nics.get(name)?.values() ?? [])].map((nic) => nic.segment));
    const others = near(b);
    for (const middle of near(a)) if (others.has(middle)) return [from, this.at(middle), to];
    for (const segment of this.drawing.segments) if (others.has(segment)) return [from, this.at(segment), to];
    return [from, to];
  }

  hop(fact) { if (this.hops.length < 2000) this.hops.push(fact); }

  frame(now) {
    if (this.stale && !this.held) { this.stale = false; this.drawRoaming(); }
    const box = this.svg.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    const wide = Math.round(box.width * ratio), high = Math.round(box.height * ratio);
    if (this.canvas.width !== wide || this.canvas.height !== high) { this.canvas.width = wide; this.canvas.height = high; }
    const scale = Math.min(wide / this.width, high / this.height);
    const dx = (wide - scale * this.width) / 2, dy = (high - scale * this.height) / 2;
    const pen = this.pen;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, wide, high);
    pen.setTransform(scale, 0, 0, scale, dx, dy);
    const kept = [];
    for (const hop of this.hops) {
      const end = hop.lost ? hop.t + 0.4 : Math.max(hop.u, hop.t + 0.004);
      if (now > end || now < hop.t - 1) continue;
      kept.push(hop);
      if (now < hop.t) continue;
      const way = hop.lost ? this.lostWay(hop) : this.way(hop.a, hop.b);
      if (way) this.dot(way, (now - hop.t) / (end - hop.t), hop);
    }
    this.hops = kept;
    return kept.length;
  }

  lostWay({ a }) {
    const from = this.at(a);
    if (!from) return null;
    const next = this.near.get(a) ?? new Set([...(this.nics.get(a)?.values() ?? [])].map((nic) => nic.segment));
    const to = this.at([...next][0] ?? "");
    return to ? [from, [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2]] : null;
  }

  dot(way, share, hop) {
    const leg = Math.min(way.length - 2, Math.floor(share * (way.length - 1)));
    const part = share * (way.length - 1) - leg;
    const x = way[leg][0] + (way[leg + 1][0] - way[leg][0]) * part;
    const y = way[leg][1] + (way[leg + 1][1] - way[leg][1]) * part;
    const pen = this.pen, quiet = hop.kind === "data" || hop.kind === "sack";
    pen.fillStyle = this.palette[hop.lost ? "lost" : hop.kind] ?? this.palette.other;
    pen.globalAlpha = hop.lost ? 1 - share : 1;
    pen.beginPath();
    pen.arc(x, y, quiet ? 4 : 6.5, 0, 7);
    pen.fill();
    if (!quiet && hop.label) {
      pen.font = "11px system-ui, sans-serif";
      pen.textAlign = "center";
      pen.fillText(hop.label.length > 34 ? `${hop.label.slice(0, 33)}…` : hop.label, x, y - 10);
    }
    pen.globalAlpha = 1;
  }
}
