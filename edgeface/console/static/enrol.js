// Enrolling somebody: who it is, three good photos, one button. The same request twice is one person.

import { get, send } from "./api.js";
import { act, ask, byId, el, fill, note, problem } from "./dom.js";
import { NOBODY, personFields, personProblems, personValues } from "./personform.js";
import { photoPicker } from "./photos.js";
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

function tell(found, form) {
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  for (const [id] of found) byId(id).setAttribute("aria-invalid", "true");
  byId("problems").replaceChildren(note("bad", el("ul", {}, found.map(([id, text]) => el("li", {}, el("a", { href: `#${id}` }, text))))));
  byId(found[0][0]).focus();
}

function request(form, confirm) {
  const { name, ...changes } = personValues(form), body = new FormData();
  body.append("name", name);
  body.append("changes", JSON.stringify(changes));
  body.append("request_id", requestId);
  if (confirm) body.append("confirm", "true");
  picker.good().forEach((blob, index) => body.append("photos", blob, `photo ${index + 1}`));
  return body;
}

async function enrol(form, confirm = false) {
  try {
    done(form, await send("/people", request(form, confirm)));
  } catch (error) {
    if (error.status !== 409 || error.code !== "duplicate") throw error;
    ask("Is this person enrolled already?", [problem(error), el("p", {}, "Twins and siblings can be that alike. The same person under two names makes the door refuse both.")],
      { yes: "It is another person: enrol", danger: true, done: () => enrol(form, true) });
  }
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
  picker = photoPicker();
  byId("photos").replaceChildren(picker.node);
  const groups = () => get("/groups");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    byId("done").replaceChildren();
    const found = problems(form);
    if (found.length) return tell(found, form);
    act(byId("submit"), byId("problems"), () => enrol(form));
  });
  await fill(byId("who"), groups, (found) => el("div.stack", {}, personFields(NOBODY, Object.keys(found))));
});
