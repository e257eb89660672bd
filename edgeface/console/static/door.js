// One door: its live picture on demand, how it is, whom it opens for, its log.

import { address, get, post, put, remove } from "./api.js";
import { act, ask, byId, chips, el, facts, fill, note, picked, picks, pill, say, secret, show } from "./dom.js";
import { degrees, doorState, faultList, millis, seen } from "./doorstate.js";
import { followEvents, showLatest } from "./eventlist.js";
import { draw, watch } from "./live.js";
import { report } from "./report.js";
import { begin, may } from "./shell.js";
import { clock } from "./time.js";
import { CLOCKS } from "./words.js";

const name = decodeURIComponent(location.pathname.split("/")[2]);
const path = `/${address("doors", name)}`;
let watching = null;

async function find(byItself = false) {
  const found = (await get("/doors", { byItself })).find((door) => door.name === name);
  if (!found) throw Object.assign(new Error(`There is no door ${name}.`), { expected: true });
  return found;
}

function drawFacts(door) {
  const state = doorState(door), status = door.status || {};
  byId("state").replaceChildren(pill(state.state, state.text));
  const faults = faultList(door);
  return [faults.length ? el("ul", {}, faults) : null, facts([
    ["Heard", seen(door)], ["edgeface", status.edgeface], ["Bundle", status.bundle], ["Slot", status.slot],
    ["People", status.people], ["Rules", status.rules === null || status.rules === undefined ? "its own" : `version ${status.rules} of the site`],
    ["Clock", CLOCKS[status.clock] || status.clock], ["Temperature", degrees(status)],
    ["Capture to decision", status.latency_p95_ms == null ? null : `${millis(status.latency_p50_ms)}, 95 % within ${millis(status.latency_p95_ms)}`],
    ["Frames", status.frames_per_s == null ? null : `${status.frames_per_s.toFixed(1)} per second`],
    ["Memory", status.memory_mb == null ? null : `${Math.round(status.memory_mb)} MB`],
    ["Log lines not sent yet", status.unsent], ["Opens for", chips(door.groups)],
  ])];
}

async function drawGroups(door) {
  const all = [...new Set(["default", ...Object.keys(await get("/groups")), ...door.groups])];
  const place = el("div", { role: "alert" }), button = el("button", {}, "Save");
  const form = el("form", { submit: (event) => {
    event.preventDefault();
    act(button, place, async () => {
      await put(`${path}/groups`, { groups: picked(form, "groups") });
      say("Saved. The door takes its people anew.");
    });
  } }, picks("Groups", "groups", all.map((group) => [group, group]), door.groups, "The door’s board keeps these people and nobody else."), place, el("div.row", {}, button));
  return form;
}

function setUpLive() {
  const form = byId("ask"), place = byId("ask-problem");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wish = { minutes: Number(byId("minutes").value), reason: byId("reason").value.trim() };
    act(form.querySelector("button"), place, async () => {
      const { until } = await post(`${path}/live`, wish);
      follow(new Date(until), place);
    });
  });
  byId("stop").addEventListener("click", stop);
  addEventListener("pagehide", stop);
  if (location.hash === "#live") byId("reason").focus();
}

async function follow(until, place) {
  stop();
  watching = new AbortController();
  const own = watching;
  over("Waiting for the door’s camera…");
  byId("stop").hidden = false;
  byId("seen").textContent = `Shown until ${clock(until)}. Nothing is stored.`;
  try {
    await watch(`${path}/live`, own.signal, async (picture) => {
      await draw(byId("picture"), picture);
      byId("over").hidden = true;
      byId("asked").textContent = picture.look?.instruction ? `The visitor is asked: ${picture.look.instruction}` : "";
    });
    if (own === watching) stop();
  } catch (error) {
    if (own === watching) stop();
    if (error.name === "AbortError") return;
    if (!error.expected && !(error instanceof TypeError)) throw error;
    place.replaceChildren(note("warn", el("span", {}, "The picture broke off. Ask again.")));
  }
}

function stop() {
  watching?.abort();
  watching = null;
  byId("stop").hidden = true;
  byId("seen").textContent = byId("asked").textContent = "";
  const canvas = byId("picture");
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  over("Off. Nobody sees this door’s picture.");
}

function over(text) {
  byId("over-text").textContent = text;
  byId("over").hidden = false;
}

function setUpToken() {
  const made = byId("renew");
  made.addEventListener("click", () => ask(`A new token for ${name}?`, el("p", {}, "The old one is void at once: the door is cut off until its board has the new one."), {
    yes: "Make a new token", danger: true, done: async () => {
      const { token } = await post(`${path}/token`);
      show("The new token", note("warn", el("span", {}, "It is shown once.")), secret(token, "The door’s token"));
    } }));
  byId("remove").addEventListener("click", () => ask(`Remove ${name}?`, el("p", {}, "Its token is void at once. The door goes on with the people whom it has until its board is emptied."), {
    yes: "Remove", danger: true, done: async () => {
      await remove(path);
      location.assign("/");
    } }));
}

// The keys that the door showed: what one signs counts when somebody trusts it.
function drawKeys(keys, session) {
  if (!keys.length) return el("p.muted", {}, "It has shown no signing key yet.");
  return el("ul.stack.tight", {}, keys.map((shown) => {
    const place = el("div", { role: "alert" }), mark = shown.trusted ? pill("good", "trusted") : pill("warn", "not trusted");
    const button = el("button.slim", { click: () => act(button, place, async () => {
      await put(`${path}/keys/${shown.id}`, { trusted: !shown.trusted });
      await fill(byId("keys"), () => get(`${path}/keys`), (found) => drawKeys(found.keys, session));
    }) }, shown.trusted ? "Trust no more" : "Trust", el("span.unseen", {}, ` key ${shown.id}`));
    return el("li", {}, el("div.row", {}, el("code", {}, shown.id), mark, may(session, "owner") && button), place);
  }));
}

begin(async (session) => {
  document.title = `${name} · edgeface`;
  byId("name").textContent = name;
  byId("all-events").href = `/events?door=${encodeURIComponent(name)}`;
  if (may(session, "owner", "operator")) setUpLive();
  if (may(session, "owner")) {
    setUpToken();
    fill(byId("groups"), find, (door) => drawGroupsInto(door));
  }
  if (may(session, "owner", "auditor")) {
    fill(byId("keys"), () => get(`${path}/keys`), (found) => drawKeys(found.keys, session));
    byId("verify").addEventListener("click", () => act(byId("verify"), byId("report"), async () => {
      byId("report").replaceChildren(...report(await get(`${path}/log`)));
    }));
  }
  await fill(byId("facts"), find, drawFacts);
  setInterval(() => document.hidden || fill(byId("facts"), () => find(true), drawFacts), 10_000);
  const arrived = await showLatest(byId("events"), { door: name });
  followEvents(arrived);
});

function drawGroupsInto(door) {
  const place = el("div");
  drawGroups(door).then((form) => place.replaceChildren(form));
  return place;
}
