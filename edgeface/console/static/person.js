// One person: details, access, more photos, what they may ask for.

import { get, patch, remove } from "./api.js";
import { act, ask, byId, chips, el, facts, field, fill, note, say } from "./dom.js";
import { followEvents, showLatest } from "./eventlist.js";
import { personFields, personProblems, personState, personValues } from "./personform.js";
import { photoPicker, sendPhotos } from "./photos.js";
import { begin } from "./shell.js";
import { day, when } from "./time.js";

const path = location.pathname; // /people/UID, as the API has it
const uid = path.split("/")[2];
let person = null;

function took(found) {
  person = found;
  document.title = `${person.name} · edgeface`;
  byId("name").textContent = person.name;
  byId("state").replaceChildren(personState(person));
  byId("access").replaceChildren(...access());
}

async function change(changes) {
  const { person: changed, conflicts } = await patch(path, changes, person.version);
  took(changed);
  const text = conflicts.length ? `Somebody else changed ${conflicts.join(", ")} meanwhile: what lets fewer in holds.` : "Saved. Connected doors know within seconds.";
  say(text);
}

function access() {
  const place = el("div", { role: "alert" });
  const button = el(person.blocked ? "button" : "button.danger", {}, person.blocked ? "Let them in again" : "Block at once");
  button.addEventListener("click", () => act(button, place, async () => {
    await change({ blocked: !person.blocked });
    redraw();
  }));
  const text = person.blocked ? "Recognised, and let in nowhere; an alarm says so when they come."
    : "Blocking reaches every connected door within two seconds.";
  return [facts([["Doors", chips(person.doors)], ["Enrolled", day(person.enrolled_at)], ["Photos measured", person.templates], ["Version", person.version]]),
    el("p.muted", {}, text), place, el("div.row", {}, button)];
}

function edit(groups) {
  const place = el("div", { role: "alert" }), button = el("button.primary", {}, "Save");
  const form = el("form", { novalidate: true, submit: (event) => {
    event.preventDefault();
    const problems = personProblems(form);
    if (problems.length) {
      place.replaceChildren(note("bad", ...problems.map(([, text]) => el("span", {}, text))));
      return byId(problems[0][0]).focus();
    }
    act(button, place, () => change(personValues(form)));
  } }, personFields(person, groups), place, el("div.row", {}, button));
  return form;
}

async function redraw() {
  const groups = Object.keys(await get("/groups"));
  byId("edit").replaceChildren(edit(groups));
}

function morePhotos() {
  const place = el("div", { role: "alert" }), button = el("button", { disabled: true }, "Add these photos");
  const picker = photoPicker({ wanted: 1, changed: (number) => { button.disabled = !number; } });
  button.addEventListener("click", () => act(button, place, async () => {
    const found = await sendPhotos(`${path}/photos`, {}, picker.good());
    if (!found) return;
    took(found);
    picker.clear();
    say("Added.");
  }));
  return [picker.node, place, el("div.row", {}, button)];
}

function erase() {
  const typed = el("input", { id: "typed", autocomplete: "off", required: true });
  ask(`Erase ${person.name}?`, [
    el("p", {}, "Their data goes from the site and from every door, for good. Log entries stay, of nobody."),
    field(`Write “${person.name}” to go on`, typed),
  ], { yes: "Erase for good", danger: true, done: async () => {
    if (typed.value.trim() !== person.name) throw Object.assign(new Error("That is another name."), { expected: true });
    gone(await remove(path));
  } });
}

function gone(receipt) {
  const doors = receipt.pending.length ? `Not confirmed yet by: ${receipt.pending.join(", ")}.` : "No door holds them any more.";
  byId("all").remove();
  byId("state").replaceChildren();
  byId("gone").replaceChildren(note("good", el("b", {}, "Erased."), facts([
    ["Receipt", el("code", {}, receipt.receipt_id)], ["At", when(receipt.erased_at)], ["Templates deleted", receipt.templates],
  ]), el("span", {}, `${doors} The page Privacy has all receipts.`)));
}

begin(async () => {
  await fill(byId("edit"), async () => {
    took(await get(path));
    return Object.keys(await get("/groups"));
  }, edit);
  if (!person) return;
  byId("photos").replaceChildren(...morePhotos());
  byId("account").href = `/api/v1${path}/account`;
  byId("account").download = `account-${uid}.json`;
  byId("erase").addEventListener("click", erase);
  byId("all-events").href = `/events?person=${uid}`;
  followEvents(await showLatest(byId("events"), { person: uid }));
});
