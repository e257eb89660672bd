// Schedules, groups, time zone and holidays: the rules of every door of the site.

import { address, get, put, remove } from "./api.js";
import { act, ask, byId, choice, el, field, fill, nothing, options, pill, picked, picks, say, table } from "./dom.js";
import { begin } from "./shell.js";
import { ALL_DAY, DAYS, EVERY_DAY, inWords, week } from "./week.js";

const NAME = { required: true, pattern: "[a-z0-9_\\-]{1,64}", maxlength: 64, autocapitalize: "none" };
const BUILT_IN = ["always", "never"];
let schedules = {}, groups = {}, decision = {};

const nameField = (id) => field("Name", el("input", { id, name: "name", ...NAME }), "Small letters, digits, “-” and “_”.");

function drawSchedules() {
  const names = Object.keys(schedules).sort();
  if (!names.length) return el("div.card", {}, nothing("schedules", "No schedules yet", el("p", {}, "Groups can use “always” and “never” without any.")));
  return el("div.cards", {}, names.map((name) => el("article.card", { "data-schedule": name },
    el("div.row.apart", {}, el("h3", {}, name), el("span.muted.small", {}, usedBy(name))),
    week(schedules[name]), el("p.small", {}, inWords(schedules[name])),
    el("div.row", {}, el("button.slim", { click: () => editSchedule(name) }, "Change", el("span.unseen", {}, ` ${name}`)),
      el("button.slim.plain", { click: () => removeRule("schedules", name) }, "Remove", el("span.unseen", {}, ` ${name}`))))));
}

function usedBy(name) {
  const users = Object.keys(groups).filter((group) => groups[group].schedule === name);
  return users.length ? `for ${users.join(", ")}` : "not used";
}

function editSchedule(name = null) {
  const { days = EVERY_DAY, times = ALL_DAY, holidays = "closed" } = name ? schedules[name] : { times: ["08:00-18:00"], days: EVERY_DAY.slice(0, 5) };
  const spans = el("div.spans"), picture = el("div");
  const read = (form) => ({ days: picked(form, "days"), times: [...spans.children].map(spanText), holidays: form.elements.holidays.checked ? "as_usual" : "closed" });
  const again = () => {
    const right = [...spans.querySelectorAll("input")].every((input) => input.checkValidity());
    if (right) picture.replaceChildren(week(read(dialog.querySelector("form"))));
  };
  const addSpan = (text) => spans.append(spanInputs(text, again));
  const content = [name ? null : nameField("schedule-name"), picks("Days", "days", DAYS, days),
    el("fieldset.field", {}, el("legend", {}, "Times"), el("p.hint", {}, "A span that ends before it begins goes over midnight."), spans,
      el("div.row", {}, el("button.slim", { type: "button", click: () => { addSpan("08:00-18:00"); again(); } }, "One more span"))),
    choice("Open on holidays too", { name: "holidays", checked: holidays === "as_usual" }), picture];
  const dialog = ask(name ? `Change ${name}` : "New schedule", content, { yes: "Save", done: async (form) => {
    await put(`/${address("schedules", name || form.elements.name.value)}`, read(form));
    await refresh("Saved. Connected doors have it within seconds.");
  } });
  times.forEach(addSpan);
  again();
  dialog.addEventListener("input", again);
  dialog.addEventListener("change", again);
}

// Times as text: an <input type="time"> shows 12 hours in some languages, and knows no 24:00.
function spanInputs(text, changed) {
  const input = (label, value) => {
    const node = el("input", { required: true, value, "aria-label": label, pattern: "([01][0-9]|2[0-3]):[0-5][0-9]|24:00", inputmode: "numeric", maxlength: 5,
      title: "Hours and minutes, as 08:30", change: () => { node.value = hours(node.value); } });
    return node;
  };
  const [first, last] = text.split("-");
  const row = el("div.span", {}, input("From", first), el("span", {}, "to"), input("To", last),
    el("button.slim.plain", { type: "button", click: () => { row.remove(); changed(); } }, "Remove", el("span.unseen", {}, " this span")));
  return row;
}

// "8", "830" and "8.30" as people write them, as 08:00 and 08:30.
function hours(text) {
  const [, hour, minute = "00"] = text.trim().match(/^(\d{1,2})[:.h]?(\d{2})?$/) || [];
  return hour ? `${hour.padStart(2, "0")}:${minute}` : text;
}

const spanText = (row) => [...row.querySelectorAll("input")].map((input) => input.value).join("-");

const GROUP_COLUMNS = [
  ["Group", (name) => el("b", {}, name)],
  ["Schedule", (name) => groups[name].schedule],
  ["Rule", (name) => (groups[name].two_people ? pill("", "Two people together") : el("span.muted", {}, "each alone"))],
  ["People", (name) => el("a", { href: `/people?group=${encodeURIComponent(name)}` }, "Show", el("span.unseen", {}, ` the people of ${name}`))],
  ["", (name) => el("span.row", {}, el("button.slim", { click: () => editGroup(name) }, "Change", el("span.unseen", {}, ` ${name}`)),
    el("button.slim.plain", { click: () => removeRule("groups", name) }, "Remove", el("span.unseen", {}, ` ${name}`)))],
];

function drawGroups() {
  const names = Object.keys(groups).sort();
  if (names.length) return table("Groups", GROUP_COLUMNS, names);
  return nothing("people", "No groups yet", el("p", {}, "Without any, everybody may always enter. A group “default” is of everybody who is in no other."));
}

function editGroup(name = null) {
  const { schedule = "always", two_people = false, ...others } = name ? groups[name] : {};
  const select = options(el("select", { id: "group-schedule", name: "schedule" }), [...BUILT_IN, ...Object.keys(schedules).sort()].map((value) => [value, value]), schedule);
  ask(name ? `Change ${name}` : "New group", [name ? null : nameField("group-name"), field("Schedule", select),
    choice("Opens for two different members only, one after the other", { name: "two_people", checked: two_people })], { yes: "Save", done: async (form) => {
    const table = { ...others, schedule: select.value, two_people: form.elements.two_people.checked };
    await put(`/${address("groups", name || form.elements.name.value)}`, table);
    await refresh("Saved. Connected doors have it within seconds.");
  } });
}

function removeRule(kind, name) {
  ask(`Remove ${name}?`, el("p", {}, kind === "groups" ? "Its members are in it no more: they may enter by their other groups only." : "A schedule that a group uses stays."), {
    yes: "Remove", danger: true, done: async () => {
      await remove(`/${address(kind, name)}`);
      await refresh("Removed.");
    } });
}

function drawCalendar() {
  const zone = el("input", { id: "zone", name: "zone", list: "zones", value: decision.time_zone || "UTC", required: true, autocomplete: "off" });
  const zones = el("datalist", { id: "zones" }, Intl.supportedValuesOf("timeZone").map((value) => el("option", { value })));
  const holidays = el("textarea", { id: "holidays", name: "holidays", rows: 4 }, (decision.holidays || []).join("\n"));
  const place = el("div", { role: "alert" }), button = el("button", {}, "Save");
  return el("form", { submit: (event) => {
    event.preventDefault();
    act(button, place, async () => {
      const days = holidays.value.split(/[\s,;]+/).filter(Boolean);
      await put("/decision", { ...(await get("/decision")), time_zone: zone.value, holidays: days });
      say("Saved.");
    });
  } }, el("div.fields", {}, field("Time zone of the schedules", zone, "For example Europe/London."), field("Holidays", holidays, "One day a line, as 2026-12-25.")), zones, place, el("div.row", {}, button));
}

async function load() {
  [schedules, groups, decision] = await Promise.all([get("/schedules"), get("/groups"), get("/decision")]);
}

async function refresh(text = "") {
  await fill(byId("schedules"), load, drawSchedules);
  byId("groups").replaceChildren(drawGroups());
  byId("groups").removeAttribute("aria-busy");
  if (text) say(text);
}

begin(async () => {
  await refresh();
  await fill(byId("calendar"), async () => null, drawCalendar);
  byId("new-schedule").addEventListener("click", () => editSchedule());
  byId("new-group").addEventListener("click", () => editGroup());
});
