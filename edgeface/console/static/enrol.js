// Enrolling somebody: who it is, three good photos, one button. The same request twice is one person.

import { get } from "./api.js";
import { act, byId, el, fill, note } from "./dom.js";
import { NOBODY, personFields, personProblems, personValues } from "./personform.js";
import { photoPicker, sendPhotos } from "./photos.js";
import { begin } from "./shell.js";

const LEAST = 1;
let picker = null, requestId = newId();

// 32 hex digits: they name this enrolment, so that a repeated request enrols nobody twice.
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function problems(form) {
  const found = personProblems(form);
  if (picker.good().length < LEAST) found.push(["files", "Add photos: one good one at least, three are better."]);
  return found;
}

// Mark what is missing and list it; once listed, the list follows what is put right.
function tell(found, form) {
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  for (const [id] of found) byId(id).setAttribute("aria-invalid", "true");
  const list = found.map(([id, text]) => el("li", {}, el("a", { href: `#${id}` }, text)));
  byId("problems").replaceChildren(...(found.length ? [note("bad", el("ul", {}, list))] : []));
}

async function enrol(form) {
  const { name, ...changes } = personValues(form);
  const fields = { name, changes: JSON.stringify(changes), request_id: requestId };
  const person = await sendPhotos("/people", fields, picker.good());
  if (person) done(form, person);
}

function done(form, person) {
  requestId = newId();
  picker.clear();
  form.reset();
  const doors = person.doors.length ? `These doors will know them within seconds: ${person.doors.join(", ")}.` : "No door opens for their groups yet.";
  byId("done").replaceChildren(note("good", el("b", {}, `${person.name} is enrolled.`), el("span", {}, doors),
    el("a", { href: `/people/${person.uid}` }, "Open their page")));
  byId("done").scrollIntoView({ block: "center" });
}

begin(async () => {
  const form = byId("enrol");
  const again = () => byId("problems").querySelector("li") && tell(problems(form), form);
  picker = photoPicker({ changed: again });
  byId("photos").replaceChildren(picker.node);
  const groups = () => get("/groups");
  form.addEventListener("input", again);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    byId("done").replaceChildren();
    const found = problems(form);
    tell(found, form);
    if (found.length) return byId(found[0][0]).focus();
    act(byId("submit"), byId("problems"), () => enrol(form));
  });
  await fill(byId("who"), groups, (found) => el("div.stack", {}, personFields(NOBODY, Object.keys(found))));
});
