// Who may log in. The first person that gets a password is an administrator, and from then on everybody logs in.

import { get, part, post, remove, session } from "./api.js";
import { ask, h, toast } from "./dom.js";

export async function peoplePage() {
  const people = await get("/api/people");
  const { me } = session;
  return h("main", { class: "home narrow" },
    h("div", { class: "heading" }, h("div", {}, h("h1", {}, "People"),
      h("p", { class: "muted" }, me.is_alone
        ? `One person works here without a password, as "${me.name}". Add yourself first to let several people log in; you are the administrator then.`
        : "Each person logs in with a name and a password. Marks carry the name; initials do.")),
      h("button", { class: "main", onclick: add }, me.is_alone ? "Work with several people" : "Add a person")),
    people.length ? h("table", { class: "plain-table" },
      h("tr", {}, h("th", {}, "Name"), h("th", {}, "Role"), h("th", {})),
      people.map((one) => h("tr", {}, h("td", {}, one.name), h("td", {}, one.is_admin ? "administrator" : "reader"),
        h("td", { class: "actions" }, h("button", { onclick: () => change(one.name) }, "New password"), one.name === me.name ? null : h("button", { onclick: () => drop(one.name) }, "Remove"))))) : null);
}

function passwordFields() {
  const password = h("input", { type: "password", autocomplete: "new-password", minlength: "10" });
  const again = h("input", { type: "password", autocomplete: "new-password" });
  return { password, again, rows: [h("label", {}, "Password, at least 10 characters", password), h("label", {}, "Once more", again)] };
}

async function add() {
  const name = h("input", { maxlength: "32", autocomplete: "off" });
  const isAdmin = h("input", { type: "checkbox", checked: session.me.is_alone, disabled: session.me.is_alone });
  const { password, again, rows } = passwordFields();
  const body = h("form", { class: "stack", onsubmit: (e) => e.preventDefault() }, h("label", {}, "Name (initials do)", name), rows, h("label", { class: "check" }, isAdmin, "administrator: may add people and lists, and sees all results"));
  const choice = await ask(session.me.is_alone ? "Your own account" : "A new person", body, [{ label: "Cancel", value: null }, { label: "Add", value: "add", kind: "main" }]);
  if (choice !== "add") return;
  if (password.value !== again.value) return toast("The two passwords differ", "bad");
  const wasAlone = session.me.is_alone;
  try {
    await post("/api/people", { name: name.value.trim(), password: password.value, is_admin: isAdmin.checked });
    if (wasAlone) location.reload(); // everybody logs in from now on
    else dispatchEvent(new HashChangeEvent("hashchange"));
  } catch (error) {
    toast(error.message, "bad");
  }
  return undefined;
}

async function change(name) {
  const { password, again, rows } = passwordFields();
  const choice = await ask(`New password for ${name}`, h("form", { class: "stack", onsubmit: (e) => e.preventDefault() }, rows), [{ label: "Cancel", value: null }, { label: "Change", value: "change", kind: "main" }]);
  if (choice !== "change") return;
  if (password.value !== again.value) return toast("The two passwords differ", "bad");
  try {
    await post(`/api/people/${part(name)}/password`, { name, password: password.value });
    toast(`${name} has a new password`, "good");
  } catch (error) {
    toast(error.message, "bad");
  }
  return undefined;
}

async function drop(name) {
  const choice = await ask(`Remove ${name}?`, h("p", {}, "The marks of this person stay; the login ends now."), [{ label: "Cancel", value: null }, { label: "Remove", value: "yes", kind: "main" }]);
  if (choice !== "yes") return;
  try {
    await remove(`/api/people/${part(name)}`);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } catch (error) {
    toast(error.message, "bad");
  }
}
