// Pictures on the stage: two under a slider, or all side by side, moved and zoomed together.
//
// Everything is placed in pixels of the content, the largest of the pictures shown; others are stretched to it.
// `scale` is how many pixels of the page one of them takes.

import { make, one } from "./api.js";

const LEAST = 0.02, MOST = 64;

export class Viewer {
  constructor() {
    this.box = one("#viewport");
    this.mode = "slider";
    this.size = [1, 1];
    this.pictures = []; // of { key, source, label }: left and right, or all
    this.split = 0.5;
    this.fitted = true;
    this.scale = 1;
    this.centre = [0.5, 0.5];
    this.pointers = new Map();
    this.paints = null; // takes the pointer in paint mode
    this.panes = [];
    this.divider = make("div", {
      class: "divider", role: "slider", tabindex: "0", "aria-label": "Before and after",
      "aria-valuemin": "0", "aria-valuemax": "100", onkeydown: (event) => this.#slide(event),
    });
    this.layer = null; // what lies over the picture in paint mode
    for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel"])
      this.box.addEventListener(name, (event) => this.#pointer(event));
    this.box.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.box.addEventListener("dblclick", () => !this.paints && (this.fitted ? this.actual() : this.fit()));
    this.box.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.place()).observe(this.box);
    one("#fit").addEventListener("click", () => this.fit());
    one("#actual").addEventListener("click", () => this.actual());
    one("#in").addEventListener("click", () => this.zoom(1.5));
    one("#out").addEventListener("click", () => this.zoom(1 / 1.5));
  }

  // Show pictures; what is shown already stays until the new one has arrived.
  show(mode, pictures, size, layer = null) {
    const same = mode === this.mode && layer === this.layer && pictures.length === this.pictures.length &&
      this.panes.length;
    const old = this.size;
    [this.mode, this.pictures, this.size, this.layer] = [mode, pictures, size, layer];
    if (!same) this.#build();
    pictures.forEach((picture, index) => this.#load(this.images[index], this.labels[index], picture));
    if (old[0] !== size[0] && !this.fitted) this.scale *= old[0] / size[0];
    this.place();
  }

  #build() {
    this.images = this.pictures.map(() => make("img", { draggable: "false", alt: "" }));
    this.labels = this.pictures.map(() => make("span", { class: "tag" }));
    this.worlds = this.images.map((image) => make("div", { class: "world" }, image));
    const stacked = this.mode === "slider" && this.images.length === 2;
    if (stacked) {
      this.over = make("div", { class: "over" }, this.worlds[0]);
      this.labels[1].classList.add("right");
      this.panes = [make("div", { class: "pane" }, this.worlds[1], this.over, ...this.labels, this.divider)];
    } else {
      this.over = null;
      this.panes = this.worlds.map((world, index) => make("div", { class: "pane" }, world, this.labels[index]));
    }
    if (this.layer) this.worlds[0].append(this.layer);
    const columns = Math.ceil(Math.sqrt(this.panes.length * (this.box.clientWidth > this.box.clientHeight ? 1.3 : 0.6)));
    this.box.style.setProperty("--columns", Math.max(1, Math.min(columns, this.panes.length)));
    this.box.replaceChildren(...this.panes);
  }

  #load(image, label, picture) {
    label.textContent = picture.label;
    if (image.dataset.source === picture.source) return;
    image.dataset.source = picture.source;
    image.alt = picture.label;
    const next = new Image();
    next.addEventListener("load", () => {
      if (image.dataset.source === picture.source) image.src = next.src;
    });
    next.src = picture.source;
  }

  get pane() {
    const pane = this.panes[0];
    return pane ? [pane.clientWidth, pane.clientHeight] : [1, 1];
  }

  get ratio() {
    return window.devicePixelRatio || 1;
  }

  fit() {
    this.fitted = true;
    this.place();
  }

  actual() {
    this.fitted = false;
    this.scale = 1 / this.ratio;
    this.place();
  }

  // Zoom about a place of the pane, by default its middle.
  zoom(factor, x = this.pane[0] / 2, y = this.pane[1] / 2) {
    const before = this.toContent(x, y);
    this.fitted = false;
    this.scale = Math.min(MOST / this.ratio, Math.max(LEAST, this.scale * factor));
    const after = this.toContent(x, y);
    this.centre = this.centre.map((value, axis) => value + (before[axis] - after[axis]) / this.size[axis]);
    this.place();
  }

  move(dx, dy) {
    this.centre = [this.centre[0] - dx / this.scale / this.size[0], this.centre[1] - dy / this.scale / this.size[1]];
    this.place();
  }

  // From a place of a pane to pixels of the content.
  toContent(x, y) {
    return [x, y].map((value, axis) => (value - this.#corner(axis)) / this.scale);
  }

  #corner(axis) {
    return this.pane[axis] / 2 - this.centre[axis] * this.size[axis] * this.scale;
  }

  place() {
    const [width, height] = this.pane;
    if (this.fitted) {
      this.scale = Math.min(width / this.size[0], height / this.size[1], 8 / this.ratio);
      this.centre = [0.5, 0.5];
    }
    this.centre = this.centre.map((value) => Math.min(1, Math.max(0, value)));
    const crisp = this.scale * this.ratio >= 1.5;
    for (const world of this.worlds || []) {
      const [x, y] = [0, 1].map((axis) => Math.round(this.#corner(axis) * this.ratio) / this.ratio);
      world.style.width = this.size[0] + "px";
      world.style.height = this.size[1] + "px";
      world.style.transform = `translate(${x}px, ${y}px) scale(${this.scale})`;
      world.classList.toggle("crisp", crisp);
      world.style.setProperty("--hair", 1.5 / this.scale + "px");
    }
    if (this.over) {
      this.over.style.clipPath = `inset(0 ${100 - 100 * this.split}% 0 0)`;
      this.divider.style.left = 100 * this.split + "%";
      this.divider.setAttribute("aria-valuenow", Math.round(100 * this.split));
    }
    one("#percent").textContent = Math.round(100 * this.scale * this.ratio) + " %";
    one("#fit").setAttribute("aria-pressed", this.fitted);
    one("#actual").setAttribute("aria-pressed", !this.fitted && Math.abs(this.scale * this.ratio - 1) < 1e-6);
  }

  #slide(event) {
    const steps = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1 };
    const ends = { Home: 0, End: 1 };
    if (!(event.key in steps) && !(event.key in ends)) return;
    this.split = event.key in ends ? ends[event.key] : Math.min(1, Math.max(0, this.split + steps[event.key]));
    event.preventDefault();
    event.stopPropagation();
    this.place();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.paints && this.paints.press(event)) {
      event.preventDefault();
      return;
    }
    const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    if (event.key in moves) this.move(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0") this.fit();
    else if (event.key === "1") this.actual();
    else return;
    event.preventDefault();
  }

  // Where in its pane a pointer is.
  at(event) {
    const pane = this.panes.find((one) => one.contains(event.target)) || this.panes[0];
    const box = (pane || this.box).getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #wheel(event) {
    if (!this.panes.length) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...this.at(event));
  }

  #pointer(event) {
    if (!this.panes.length) return;
    const place = this.at(event);
    if (event.type === "pointerdown") {
      if (event.button > 1) return;
      this.box.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, place);
      this.onDivider = event.target === this.divider;
      if (this.onDivider) this.divider.focus();
      if (this.pointers.size === 1 && this.#isPainting(event)) this.paints.begin(this.toContent(...place));
      else if (this.pointers.size === 2 && this.paints) this.paints.abandon();
      return;
    }
    if (this.paints) this.paints.hover(this.toContent(...place));
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    if (event.type !== "pointermove") {
      this.pointers.delete(event.pointerId);
      if (this.paints) this.paints.end();
      return;
    }
    if (this.pointers.size === 2) this.#pinch(event.pointerId, place);
    else if (this.onDivider) this.split = Math.min(1, Math.max(0, place[0] / this.pane[0]));
    else if (this.#isPainting(event)) {
      for (const step of event.getCoalescedEvents?.() || [event]) this.paints.draw(this.toContent(...this.at(step)));
    } else {
      this.fitted = false;
      this.move(place[0] - last[0], place[1] - last[1]);
    }
    this.pointers.set(event.pointerId, place);
    this.place();
  }

  #isPainting(event) {
    return this.paints && this.paints.tool !== "move" && event.button !== 1 && !(event.buttons & 4);
  }

  #pinch(id, place) {
    const [other] = [...this.pointers].filter(([one]) => one !== id).map(([, value]) => value);
    const before = this.pointers.get(id);
    const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
    this.zoom(distance(place, other) / distance(before, other), (place[0] + other[0]) / 2, (place[1] + other[1]) / 2);
    this.move((place[0] - before[0]) / 2, (place[1] - before[1]) / 2);
  }
}
