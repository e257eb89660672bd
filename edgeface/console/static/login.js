// Logging in: password and the authenticator's code at once, so that nobody learns which was wrong.

import { keepCsrf, post } from "./api.js";
import { act, byId } from "./dom.js";

const form = byId("login");

// Only an address of this console: never where a link from elsewhere says.
function destination() {
  const to = new URL(new URLSearchParams(location.search).get("to") || "/", location.origin);
  return to.origin === location.origin && to.pathname !== "/login" ? to.pathname + to.search : "/";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const [name, password, code] = ["name", "password", "code"].map((id) => byId(id).value);
  act(form.querySelector("button"), byId("wrong"), async () => {
    try {
      const session = await post("/session", { name: name.trim(), password, code: code.replace(/\D/g, "") });
      keepCsrf(session.csrf);
      location.replace(destination());
    } catch (error) {
      byId("code").value = "";
      byId(name && password ? "code" : name ? "password" : "name").focus();
      throw error;
    }
  });
});
byId("name").focus();
