// Names of people in events, which hold uids only. Who may not see people sees no names.

import { get } from "./api.js";

const known = new Map(); // uid -> promise of a name, or of null
let allowed = false;

export function mayName(session) { allowed = ["owner", "operator"].includes(session.role); }

// Give each event the names of its people: `person_name`, `with_person_name`.
export async function named(events) {
  await Promise.all(events.flatMap((event) => ["person", "with_person"].map(async (key) => {
    if (event[key]) event[`${key}_name`] = await nameOf(event[key]);
  })));
  return events;
}

function nameOf(uid) {
  if (!allowed) return null;
  if (!known.has(uid)) {
    known.set(uid, get(`/people/${uid}`, { byItself: true }).then((person) => person.name, () => null)); // erased since
  }
  return known.get(uid);
}
