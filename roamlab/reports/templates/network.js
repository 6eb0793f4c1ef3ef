// The network: the mobile node stands where it is at the instant that is pointed at, and the way of the last data is marked.
const map = document.querySelector(".map");

function paintNetwork() {
  if (!map) return;
  const rowHeight = Number(map.getAttribute("data-row")), top = Number(map.getAttribute("data-top")), left = map.getAttribute("data-left");
  const here = new Set();
  for (const node in data.stays) {
    const stays = data.stays[node];
    const stay = stays[Math.max(0, lowerBound(stays, view.cursor + 1, (s) => s[0]) - 1)];
    const mark = [...map.querySelectorAll(".mobile")].find((m) => m.getAttribute("data-node") === node);
    mark.setAttribute("transform", `translate(${left} ${top + rowHeight * stay[2]})`);
    for (const segment of stay[1]) here.add(`${node} ${segment} ${stay[0]}`);
  }
  const used = new Set();
  const until = lowerBound(L.t, view.cursor + 1);
  for (const node of [data.mobile, data.correspondent]) {
    const column = L.columns.indexOf(node);
    for (let i = until - 1, tries = 0; i >= 0 && tries < 4000; i--, tries++) {
      if (L.a[i] !== column || L.kinds[L.k[i]] !== "data") continue;
      for (const [a, b] of L.routes[L.route[L.j[i]]]) used.add(`${a} ${b}`).add(`${b} ${a}`);
      break;
    }
  }
  for (const link of map.querySelectorAll(".link")) {
    const a = link.getAttribute("data-a"), b = link.getAttribute("data-b"), since = link.getAttribute("data-since");
    const present = since === null || here.has(`${a} ${b} ${since}`);
    link.classList.toggle("here", present);
    link.classList.toggle("used", present && used.has(`${a} ${b}`));
  }
}

function startNetwork() {
  parts.push(soon(paintNetwork));
  paintNetwork();
}
