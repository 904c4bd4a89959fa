// Requests to our own server. Changes carry the token of the login.

export const session = { me: null, onEnd: () => {} };

export class ApiError extends Error {
  constructor(status, body) {
    super(body?.error ?? "the server did not answer");
    this.status = status;
    this.body = body;
  }
}

async function call(method, path, body) {
  const headers = { "X-CSRF": session.me?.csrf ?? "" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin" });
  } catch {
    throw new ApiError(0, { error: "the server cannot be reached" });
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    if (response.status === 401 && path !== "/api/login") session.onEnd();
    throw new ApiError(response.status, answer);
  }
  return answer;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const remove = (path) => call("DELETE", path);
export const part = encodeURIComponent;
