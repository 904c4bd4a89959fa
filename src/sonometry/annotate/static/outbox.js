// What was marked but has not been kept by the server yet. It lives in localStorage, so that neither a closed window nor
// a server that is down loses anything; each action has a number of its own, so that sending it twice does no harm.

import { ApiError, post, session } from "./api.js";

const RETRY_MS = [400, 1000, 2000, 4000];

export class Outbox extends EventTarget {
  constructor(name) {
    super();
    this.place = `sonometry.outbox.${name}`;
    this.versions = new Map();
    this.queue = this.#stored();
    this.onConflict = async () => "theirs";
    this.onRefused = () => {};
    this.onKept = () => {};
    this.isSending = false;
    this.failures = 0;
    this.idle = Promise.resolve();
    if (this.queue.length) this.#send();
  }

  // The version of every mark that the server told.
  know(list, round, target, marks) {
    for (const mark of Object.values(marks)) this.versions.set(slotKey({ list, round, target, slot: mark.slot }), mark.version);
  }

  // Values that are not kept yet, by slot.
  pending(list, round, target) {
    const own = this.queue.filter((one) => one.list === list && one.round === round && one.target === target);
    return Object.fromEntries(own.map((one) => [one.slot, one.value]));
  }

  put(list, round, target, slot, value) {
    const action = { list, round, target, slot, value, action_id: crypto.randomUUID() };
    action.seen_version = this.versions.get(slotKey(action)) ?? 0;
    this.queue.push(action);
    this.#store();
    this.#send();
  }

  get state() {
    if (!this.queue.length) return { kind: "saved", text: "All changes saved" };
    if (this.failures) return { kind: "waiting", text: `Server not reachable; ${this.queue.length} kept in this browser` };
    return { kind: "saving", text: "Saving" };
  }

  // Resolves when everything has been sent, or false after a while.
  async flushed(limitMs = 3000) {
    const end = performance.now() + limitMs;
    while (this.queue.length && performance.now() < end) await new Promise((done) => setTimeout(done, 15));
    return !this.queue.length;
  }

  async #send() {
    if (this.isSending) return;
    this.isSending = true;
    while (this.queue.length) {
      const action = this.queue[0];
      this.#tell();
      try {
        const { ...body } = action;
        body.seen_version = this.versions.get(slotKey(action)) ?? action.seen_version;
        const mark = await post("/api/marks", body);
        this.versions.set(slotKey(action), mark.version);
        this.failures = 0;
        this.#drop(action);
        this.onKept(action, mark);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 409) await this.#settle(action, error.body.current);
        else if (error.status === 401) {
          this.failures = 1;
          this.#tell();
          break;
        } else if (error.status === 0 || error.status >= 500) {
          this.failures += 1;
          this.#tell();
          await new Promise((done) => setTimeout(done, RETRY_MS[Math.min(this.failures, RETRY_MS.length) - 1]));
        } else {
          this.#drop(action);
          this.onRefused(action, error.message);
        }
      }
    }
    this.isSending = false;
    this.#tell();
  }

  // Two people at one place: the person here says which of the two stays.
  async #settle(action, current) {
    const choice = await this.onConflict(action, current);
    this.versions.set(slotKey(action), current.version);
    if (choice === "mine") {
      action.seen_version = current.version;
      action.action_id = crypto.randomUUID();
      this.#store();
      return;
    }
    this.queue = this.queue.filter((one) => slotKey(one) !== slotKey(action));
    this.#store();
    this.onKept(action, current);
  }

  #drop(action) {
    this.queue = this.queue.filter((one) => one !== action);
    this.#store();
  }

  #stored() {
    try {
      const found = JSON.parse(localStorage.getItem(this.place) ?? "[]");
      return Array.isArray(found) ? found : [];
    } catch {
      return [];
    }
  }

  #store() {
    localStorage.setItem(this.place, JSON.stringify(this.queue));
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

const slotKey = (one) => `${one.list}|${one.round}|${one.target}|${one.slot}`;

let box = null;

// The one outbox of the person who is logged in.
export function outbox() {
  const name = session.me.name;
  if (box?.place !== `sonometry.outbox.${name}`) box = new Outbox(name);
  return box;
}
