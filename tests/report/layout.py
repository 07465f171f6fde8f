"""What a page is asked about its layout: which lines of text lie on each other, and which stick out of their figure."""

OVERLAPS = """() => {
  const lines = [];
  const add = (rect, text, clip) => {
    const [left, right] = [Math.max(rect.left, clip?.left ?? -1e9), Math.min(rect.right, clip?.right ?? 1e9)];
    if (right - left > 4 && rect.height > 4) lines.push({left, right, top: rect.top, bottom: rect.bottom, text});
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.textContent.trim() || !parent.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    if (parent.closest("title, option, script, .hidden-visually, .skip, .aside")) continue;
    const clip = parent.closest(".scroll")?.getBoundingClientRect();
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) add(rect, node.textContent.trim().slice(0, 40), clip);
  }
  const found = [];
  lines.sort((one, other) => one.top - other.top);
  lines.forEach((one, number) => {
    for (let next = number + 1; next < lines.length && lines[next].top < one.bottom - 3; next++) {
      const other = lines[next];
      if (one.left < other.right - 3 && other.left < one.right - 3 && one.top < other.bottom - 3) {
        found.push(`${one.text} / ${other.text}`);
      }
    }
  });
  return found;
}"""
"""The text lines that overlap by more than 3 px, in pairs; of what scrolls, only what is in view."""

CLIPPED = """() => [...document.querySelectorAll(".plot text")].filter(text => {
  if (!text.checkVisibility()) return false;
  const [inner, outer] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
  return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
}).map(text => text.textContent)"""
"""The texts that stick out of their figure."""
