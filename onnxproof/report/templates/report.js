"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);

// Claims: filters, the grid's keys, and the dialog of a cell

const matrix = one("#matrix");
if (matrix) {
  const rows = all("tr[data-verdicts]", matrix).map((row) => ({
    row,
    text: one("th", row).textContent.toLowerCase(),
    verdicts: row.dataset.verdicts.split("|"),
  }));
  const find = one("#find");
  const show = one("#show");

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/);
    let count = 0;
    for (const { row, text, verdicts } of rows) {
      const seen = words.every((word) => text.includes(word)) && (!show.value || verdicts.includes(show.value));
      row.hidden = !seen;
      count += seen;
    }
    for (const body of matrix.tBodies) {
      body.hidden = !one("tr[data-verdicts]:not([hidden])", body);
    }
    one("#found").textContent = `${count} of ${rows.length} claims`;
    rove();
  };

  // Tab reaches one cell, arrows reach the others
  const rove = (button = one("tr:not([hidden]) button", matrix)) => {
    all("button[tabindex='0']", matrix).forEach((other) => (other.tabIndex = -1));
    if (button) button.tabIndex = 0;
  };
  const neighbour = (button, down, right) => {
    const lines = rows.filter(({ row }) => !row.hidden).map(({ row }) => all("td", row));
    const cell = button.closest("td");
    let line = lines.findIndex((cells) => cells.includes(cell));
    let column = lines[line].indexOf(cell);
    for (;;) {
      line += down;
      column += right;
      const next = lines[line]?.[column];
      if (!next) return null;
      if (one("button", next)) return one("button", next);
    }
  };
  const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  matrix.addEventListener("keydown", (event) => {
    const button = event.target.closest("button");
    if (!button || !steps[event.key]) return;
    event.preventDefault();
    neighbour(button, ...steps[event.key])?.focus();
  });
  matrix.addEventListener("focusin", (event) => event.target.matches("button") && rove(event.target));

  const dialog = one("#dialog");
  matrix.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    one("#dialog-title").textContent = button.dataset.label;
    one("#dialog-body").replaceChildren(one(`#detail-${button.dataset.detail}`).content.cloneNode(true));
    dialog.showModal();
    dialog.scrollTop = 0;
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

  find.addEventListener("input", filter);
  show.addEventListener("input", filter);
  filter();
}

// Pictures: each is decoded once, after the page is loaded

const urls = new Map();
const address = (digest) => {
  if (!urls.has(digest)) {
    const bytes = Uint8Array.from(atob(one(`#picture-${digest}`).textContent), (letter) => letter.charCodeAt(0));
    urls.set(digest, URL.createObjectURL(new Blob([bytes], { type: "image/webp" })));
  }
  return urls.get(digest);
};
const load = (viewer) => all("img:not([src])", viewer).forEach((image) => (image.src = address(image.dataset.picture)));
for (const viewer of all(".sides")) {
  const stage = one(".stage", viewer);
  const slider = one("input[type=range]", viewer);
  const split = () => stage.style.setProperty("--split", `${slider.value}%`);
  slider.addEventListener("input", split);
  for (const side of ["left", "right"]) {
    one(`.pick-${side}`, viewer).addEventListener("input", (event) => {
      const image = one(`.${side}`, stage);
      image.src = address(event.target.value);
      image.classList.toggle("squares", event.target.selectedOptions[0].text === "difference");
    });
  }
  const drag = (event) => {
    const { left, width } = stage.getBoundingClientRect();
    slider.value = (100 * (event.clientX - left)) / width;
    split();
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    drag(event);
  });
  stage.addEventListener("pointermove", (event) => stage.hasPointerCapture(event.pointerId) && drag(event));
}

const waiting = all(".sides");
const loadNext = () => {
  const viewer = waiting.shift();
  if (viewer) {
    load(viewer);
    setTimeout(loadNext);
  }
};
window.addEventListener("load", () => setTimeout(loadNext));

// Paper cannot be opened

window.addEventListener("beforeprint", () => all("section > details, .problem").forEach((details) => (details.open = true)));
