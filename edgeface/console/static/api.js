// Asking the REST API: every answer is JSON, every error has a text for people.

const API = "/api/v1";
let csrf = "";

export class ApiError extends Error {
  constructor(status, code, text) {
    super(text);
    this.status = status;
    this.code = code;
    this.expected = true;
  }
}

export function keepCsrf(token) { csrf = token; }

export const address = (...parts) => parts.map(encodeURIComponent).join("/");

export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export const get = (path, options = {}) => request("GET", path, options);
export const post = (path, json = undefined) => request("POST", path, { json });
export const put = (path, json) => request("PUT", path, { json });
export const remove = (path, options = {}) => request("DELETE", path, options);
export const patch = (path, json, version = null) => request("PATCH", path, { json, version });
export const send = (path, form) => request("POST", path, { form });

// A stream of bytes: the caller reads the body.
export async function open(path, signal) {
  return checked(await ask("GET", path, { signal }));
}

async function request(method, path, options) {
  const answer = await checked(await ask(method, path, options));
  return answer.status === 204 ? null : answer.json();
}

async function ask(method, path, { json, form, version, signal, byItself = false }) {
  const headers = method === "GET" ? {} : { "X-CSRF-Token": csrf };
  if (byItself) headers["X-Edgeface-Unattended"] = "1"; // a page that is left open keeps no session alive
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (version !== null && version !== undefined) headers["If-Match"] = `"${version}"`;
  const body = form || (json === undefined ? undefined : JSON.stringify(json));
  try {
    return await fetch(API + path, { method, headers, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "away", "The site does not answer. Is the network there, and the server running?");
  }
}

async function checked(answer) {
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  // "wrong" is a password, not the session.
  if (answer.status === 401 && told.error !== "wrong" && location.pathname !== "/login") {
    location.assign(`/login?to=${encodeURIComponent(location.pathname + location.search)}`);
  }
  const text = told.text || `The site answered ${answer.status}.`;
  throw new ApiError(answer.status, told.error || "", sentence(text));
}

function sentence(text) {
  const begun = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
