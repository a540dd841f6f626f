// The form: task, options, prior and its settings, each field made from the tables of the server.

import { api, make, one } from "./api.js";

export class Form {
  // `told` are { changed, paint, load, failed }: what the form wants done.
  constructor(tables, told) {
    this.tables = tables;
    this.told = told;
    this.tasks = Object.fromEntries(tables.tasks.map((task) => [task.name, task]));
    this.settings = {};
    this.touched = false;
    one("#task").append(...tables.tasks.map((task) => new Option(`${task.name} – ${task.summary}`, task.name)));
    one("#task").addEventListener("change", () => {
      this.touched = true;
      this.#build({}, {});
      told.changed(true);
    });
    one("#prior").addEventListener("change", async () => {
      this.settings = {};
      await this.#prior();
      told.changed();
    });
    one("#form").addEventListener("input", () => {
      this.touched = true;
      told.changed();
    });
    one("#tune").addEventListener("toggle", () => this.#settings());
    this.advanced = tables.advanced.map((row) => row.name);
    one("#anywhere").append(...tables.advanced.map((row) => {
      const help = row.name + "-help";
      const input = make("input", { id: row.name, placeholder: row.default, spellcheck: "false",
        "aria-describedby": `${help} error-${row.name}` });
      return make("div", { class: "field" }, make("label", { for: row.name }, row.label), input,
        make("p", { class: "help", id: help }, row.text),
        make("p", { class: "error", id: "error-" + row.name, role: "alert" }));
    }));
  }

  get task() {
    return this.tasks[one("#task").value];
  }

  get fields() {
    return this.task.fields;
  }

  get painted() {
    return this.fields.find((field) => field.painted);
  }

  // Fill the form in for a picture: with what a run was asked for, what was found, or the defaults.
  fill(picture, form) {
    this.picture = picture;
    this.touched = false;
    one("#task").value = form.task || this.tables.tasks[0].name;
    this.settings = { ...form.settings };
    this.#build(form.options || {}, form);
    for (const name of ["seconds", "seed", ...this.advanced]) one("#" + name).value = form[name] || "";
    one("#advanced").open ||= this.advanced.some((name) => form[name]);
    this.settled();
  }

  // What was filled in.
  read() {
    const options = {};
    for (const input of document.querySelectorAll("[data-option]")) options[input.dataset.option] = input.value;
    for (const input of document.querySelectorAll("[data-setting]"))
      this.settings[input.dataset.setting] = input.value;
    return {
      picture: this.picture?.id,
      task: this.task.name,
      prior: one("#prior").value,
      options,
      settings: Object.fromEntries(Object.entries(this.settings).filter(([, word]) => word !== "")),
      seconds: one("#seconds").value,
      seed: one("#seed").value,
      ...Object.fromEntries(this.advanced.map((name) => [name, one("#" + name).value])),
    };
  }

  // The priors to run: the chosen one, and those beside it.
  get priors() {
    const others = [...document.querySelectorAll("#others input:checked")].map((box) => box.value);
    return [one("#prior").value, ...others.filter((name) => name !== one("#prior").value)];
  }

  #build(words, form) {
    const made = this.fields.map((field) => [field, this.#field(field, words[field.name])]);
    const sorted = (expert) => made.filter(([field]) => field.expert === expert).map(([, element]) => element);
    one("#fields").replaceChildren(...sorted(false));
    one("#expert").replaceChildren(...sorted(true));
    one("#more").hidden = !sorted(true).length;
    const { prior, suited } = this.task;
    const summaries = Object.fromEntries(this.tables.priors.map((row) => [row.name, row.summary]));
    const lacks = Object.fromEntries(this.tables.priors.map((row) => [row.name, row.lacks]));
    this.summaries = { "": summaries[prior], fast: "the best of the quick ones", best: "the best there is", ...summaries };
    const group = (label, names) => {
      const options = names.filter((name) => name in summaries).map((name) => {
        const option = new Option(lacks[name] ? `${name} (needs weights)` : name, name);
        option.disabled = !!lacks[name];
        option.title = lacks[name] ? `${name} ${lacks[name]}` : "";
        return option;
      });
      const element = make("optgroup", { label });
      element.append(...options);
      return element;
    };
    const rest = Object.keys(summaries).filter((name) => !suited.includes(name));
    one("#prior").replaceChildren(
      new Option(`${prior} (default)`, ""), new Option("fast", "fast"), new Option("best", "best"),
      group("Suited to this task", suited), group("All others", rest));
    one("#prior").value = form.prior || "";
    this.#prior();
  }

  // No prior beside the chosen one.
  alone() {
    for (const box of document.querySelectorAll("#others input")) box.checked = false;
    one("#beside").open = false;
  }

  async #prior() {
    const { prior, suited } = this.task;
    one("#summary").textContent = this.summaries[one("#prior").value] || "";
    const beside = new Set([prior, ...suited].filter((name) => name in this.summaries));
    beside.delete(one("#prior").value || prior);
    for (const row of this.tables.priors) if (row.lacks) beside.delete(row.name);
    one("#others").replaceChildren(...[...beside].map((name) =>
      make("label", { title: this.summaries[name] }, make("input", { type: "checkbox", value: name }), name)));
    await this.#settings();
  }

  async #settings() {
    const chosen = one("#prior").value;
    const isRole = ["fast", "best"].includes(chosen);
    one("#tune").hidden = isRole;
    const prior = chosen || this.task.prior;
    if (!one("#tune").open || isRole) {
      one("#settings").replaceChildren();
      this.shownSettings = null;
      return;
    }
    if (this.shownSettings === prior) return;
    this.shownSettings = prior;
    const rows = await api.settings(prior).catch(() => []);
    if (this.shownSettings !== prior) return;
    one("#settings").replaceChildren(...rows.map((row) => {
      const id = "setting-" + row.name;
      const base = { id, "data-setting": row.name, "aria-describedby": id + "-help" };
      const input = make(row.words.length ? "select" : "input", row.words.length ? base : {
        ...base, value: this.settings[row.name] || "", placeholder: row.default || "chosen by the task",
        spellcheck: "false",
      });
      if (row.words.length) {
        input.append(...row.words.map((word) => new Option(word, word === row.default ? "" : word)));
        input.value = this.settings[row.name] || "";
      }
      return make("div", { class: "field" }, make("label", { for: id }, row.label), input,
        make("p", { class: "help", id: id + "-help" }, row.text),
        make("p", { class: "error", id: "error-" + row.name, role: "alert" }));
    }));
  }

  #field(field, word) {
    const id = "option-" + field.name;
    const described = `${id}-help error-${field.name}`;
    const base = { id, "data-option": field.name, "aria-describedby": described };
    const value = word === undefined ? "" : String(word);
    let control;
    if (field.widget === "choice") {
      control = make("select", base);
      control.append(...field.words.map((one) =>
        new Option(one === field.default ? `${one} (default)` : one, one === field.default ? "" : one)));
      control.value = value === field.default ? "" : value;
    } else if (field.widget === "switch") {
      control = make("select", base);
      control.append(new Option("as it is found (default)", ""), new Option("yes", "true"), new Option("no", "false"));
      control.value = value;
    } else if (field.widget === "painted") {
      control = this.#painted(field, base, value);
    } else {
      const placeholder = field.default || (field.required ? "needed" : "none");
      const decimal = field.widget === "number" ? "decimal" : null;
      const input = make("input", { ...base, value, placeholder, inputmode: decimal, spellcheck: "false",
        "aria-required": field.required ? "true" : null });
      const unit = field.unit ? make("span", { class: "unit" }, field.unit) : null;
      control = make("span", { class: "with-unit" }, input, unit, field.file ? this.#file(field) : null);
    }
    return make("div", { class: "field" }, make("label", { for: id }, field.label), control,
      make("p", { class: "help", id: `${id}-help` }, field.text),
      make("p", { class: "error", id: "error-" + field.name, role: "alert" }));
  }

  #painted(field, base, value) {
    const load = make("input", { type: "file", class: "unseen", tabindex: "-1", "aria-hidden": "true",
      accept: "image/*", onchange: (event) => event.target.files[0] && this.told.load(field, event.target.files[0]) });
    const holes = field.painted === "holes";
    return make("div", { class: "painted" },
      make("div", { class: "row" },
        make("button", { type: "button", class: "quiet paint", onclick: () => this.told.paint() },
          holes ? "Paint the holes" : "Paint colours"),
        make("button", { type: "button", class: "quiet", onclick: () => load.click() }, "Load…"),
        make("a", { class: "button quiet save", hidden: true, download: true }, "Save"), load),
      make("input", { ...base, value, spellcheck: "false",
        placeholder: holes ? "or in words: alpha, #ff00ff" : "", hidden: !holes }));
  }

  #file(field) {
    const input = make("input", { type: "file", class: "unseen", tabindex: "-1", "aria-hidden": "true",
      onchange: async (event) => {
        const [file] = event.target.files;
        event.target.value = "";
        if (file) await this.told.bring(field, file);
      } });
    return make("span", { class: "brings" },
      make("button", { type: "button", class: "quiet", onclick: () => input.click() }, "File…"), input,
      make("button", { type: "button", class: "quiet icon forget", hidden: true, "aria-label": "Forget the file",
        "data-forget": field.name, onclick: () => this.told.forget(field) }, "×"));
  }

  // What was painted or brought, beside its field.
  show(picture) {
    this.picture = picture;
    for (const field of this.fields) {
      const control = one("#option-" + field.name);
      const name = picture.files[field.name];
      if (field.painted) {
        const link = control.closest(".painted").querySelector(".save");
        link.hidden = !name;
        link.href = `/pictures/${picture.id}/layers/${field.name}`;
        control.closest(".painted").classList.toggle("is-painted", !!name);
      } else if (field.file) {
        control.parentElement.querySelector(".forget").hidden = !name;
        control.placeholder = name || field.default || (field.required ? "needed" : "none");
      }
    }
  }

  // --- errors ---

  settled() {
    for (const element of document.querySelectorAll("#form .error")) element.textContent = "";
    for (const input of document.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  }

  refuse(error) {
    this.settled();
    const place = error.field && one("#error-" + CSS.escape(error.field));
    (place || one("#error")).textContent = error.message;
    if (!place) return;
    const field = place.closest(".field");
    for (let one = field; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    const input = field.querySelector("input:not(.unseen), select");
    input?.setAttribute("aria-invalid", "true");
    field.scrollIntoView({ block: "nearest" });
    input?.focus({ preventScroll: true });
  }
}
