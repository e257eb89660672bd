// Plain words for what doors write into their logs.

export const REASONS = {
  recognised: "recognised",
  two_people: "two people who may enter together",
  exit_request: "the exit button was pressed",
  unknown: "nobody enrolled was recognised",
  ambiguous: "too alike to two people",
  quality: "the face could not be seen well enough",
  several_faces: "several faces at once",
  not_live: "it looked like a picture, not a person",
  static_feed: "the camera’s picture did not move",
  challenge_failed: "the movement asked for was not made",
  timed_out: "it took too long",
  blocked: "this person is blocked",
  expired: "this person’s time is over",
  schedule: "outside this person’s hours",
  clock_unsure: "the door was not sure of the time",
  anti_passback: "already inside",
  cool_down: "let in a moment ago",
  rate_limit: "too many openings within a minute",
  locked_out: "locked for a while after too many attempts",
  second_person_missing: "the second person did not come",
  maintenance: "the door is in maintenance",
  fault: "a part of the door does not work",
  stale_frame: "the camera’s picture came too late",
  disarmed: "the door is disarmed",
};

export const ALARMS = {
  held_open: "The door stands open too long",
  forced: "The door was opened without permission",
  tamper: "The housing was opened",
  duress: "Silent call for help",
  locked_out: "Too many attempts: faces are locked out for a while",
  blocked: "Somebody who is blocked is at the door",
  fault: "A fault",
};

const PARTS = { camera: "camera", model: "recognition", gallery: "list of people", actuator: "lock", audit: "audit log" };

const NOTICED = {
  chain_broken: "The door’s log does not fit together",
  gap: "Lines of the door’s log are missing",
  key: "The door’s signing key",
  new_log: "The door began a new log",
  rollout: "A roll-out failed at this door",
  unreadable: "The door sent something that cannot be read",
};

// What the filter of events offers.
export const KINDS = [
  ["", "Everything"], ["opened", "Openings"], ["denied", "Denials"], ["alarm", "Alarms"], ["fault", "Faults"],
  ["act", "Acts at the door"], ["start", "Starts"], ["chain_broken", "Broken logs"], ["gap", "Missing lines"],
];

const QUIET = new Set(["checkpoint", "segment", "tombstone", "note"]);

// Whether an event is worth an operator's eye: not the log's own bookkeeping.
export const isShown = (event) => !QUIET.has(event.kind);

// {state, text} of an event: state is "good", "warn", "bad" or "".
export function sentence(event) {
  const name = event.person_name || (event.person ? "Somebody enrolled" : "");
  if (event.kind === "decision") return decision(event, name);
  if (event.kind === "alarm") return alarm(event, name);
  if (event.kind === "fault") return fault(event);
  if (event.kind === "act") return { state: "", text: `${capital(event.act || "act")}${event.by ? `, by ${event.by}` : ""}` };
  if (event.kind === "start") return { state: "", text: `Started${event.version ? `, edgeface ${event.version}` : ""}` };
  if (event.kind === "stop") return { state: "warn", text: "Stopped" };
  if (event.kind in NOTICED) {
    return { state: ["key", "new_log"].includes(event.kind) ? "warn" : "bad", text: `${NOTICED[event.kind]}: ${event.detail}` };
  }
  return { state: "", text: capital(event.detail || event.kind) };
}

function decision(event, name) {
  const why = REASONS[event.reason] || event.reason;
  if (event.opened && event.reason === "exit_request") return { state: "good", text: "Opened from inside" };
  if (event.opened && event.reason === "two_people") {
    return { state: "good", text: `${name || "Two people"} came in${event.with_person_name ? ` with ${event.with_person_name}` : ""}` };
  }
  if (event.opened) return { state: "good", text: `${name || "Somebody"} came in` };
  const state = ["not_live", "static_feed", "blocked", "locked_out", "fault"].includes(event.reason) ? "bad" : "warn";
  return { state, text: `${name || "Somebody"} was not let in: ${why}` };
}

function alarm(event, name) {
  const text = ALARMS[event.alarm || event.reason] || event.alarm;
  if (event.state === "ends") return { state: "good", text: `Over: ${text[0].toLowerCase()}${text.slice(1)}` };
  return { state: "bad", text: name ? `${text}: ${name}` : text };
}

function fault(event) {
  const part = PARTS[event.part || event.reason] || event.part;
  if (event.state === "ends") return { state: "good", text: `The ${part} works again` };
  return { state: "bad", text: `The ${part} does not work${event.detail ? `: ${event.detail}` : ""}` };
}

// How far a door's clock can be trusted.
export const CLOCKS = {
  synchronised: "set by the network", rtc: "its own battery clock", unsure: "not sure of the time", jumped: "just jumped",
};

export const QUALITY = {
  small: "Too small", blurred: "Blurred", side_pose: "Turned away", dark: "Too dark", bright: "Too bright",
  cut_off: "Cut off", no_face: "No face", several_faces: "Several faces", no_picture: "Not a photo",
};

export function count(number, one, many) {
  return `${number.toLocaleString("en-GB")} ${number === 1 ? one : many}`;
}

export function capital(text) { return text ? text[0].toUpperCase() + text.slice(1) : ""; }
