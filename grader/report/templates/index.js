"use strict";
// Sorting of the large table by a click on a column's head; order by number when names are hidden. A table with many
// rows is shown in pages: the rows of the first page are in the table, all others in a template.
const table = document.getElementById("all");
const names = document.getElementById("no-names");
const pager = document.getElementById("pager");
let rows = [];
let first = 0;
let size = 0;

function show(start) {
  first = start;
  table.tBodies[0].replaceChildren(...rows.slice(first, first + size));
  if (!pager) return;
  const last = Math.min(first + size, rows.length);
  pager.querySelector("span").textContent = `${first + 1} to ${last} of ${rows.length}`;
  for (const button of pager.querySelectorAll("button")) {
    button.disabled = button.dataset.step < 0 ? first === 0 : last === rows.length;
  }
}

function sort(column, kind, descending) {
  const value = kind === "text"
    ? row => row.cells[column].textContent
    : row => Number(row.cells[column].dataset.value);
  const compare = kind === "text" ? new Intl.Collator().compare : (a, b) => a - b;
  const keyed = rows.map(row => [value(row), row]);
  keyed.sort((a, b) => (descending ? -1 : 1) * compare(a[0], b[0]));
  rows = keyed.map(pair => pair[1]);
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    if (i === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
  show(0);
}

if (table) {
  rows = [...table.tBodies[0].rows];
  size = rows.length;
  if (pager) {
    rows.push(...document.getElementById("rest").content.querySelectorAll("tr"));
    pager.hidden = false;
    pager.addEventListener("click", event => {
      const step = Number(event.target.dataset.step);
      if (step) show(first + step * size);
    });
    show(0);
  }
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const kind = head.dataset.sort;
    if (!kind) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      sort(column, kind, was ? was === "ascending" : kind === "number" && column > 0);
    });
  });
  names?.addEventListener("change", () => { if (names.checked) sort(0, "number", false); });
}
