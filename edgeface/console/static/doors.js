// The overview: a card for each door, and what happens just now.

import { get, post, query } from "./api.js";
import { act, ask, byId, el, field, fill, icon, nothing, note, picks, picked, pill, secret, show } from "./dom.js";
import { doorState, faultList, seen, summary } from "./doorstate.js";
import { addEvent, findEvents, followEvents, showLatest } from "./eventlist.js";
import { begin, may } from "./shell.js";
import { today, when } from "./time.js";
import { isShown, sentence } from "./words.js";

const EVERY_MS = 10_000;
const last = new Map();

function card(door, session) {
  const state = doorState(door), told = last.get(door.name);
  const said = told ? sentence(told) : null;
  const faults = faultList(door);
  return el("article.card", { "data-door": door.name },
    el("div.row.apart", {}, el("h2", {}, el("a", { href: `/doors/${door.name}` }, door.name)), pill(state.state, state.text)),
    el("div.last", {}, el(`span.dot${said?.state ? `.${said.state}` : ""}`),
      said ? el("div", {}, el("div", {}, said.text), el("div.muted.small", {}, when(told.happened))) : el("span.muted", {}, "No events yet.")),
    el("div.figures", {}, figure(door.opened, "let in today"), figure(door.denied, "not let in")),
    faults.length ? el("ul.small", {}, faults) : null,
    el("div.row.apart", {}, el("span.muted.small", {}, seen(door)),
      may(session, "owner", "operator") && el("a.button", { href: `/doors/${door.name}#live` }, icon("camera"), el("span", {}, "Live", el("span.unseen", {}, ` picture of ${door.name}`)))));
}

const figure = (number, text) => el("div.figure", {}, el("b", {}, String(number ?? 0)), el("span", {}, text));

function draw(doors, session) {
  byId("summary").textContent = summary(doors);
  if (!doors.length) {
    const more = may(session, "owner") ? "Add one, and put its token on its board." : "An owner adds doors.";
    return el("div.card", {}, nothing("door", "No doors yet", el("p", {}, more)));
  }
  return el("div.cards", {}, doors.map((door) => card(door, session)));
}

async function load(byItself) {
  const doors = await get(`/doors${query({ since: today().toISOString() })}`, { byItself });
  const missing = doors.filter((door) => !last.has(door.name));
  await Promise.all(missing.map(async (door) => {
    const found = await findEvents({ door: door.name, limit: 20 });
    const shown = found.events.find(isShown);
    if (shown) last.set(door.name, shown);
  }));
  return doors;
}

async function addDoor() {
  const groups = Object.keys(await get("/groups"));
  const name = el("input", { id: "door-name", name: "name", required: true, pattern: "[A-Za-z0-9_\\-]{1,64}", maxlength: 64 });
  ask("Add a door", [
    field("Name", name, "Letters, digits, “-” and “_”, for example “main-entrance”."),
    picks("Whose people it may let in", "groups", [...new Set(["default", ...groups])].map((group) => [group, group]), ["default"],
      "The door’s board keeps these people and nobody else. “default” is everybody without a group."),
  ], { yes: "Add", done: async (form) => {
    const added = await post("/doors", { name: name.value, groups: picked(form, "groups") });
    refresh();
    show(`${added.name} is added`, note("warn", el("span", {}, "This token is shown once. Put it into the token file of the door’s board.")), secret(added.token, "The door’s token"));
  } });
}

let refresh = () => {};

begin(async (session) => {
  const region = byId("doors");
  refresh = (byItself = false) => fill(region, () => load(byItself), (doors) => draw(doors, session));
  await refresh();
  const quietly = async () => {
    if (document.hidden || region.contains(document.activeElement)) return;
    await refresh(true);
  };
  setInterval(quietly, EVERY_MS);
  const latest = byId("latest");
  await showLatest(latest, {}, { limit: 8 });
  followEvents((event) => {
    addEvent(latest, event, { most: 8 });
    if (isShown(event)) last.set(event.door, event);
    if (event.kind !== "checkpoint") quietly();
  });
  if (may(session, "owner")) {
    byId("add").hidden = false;
    byId("add").addEventListener("click", () => act(byId("add"), byId("summary"), addDoor));
  }
});
