"use strict";
// A button above each block of code that copies it. Without this script the code can be selected and copied by hand.
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {  // refused, or missing in an old browser: select the code, so that a key press copies it at least
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}

for (const code of document.querySelectorAll("pre.code")) {
  const button = document.createElement("button");
  const said = document.createElement("span");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy these lines");
  said.setAttribute("role", "status");
  const row = document.createElement("p");
  row.className = "copy fine";
  row.append(button, " ", said);
  code.before(row);
  button.addEventListener("click", async () => {
    said.textContent = "";
    said.textContent = await copied(code) ? "Copied." : "Not copied: the lines are selected, press Ctrl+C.";
  });
}
