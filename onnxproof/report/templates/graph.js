// Graphs: modules opened and closed, nodes found, the drawing zoomed and walked with the arrow keys

const LEGIBLE = 0.6;
const create = (tag, values = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), values);
  element.append(...children);
  return element;
};

class GraphView {
  constructor(place) {
    this.place = place;
    this.canvas = one(".canvas", place);
    this.sheet = one(".sheet", place);
    this.plane = one(".plane", place);
    this.find = one("input", place);
    this.found = one("output", place);
    const { boxes, edges } = JSON.parse(one("script", place).textContent);
    this.boxes = boxes.map((box, number) => ({ parent: -1, lines: [], words: "", gives: [], ...box, number }));
    this.edges = edges;
    for (const box of this.boxes) {
      box.text = [box.title, ...box.lines, box.words, ...box.gives].join(" ").toLowerCase();
    }
    this.first = this.boxes.find((box) => box.fails) ?? this.boxes[0];
    this.at = this.first;
    this.hits = [];
    this.scale = 1;
    this.listen();
    this.draw();
    this.zoom(this.isLarge && this.first !== this.boxes[0] ? 1 : this.fitting());
    this.show(this.first);
  }

  get isLarge() {
    return this.boxes.some((box) => box.kind === "module");
  }

  // The box itself, or the outermost closed module around it
  inSight(box) {
    let seen = box;
    for (let each = this.boxes[box.parent]; each; each = this.boxes[each.parent]) {
      if (!each.open) seen = each;
    }
    return seen;
  }

  draw() {
    const seen = this.boxes.filter((box) => this.inSight(box) === box);
    const edges = this.edges.map((edge) => edge.map((number) => this.inSight(this.boxes[number]).number));
    const { width, height, places, paths } = layout(seen, edges, this.isLarge);
    Object.assign(this, { width, height });
    this.elements = new Map();
    this.middles = new Map();
    const drawn = paths.map(({ from, to, d }) => `<path data-from="${from}" data-to="${to}" d="${d}"/>`);
    this.plane.innerHTML = `<svg width="${width}" height="${height}" aria-hidden="true">${drawn.join("")}</svg>`;
    this.plane.append(...seen.flatMap((box) => this.box(box, places.get(box.number))));
    this.paths = all("path", this.plane);
    this.at = this.inSight(this.at);
    this.rove(this.at);
    this.mark();
    this.zoom(this.scale);
  }

  // A button for each box, and a frame below those in an open module
  box(box, { x, y, width, height }) {
    const style = (left, top, w, h) => `left:${left}px;top:${top}px;width:${w}px;height:${h}px`;
    const [left, top] = [x - width / 2, y - height / 2];
    const button = create("button", { type: "button", tabIndex: -1, className: `box ${box.kind}` });
    button.append(create("b", { textContent: shortened(box.title) }));
    button.title = [box.title, ...box.lines].join("\n");
    button.dataset.box = box.number;
    if (box.kind === "module") button.ariaExpanded = Boolean(box.open);
    if (box.fails) {
      button.classList.add("fails");
      button.append(create("span", { textContent: "✗ fails here" }));
    }
    if (box.depth) {
      button.classList.add("wrong");
      button.style.setProperty("--depth", `${box.depth}%`);
    }
    this.elements.set(box.number, button);
    this.middles.set(box.number, box.open ? [left + sizeOf(box).width / 2, top + HEAD / 2] : [x, y]);
    if (box.open) {
      button.style.cssText += style(left + 2, top + 2, Math.min(width - 4, sizeOf(box).width), HEAD);
      const frame = create("div", { className: "frame" });
      for (const each of [frame, button]) each.classList.toggle("odd", [...this.around(box)].length % 2 === 1);
      frame.style.cssText = style(left, top, width, height);
      return [frame, button];
    }
    button.append(...box.lines.map((line) => create("span", { textContent: shortened(line) })));
    button.style.cssText += style(left, top, width, height);
    return [button];
  }

  *around(box) {
    for (let each = this.boxes[box.parent]; each; each = this.boxes[each.parent]) yield each;
  }

  // Opened, shown and walked

  toggle(box) {
    const before = this.elements.get(box.number).getBoundingClientRect();
    box.open = !box.open;
    this.draw();
    const after = this.elements.get(box.number).getBoundingClientRect();
    this.canvas.scrollLeft += after.left - before.left;
    this.canvas.scrollTop += after.top - before.top;
    this.elements.get(box.number).focus({ preventScroll: true });
  }

  // The box in the middle of the canvas, the modules around it open
  show(box) {
    const closed = [...this.around(box)].filter((each) => !each.open);
    closed.forEach((each) => (each.open = true));
    if (closed.length) this.draw();
    const [x, y] = this.middles.get(box.number);
    this.canvas.scrollLeft = x * this.scale - this.canvas.clientWidth / 2;
    this.canvas.scrollTop = y * this.scale - this.canvas.clientHeight / 2;
    this.rove(box);
  }

  // Tab reaches one box; its edges are marked
  rove(box) {
    this.at = box;
    for (const [number, element] of this.elements) element.tabIndex = number === box.number ? 0 : -1;
    const touches = (path) => [path.dataset.from, path.dataset.to].includes(`${box.number}`);
    for (const path of this.paths) path.classList.toggle("touched", touches(path));
  }

  // The nearest box in a direction, rather straight on than aside
  neighbour(box, right, down) {
    const [x, y] = this.middles.get(box.number);
    const ranked = [...this.middles].map(([number, place]) => {
      const [dx, dy] = [place[0] - x, place[1] - y];
      const [ahead, aside] = right ? [dx * right, Math.abs(dy)] : [dy * down, Math.abs(dx)];
      return { number, ahead, cost: ahead + (right ? 4 : 0.7) * aside };
    });
    const [nearest] = ranked.filter(({ ahead }) => ahead > 1).sort((a, b) => a.cost - b.cost);
    return nearest && this.boxes[nearest.number];
  }

  // Zoom: what is in the middle stays there

  fitting() {
    return Math.min(1, Math.max(LEGIBLE, (this.canvas.clientWidth - 4) / this.width));
  }

  zoom(scale) {
    const next = Math.min(2, Math.max(0.2, scale));
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.canvas;
    const ratio = next / this.scale;
    this.scale = next;
    this.sheet.style.cssText = `width:${this.width * next}px;height:${this.height * next}px`;
    this.plane.style.transform = `scale(${next})`;
    this.canvas.scrollLeft = (scrollLeft + clientWidth / 2) * ratio - clientWidth / 2;
    this.canvas.scrollTop = (scrollTop + clientHeight / 2) * ratio - clientHeight / 2;
  }

  whole() {
    const { clientWidth, clientHeight } = this.canvas;
    this.zoom(Math.min(1, (clientWidth - 4) / this.width, (clientHeight - 4) / this.height));
  }

  // Search

  search() {
    const words = this.find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (box) => box.kind !== "module" && words.every((word) => box.text.includes(word));
    this.hits = words.length ? this.boxes.filter(matches) : [];
    this.hit = -1;
    this.found.textContent = words.length ? `${this.hits.length} found${this.hits.length ? ", Enter shows the next" : ""}` : "";
    this.mark();
  }

  next() {
    if (!this.hits.length) return;
    this.hit = (this.hit + 1) % this.hits.length;
    if (this.scale < LEGIBLE) this.zoom(1);
    this.show(this.hits[this.hit]);
    this.found.textContent = `${this.hit + 1} of ${this.hits.length}`;
    this.mark();
  }

  // Marks what is found; a closed module has the mark of what is in it
  mark() {
    const hits = new Set(this.hits.map((box) => this.inSight(box).number));
    for (const [number, element] of this.elements) {
      element.classList.toggle("hit", hits.has(number));
      element.classList.toggle("current", this.hits[this.hit]?.number === number);
    }
  }

  listen() {
    const { canvas, sheet, place } = this;
    const boxOf = (event) => this.boxes[event.target.closest("button")?.dataset.box];
    const reach = (box) => box && this.elements.get(box.number).focus();
    sheet.addEventListener("click", (event) => boxOf(event)?.kind === "module" && this.toggle(boxOf(event)));
    sheet.addEventListener("focusin", (event) => boxOf(event) && this.rove(boxOf(event)));
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] };
      const zooms = { "+": 1.25, "=": 1.25, "-": 0.8 };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (steps[event.key]) reach(this.neighbour(this.at, ...steps[event.key]));
      else if (zooms[event.key]) this.zoom(this.scale * zooms[event.key]);
      else if (event.key === "0") this.whole();
      else return;
      event.preventDefault();
    });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(this.scale * Math.exp(-event.deltaY / 300));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && !boxOf(event)) canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) canvas.scrollBy(-event.movementX, -event.movementY);
    });
    this.find.addEventListener("input", () => this.search());
    this.find.addEventListener("keydown", (event) => event.key === "Enter" && this.next());
    const actions = {
      in: () => this.zoom(this.scale * 1.25),
      out: () => this.zoom(this.scale * 0.8),
      whole: () => this.whole(),
      open: () => this.setOpen(true),
      close: () => this.setOpen(false),
    };
    for (const [name, action] of Object.entries(actions)) one(`.${name}`, place).addEventListener("click", action);
  }

  setOpen(open) {
    for (const box of this.boxes) if (box.kind === "module") box.open = open;
    this.draw();
  }
}

const views = new Map();
const viewOf = (place) => {
  if (!views.has(place)) views.set(place, new GraphView(place));
  return views.get(place);
};
for (const details of all("details.graph:has(.graph-view)")) {
  const draw = () => details.open && viewOf(one(".graph-view", details));
  details.addEventListener("toggle", draw);
  draw();
}
for (const link of all("a[data-node]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const details = one(link.getAttribute("href"));
    details.open = true;
    const view = viewOf(one(".graph-view", details));
    const box = view.boxes[link.dataset.node];
    details.scrollIntoView();
    if (view.scale < LEGIBLE) view.zoom(1);
    view.show(box);
    view.elements.get(box.number).focus({ preventScroll: true });
  });
}
window.addEventListener("beforeprint", () => all("details.graph:has(.graph-view)").forEach((details) => {
  details.open = true;
  viewOf(one(".graph-view", details)).whole();
}));
