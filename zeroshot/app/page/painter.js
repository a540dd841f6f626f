// Painting over the picture: holes for inpainting, colours for colorizing; with a brush, an eraser and undo.
//
// What was done is kept as a list of steps, drawn anew where one is undone. A canvas holds it at the size of the
// picture, or smaller where browsers have none so large; the server brings it back to size, with hard edges.

import { api, announce, make, one } from "./api.js";

const MOST_PIXELS = 16e6;
const HOLE = "#ff2d78";

export class Painter {
  constructor(changed, failed) {
    this.changed = changed;
    this.failed = failed;
    this.canvas = make("canvas", { class: "painting" });
    this.ring = make("div", { class: "ring" });
    this.layer = make("div", { class: "layer" }, this.canvas, this.ring);
    this.done = new Map(); // picture and option → steps
    this.steps = [];
    this.stroke = null;
    this.where = null;
    this.saved = Promise.resolve();
    this.tool = "paint";
    for (const input of document.querySelectorAll("input[name=tool]"))
      input.addEventListener("change", () => (this.tool = input.value));
    one("#brush").addEventListener("input", () => this.#ring());
    one("#undo").addEventListener("click", () => this.undo());
    one("#clear").addEventListener("click", () => this.#add({ clear: true }));
    one("#invert").addEventListener("click", () => this.#add({ invert: true }));
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input:not([type=range], [type=radio], [type=color]), textarea");
      if (this.isOpen && !typing && (event.ctrlKey || event.metaKey) && event.key === "z") {
        event.preventDefault();
        this.undo();
      }
    });
  }

  // Paint an option of a task on a picture; what was painted before is there again.
  async open(picture, task, field) {
    const key = picture.id + " " + field.name;
    this.isOpen = true;
    if (this.key === key) return;
    [this.key, this.picture, this.task, this.field] = [key, picture, task, field];
    const shrink = Math.min(1, Math.sqrt(MOST_PIXELS / (picture.width * picture.height)));
    this.shrink = shrink;
    this.canvas.width = Math.round(picture.width * shrink);
    this.canvas.height = Math.round(picture.height * shrink);
    this.canvas.classList.toggle("holes", field.painted === "holes");
    this.layer.style.width = picture.width + "px";
    this.layer.style.height = picture.height + "px";
    one("#colour-label").hidden = field.painted !== "colours";
    one("#invert").hidden = field.painted !== "holes";
    const isNew = !this.done.has(key);
    this.steps = isNew ? [] : this.done.get(key);
    this.done.set(key, this.steps);
    if (isNew && field.name in picture.files) {
      const answer = await fetch(`/pictures/${picture.id}/layers/${field.name}`);
      if (answer.ok) await this.#base(await answer.blob());
    }
    this.#redraw();
  }

  close() {
    this.isOpen = false;
  }

  // Begin with a picture from a file.
  async load(file) {
    await this.#base(file);
    this.#redraw();
    this.#save();
  }

  async #base(blob) {
    const image = await createImageBitmap(blob, { colorSpaceConversion: "none" }).catch(() => null);
    if (!image) throw new Error("this file is no picture that the browser knows; make it a PNG");
    if (image.width * this.picture.height !== image.height * this.picture.width)
      throw new Error(`it must have the picture's size, ${this.picture.width} × ${this.picture.height}`);
    const base = make("canvas", { width: this.canvas.width, height: this.canvas.height });
    const pen = base.getContext("2d", { willReadFrequently: true });
    pen.imageSmoothingEnabled = false;
    pen.drawImage(image, 0, 0, base.width, base.height);
    if (this.field.painted === "holes") {
      const pixels = pen.getImageData(0, 0, base.width, base.height);
      for (let i = 0; i < pixels.data.length; i += 4) {
        const known = pixels.data[i] + pixels.data[i + 1] + pixels.data[i + 2] >= 384 && pixels.data[i + 3] >= 128;
        pixels.data.set([255, 45, 120, known ? 0 : 255], i);
      }
      pen.putImageData(pixels, 0, 0);
    }
    this.steps.push({ base });
  }

  get width() {
    // From one pixel to a third of the picture, finely where it is fine.
    const least = Math.min(this.picture.width, this.picture.height);
    return Math.max(1, Math.pow(one("#brush").value / 100, 2) * (least / 3));
  }

  // --- the pointer ---

  begin(place) {
    this.stroke = { erase: this.tool === "erase", width: this.width, colour: one("#colour").value, points: [place] };
    this.#line(this.stroke, 0);
  }

  draw(place) {
    if (!this.stroke) return;
    this.stroke.points.push(place);
    this.#line(this.stroke, this.stroke.points.length - 1);
  }

  end() {
    if (!this.stroke) return;
    const stroke = this.stroke;
    this.stroke = null;
    this.#add(stroke, false);
  }

  // A second finger moves the picture instead.
  abandon() {
    if (this.stroke) {
      this.stroke = null;
      this.#redraw();
    }
  }

  hover(place) {
    this.where = place;
    this.#ring();
  }

  // Keys paint as well: arrows move the brush, the space bar sets it down and lifts it.
  press(event) {
    const step = Math.max(1, this.width / 2);
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const brush = one("#brush");
    if (event.key in moves && this.tool !== "move") {
      const [x, y] = this.where || [this.picture.width / 2, this.picture.height / 2];
      const [dx, dy] = moves[event.key];
      this.hover([
        Math.min(this.picture.width, Math.max(0, x + dx * step)),
        Math.min(this.picture.height, Math.max(0, y + dy * step)),
      ]);
      this.draw(this.where);
    } else if (event.key === " ") {
      if (this.stroke) {
        this.end();
        announce("Brush lifted");
      } else {
        this.hover(this.where || [this.picture.width / 2, this.picture.height / 2]);
        this.begin(this.where);
        announce("Brush down");
      }
    } else if (event.key === "[" || event.key === "]") {
      brush.value = +brush.value + (event.key === "[" ? -5 : 5);
      this.#ring();
    } else if (event.key === "e" || event.key === "b") {
      one(`input[name=tool][value=${event.key === "e" ? "erase" : "paint"}]`).click();
    } else return false;
    return true;
  }

  #ring() {
    if (!this.picture || !this.where) return;
    const [x, y] = this.where;
    this.ring.style.width = this.ring.style.height = this.width + "px";
    this.ring.style.transform = `translate(${x - this.width / 2}px, ${y - this.width / 2}px)`;
  }

  // --- the steps ---

  #add(step, drawn = true) {
    if (!this.picture) return;
    this.steps.push(step);
    if (drawn) this.#redraw();
    this.#save();
  }

  undo() {
    if (!this.steps.length) return;
    this.steps.pop();
    this.#redraw();
    this.#save();
  }

  #redraw() {
    const pen = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    pen.globalCompositeOperation = "source-over";
    pen.clearRect(0, 0, width, height);
    for (const step of this.steps) {
      pen.globalCompositeOperation = "source-over";
      if (step.clear || step.base) pen.clearRect(0, 0, width, height);
      if (step.base) pen.drawImage(step.base, 0, 0);
      else if (step.invert) {
        pen.globalCompositeOperation = "xor";
        pen.fillStyle = HOLE;
        pen.fillRect(0, 0, width, height);
      } else if (step.points) {
        // Piece by piece as it was drawn: soft edges add up where pieces overlap.
        step.points.forEach((_, index) => this.#line(step, index));
      }
    }
    one("#undo").disabled = !this.steps.length;
  }

  // A stroke between its point of that number and the one before.
  #line(stroke, index) {
    const pen = this.canvas.getContext("2d");
    pen.globalCompositeOperation = stroke.erase ? "destination-out" : "source-over";
    pen.strokeStyle = this.field.painted === "holes" ? HOLE : stroke.colour;
    pen.lineWidth = Math.max(1, stroke.width * this.shrink);
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    const [from, to] = [stroke.points[Math.max(0, index - 1)], stroke.points[index]];
    pen.moveTo(from[0] * this.shrink, from[1] * this.shrink);
    pen.lineTo(to[0] * this.shrink, to[1] * this.shrink);
    pen.stroke();
  }

  // --- to the server ---

  #save() {
    one("#undo").disabled = !this.steps.length;
    const { picture, task, field } = this;
    const told = this.#exported().then((blob) => [picture.id, task, field.name, blob]);
    this.saved = this.saved
      .then(() => told)
      .then((what) => api.paint(...what))
      .then(() => this.changed())
      .catch((error) => this.failed(error));
  }

  // As the task takes it: white with black holes, or colours on nothing; empty where nothing is painted.
  #exported() {
    const [width, height] = [this.canvas.width, this.canvas.height];
    const sheet = make("canvas", { width, height });
    const pen = sheet.getContext("2d", { willReadFrequently: true });
    pen.drawImage(this.canvas, 0, 0);
    const pixels = pen.getImageData(0, 0, width, height).data;
    let painted = 0;
    for (let i = 3; i < pixels.length; i += 4) painted += pixels[i] >= 128;
    if (!painted) return Promise.resolve(new Blob([]));
    if (this.field.painted === "holes") {
      pen.globalCompositeOperation = "source-in";
      pen.fillStyle = "#000";
      pen.fillRect(0, 0, width, height);
      pen.globalCompositeOperation = "destination-over";
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, width, height);
    }
    return new Promise((resolve) => sheet.toBlob(resolve, "image/png"));
  }
}
