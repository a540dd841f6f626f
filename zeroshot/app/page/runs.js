// The cards of the runs: the curve of the loss, how far each is, and what can be done with it.

import { api, make } from "./api.js";

const WIDTH = 168, HEIGHT = 40;

const STATES = {
  waiting: "Waiting", running: "Running", stopping: "Stopping after this step", stopped: "Stopped", done: "Done",
  failed: "Failed",
};

export function time(seconds) {
  if (seconds < 9.95) return seconds.toFixed(1) + " s";
  if (seconds < 99.5) return Math.round(seconds) + " s";
  if (seconds < 5970) return Math.round(seconds / 60) + " min";
  return (seconds / 3600).toFixed(1) + " h";
}

// The loss over the iterations, on a logarithmic scale where it is positive.
function curve(points) {
  const svg = make("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
    preserveAspectRatio: "none",
    "aria-label": "Loss over iterations" });
  if (points.length < 3) return svg;
  const positive = points.every(([, loss]) => loss > 0);
  const values = points.map(([, loss]) => (positive ? Math.log(loss) : loss));
  const low = Math.min(...values), high = Math.max(...values);
  const first = points[0][0], last = points[points.length - 1][0];
  const x = (iteration) => 1 + ((WIDTH - 2) * (iteration - first)) / Math.max(1, last - first);
  const y = (value) => HEIGHT - 3 - ((HEIGHT - 6) * (value - low)) / (high - low || 1);
  const line = points.map(([iteration], index) => `${x(iteration).toFixed(1)},${y(values[index]).toFixed(1)}`);
  svg.append(
    make("path", { class: "under", d: `M1,${HEIGHT} L${line.join(" L")} L${WIDTH - 1},${HEIGHT} Z` }),
    make("polyline", { points: line.join(" ") }));
  return svg;
}

function told(run, waitingBefore) {
  const { course, result } = run;
  if (run.error) return run.error;
  if (run.state === "waiting") return waitingBefore ? `Waiting, ${waitingBefore} before it` : "Waiting";
  if (run.state === "running" || run.state === "stopping") {
    const parts = [];
    if (course.iteration) parts.push(course.stage || `iteration ${course.iteration}`);
    if (course.left != null && run.state === "running") parts.push(`at most ${time(course.left)} left`);
    return parts.join(", ") || "Beginning…";
  }
  const count = result.iterations;
  return `${count} ${count === 1 ? "iteration" : "iterations"} in ${time(result.seconds)}`;
}

export class Runs {
  // `chosen` is called with a run whose picture is to be shown, `failed` with errors.
  constructor(list, formats, chosen, brought, failed) {
    this.list = list;
    this.formats = formats;
    this.chosen = chosen;
    this.brought = brought;
    this.failed = failed;
    this.cards = new Map();
  }

  show(runs, selected, waiting) {
    const known = new Set(runs.map((run) => run.id));
    for (const [id, card] of this.cards) {
      if (known.has(id)) continue;
      card.element.remove();
      this.cards.delete(id);
    }
    runs.forEach((run, index) => {
      let card = this.cards.get(run.id);
      if (!card) {
        card = this.#card(run);
        this.cards.set(run.id, card);
      }
      this.#update(card, run, selected === run.id, waiting.indexOf(run.id));
      if (this.list.children[index] !== card.element) this.list.insertBefore(card.element, this.list.children[index] || null);
    });
    this.list.hidden = !runs.length;
    if (this.toShow) this.list.scrollLeft = this.toShow.offsetLeft - this.list.offsetLeft - 12;
    this.toShow = null;
  }

  #card(run) {
    const act = (what) => () => what(run.id).catch(this.failed);
    const button = (text, what, label = null) =>
      make("button", { type: "button", class: "quiet", onclick: what, "aria-label": label }, text);
    const card = {
      title: make("button", { type: "button", class: "title", onclick: () => this.chosen(run.id) }),
      state: make("span", { class: "state" }),
      line: make("p", { class: "line" }),
      why: make("p", { class: "why" }),
      bar: make("progress", { max: "1", "aria-label": "Progress" }),
      curve: make("div", { class: "curve-box" }),
      stop: button("Stop", act(api.stop)),
      resume: button("Continue", act(api.resume)),
      save: make("a", { class: "button quiet", href: `/runs/${run.id}/result`, download: true,
        onclick: (event) => this.#save(event, card, run.id) }, "Download"),
      format: make("select", { class: "format", "aria-label": "Format of the download" }),
      next: button("Open", async () => {
        try {
          this.brought(await api.bringResult(run.id));
        } catch (error) {
          this.failed(error);
        }
      }),
      remove: button("×", act(api.removeRun), "Remove"),
    };
    card.format.append(new Option("", ""), ...this.formats.map((row) => new Option(row.label, row.name)));
    card.next.title = "Open the result as the next picture";
    card.stop.classList.add("stop");
    card.remove.classList.add("icon");
    card.element = make("li", { "data-run": run.id },
      make("div", { class: "head" }, card.title, card.state, card.remove),
      card.curve, card.bar, card.line, card.why,
      make("div", { class: "row" }, card.stop, card.resume, card.save, card.format, card.next));
    return card;
  }

  // Another format is written first, so that what it cannot hold is told here and is not what is downloaded.
  async #save(event, card, id) {
    const format = card.format.value;
    if (!format) return;
    event.preventDefault();
    card.save.setAttribute("aria-busy", "true");
    try {
      await api.prepare(id, format);
      make("a", { href: `/runs/${id}/result?format=${format}`, download: true }).click();
    } catch (error) {
      this.failed(error);
    } finally {
      card.save.removeAttribute("aria-busy");
    }
  }

  #update(card, run, isSelected, before) {
    const signature = JSON.stringify([run, isSelected, before]);
    if (card.signature === signature) return;
    card.signature = signature;
    const isBusy = run.state === "running" || run.state === "stopping";
    const wasSelected = card.element.classList.contains("selected");
    card.element.className = run.state + (isSelected ? " selected" : "");
    if (isSelected && !wasSelected) this.toShow = card.element;
    card.title.textContent = `${run.task} · ${run.prior}`;
    card.title.setAttribute("aria-pressed", isSelected);
    card.state.textContent = STATES[run.state];
    card.line.textContent = told(run, before);
    const why = [...run.notes, run.result && !run.error && !run.result.interrupted ? run.result.stopped_by : ""].filter(Boolean);
    card.why.textContent = why.join(" · ");
    card.why.title = why.join("\n");
    card.curve.replaceChildren(curve(run.curve));
    card.curve.hidden = run.curve.length < 3;
    card.bar.hidden = !isBusy;
    if (run.course.share == null) card.bar.removeAttribute("value");
    else card.bar.value = run.course.share;
    card.stop.hidden = !(isBusy || run.state === "waiting");
    card.stop.textContent = run.state === "stopping" ? "Stop at once" : run.state === "waiting" ? "Cancel" : "Stop";
    card.resume.hidden = !run.continues;
    card.save.hidden = card.format.hidden = card.next.hidden = !run.result;
    card.save.title = run.output;
    // Without a choice it is the file of the command line.
    card.format.options[0].textContent = "." + run.output.split(".").pop();
    card.remove.hidden = isBusy || run.state === "waiting";
  }
}
