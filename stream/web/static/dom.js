// Elements as descriptions, put into the page with as few changes as there are differences: what has the focus,
// is selected or scrolled stays so while numbers change. Text is only ever text: nothing here parses HTML.

export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false) };
}

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "open"]);
const given = new WeakMap();

export function render(parent, ...wanted) {
  const children = wanted.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  children.forEach((child, index) => {
    const old = parent.childNodes[index];
    const isText = typeof child !== "object";
    const fits = old && (isText ? old.nodeType === Node.TEXT_NODE : old.nodeType === Node.ELEMENT_NODE && old.localName === child.tag && given.has(old));
    const node = fits ? old : isText ? document.createTextNode("") : document.createElement(child.tag);
    if (isText) {
      if (node.data !== String(child)) node.data = String(child);
    } else {
      update(node, child);
    }
    if (!fits) {
      if (old) parent.replaceChild(node, old);
      else parent.append(node);
    }
  });
  while (parent.childNodes.length > children.length) parent.lastChild.remove();
}

function update(node, { props, children }) {
  const before = given.get(node) ?? {};
  given.set(node, props);
  for (const name of Object.keys(before)) if (!(name in props)) assign(node, name, undefined);
  render(node, children);
  // After its children: a select's value is one of its options.
  for (const [name, value] of Object.entries(props)) assign(node, name, value);
}

function assign(node, name, value) {
  if (name === "style") {
    for (const [key, text] of Object.entries(value ?? {})) {
      if (node.style.getPropertyValue(key) !== String(text)) node.style.setProperty(key, text);
    }
  } else if (name === "on") {
    for (const [event, react] of Object.entries(value ?? {})) node[`on${event}`] = react;
  } else if (PROPERTIES.has(name)) {
    const wanted = value ?? (name === "value" ? "" : false);
    if (node[name] !== wanted) node[name] = wanted;
  } else if (value === undefined || value === null || value === false) {
    node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}
