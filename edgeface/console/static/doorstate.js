// How a door is, in words, from what it last told the site.

import { el } from "./dom.js";
import { ago } from "./time.js";
import { capital, count } from "./words.js";

const SILENT_S = 90;

export const faultsOf = (door) => Object.entries((door.status || {}).faults || {});

// {state, text}: "good", "warn" or "bad".
export function doorState(door) {
  if (!door.seen_at) return { state: "warn", text: "Not yet connected" };
  if (Date.now() - new Date(door.seen_at) > SILENT_S * 1000) return { state: "bad", text: "Out of reach" };
  const faults = faultsOf(door);
  if (faults.length) return { state: "bad", text: count(faults.length, "fault", "faults") };
  return { state: "good", text: "Connected" };
}

export function faultList(door) {
  return faultsOf(door).map(([part, text]) => el("li.bad", {}, `${capital(part)}: ${text || "does not work"}`));
}

export function seen(door) {
  return door.seen_at ? el("span", {}, "heard ", ago(door.seen_at)) : el("span", {}, "its agent has not asked yet");
}

export function summary(doors) {
  if (!doors.length) return "No doors yet.";
  const states = doors.map((door) => doorState(door));
  const good = states.filter(({ state }) => state === "good").length;
  if (good === doors.length) return doors.length === 1 ? "Connected and well." : `All ${doors.length} doors are connected and well.`;
  return `${good} of ${count(doors.length, "door is", "doors are")} connected and well.`;
}

export const degrees = (status) => (status.temperature_c == null ? null : `${status.temperature_c.toFixed(0)} °C`);
export const millis = (value) => (value == null ? null : `${Math.round(value)} ms`);
