// How every door and the server are: what an installer looks at first.

import { get, query } from "./api.js";
import { byId, el, facts, fill, nothing, note, pill, table } from "./dom.js";
import { degrees, doorState, faultList, millis, seen, summary } from "./doorstate.js";
import { begin } from "./shell.js";
import { today } from "./time.js";
import { CLOCKS } from "./words.js";

const HOT_C = 80, SLOW_MS = 500, EVERY_MS = 10_000;

const warned = (text, isBad) => (text === null || text === undefined ? el("span.muted", {}, "–") : el("span" + (isBad ? ".warn" : ""), {}, text));

const COLUMNS = [
  ["Door", (door) => [el("a.strong", { href: `/doors/${door.name}` }, door.name), el("div.muted.small", {}, seen(door))]],
  ["State", (door) => [stateOf(door), el("ul.small", {}, faultList(door))]],
  ["Version", ({ status }) => [warned(status?.edgeface), el("div.muted.small", {}, status?.bundle || "")]],
  ["Clock", ({ status }) => warned(CLOCKS[status?.clock] || status?.clock, status && !["synchronised", "rtc"].includes(status.clock))],
  ["Temp.", ({ status }) => warned(degrees(status || {}), status?.temperature_c > HOT_C), "number"],
  ["p95", ({ status }) => warned(millis(status?.latency_p95_ms), status?.latency_p95_ms > SLOW_MS), "number"],
  ["People", ({ status }) => warned(status?.people?.toLocaleString("en-GB")), "number"],
  ["Unsent", ({ status }) => warned(status?.unsent, status?.unsent > 1000), "number"],
  ["Today", (door) => el("span.nowrap", {}, `${door.opened ?? 0} in, ${door.denied ?? 0} not`), "number"],
];

function stateOf(door) {
  const { state, text } = doorState(door);
  return pill(state, text);
}

function drawDoors(doors) {
  byId("summary").textContent = summary(doors);
  if (!doors.length) return el("div.card", {}, nothing("door", "No doors yet", el("p", {}, "An owner adds doors on the page Doors.")));
  return el("div.table", {}, table("Doors", COLUMNS, doors));
}

function drawServer(found) {
  const state = found.faults.length ? note("bad", el("ul", {}, found.faults.map((text) => el("li", {}, text)))) : note("good", el("span", {}, "All is well."));
  return [state, facts([["edgeface", found.edgeface], ["Bundle", found.bundle], ["Model", found.model_id], ["Doors", found.doors]])];
}

begin(async () => {
  const refresh = (byItself = false) => Promise.all([
    fill(byId("doors"), () => get(`/doors${query({ since: today().toISOString() })}`, { byItself }), drawDoors),
    fill(byId("server"), () => get("/health", { byItself }), drawServer),
  ]);
  await refresh();
  setInterval(() => document.hidden || byId("doors").contains(document.activeElement) || refresh(true), EVERY_MS);
});
