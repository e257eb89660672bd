// Elements, and the states that every part of a page has: waiting, nothing there, a problem.

const SVG = "http://www.w3.org/2000/svg";

// el("a.strong", {href: "/"}, "text", node, null): attributes that are null or false are left out,
// functions are listeners. Text is text: nothing here ever reads HTML.
export function el(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  return build(document.createElement(tag), classes, attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  return build(document.createElementNS(SVG, tag), classes, attributes, children);
}

function build(node, classes, attributes, children) {
  if (classes.length) node.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(key, value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

export function icon(name) {
  return svg("svg.icon", { "aria-hidden": "true" }, svg("use", { href: `/static/icons.svg#${name}` }));
}

export function pill(state, text) {
  return el("span.pill" + (state ? `.${state}` : ""), {}, text);
}

export function note(state, ...content) {
  const sign = { good: "good", warn: "warn", bad: "warn" }[state] || "info";
  return el("div.note" + (state ? `.${state}` : ""), {}, icon(sign), el("div", {}, ...content));
}

export function nothing(sign, title, ...more) {
  return el("div.nothing", {}, icon(sign), el("b", {}, title), ...more);
}

export function facts(pairs) {
  const shown = pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined && pair[1] !== "");
  return el("dl.facts", {}, shown.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export function chips(names, empty = "none") {
  if (!names.length) return el("span.muted", {}, empty);
  return el("span.chips", {}, names.map((name) => el("span.chip", {}, name)));
}

// columns: [["Name", (row) => node, "number"?]]. On a narrow screen each row is a card.
export function table(caption, columns, rows) {
  const head = columns.map(([name, , kind]) => el("th" + (kind ? `.${kind}` : ""), { scope: "col" }, name));
  const body = rows.map((row) =>
    el("tr", {}, columns.map(([name, cell, kind]) => el("td" + (kind ? `.${kind}` : ""), { "data-label": name }, el("span", {}, cell(row))))));
  return el("table", {}, el("caption.unseen", {}, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, body));
}

// A label, its input, a hint below.
export function field(label, input, hint = null) {
  if (hint) input.setAttribute("aria-describedby", `${input.id}-hint`);
  return el("div.field", {}, el("label", { for: input.id }, label), input, hint && el("p.hint", { id: `${input.id}-hint` }, hint));
}

// A password to be, written for the first time.
export function password(id, label) {
  const input = el("input", { id, name: "password", type: "password", minlength: 12, maxlength: 200, required: true, autocomplete: "new-password" });
  return field(label, input, "At least 12 characters; several words make a good one.");
}

export function choice(label, attributes) {
  return el("label.choice", {}, el("input", { type: "checkbox", ...attributes }), el("span", {}, label));
}

// Boxes to tick; read with `picked`.
export function picks(legend, name, options, chosen, hint = null) {
  const boxes = options.map(([value, text]) =>
    el("label", {}, el("input", { type: "checkbox", name, value, checked: chosen.includes(value) }), el("span", {}, text)));
  return el("fieldset.field", {}, el("legend", {}, legend), hint && el("p.hint", {}, hint),
    el("div.picks", {}, boxes.length ? boxes : el("span.muted", {}, "There are none yet.")));
}

export function picked(form, name) {
  return [...form.querySelectorAll(`input[name="${name}"]:checked`)].map((box) => box.value);
}

export function options(select, pairs, chosen = null) {
  select.replaceChildren(...pairs.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  return select;
}

export function say(text) {
  const said = byId("said");
  said.textContent = text;
  clearTimeout(said.timer);
  said.timer = setTimeout(() => { said.textContent = ""; }, 7000);
}

export function problem(error, again = null) {
  return note("bad", el("span", {}, error.message), again && el("button.slim", { click: again, type: "button" }, "Try again"));
}

// Fill a part of the page with what `load` brings; `draw` makes nodes of it.
export async function fill(region, load, draw) {
  region.setAttribute("aria-busy", "true");
  try {
    region.replaceChildren(...[draw(await load())].flat(Infinity).filter(Boolean));
  } catch (error) {
    if (!error.expected) throw error;
    region.replaceChildren(problem(error, () => fill(region, load, draw)));
  } finally {
    region.removeAttribute("aria-busy");
  }
}

// Run what a button is for, once at a time; an error is shown in `place`.
export async function act(button, place, work) {
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  place.replaceChildren();
  try {
    await work();
  } catch (error) {
    if (!error.expected) throw error;
    place.replaceChildren(problem(error));
  } finally {
    button.removeAttribute("aria-busy");
  }
}

// A dialog with a form: `content` are its fields, `done(form)` is awaited before it closes.
export function ask(title, content, { yes, danger = false, done }) {
  const wrong = el("div", { role: "alert" });
  const button = el(danger ? "button.danger" : "button.primary", {}, yes);
  const close = () => { dialog.close(); dialog.remove(); };
  const form = el("form", { submit: (event) => {
    event.preventDefault();
    act(button, wrong, async () => { await done(form); close(); });
  } }, el("h2", { id: "ask-title" }, title), content, wrong,
  el("div.row", {}, button, el("button.plain", { type: "button", click: close }, "Cancel")));
  const dialog = el("dialog", { "aria-labelledby": "ask-title", close: () => dialog.remove() }, form);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// A dialog that shows something once.
export function show(title, ...content) {
  const dialog = el("dialog", { "aria-labelledby": "show-title", close: () => dialog.remove() },
    el("div.stack", {}, el("h2", { id: "show-title" }, title), ...content,
      el("div.row", {}, el("button.primary", { click: () => dialog.close() }, "Done"))));
  document.body.append(dialog);
  dialog.showModal();
}

// A secret that can be copied.
export function secret(text, label) {
  const input = el("input.code", { readonly: true, value: text, "aria-label": label, id: "secret" });
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  };
  return el("div.row", {}, input, el("button.slim", { click: copy, type: "button" }, "Copy"));
}
