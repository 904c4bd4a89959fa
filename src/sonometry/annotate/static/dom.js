// Small helpers to build pages. Text is always text: nothing is ever set as HTML.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function replace(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

export function key(text) {
  return h("kbd", {}, text);
}

let toastTimer = 0;

// A short note at the bottom of the window.
export function toast(text, kind = "") {
  let box = document.getElementById("toast");
  if (!box) document.body.append((box = h("div", { id: "toast", role: "status" })));
  box.className = `shown ${kind}`;
  box.textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (box.className = ""), kind === "bad" ? 6000 : 2200);
}

// A window with buttons; resolves with the value of the one that was chosen, null when it was closed.
// choices: [{ label, value, key, kind }]
export function ask(title, body, choices, { canClose = true } = {}) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const close = (value) => {
      dialog.remove();
      document.removeEventListener("keydown", onKey, true);
      before?.focus?.();
      resolve(value);
    };
    const onKey = (event) => {
      const choice = choices.find((one) => one.key && one.key === event.key.toLowerCase());
      if (choice && !["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) {
        event.preventDefault();
        close(choice.value);
      } else if (event.key === "Escape" && canClose) close(null);
      event.stopPropagation();
    };
    const buttons = choices.map((one) =>
      h("button", { class: one.kind ?? "", onclick: () => close(one.value) }, one.label, one.key ? key(one.key.toUpperCase()) : null),
    );
    const dialog = h(
      "div",
      { class: "veil", onclick: (event) => event.target === dialog && canClose && close(null) },
      h("section", { class: "dialog", role: "dialog", "aria-modal": "true", "aria-label": title },
        h("h2", {}, title), body, h("div", { class: "row end" }, buttons)),
    );
    document.body.append(dialog);
    document.addEventListener("keydown", onKey, true);
    (dialog.querySelector("input, select, button.main") ?? buttons[0])?.focus();
  });
}
