// The page: takes what it is sent, shows it when its time has come, and asks for what a hand does.
import { NetworkMap } from "./map.js";
import { Ladder, TimeLine } from "./picture.js";

const by = (id) => document.getElementById(id);
const state = { target: null, shown: 0, queue: [], over: null, rows: new Map(), stale: false, frames: 0 };
let about, map, ladder, line;

async function post(path, content = {}) {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(content) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

function say(text, refused = false) {
  by("said").textContent = text;
  by("said").classList.toggle("refused", refused);
}

async function act(content, words) {
  try {
    const { at } = await post("do", content);
    say(`${words}, at ${at.toFixed(3)} s`);
  } catch (problem) { say(problem.message, true); }
}

async function ask(content) {
  try { await post("time", content); } catch (problem) { say(problem.message, true); }
}

// -- what it is sent --

function take({ now, speed, running, facts = [], begin = false, over = null, word = "" }) {
  if (begin) {
    state.queue = []; state.rows.clear(); state.stale = true; state.shown = now;
    ladder.clear(); line.clear(); by("log").firstElementChild.replaceChildren();
  }
  state.queue.push(...facts);
  if (facts.length) state.queue.sort((a, b) => a.t - b.t);
  state.target = { now, speed, running, at: performance.now() };
  state.over = over;
  by("clock").dataset.now = now;
  const stopped = !running;
  by("play").textContent = stopped ? "Go on" : "Stop";
  by("play").setAttribute("aria-pressed", String(stopped));
  if (by("speed").value !== String(speed) && document.activeElement !== by("speed")) by("speed").value = String(speed);
  if (over !== null) by("seek").max = over;
  state.word = word;
  const ended = over !== null;
  document.body.dataset.over = String(ended && word !== "");
  by("end").hidden = ended || !about.acts;
  by("acts").hidden = ended || !about.acts;
  for (const id of ["capture", "judgement"]) by(id).hidden = !(ended && word);
}

function verdict(kind, word, why) {
  by("verdict").className = kind;
  by("word").textContent = word;
  by("why").textContent = why;
}

// What has come of the run: its word, a colon, and why.
function final(said) {
  const colon = said.indexOf(":");
  const word = colon < 0 ? "failed" : said.slice(0, colon);
  verdict(word === "survived" ? "alive" : "broken", word, said.slice(colon + 1).trim());
}

function row(key, node, what, now) {
  if (now === null) state.rows.delete(key);
  else state.rows.set(key, [node, what, now]);
  state.stale = true;
}

const handlers = {
  hop: (fact) => map.hop(fact),
  leg: (fact) => ladder.add(fact),
  nic: (fact) => { if (map.nic(fact)) nics(); if (fact.gone) row(`a ${fact.node} ${fact.nic}`, "", "", null); },
  addresses: ({ node, nic, addresses }) => row(`a ${node} ${nic}`, node, nic, addresses.join(", ") || "no address"),
  path: ({ node, address, state: so, primary = false, cwnd = 0, rto_ms: rto = 0 }) =>
    row(`p ${node} ${address}`, node, `path to ${address}`, so === "removed" ? null :
      [primary ? "primary" : "", so, cwnd ? `cwnd ${cwnd}` : "", rto ? `RTO ${rto} ms` : ""].filter(Boolean).join(", ")),
  state: ({ node, what, state: so }) => {
    row(`s ${node} ${what}`, node, what, so);
    if (what === "mobility agent") agents(node);
  },
  table: ({ node, rows }) => row(`t ${node}`, node, "table",
    rows.map((each) => `${each.home_address} at ${each.care_of_address}, ${each.lifetime} s`).join("; ") || "empty"),
  levels: ({ levels }) => {
    state.levels = Object.entries(levels).sort();
    row("l", "mn", "signal", state.levels.map(([nic, level]) => `${nic} ${level.toFixed(0)} dBm`).join(", "));
  },
  flow: (fact) => line.flow(fact),
  said: (fact) => { log(fact); if (fact.done) line.act(fact); },
  standing: ({ word, why, up_s: up, down_s: down }) => {
    const silent = up === undefined && down === undefined ? "" :
      `; longest silence since: up ${up?.toFixed(3) ?? "–"} s, down ${down?.toFixed(3) ?? "–"} s`;
    verdict(word, word, `${why}${silent}`);
  },
};

function log({ t, node, words, done = false }) {
  const list = by("log").firstElementChild, item = document.createElement("li");
  const part = (name, text) => { const made = document.createElement("span"); made.className = name; made.textContent = text; return made; };
  item.append(part("t", t.toFixed(3)), part("n", node), words);
  item.classList.toggle("done", done);
  const follows = by("log").scrollTop + by("log").clientHeight > by("log").scrollHeight - 40;
  list.append(item);
  while (list.childElementCount > 300) list.firstElementChild.remove();
  if (follows) by("log").scrollTop = by("log").scrollHeight;
}

function table() {
  const body = by("state").tBodies[0];
  const rows = [...state.rows.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, cells]) => {
    const made = document.createElement("tr");
    made.append(...cells.map((text) => { const cell = document.createElement("td"); cell.textContent = text; return cell; }));
    return made;
  });
  body.replaceChildren(...rows);
}

function nics() {
  const names = [...map.nics.entries()].flatMap(([node, held]) => [...held.keys()].map((nic) => `${node} ${nic}`));
  for (const select of document.querySelectorAll("select.nics")) fill(select, names);
}

function agents(node) {
  const select = by("agent").elements.node, names = [...select.options].map((option) => option.value);
  if (!names.includes(node)) fill(select, [...names, node].sort());
  by("agent").hidden = !about.acts;
}

// Five bars for each NIC: one for each step of 6 dB above -94 dBm.
function bars() {
  const shown = state.levels.map(([nic, level]) => {
    const made = document.createElement("span");
    made.className = "nic";
    made.append(nic, ...[...Array(5).keys()].map((step) => {
      const bar = document.createElement("i");
      bar.style.height = `${6 + step * 3}px`;
      bar.classList.toggle("on", level > -94 + step * 6);
      return bar;
    }), `${level.toFixed(0)} dBm`);
    return made;
  });
  by("bars").replaceChildren(...shown);
}

function fill(select, names) {
  const before = select.value;
  if ([...select.options].map((option) => option.value).join() === names.join()) return;
  select.replaceChildren(...names.map((name) => new Option(name, name)));
  if (names.includes(before)) select.value = before;
}

// -- time --

function frame() {
  const target = state.target;
  if (target) {
    const passed = target.running ? Math.min(0.4, (performance.now() - target.at) / 1000) * target.speed : 0;
    const wanted = target.now + passed;
    const off = wanted - state.shown;
    if (!target.running || Math.abs(off) > 0.5 * Math.max(1, target.speed)) state.shown = wanted;
    else state.shown += Math.max(0, off * 0.3);
    while (state.queue.length && state.queue[0].t <= state.shown) {
      const fact = state.queue.shift();
      handlers[fact.f]?.(fact);
    }
    if (state.word && state.over !== null && state.shown >= state.over - 0.001) final(state.word);
    by("clock").textContent = `${state.shown.toFixed(3)} s`;
    if (document.activeElement !== by("seek")) by("seek").value = state.shown;
    map.frame(state.shown);
    ladder.frame();
    line.frame(state.shown, map.palette);
    if (state.stale) { state.stale = false; table(); if (state.levels) bars(); }
    state.frames += 1;
    document.body.dataset.frames = state.frames;
  }
  requestAnimationFrame(frame);
}

// -- what a hand does --

function parts(value) { const [node, nic] = value.split(" "); return { node, nic }; }

function number(form, name) { const text = form.elements[name].value; return text === "" ? null : Number(text); }

function controls() {
  by("play").addEventListener("click", () => {
    const again = !about.acts && state.over !== null && state.target.now >= state.over;
    ask(again ? { to: 0, running: true } : { running: !state.target?.running });
  });
  by("packet").addEventListener("click", () => ask({ step: "packet" }));
  by("event").addEventListener("click", () => ask({ step: "event" }));
  by("speed").addEventListener("change", () => ask({ speed: Number(by("speed").value) }));
  by("seek").addEventListener("change", () => ask({ to: Number(by("seek").value) }));
  by("end").addEventListener("click", () => post("end").then(() => say("the session ends"), (problem) => say(problem.message, true)));
  const submits = (id, make) => by(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const [content, words] = make(event.target, event.submitter);
    act(content, words);
  });
  submits("move", (form) => {
    const { node, nic } = parts(form.elements.nic.value), to = form.elements.to.value;
    return [{ do: "move", node, nic, to, gap: number(form, "gap") ?? 0 }, `${nic} moves to ${to}`];
  });
  submits("attach", (form) => {
    const [[node, held]] = map.nics, to = form.elements.to.value;
    let count = 0;
    while (held.has(`wlan${count}`)) count += 1;
    return [{ do: "attach", node, nic: `wlan${count}`, to }, `wlan${count} is plugged in on ${to}`];
  });
  submits("nic", (form, button) => {
    const { node, nic } = parts(form.elements.nic.value);
    return [{ do: button.value, node, nic }, `${nic}: ${button.textContent.toLowerCase()}`];
  });
  submits("agent", (form, button) => {
    const node = form.elements.node.value;
    return [{ do: button.value, node }, `${node}: ${button.textContent.toLowerCase()}`];
  });
  const place = by("walk").elements.to;
  place.addEventListener("input", () => { by("place").textContent = `${place.value} m`; });
  place.addEventListener("change", () => act({ do: "walk", to: Number(place.value) }, `the node walks to ${place.value} m`));
  by("walk").addEventListener("submit", (event) => event.preventDefault());
  submits("impair", (form) => {
    const { node, nic } = parts(form.elements.nic.value), content = { do: "impair", node, nic };
    const delay = number(form, "delay"), loss = number(form, "loss"), rate = number(form, "rate");
    if (delay !== null) content.delay = delay / 1000;
    if (loss !== null) content.loss = loss;
    if (rate !== null) content.rate = rate;
    return [content, `the link of ${nic} changes`];
  });
  by("quiet").addEventListener("change", () => { ladder.quiet = by("quiet").checked; ladder.stale = true; });
}

async function begin() {
  about = await (await fetch("about")).json();
  document.title = `${about.title} · roamlab live`;
  by("title").textContent = about.title;
  by("note").textContent = about.note;
  ladder = new Ladder(by("ladder"));
  line = new TimeLine(by("line"));
  map = new NetworkMap(by("map"), about.drawing, about.acts && about.apart === null, (node, nic, to) => {
    const gap = number(by("move"), "gap") ?? 0;
    act({ do: "move", node, nic, to, gap }, `${nic} moves to ${to}`);
  });
  for (const select of document.querySelectorAll("select.segments")) fill(select, about.drawing.segments);
  nics();
  controls();
  for (const id of ["play", "packet", "event", "speed"]) by(id).disabled = !about.paced;
  by("acts").hidden = by("end").hidden = by("hint").hidden = !about.acts;
  document.querySelector(".seek").hidden = about.acts;
  by("scenario").hidden = !about.scenario;
  if (about.apart !== null) {
    by("walk").hidden = false;
    by("walk").elements.to.max = about.apart;
    for (const id of ["move", "attach", "nic", "impair"]) by(id).hidden = true;
    by("hint").textContent = "Walk between the two base stations: the node decides by their signals.";
  }
  const source = new EventSource("events");
  source.onmessage = (event) => { take(JSON.parse(event.data)); document.body.dataset.ready = "true"; };
  requestAnimationFrame(frame);
}

begin();
