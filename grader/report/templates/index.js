"use strict";
// Sorting of the large table by a click on a column's head; order by number when names are hidden.
const table = document.getElementById("all");
const names = document.getElementById("no-names");

function sort(column, kind, descending) {
  const value = kind === "text"
    ? row => row.cells[column].textContent
    : row => Number(row.cells[column].dataset.value);
  const compare = kind === "text" ? (a, b) => a.localeCompare(b) : (a, b) => a - b;
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((a, b) => (descending ? -1 : 1) * compare(value(a), value(b)));
  body.append(...rows);
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    if (i === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

if (table) {
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
