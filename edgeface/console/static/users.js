// Who may use the console, and tokens of programs.

import { address, get, patch, post, remove } from "./api.js";
import { ask, byId, chips, el, field, fill, note, nothing, options, password, picked, picks, pill, say, secret, show, table } from "./dom.js";
import { begin } from "./shell.js";
import { day, instant, when } from "./time.js";

const ROLES = [
  ["owner", "Owner: everything"], ["operator", "Operator: people, schedules, doors, events"], ["auditor", "Auditor: events and logs, changes nothing"],
];
const SCOPES = {
  "people:read": "Read people", "people:write": "Enrol and change people", "rules:read": "Read schedules and groups", "rules:write": "Change schedules and groups",
  "doors:read": "Read doors and health", "doors:write": "Add and change doors", "events:read": "Read events", "rollouts:write": "Roll out software", "acts:read": "Read the audit trail",
};

function userColumns(session) {
  const own = (user) => user.name === session.user;
  return [
    ["Name", (user) => [el("b", {}, user.name), own(user) ? el("span.muted", {}, " (you)") : ""]],
    ["Role", (user) => user.role],
    ["State", (user) => (user.enabled ? pill("good", "Active") : pill("bad", "Disabled"))],
    ["Last login", (user) => when(user.login_at, { seconds: false })],
    ["", (user) => el("span.row", {}, el("button.slim", { click: () => editUser(user, own(user)) }, "Change", el("span.unseen", {}, ` ${user.name}`)),
      el("button.slim", { click: () => renew(user) }, "New authenticator", el("span.unseen", {}, ` for ${user.name}`)),
      own(user) ? null : el("button.slim.plain", { click: () => removeUser(user) }, "Remove", el("span.unseen", {}, ` ${user.name}`)))],
  ];
}

const roleField = (role) => field("Role", options(el("select", { id: "user-role", name: "role" }), ROLES, role));

function addUser() {
  ask("Add a user", [
    field("Name", el("input", { id: "user-name", name: "name", required: true, pattern: "[a-z0-9][a-z0-9._\\-]{0,63}", autocapitalize: "none", autocomplete: "off" }), "Small letters, digits, “.”, “-” and “_”."),
    roleField("operator"), password("user-password", "First password"),
  ], { yes: "Add", done: async (form) => {
    const made = await post("/users", { name: form.elements.name.value, role: form.elements.role.value, password: form.elements.password.value });
    await again();
    showAuthenticator(made);
  } });
}

function showAuthenticator({ name, otpauth, qr }) {
  show(`The authenticator of ${name}`, el("p", {}, "Scan this with an authenticator app now. It is shown once."),
    el("div.qr", {}, el("img", { src: qr, alt: "QR code for the authenticator app" })), secret(otpauth, "The authenticator’s address"));
}

function editUser(user, own) {
  ask(`Change ${user.name}`, [
    own ? el("p.muted", {}, "Nobody takes their own rights away: another owner changes your role.") : [roleField(user.role),
      el("label.choice", {}, el("input", { type: "checkbox", name: "enabled", checked: user.enabled }), el("span", {}, "May log in"))],
    field("New password", el("input", { id: "user-password", name: "password", type: "password", minlength: 12, maxlength: 200, autocomplete: "new-password" }), "Empty: it stays. All sessions of this user end."),
  ], { yes: "Save", done: async ({ elements }) => {
    const changes = own ? {} : { role: elements.role.value, enabled: elements.enabled.checked };
    if (elements.password.value) changes.password = elements.password.value;
    await patch(`/${address("users", user.name)}`, changes);
    await again();
    say("Saved.");
  } });
}

function renew(user) {
  ask(`A new authenticator for ${user.name}?`, el("p", {}, "The old one is void at once, and all sessions of this user end."), { yes: "Make a new one", danger: true,
    done: async () => showAuthenticator(await post(`/${address("users", user.name)}/authenticator`)) });
}

function removeUser(user) {
  ask(`Remove ${user.name}?`, el("p", {}, "What they did stays in the audit trail."), { yes: "Remove", danger: true, done: async () => {
    await remove(`/${address("users", user.name)}`);
    await again();
  } });
}

const TOKEN_COLUMNS = [
  ["Name", (token) => el("b", {}, token.name)],
  ["May", (token) => chips(token.scopes)],
  ["Last used", (token) => when(token.used_at, { seconds: false })],
  ["Ends", (token) => (token.expires_at ? day(token.expires_at) : el("span.muted", {}, "no end"))],
  ["By", (token) => token.created_by.replace("user:", "")],
  ["", (token) => el("button.slim.plain", { click: () => revoke(token) }, "Revoke", el("span.unseen", {}, ` ${token.name}`))],
];

function addToken() {
  ask("Add a token", [
    field("Name", el("input", { id: "token-name", name: "name", required: true, maxlength: 64, autocomplete: "off" }), "What it is for, for example “attendance report”."),
    picks("What it may do", "scopes", Object.entries(SCOPES), []),
    field("Ends on", el("input", { id: "token-ends", name: "ends", type: "date" }), "Empty: no end."),
  ], { yes: "Add", done: async (form) => {
    const added = await post("/tokens", { name: form.elements.name.value, scopes: picked(form, "scopes"), expires_at: instant(form.elements.ends.value) });
    await again();
    show(`The token ${added.name}`, note("warn", el("span", {}, "It is shown once.")), secret(added.token, "The token"));
  } });
}

function revoke(token) {
  ask(`Revoke ${token.name}?`, el("p", {}, "Programs that use it are refused at once."), { yes: "Revoke", danger: true, done: async () => {
    await remove(`/${address("tokens", token.id)}`);
    await again();
  } });
}

let again = async () => {};

begin(async (session) => {
  const users = () => fill(byId("users"), () => get("/users"), (found) => table("Users", userColumns(session), found));
  const tokens = () => fill(byId("tokens"), () => get("/tokens"), (found) => (found.length ? table("Tokens", TOKEN_COLUMNS, found)
    : nothing("users", "No tokens", el("p", {}, "Programs that use the API need one."))));
  again = () => Promise.all([users(), tokens()]);
  await again();
  byId("new-user").addEventListener("click", addUser);
  byId("new-token").addEventListener("click", addToken);
});
