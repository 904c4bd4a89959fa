// How far readers agree, what they agree on, and files of it.

import { get, part, post, session } from "./api.js";
import { h, replace, toast } from "./dom.js";

const FORMATS = [
  ["manifest", "manifest.csv", "View labels for training: sonometry train view --data"],
  ["marks", "Annotations", "Every mark with author and round, one JSON line each"],
  ["camus", "CAMUS-like NIfTI", "Pictures and masks of ED, ES and all frames with contours"],
  ["dicom", "DICOM SEG and SR", "Masks and scores as objects for an archive"],
  ["coco", "COCO", "Polygons with pictures, for common training tools"],
];

export async function resultsPage(name) {
  const found = await get(`/api/results/${part(name)}`);
  return h("main", { class: "home" },
    h("div", { class: "heading" }, h("div", {}, h("h1", {}, `Results: ${name}`), h("p", { class: "muted" }, found.note))),
    readings(found), found.tables.map(table), found.consensus ? table(found.consensus) : null, session.me.is_admin ? exporting() : null);
}

function readings(found) {
  if (!found.readings.length) return h("p", { class: "banner" }, "Nothing has been marked in this list yet.");
  return h("section", { class: "block" }, h("h2", {}, "Readings"),
    h("table", { class: "plain-table" }, h("tr", {}, ["Reader", "Reading", "Done", "Last mark"].map((t) => h("th", {}, t))),
      found.readings.map((one) => h("tr", {}, h("td", {}, one.reader || "all together"), h("td", {}, String(one.round)), h("td", {}, `${one.n_done} of ${found.n}`), h("td", {}, new Date(one.last).toLocaleString())))));
}

function table(one) {
  return h("section", { class: "block" }, h("h2", {}, one.title), one.note ? h("p", { class: "muted" }, one.note) : null,
    one.rows.length ? h("table", { class: "plain-table" }, h("tr", {}, one.columns.map((t) => h("th", {}, t))), one.rows.map((row) => h("tr", {}, row.map((cell, i) => h("td", { class: i && typeof cell === "number" ? "number" : "" }, cell === null ? "–" : String(cell)))))) : h("p", { class: "muted" }, "There is nothing to compare yet."));
}

function exporting() {
  const out = h("pre", { class: "written", hidden: true });
  const run = async (format, button) => {
    button.disabled = true;
    try {
      const result = await post("/api/export", { format });
      replace(out, [...result.notes.map((note) => `note: ${note}`), ...result.paths].join("\n"));
      out.hidden = false;
      toast("Written", "good");
    } catch (error) {
      toast(error.message, "bad");
    }
    button.disabled = false;
  };
  return h("section", { class: "block" }, h("h2", {}, "Export"), h("p", { class: "muted" }, "Files are written into the folder exports of the workspace; manifest.csv stands beside the recordings. The same as sonometry annotate export."),
    h("div", { class: "exports" }, FORMATS.map(([format, title, text]) => {
      const button = h("button", { onclick: () => run(format, button) }, h("b", {}, title), h("span", {}, text));
      return button;
    })), out);
}
