"use strict";
// Sorting by a column (a click on its heading), and filtering by text and outcome. Without scripts the whole matrix is there.
(() => {
  const text = document.getElementById("text");
  const outcome = document.getElementById("outcome");
  const shown = document.getElementById("shown");
  const tables = [...document.querySelectorAll("table.sortable")];

  // What survived comes before what did not, the shorter outage first.
  const worth = (cell) => {
    const order = ["survived", "mixed", "broke", "invalid", "unsupported"].indexOf(cell.dataset.verdict);
    const outage = cell.dataset.outage === "" ? Infinity : Number(cell.dataset.outage);
    return [order, outage];
  };

  function sort(table, column, heading) {
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const [left, right] = [a.cells[column], b.cells[column]];
      if (column === 0) return left.textContent.localeCompare(right.textContent);
      const [l, r] = [worth(left), worth(right)];
      return l[0] - r[0] || (l[1] === r[1] ? 0 : l[1] - r[1]);
    });
    if (down) rows.reverse();
    table.tBodies[0].append(...rows);
  }

  function filter() {
    const wanted = text.value.trim().toLowerCase();
    let count = 0;
    for (const table of tables) {
      const headings = [...table.tHead.rows[0].cells];
      const columns = headings.map((h, n) => n > 0 && h.textContent.toLowerCase().includes(wanted));
      for (const row of table.tBodies[0].rows) {
        const byRow = row.cells[0].textContent.toLowerCase().includes(wanted);
        let any = false;
        [...row.cells].forEach((cell, n) => {
          if (n === 0) return;
          const there = wanted === "" || byRow || columns[n];
          const fits = there && (!outcome.value || cell.dataset.verdict === outcome.value);
          cell.classList.toggle("other", !fits);
          any = any || fits;
          count += fits ? 1 : 0;
        });
        row.classList.toggle("hidden", !any);
      }
    }
    shown.textContent = `${count} cells`;
  }

  for (const table of tables) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      heading.querySelector("button").addEventListener("click", () => sort(table, column, heading));
    });
  }
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  function choose(chosen) {
    for (const tab of tabs) {
      const here = tab === chosen;
      tab.setAttribute("aria-selected", String(here));
      tab.tabIndex = here ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !here;
    }
  }
  if (tabs.length > 0) {
    document.getElementById("tabs").hidden = false;
    tabs.forEach((tab, number) => {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: tabs.length - 1 }[event.key];
        if (step === undefined) return;
        const next = tabs[(number + step) % tabs.length];
        choose(next);
        next.focus();
      });
    });
    choose(tabs[0]);
  }

  text.addEventListener("input", filter);
  outcome.addEventListener("change", filter);
  filter();
})();
