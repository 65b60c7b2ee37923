// The gallery's cards. `people` comes from people.js, meshes from meshes/NAME.js, `viewer` from viewer.min.js.
"use strict";

const LIVE = 8; // views at a time: browsers hold about 16 WebGL contexts
const live = new Map(); // card -> view, in the order of their showing
const waiting = new Map(); // address of a mesh -> what to do with it
const meshes = { add: (address, base64) => waiting.get(address)?.(base64) };

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes.buffer;
}

function loadMesh(person) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const done = (settle, value) => {
      waiting.delete(person.mesh);
      script.remove();
      settle(value);
    };
    waiting.set(person.mesh, (base64) => done(resolve, bytesOf(base64)));
    script.onerror = () => done(reject, new Error("the mesh is missing"));
    script.src = person.mesh;
    document.head.append(script);
  });
}

function element(kind, properties = {}, children = []) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function comparison(person) {
  const box = element("div", { className: "compare" });
  const picture = (address, name) => element("img", { loading: "lazy", src: address, alt: name, className: name });
  const slider = element("input", { type: "range", min: 0, max: 100, value: 50 });
  slider.setAttribute("aria-label", "photo or normals");
  slider.oninput = () => box.style.setProperty("--at", `${slider.value}%`);
  box.append(picture(person.photo, "photo"), picture(person.normals, "normals"), slider);
  return box;
}

function looks(card) {
  const names = ["photo", "surface", "normals"];
  const buttons = names.map((name) => element("button", { textContent: name, type: "button" }));
  buttons.forEach((button, index) => {
    button.onclick = () => {
      card.look = names[index];
      buttons.forEach((other) => other.classList.toggle("chosen", other === button));
      live.get(card)?.look(card.look);
    };
  });
  buttons[0].classList.add("chosen");
  return buttons;
}

function cardOf(person) {
  const card = element("section", { person, look: "photo" });
  card.view = element("div", { className: "view" });
  const links = person.files.map(([text, address]) => element("a", { textContent: text, href: address }));
  const warnings = person.warnings.map((text) => element("li", { textContent: text }));
  card.append(
    element("h2", { textContent: person.name }),
    element("div", { className: "pictures" }, [comparison(person), card.view]),
    element("div", { className: "controls" }, [...(person.mesh ? looks(card) : []), ...links]),
    element("ul", { className: "warnings" }, warnings),
  );
  return card;
}

function close(card) {
  const view = live.get(card);
  live.delete(card);
  card.view.style.backgroundImage = `url(${view.close()})`;
}

let turn = Promise.resolve(); // one mesh after the other: the first is seen while the others load

function open(card) {
  if (card.opening || live.has(card) || !card.person.mesh) return;
  card.opening = true;
  turn = turn.then(() => show(card));
}

async function show(card) {
  try {
    if (!card.visible) return; // scrolled past while it waited
    const mesh = await loadMesh(card.person);
    if (!card.visible) return; // scrolled past while it was loading
    while (live.size >= LIVE) close(live.keys().next().value);
    live.set(card, await viewer.showPerson(card.view, mesh, card.look));
    document.body.dataset.shown = Number(document.body.dataset.shown || 0) + 1;
  } catch (error) {
    card.view.textContent = `no 3D view: ${error.message}`;
  } finally {
    card.opening = false;
  }
}

const watch = new IntersectionObserver((entries) => {
  for (const { target: card, isIntersecting } of entries) {
    card.visible = isIntersecting;
    if (isIntersecting) open(card);
    else if (live.has(card)) close(card);
  }
});

function select() {
  const text = document.querySelector("#name").value.toLowerCase();
  const doubtful = document.querySelector("#doubtful").checked;
  for (const card of document.querySelectorAll("section")) {
    const { name, warnings } = card.person;
    card.hidden = !name.toLowerCase().includes(text) || (doubtful && !warnings.length);
  }
}

document.querySelector("main").append(...people.map(cardOf));
document.querySelector("#count").textContent = `${people.length} ${people.length === 1 ? "person" : "people"}`;
document.querySelectorAll("header input").forEach((input) => (input.oninput = select));
document.querySelectorAll("section").forEach((card) => watch.observe(card));
