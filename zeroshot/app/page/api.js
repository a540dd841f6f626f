// What the page asks of its server.

export class Refused extends Error {
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}

async function asked(path, options = {}) {
  const answer = await fetch(path, { credentials: "same-origin", ...options });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const told = await answer.json().catch(() => ({}));
  throw new Refused(told.error || "the app does not answer", told.field);
}

const json = (value) => ({ method: "POST", body: JSON.stringify(value) });
const at = (...parts) => "/" + parts.map(encodeURIComponent).join("/");

export const api = {
  tables: () => asked("/tables"),
  settings: (prior) => asked(at("priors", prior)),
  news: (after) => asked("/news?after=" + after),
  bring: (file, name) =>
    asked("/pictures?name=" + encodeURIComponent(name), { method: "POST", body: file }),
  removePicture: (id) => asked(at("pictures", id), { method: "DELETE" }),
  paint: (id, task, option, blob) =>
    asked(at("pictures", id, "layers", task, option), { method: "PUT", body: blob }),
  bringFile: (id, task, option, file) =>
    asked(at("pictures", id, "files", task, option) + "?name=" + encodeURIComponent(file.name),
      { method: "PUT", body: file }),
  forgetFile: (id, option) => asked(at("pictures", id, "files", option), { method: "DELETE" }),
  same: (form) => asked("/same", json(form)),
  start: (form) => asked("/runs", json(form)),
  stop: (id) => asked(at("runs", id, "stop"), { method: "POST" }),
  resume: (id) => asked(at("runs", id, "continue"), { method: "POST" }),
  removeRun: (id) => asked(at("runs", id), { method: "DELETE" }),
  prepare: (id, format) => asked(at("runs", id, "formats", format), { method: "POST" }),
  bringResult: (id) => asked(at("runs", id, "bring"), { method: "POST" }),
};

// An element with attributes, listeners ("onclick") and children.
export function make(tag, attributes = {}, ...children) {
  const space = ["svg", "path", "line", "polyline", "circle"].includes(tag);
  const element = space
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export const one = (selector) => document.querySelector(selector);

// Say something to readers of screens.
export function announce(text) {
  one("#live").textContent = text;
}
