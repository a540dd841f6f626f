// The page: what is brought, shown and asked for, kept in step with the server.

import { announce, api, make, one } from "./api.js";
import { Form } from "./form.js";
import { Painter } from "./painter.js";
import { Runs } from "./runs.js";
import { Viewer } from "./viewer.js";

const tables = await api.tables();
const viewer = new Viewer();
const painter = new Painter(() => changed(), refused);
const form = new Form(tables, { changed, paint: () => mode("paint"), load, bring, forget });
const runs = new Runs(one("#runs"), tables.formats, choose, (picture) => select(picture.id), failed);

let state = { version: -1, pictures: [], runs: [] };
let current = null; // the picture on the stage
let right = null; // the run whose picture is on the right
let left = ""; // the run on the left; "" is the picture as it was given
const forms = new Map(); // picture → what was filled in
const seen = new Map(); // run → its state before

const known = (id) => state.pictures.find((picture) => picture.id === id);
const runsOf = (id) => state.runs.filter((run) => run.picture === id);
const isShown = (run) => run.preview || run.result;

// --- bringing pictures ---

async function take(files) {
  for (const file of files) {
    if (file.size > tables.limits.bytes) {
      failed(new Error(`${file.name} is larger than ${tables.limits.bytes / 1e6} MB, which is what the page takes`));
      continue;
    }
    document.body.classList.add("bringing");
    try {
      const picture = await api.bring(file, file.name || "pasted.png");
      await news(false);
      select(picture.id);
    } catch (error) {
      failed(error);
    } finally {
      document.body.classList.remove("bringing");
    }
  }
}

for (const id of ["#open", "#choose"]) one(id).addEventListener("click", () => one("#file").click());
one("#file").addEventListener("change", (event) => {
  take([...event.target.files]);
  event.target.value = "";
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files || [])];
  if (!files.length) return;
  event.preventDefault();
  take(files.map((file) => new File([file], file.name === "image.png" ? "pasted.png" : file.name, { type: file.type })));
});
let depth = 0;
document.addEventListener("dragenter", (event) => {
  event.preventDefault();
  depth += 1;
  document.body.classList.add("dragging");
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("dragleave", () => {
  depth -= 1;
  if (depth <= 0) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  document.body.classList.remove("dragging");
  take([...event.dataTransfer.files]);
});

// --- the picture on the stage ---

function select(id) {
  if (current && form.touched) forms.set(current, form.read());
  current = id;
  const picture = known(id);
  document.body.classList.toggle("empty", !picture);
  document.title = picture ? `${picture.name} – zeroshot` : "zeroshot";
  if (!picture) return render();
  history.replaceState(null, "", "#" + id);
  const mine = runsOf(id);
  left = "";
  right = mine.filter(isShown).at(-1)?.id || null;
  form.fill(picture, forms.get(id) || mine.at(-1)?.form || remedy(picture));
  painter.close();
  viewer.fitted = true;
  mode("slider", false);
  changed();
}

function remedy(picture) {
  const [first] = picture.remedies;
  return first ? { task: first.task, options: first.options } : {};
}

function choose(id) {
  right = id;
  mode("slider");
}

function mode(value, drawn = true) {
  const input = one(`input[name=mode][value=${value}]`);
  input.checked = true;
  if (drawn) render();
}
for (const input of document.querySelectorAll("input[name=mode]")) input.addEventListener("change", () => render());
one("#left").addEventListener("change", (event) => {
  left = event.target.value;
  render();
});
one("#right").addEventListener("change", (event) => {
  right = event.target.value;
  render();
});

function shownOf(run) {
  if (run.result && run.state !== "running" && run.state !== "stopping")
    return { source: `/runs/${run.id}/shown?of=${run.result.iterations}`, label: run.prior };
  if (run.preview) return { source: `/runs/${run.id}/preview?number=${run.preview}`, label: `${run.prior}, in the making` };
  return null;
}

function render() {
  strip();
  const picture = known(current);
  document.body.classList.toggle("empty", !picture);
  if (!picture) {
    runs.show([], null, []);
    return;
  }
  const mine = runsOf(current);
  const waiting = state.runs.filter((run) => run.state === "waiting").map((run) => run.id);
  if (right && !mine.some((run) => run.id === right)) right = mine.filter(isShown).at(-1)?.id || null;
  if (left && !mine.some((run) => run.id === left)) left = "";
  runs.show(mine, right, waiting);
  findings(picture);
  form.show(picture);
  stage(picture, mine.filter(isShown));
}

function stage(picture, mine) {
  const field = form.painted;
  one("#paint-mode").hidden = !field;
  let chosen = one("input[name=mode]:checked").value;
  if (chosen === "paint" && !field) {
    mode("slider", false);
    chosen = "slider";
  }
  const isPainting = chosen === "paint";
  one("#brushes").hidden = !isPainting;
  one("#sides").hidden = isPainting || chosen === "grid" || !mine.length;
  const given = { source: `/pictures/${picture.id}/shown`, label: "before" };
  const size = [picture.width, picture.height];
  if (isPainting) {
    painter.open(picture, form.task.name, field).catch(refused);
    viewer.paints = painter;
    viewer.show("paint", [given], size, painter.layer);
    return;
  }
  painter.close();
  viewer.paints = null;
  const selected = mine.find((run) => run.id === right);
  for (const [id, value] of [["#left", left], ["#right", right]]) {
    const options = [["", "before"], ...mine.map((run) => [run.id, `${run.task} · ${run.prior}`])];
    const list = one(id), told = JSON.stringify(options);
    if (list.dataset.told !== told) {
      list.dataset.told = told;
      list.replaceChildren(...options.map(([key, text]) => new Option(text, key)));
    }
    list.value = value || "";
  }
  const all = mine.map(shownOf).filter(Boolean);
  const largest = mine.reduce((most, run) => (run.result && run.result.width > most[0] ? [run.result.width, run.result.height] : most), size);
  if (chosen === "grid") viewer.show("grid", [given, ...all], largest);
  else if (!selected) viewer.show("single", [given], size);
  else {
    const other = mine.find((run) => run.id === left);
    viewer.show("slider", [other ? shownOf(other) : given, shownOf(selected)], largest);
  }
}

function strip() {
  one("#strip").replaceChildren(...state.pictures.map((picture) =>
    make("span", { class: "thumb" + (picture.id === current ? " selected" : "") },
      make("button", { type: "button", "aria-pressed": picture.id === current, title: picture.name,
        onclick: () => select(picture.id) },
        make("img", { src: `/pictures/${picture.id}/shown`, alt: picture.name })),
      make("button", { type: "button", class: "remove", "aria-label": "Remove " + picture.name,
        onclick: () => api.removePicture(picture.id).catch(failed) }, "×"))));
}

function findings(picture) {
  const told = JSON.stringify([picture.id, picture.looked, picture.found, form.task.name]);
  const place = one("#found");
  if (place.dataset.told === told) return;
  place.dataset.told = told;
  const head = make("p", { class: "name" }, picture.name);
  if (!picture.looked) {
    place.replaceChildren(head, make("p", { class: "soft looking" }, "Looking it over…"));
    return;
  }
  const rows = picture.found.map((one) => make("li", {}, make("b", {}, one.topic), " " + one.sentence));
  const remedies = picture.remedies.map((one) => {
    const words = Object.entries(one.options).map(([name, word]) => ` ${name} ${word}`).join(",");
    return make("button", { type: "button", class: "quiet chip", "aria-pressed": one.task === form.task.name,
      onclick: () => {
        form.fill(picture, { task: one.task, options: one.options });
        changed(true);
      } }, one.task + words);
  });
  place.replaceChildren(head, make("ul", {}, ...rows),
    make("p", { class: "row" }, remedies.length ? "Would mend it:" : "Nothing clear to mend; choose a task.", ...remedies));
}

// --- the form ---

let asking = 0;
async function changed(isOtherTask = false) {
  if (!current) return;
  if (isOtherTask && form.painted?.required && !known(current).files[form.painted.name]) mode("paint", false);
  render();
  const number = ++asking;
  try {
    const same = await api.same(form.read());
    if (number !== asking) return;
    if (!same.error) form.settled();
    sameText = same;
  } catch (error) {
    if (number === asking) failed(error);
    return;
  }
  showSame();
}

let sameText = {};
function showSame() {
  const kind = one("input[name=same]:checked").value;
  one("#text").textContent = sameText.error ? `# ${sameText.error}` : sameText[kind] || "";
  one("#copy").disabled = !!sameText.error;
}
for (const input of document.querySelectorAll("input[name=same]")) input.addEventListener("change", showSame);
one("#copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(one("#text").textContent);
  announce("Copied");
});

one("#form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!current) return;
  const asked = form.read();
  const button = one("#restore");
  button.disabled = true;
  try {
    await painter.saved;
    for (const prior of form.priors) {
      const settings = prior === asked.prior ? asked.settings : {};
      const run = await api.start({ ...asked, prior, settings });
      right = run.id;
    }
    form.settled();
    if (form.priors.length > 1) mode("grid", false);
    else if (one("input[name=mode]:checked").value === "paint") mode("slider", false);
    form.alone();
    await news(false);
  } catch (error) {
    refused(error);
  } finally {
    button.disabled = false;
  }
});

async function load(field, file) {
  try {
    mode("paint");
    await painter.open(known(current), form.task.name, field);
    await painter.load(file);
  } catch (error) {
    refused(Object.assign(error, { field: field.name }));
  }
}

async function bring(field, file) {
  try {
    await api.bringFile(current, form.task.name, field.name, file);
    one("#option-" + field.name).value = "";
    await news(false);
    changed();
  } catch (error) {
    refused(Object.assign(error, { field: field.name }));
  }
}

async function forget(field) {
  await api.forgetFile(current, field.name).catch(failed);
  await news(false);
  changed();
}

function refused(error) {
  form.refuse(error);
}

let fading;
function failed(error) {
  const banner = one("#banner");
  banner.textContent = error.message;
  banner.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => (banner.hidden = true), 12000);
}

// --- news of the server ---

async function news(isWaiting = true) {
  const before = state;
  const found = await api.news(isWaiting ? state.version : -1);
  if (found.version < state.version) return;
  state = found;
  for (const run of state.runs) {
    const was = seen.get(run.id);
    if (was && was !== run.state && run.picture === current) {
      if (run.state === "failed" && run.id === right) refused({ message: run.error, field: run.field });
      if (["done", "stopped", "failed"].includes(run.state)) announce(`${run.prior}: ${run.state}`);
    }
    seen.set(run.id, run.state);
  }
  const picture = known(current);
  if (!picture) select(pick());
  else {
    const old = before.pictures.find((one) => one.id === current);
    const isNew = picture.looked && old && !old.looked;
    if (isNew && !form.touched && !runsOf(current).length) {
      form.fill(picture, remedy(picture));
      changed();
    } else render();
  }
}

function pick() {
  const wanted = location.hash.slice(1);
  return known(wanted) ? wanted : state.pictures.at(-1)?.id || null;
}

one("#limits").textContent =
  `PNG, JPEG, TIFF, WebP, BMP; up to ${tables.limits.bytes / 1e6} MB and ${tables.limits.pixels / 1e6} megapixels`;
history.replaceState(null, "", "/" + location.hash);
await news(false);
document.body.classList.add("ready");
for (let misses = 0; ;) {
  try {
    await news();
    if (misses) one("#banner").hidden = true;
    misses = 0;
    if (state.closing) throw new Error();
  } catch (error) {
    misses += 1;
    if (misses > 1 || state.closing) {
      clearTimeout(fading);
      one("#banner").textContent = "The app was closed; nothing of yours is kept. Start it again, and open its new address.";
      one("#banner").hidden = false;
    }
    if (state.closing) break;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
