// The controls, and what ties the parts together.
const scrub = byId("scrub"), clock = byId("clock");

function zoom(from, until) {
  const least = Math.min(1e6, T.end);
  view.from = clamp(from, 0, T.end - least);
  view.until = clamp(until, view.from + least, T.end);
  view.cursor = clamp(view.cursor, view.from, view.until);
  changed("window");
}

function showClock() {
  const share = (view.cursor - view.from) / (view.until - view.from);
  scrub.value = String(Math.round(share * 1000));
  scrub.setAttribute("aria-valuetext", `${seconds(view.cursor)} seconds`);
  clock.textContent = `${seconds(view.cursor)} s`;
}

function theMove() {
  if (!T.stimuli.length) return [0, T.end];
  const start = T.stimuli[0][0];
  const last = T.stimuli[T.stimuli.length - 1][0];
  const over = Math.max(last + 3e8, ...T.outages.map((o) => o[2] ?? last + 2e9));
  const room = Math.max(1e8, (over - start) * 0.25);
  return [start - room, over + room];
}

startLadder();
startTimeline();
startNetwork();
parts.push(showClock);
showClock();

scrub.addEventListener("input", () => {
  view.cursor = view.from + Number(scrub.value) / 1000 * (view.until - view.from);
  changed("cursor", showClock);
  clock.textContent = `${seconds(view.cursor)} s`;
  scrub.setAttribute("aria-valuetext", `${seconds(view.cursor)} seconds`);
});
byId("whole").addEventListener("click", () => zoom(0, T.end));
byId("move").addEventListener("click", () => { view.cursor = T.stimuli.length ? T.stimuli[0][0] : view.cursor; zoom(...theMove()); });
byId("move").disabled = !T.stimuli.length;
const scale = (by) => {
  const length = (view.until - view.from) * by / 2;
  zoom(view.cursor - length, view.cursor + length);
};
byId("in").addEventListener("click", () => scale(0.5));
byId("out").addEventListener("click", () => scale(2));
byId("fold").addEventListener("change", (event) => { view.folded = event.target.checked; unfolded.clear(); changed("fold"); });
for (const button of document.querySelectorAll("button.jump")) {
  button.addEventListener("click", () => reveal(button.dataset.what, Number(button.dataset.number)));
}
const copy = byId("copy");
if (copy) copy.addEventListener("click", async () => {
  const line = byId("replay");
  try { await navigator.clipboard.writeText(line.textContent); copy.textContent = "Copied"; }
  catch { getSelection().selectAllChildren(line); copy.textContent = "Selected"; }
});
// report.html#t=5.25 shows that moment, in seconds since the run's start.
function theMoment() {
  const named = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
  if (!named) return;
  view.cursor = clamp(Number(named[1]) * 1e9, 0, T.end);
  zoom(view.cursor - 1e9, view.cursor + 3e9);
}
addEventListener("hashchange", theMoment);
theMoment();
document.body.dataset.ready = "yes";
