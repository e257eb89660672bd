// Times in the viewer's zone; the title has them in UTC.

import { el } from "./dom.js";

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const SHORT = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const MINUTE_MS = 60_000, DAY_MS = 86_400_000;

export function when(text, { seconds = true } = {}) {
  if (!text) return el("span.muted", {}, "never");
  const moment = new Date(text);
  return stamp(moment, calendar(moment, seconds));
}

export function day(text) {
  return text ? stamp(new Date(text), DAY.format(new Date(text))) : el("span.muted", {}, "never");
}

// "3 min ago", kept fresh.
export function ago(text) {
  if (!text) return el("span.muted", {}, "never");
  const node = stamp(new Date(text), since(new Date(text)));
  node.dataset.ago = text;
  return node;
}

export function keepTimesFresh() {
  setInterval(() => {
    for (const node of document.querySelectorAll("time[data-ago]")) {
      node.textContent = since(new Date(node.dataset.ago));
    }
  }, 5000);
}

export function today() {
  const now = new Date();
  now.setHours(0, 0, 0, 0);
  return now;
}

export function clock(moment) { return SHORT.format(moment); }

// What an <input type="date"> holds, in the viewer's zone.
export function dateValue(text) {
  if (!text) return "";
  const moment = new Date(text);
  const two = (number) => String(number).padStart(2, "0");
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

// The beginning of a day of such an input, as the API takes it; `days` later.
export function instant(value, days = 0) {
  if (!value) return null;
  const moment = new Date(`${value}T00:00:00`);
  moment.setDate(moment.getDate() + days);
  return moment.toISOString().replace(/\.\d+Z$/, "Z");
}

function stamp(moment, text) {
  const utc = moment.toISOString();
  return el("time.nowrap", { datetime: utc, title: `${utc.slice(0, 10)} ${utc.slice(11, 19)} UTC` }, text);
}

function calendar(moment, seconds) {
  const of = (seconds ? CLOCK : SHORT).format(moment);
  const days = Math.round((today() - new Date(moment).setHours(0, 0, 0, 0)) / DAY_MS);
  if (days === 0) return of;
  if (days === 1) return `yesterday ${SHORT.format(moment)}`;
  const isThisYear = moment.getFullYear() === new Date().getFullYear();
  return `${(isThisYear ? DATE : DAY).format(moment)}, ${SHORT.format(moment)}`;
}

function since(moment) {
  const passed = Date.now() - moment;
  if (passed < 5000) return "just now";
  if (passed < MINUTE_MS) return `${Math.round(passed / 1000)} s ago`;
  if (passed < 60 * MINUTE_MS) return `${Math.round(passed / MINUTE_MS)} min ago`;
  if (passed < DAY_MS) return `${Math.round(passed / (60 * MINUTE_MS))} h ago`;
  const days = Math.round(passed / DAY_MS);
  return days === 1 ? "a day ago" : `${days} days ago`;
}
