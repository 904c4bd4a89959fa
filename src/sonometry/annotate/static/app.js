// Start, login, and which page is shown. Pages are named after the # of the address.

import { get, post, session } from "./api.js";
import { h, replace, toast } from "./dom.js";
import { homePage } from "./home.js";
import { peoplePage } from "./people.js";
import { resultsPage } from "./results.js";
import { workbench } from "./work.js";

const app = document.getElementById("app");
let open = null;
let turn = 0;

session.onEnd = () => {
  session.me = null;
  loginPage("The login has ended. What was not kept yet stays in this browser until you are back.");
};

async function start() {
  const fromTerminal = new URLSearchParams(location.hash.slice(1)).get("key");
  if (fromTerminal) {
    history.replaceState(null, "", "#/");
    await post("/api/login", { key: fromTerminal }).catch(() => {});
  }
  const me = await get("/api/me");
  if (!me.name) return loginPage("", me.is_alone);
  session.me = me;
  return route();
}

async function route() {
  if (!session.me) return;
  document.getElementById("toast")?.classList.remove("shown");
  const mine = (turn += 1);
  open?.close();
  open = null;
  const [page, ...words] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  try {
    if (page === "work") {
      const { bench, start: begin } = await workbench(words[0], Number(words[1] ?? 1), words[2], home);
      if (mine !== turn) return bench.close();
      open = bench;
      replace(app, bench.element);
      begin();
    } else {
      replace(app, frame(h("p", { class: "loading muted" }, "Reading the marks"), page));
      const element = await (page === "results" ? resultsPage(words[0]) : page === "people" ? peoplePage() : homePage());
      if (mine === turn) replace(app, frame(element, page));
    }
  } catch (error) {
    if (mine !== turn || !session.me) return;
    replace(app, frame(h("section", { class: "message" }, h("h1", {}, "This page cannot be shown"), h("p", {}, error.message)), page));
  }
}

const home = () => (location.hash = "#/");

function frame(content, page) {
  const link = (name, text) => h("a", { href: `#/${name}`, class: page === name ? "current" : "" }, text);
  const { me } = session;
  return h("div", { class: "page" },
    h("header", { class: "top" },
      h("img", { src: "/static/mark.svg", alt: "", width: "26", height: "26" }), h("b", { class: "brand" }, "Sonometry"),
      h("nav", {}, link("", "Work lists"), me.is_admin ? link("people", "People") : null),
      h("span", { class: "grow" }), h("span", { class: "muted" }, me.name),
      me.is_alone ? null : h("button", { class: "plain", onclick: leave }, "Log out")),
    content);
}

async function leave() {
  await post("/api/logout", {}).catch(() => {});
  session.me = null;
  loginPage();
}

function loginPage(note = "", isAlone = false) {
  open?.close();
  open = null;
  if (isAlone) {
    replace(app, h("section", { class: "message" },
      h("img", { src: "/static/mark.svg", alt: "", width: "56", height: "56" }), h("h1", {}, "One key is missing"),
      h("p", {}, "Nobody has a password in this workspace yet, so it is open to one person: the one who sees the terminal."),
      h("p", {}, "Open the whole address that ", h("code", {}, "sonometry annotate"), " printed there; the key stands at its end.")));
    return;
  }
  const name = h("input", { autocomplete: "username", required: true, maxlength: "64" });
  const password = h("input", { type: "password", autocomplete: "current-password", required: true });
  const said = h("p", { class: "said", role: "alert" }, note);
  const form = h("form", { class: "login", onsubmit: async (event) => {
    event.preventDefault();
    try {
      session.me = await post("/api/login", { name: name.value, password: password.value });
      route();
    } catch (error) {
      said.textContent = error.message;
      password.value = "";
      password.focus();
    }
  } },
    h("img", { src: "/static/mark.svg", alt: "", width: "56", height: "56" }), h("h1", {}, "Sonometry annotation"),
    h("label", {}, "Name", name), h("label", {}, "Password", password), said, h("button", { class: "main wide" }, "Log in"));
  replace(app, form);
  name.focus();
}

addEventListener("hashchange", route);
start().catch((error) => toast(error.message, "bad"));

