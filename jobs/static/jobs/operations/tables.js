// Puts a reading into the page that the server has painted. Only what has changed is touched, so that a
// selection, the focus and a screen reader's place survive. Text is only ever set as text.

export function showTables(tables) {
  for (const table of tables) {
    const body = document.querySelector(`#table-${table.name} tbody`);
    if (!body) continue;
    const made = byKey(body);
    place(body, table.rows.map((row) => filledRow(made.get(row.key), row, table.columns)));
    body.closest(".scroll").hidden = !table.rows.length;
    document.getElementById(`empty-${table.name}`).hidden = table.rows.length > 0;
  }
}

export function showTiles(tiles) {
  const places = document.querySelectorAll("#tiles dd");
  tiles.forEach((tile, number) => {
    setText(places[number], tile.text);
    setLevel(places[number], tile.level);
  });
}

// Shows what is red, and returns whether anything came or went.
export function showRed(content) {
  const box = document.getElementById("red-things");
  const list = box.querySelector("ul");
  const before = [...list.children].map((line) => line.dataset.key);
  setText(box.querySelector("h2"), content.verdict);
  setLevel(box, content.level);
  const made = byKey(list);
  place(list, content.red.map((line) => filledLine(made.get(line.key), line)));
  return before.join("\n") !== content.red.map((line) => line.key).join("\n");
}

function byKey(parent) {
  return new Map([...parent.children].map((child) => [child.dataset.key, child]));
}

// Makes `wanted` the children of `parent`; those that stay in order are not moved, and keep the focus.
function place(parent, wanted) {
  const stay = new Set(wanted);
  for (const child of [...parent.children]) if (!stay.has(child)) child.remove();
  wanted.forEach((child, number) => {
    if (parent.children[number] !== child) parent.insertBefore(child, parent.children[number] ?? null);
  });
}

function filledRow(old, row, columns) {
  const line = old ?? emptyRow(row, columns);
  row.cells.forEach((cell, number) => {
    const place = line.children[number];
    setLink(place, cell.text, cell.href);
    setLevel(place, cell.level);
    place.toggleAttribute("data-empty", cell.text === "-");
  });
  return line;
}

function emptyRow(row, columns) {
  const line = document.createElement("tr");
  line.dataset.key = row.key;
  columns.forEach((column, number) => {
    const cell = document.createElement(number ? "td" : "th");
    if (number) cell.dataset.title = column.title;
    else cell.scope = "row";
    if (column.is_text) cell.className = "text";
    line.append(cell);
  });
  return line;
}

function filledLine(old, line) {
  const item = old ?? document.createElement("li");
  if (!old) {
    item.dataset.key = line.key;
    item.append(document.createElement("span"), document.createElement("span"));
    item.firstChild.className = "mark";
  }
  setLevel(item, line.level);
  setText(item.firstChild, line.level);
  if (item.children[1].textContent !== line.text || (item.children[1].getAttribute("href") ?? "") !== line.href) {
    item.children[1].replaceWith(linked(line.text, line.href));
  }
  return item;
}

function setLink(place, text, href = "") {
  const link = place.querySelector("a");
  if (link && link.getAttribute("href") === href) setText(link, text);
  else if (link || href) place.replaceChildren(linked(text, href));
  else setText(place, text);
}

function linked(text, href) {
  const made = document.createElement(href ? "a" : "span");
  made.textContent = text;
  if (href) made.setAttribute("href", href);
  return made;
}

export function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function setLevel(place, level) {
  if (level) place.dataset.level = level;
  else delete place.dataset.level;
}
