// Shows the description of the HTTP surface and tries its operations. Every text goes into the page as text.
"use strict";

const METHODS = ["get", "post", "put", "delete"];
let api = {};

function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function resolve(part) {
  if (!part || !part.$ref) return part || {};
  return part.$ref.slice(2).split("/").reduce((place, key) => (place || {})[key], api) || {};
}

const nameOf = (schema) => (schema.$ref ? schema.$ref.split("/").pop() : "");

function typeOf(schema) {
  if (schema.$ref) return nameOf(schema);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  const choice = schema.oneOf || schema.anyOf;
  if (choice) return choice.map(typeOf).join(" | ");
  if (schema.type === "array") return `list of ${typeOf(schema.items || {})}`;
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "any";
  const bounds = [];
  if (schema.minimum !== undefined && schema.minimum !== null) bounds.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined && schema.maximum !== null) bounds.push(`to ${schema.maximum}`);
  return [type, schema.format, ...bounds].filter(Boolean).join(" ");
}

// Schemas that a schema names, so that they can be opened below it.
function named(schema) {
  if (!schema || typeof schema !== "object") return [];
  if (schema.$ref) return [schema];
  const parts = [schema.items, ...(schema.oneOf || []), ...(schema.anyOf || [])];
  return parts.flatMap((part) => named(part));
}

function table(heads, rows) {
  const head = node("tr", {}, ...heads.map((text) => node("th", {}, text)));
  const body = rows.map((cells) => node("tr", {}, ...cells.map((cell) => node("td", {}, cell))));
  return node("table", {}, node("thead", {}, head), node("tbody", {}, ...body));
}

// The members are made when the schema is opened, so that schemas that name each other end.
function schemaView(schema) {
  const view = node("details", { class: "schema" }, node("summary", {}, typeOf(schema)));
  view.addEventListener("toggle", () => {
    if (view.open && view.children.length === 1) view.append(members(resolve(schema)));
  });
  return view;
}

function members(schema) {
  const box = node("div");
  if (schema.description) box.append(node("p", { class: "gist" }, schema.description));
  const choices = schema.oneOf || schema.anyOf || [];
  choices.forEach((choice) => box.append(choice.$ref ? schemaView(choice) : members(choice)));
  if (schema.properties) {
    const required = schema.required || [];
    const rows = Object.entries(schema.properties).map(([key, value]) => [
      node("code", {}, key + (required.includes(key) ? " *" : "")),
      node("code", {}, typeOf(value)),
      value.description || "",
    ]);
    box.append(table(["member", "type", ""], rows));
    const below = new Map(Object.values(schema.properties).flatMap(named).map((part) => [nameOf(part), part]));
    below.forEach((part) => box.append(schemaView(part)));
  } else {
    named(schema.items).forEach((part) => box.append(schemaView(part)));
  }
  return box;
}

function bodies(content) {
  return Object.entries(content || {}).flatMap(([media, body]) => [
    node("p", { class: "gist" }, media),
    body.schema ? schemaView(body.schema) : null,
    body.example !== undefined ? node("pre", {}, JSON.stringify(body.example, null, 2)) : null,
  ]);
}

function answers(operation) {
  const rows = Object.entries(operation.responses).map(([status, response]) => {
    const whole = resolve(response);
    const shown = response.$ref ? [] : bodies(whole.content);
    return [node("code", {}, status), node("div", {}, whole.description || "", ...shown.filter(Boolean))];
  });
  return table(["status", ""], rows);
}

function parameters(operation) {
  const rows = (operation.parameters || []).map((parameter) => [
    node("code", {}, parameter.name + (parameter.required ? " *" : "")),
    parameter.in,
    node("code", {}, typeOf(parameter.schema || {})),
    parameter.description || "",
  ]);
  return rows.length ? [node("h3", {}, "Parameters"), table(["name", "in", "type", ""], rows)] : [];
}

function trial(path, method, operation) {
  const fields = new Map();
  const rows = (operation.parameters || []).map((parameter) => {
    const field = node("input", { "aria-label": parameter.name, value: parameter.required ? parameter.example : undefined });
    fields.set(parameter, field);
    return [node("code", {}, parameter.name), field];
  });
  const [media, content] = Object.entries((operation.requestBody || {}).content || {})[0] || [];
  const binary = media === "application/wasm";
  let body = null;
  if (media) {
    body = binary
      ? node("input", { type: "file", "aria-label": "body" })
      : node("textarea", { "aria-label": "body", spellcheck: "false" });
    if (!binary && content.example !== undefined) body.value = JSON.stringify(content.example, null, 2);
  }
  const out = node("pre", { hidden: true });
  const send = node("button", { type: "button" }, "Send");
  send.addEventListener("click", async () => {
    const query = new URLSearchParams();
    const headers = {};
    let target = path;
    for (const [parameter, field] of fields) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(field.value));
      else if (field.value !== "" && parameter.in === "query") query.set(parameter.name, field.value);
      else if (field.value !== "") headers[parameter.name] = field.value;
    }
    const sent = body === null ? undefined : binary ? body.files[0] : body.value;
    if (sent) headers["Content-Type"] = media;
    out.hidden = false;
    out.textContent = "…";
    try {
      const found = await fetch(target + (query.size ? `?${query}` : ""), { method: method.toUpperCase(), headers, body: sent || undefined });
      out.textContent = `${found.status} ${found.statusText}\n\n${pretty(await found.text())}`;
    } catch (fault) {
      out.textContent = `No answer: ${fault}`;
    }
  });
  return [node("h3", {}, "Try it"), rows.length ? table(["parameter", "value"], rows) : null, body, node("div", {}, send), out];
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function operationView(path, method, operation) {
  const view = node(
    "details",
    { class: "operation", id: operation.operationId },
    node(
      "summary",
      {},
      node("span", { class: `method ${method}` }, method.toUpperCase()),
      node("span", { class: "path" }, path),
      node("span", { class: "gist" }, operation.summary),
    ),
  );
  view.addEventListener("toggle", () => {
    if (!view.open || view.children.length > 1) return;
    const asked = operation.requestBody || {};
    const request = operation.requestBody
      ? [node("h3", {}, "Body"), asked.description ? node("p", {}, asked.description) : null, ...bodies(asked.content)]
      : [];
    const about = operation.description ? [node("p", {}, operation.description)] : [];
    const parts = [...about, ...parameters(operation), ...request, node("h3", {}, "Answers"), answers(operation), ...trial(path, method, operation)];
    view.append(node("div", {}, ...parts.filter(Boolean)));
  });
  return view;
}

function show() {
  document.getElementById("about").textContent = api.info.description;
  const contents = document.getElementById("contents");
  const main = document.getElementById("operations");
  for (const tag of api.tags) {
    const views = [];
    for (const [path, item] of Object.entries(api.paths)) {
      for (const method of METHODS.filter((method) => item[method] && item[method].tags.includes(tag.name))) {
        views.push(operationView(path, method, item[method]));
      }
    }
    contents.append(node("h2", {}, tag.name), ...views.map((view) => node("a", { href: `#${view.id}` }, view.id)));
    main.append(node("h2", {}, tag.name), node("p", {}, tag.description), ...views);
  }
  open();
}

// Opens the operation that the address names.
function open() {
  const wanted = location.hash && document.getElementById(location.hash.slice(1));
  if (!wanted) return;
  wanted.open = true;
  wanted.scrollIntoView();
}

function filter(text) {
  const wanted = text.trim().toLowerCase();
  for (const view of document.querySelectorAll("details.operation")) {
    view.hidden = !view.firstChild.textContent.toLowerCase().includes(wanted) && !view.id.includes(wanted);
  }
}

document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
addEventListener("hashchange", open);
fetch("/openapi.json")
  .then((answer) => answer.json())
  .then((found) => {
    api = found;
    show();
  })
  .catch((fault) => {
    document.getElementById("about").textContent = `The description could not be read: ${fault}`;
  });
