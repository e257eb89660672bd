// A person's own data as fields, at enrolment and later; read back as the API takes it.

import { el, field, picks, picked, pill } from "./dom.js";
import { dateValue, instant } from "./time.js";

export function personFields(person, groups) {
  const all = [...new Set([...groups, ...person.groups])].map((group) => [group, group]);
  const [facility, number] = person.card || ["", ""];
  return [
    field("Name", el("input", { id: "person-name", name: "name", value: person.name, required: true, maxlength: 200, autocomplete: "off" })),
    picks("Groups", "groups", all, person.groups, "Their schedules say when this person may enter. In no group: as the group “default” has it."),
    el("div.fields", {},
      field("Consent given on", el("input", { id: "consent", name: "consent", type: "date", value: dateValue(person.consent_at), max: dateValue(new Date().toISOString()), required: true }),
        "The day on which this person agreed to be recognised."),
      field("Not recognised any more from", el("input", { id: "expires", name: "expires", type: "date", value: dateValue(person.expires_at) }), "Empty: no end.")),
    el("details", { open: Boolean(person.card) }, el("summary", {}, "Card number for Wiegand and OSDP panels"),
      el("div.fields", {},
        field("Facility", el("input", { id: "facility", name: "facility", inputmode: "numeric", pattern: "[0-9]*", value: facility }), "0 to 65,535"),
        field("Number", el("input", { id: "number", name: "number", inputmode: "numeric", pattern: "[0-9]*", value: number }), "0 to 4,294,967,295"))),
  ];
}

// {name, groups, consent_at, expires_at, card}; a card of one half is told to the server, which refuses.
export function personValues(form) {
  const value = (name) => form.elements[name].value.trim();
  const card = [value("facility"), value("number")];
  return {
    name: value("name"),
    groups: picked(form, "groups"),
    consent_at: instant(value("consent")),
    expires_at: instant(value("expires")),
    card: card.some(Boolean) ? card.map(Number) : null,
  };
}

// What is missing, in sentences: [id of the field, text].
export function personProblems(form) {
  const found = [];
  if (!form.elements.name.value.trim()) found.push(["person-name", "Write the person’s name."]);
  if (!form.elements.consent.value) found.push(["consent", "Write on which day the person consented: without consent nobody is enrolled."]);
  return found;
}

export const NOBODY = { name: "", groups: [], consent_at: null, expires_at: null, card: null };

export function personState(person) {
  if (person.blocked) return pill("bad", "Blocked");
  if (person.expires_at && new Date(person.expires_at) <= new Date()) return pill("warn", "Expired");
  if (!person.templates) return pill("warn", "Needs photos");
  return pill("good", "May enter");
}
