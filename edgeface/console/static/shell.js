// What every page has: who is logged in, the navigation by role, logging out.

import { changeOwnPassword } from "./account.js";
import { get, keepCsrf, remove } from "./api.js";
import { byId, el, problem } from "./dom.js";
import { mayName } from "./names.js";
import { keepTimesFresh } from "./time.js";

// Begin a page: `run(session)` is called once it is known who looks at it.
export async function begin(run) {
  setUpMenu();
  keepTimesFresh();
  try {
    const session = await get("/session");
    keepCsrf(session.csrf);
    mayName(session);
    welcome(session);
    await run(session);
  } catch (error) {
    if (!error.expected) throw error;
    if (error.status !== 401) byId("page").replaceChildren(problem(error, () => location.reload()));
  }
}

export const may = (session, ...roles) => roles.includes(session.role);

function welcome(session) {
  for (const part of document.querySelectorAll("[data-roles]")) {
    if (!part.dataset.roles.split(" ").includes(session.role)) part.remove();
  }
  for (const part of document.querySelectorAll("nav > div")) {
    if (!part.querySelector("a")) part.remove();
  }
  byId("whoami").replaceChildren(el("b", {}, session.user), el("span.muted", {}, session.role));
  byId("password").addEventListener("click", changeOwnPassword);
  byId("leave").addEventListener("click", async () => {
    await remove("/session");
    location.assign("/login");
  });
}

function setUpMenu() {
  const menu = byId("menu"), side = byId("side");
  const set = (open) => {
    side.classList.toggle("open", open);
    menu.setAttribute("aria-expanded", String(open));
  };
  menu.addEventListener("click", () => set(!side.classList.contains("open")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !side.classList.contains("open")) return;
    set(false);
    menu.focus();
  });
}
