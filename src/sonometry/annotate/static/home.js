// The lists, how far each has come, and a form for a new one.

import { get, part, post, session } from "./api.js";
import { ask, h, toast } from "./dom.js";

const WORDS = {
  views: "One key labels the view and moves on",
  contours: "Contours as splines on any frame",
  scores: "Scores of a survey",
};

export async function homePage() {
  const lists = await get("/api/lists");
  const cards = lists.map(card);
  const empty = lists.every((one) => one.progress[0].n === 0);
  return h("main", { class: "home" },
    h("div", { class: "heading" }, h("div", {}, h("h1", {}, "Work lists"), h("p", { class: "muted" }, "Choose a list; it opens where you stopped. Everything is kept as you go.")),
      session.me.is_admin ? h("button", { onclick: newList }, "New list") : null),
    empty ? h("p", { class: "banner" }, "The catalogue has no cine yet. Run sonometry ingest DIR, then reload this page.") : null,
    h("div", { class: "cards" }, cards));
}

function card(list) {
  const rounds = list.progress.map((one, i) => {
    const isNext = list.progress.findIndex((r) => r.n_done < r.n) === i;
    const fill = h("i", {});
    fill.style.width = `${one.n ? (100 * one.n_done) / one.n : 0}%`;
    return h("a", { class: `round ${isNext ? "next" : ""}`, href: `#/work/${part(list.name)}/${i + 1}` },
      h("span", {}, list.rounds > 1 ? `Reading ${i + 1}` : list.work === "scores" ? "Exams" : "Clips"),
      h("div", { class: "meter" }, fill), h("b", {}, `${one.n_done} / ${one.n}`),
      h("span", { class: "go" }, one.n_done === 0 ? "Start" : one.n_done < one.n ? "Continue" : "Look again"));
  });
  const chosen = Object.entries(list.chosen).map(([name, value]) => `${name} ${value}`);
  const traits = [list.is_blind ? "readers blind to each other" : "worked on together", ...(list.is_exam ? ["whole exams"] : []), ...chosen];
  return h("article", { class: `card ${list.work}` },
    h("header", {}, h("h2", {}, list.name), session.me.is_admin || !list.is_blind ? h("a", { href: `#/results/${part(list.name)}` }, "Results") : null),
    h("p", {}, list.structures.length ? list.structures.map(titleOf).join(", ") : WORDS[list.work]),
    h("p", { class: "muted" }, traits.join(" · ")), rounds);
}

const titleOf = (name) => session.me.contours.find((one) => one.name === name)?.title ?? name;

async function newList() {
  const field = (name, label, element) => {
    element.name = name;
    return h("label", {}, label, element);
  };
  const work = h("select", { onchange: () => show() }, [["views", "Views"], ["contours", "Contours"], ["scores", "Scores"]].map(([value, text]) => h("option", { value }, text)));
  const structures = h("fieldset", {}, h("legend", {}, "Structures"), session.me.contours.map((one) => h("label", { class: "check" }, h("input", { type: "checkbox", value: one.name }), one.title)));
  const surveys = await get("/api/surveys");
  const survey = h("select", {}, surveys.map((one) => h("option", { value: one.name }, one.title)));
  const surveyRow = field("survey", "Survey", survey);
  const isExam = h("input", { type: "checkbox", checked: true });
  const examRow = h("label", { class: "check" }, isExam, "one answer for a whole exam");
  const isBlind = h("input", { type: "checkbox", onchange: () => show() });
  const rounds = h("input", { type: "number", min: "1", max: "5", value: "2" });
  const roundsRow = field("rounds", "Readings by each reader", rounds);
  const name = h("input", { maxlength: "48", required: true });
  const filter = h("input", { placeholder: "vendor=Boreal Medical, split=test" });
  const show = () => {
    structures.hidden = work.value !== "contours";
    surveyRow.hidden = examRow.hidden = work.value !== "scores";
    roundsRow.hidden = !isBlind.checked;
  };
  show();
  const body = h("form", { class: "stack", onsubmit: (event) => event.preventDefault() },
    field("name", "Name", name), field("work", "What is asked", work), structures, surveyRow, examRow,
    h("label", { class: "check" }, isBlind, "readers work alone, blind to each other, in an order of their own"), roundsRow,
    field("filter", "Only clips with (leave empty for all)", filter));
  const choice = await ask("New work list", body, [{ label: "Cancel", value: null }, { label: "Make the list", value: "make", kind: "main" }]);
  if (choice !== "make") return;
  const chosen = Object.fromEntries(filter.value.split(",").map((one) => one.split("=").map((word) => word.trim())).filter(([k]) => k).map(([k, v]) => [k, v ?? ""]));
  try {
    await post("/api/lists", {
      name: name.value.trim(), work: work.value, is_blind: isBlind.checked, rounds: isBlind.checked ? Number(rounds.value) : 1,
      survey: work.value === "scores" ? survey.value : "", is_exam: work.value === "scores" && isExam.checked,
      structures: work.value === "contours" ? [...structures.querySelectorAll("input:checked")].map((one) => one.value) : [], chosen,
    });
    toast("The list is there", "good");
    dispatchEvent(new HashChangeEvent("hashchange"));
  } catch (error) {
    toast(error.message, "bad");
  }
}

