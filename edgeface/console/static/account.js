// One's own password: whoever knows it and has the authenticator sets another one.

import { put } from "./api.js";
import { ask, byId, el, field, password } from "./dom.js";

export function changeOwnPassword() {
  const dialog = ask("Change your password", [
    el("p", {}, "You are logged out everywhere, and log in with the new one."),
    field("Password as it is", el("input", { id: "own-password", name: "own", type: "password", required: true, autocomplete: "current-password" })),
    password("own-new", "New password"),
    field("New password again", el("input", { id: "own-again", name: "again", type: "password", required: true, autocomplete: "new-password" })),
    field("Code of your authenticator app", el("input.digits", { id: "own-code", name: "code", inputmode: "numeric", pattern: "[0-9]{6}", maxlength: 6, required: true, autocomplete: "one-time-code" }),
      "Six digits; not the code that you logged in with."),
  ], { yes: "Change it", done: async ({ elements }) => {
    await put("/session/password", { password: elements.own.value, code: elements.code.value, new: elements.password.value });
    location.assign("/login");
  } });
  dialog.addEventListener("input", () => {
    const [first, again] = [byId("own-new"), byId("own-again")];
    again.setCustomValidity(first.value === again.value ? "" : "The two new passwords differ.");
  });
}
