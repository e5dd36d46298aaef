// What a page shows, as the fields of `Sight` in browser.py. Run inside the page; it changes nothing there.
() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const colour = (text) => {
    const numbers = text.match(/-?[\d.]+(e-?\d+)?/g)?.map(Number) ?? [0, 0, 0, 0];
    const [red, green, blue, alpha = 1] = numbers;
    return text.startsWith("color(srgb") ? { rgb: [red, green, blue], alpha } : { rgb: [red, green, blue].map((it) => it / 255), alpha };
  };
  const over = (top, ground, opacity = 1) => top.rgb.map((it, index) => it * top.alpha * opacity + ground[index] * (1 - top.alpha * opacity));
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [less, more] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (more + 0.05) / (less + 0.05);
  };
  const grounds = new Map([[null, [1, 1, 1]]]);
  const ground = (element) => {
    if (!grounds.has(element)) grounds.set(element, over(colour(getComputedStyle(element).backgroundColor), ground(element.parentElement)));
    return grounds.get(element);
  };
  const middle = (box) => ({ x: box.left + box.width / 2, y: box.top + box.height / 2 });
  const holds = (box, { x, y }) => box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;

  // Filled rectangles that were drawn before a text, and hold its middle, are what it stands on.
  const beneath = (text, shapes, paper) => {
    const point = middle(text.getBoundingClientRect());
    return shapes
      .filter(({ box }) => holds(box, point))
      .filter(({ shape }) => shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)
      .reduce((below, { shape }) => {
        const style = getComputedStyle(shape);
        return style.fill === "none" ? below : over(colour(style.fill), below, style.fillOpacity * style.opacity);
      }, paper);
  };
  const faint = [], crowded = [], tiny = [];
  for (const element of all("body *").filter((it) => !it.closest("svg"))) {
    const text = [...element.childNodes].filter((it) => it.nodeType === Node.TEXT_NODE).map((it) => it.textContent).join("").trim();
    if (!text || !element.getBoundingClientRect().width) continue;
    const behind = ground(element);
    const ratio = contrast(over(colour(getComputedStyle(element).color), behind), behind);
    if (ratio < 4.5) faint.push(`${element.localName}: ${text.slice(0, 40)} (${ratio.toFixed(2)})`);
  }
  for (const picture of all("svg")) {
    const frame = picture.getBoundingClientRect();
    const texts = all("text", picture).filter((text) => text.getBoundingClientRect().width);
    const shapes = all("rect", picture).map((shape) => ({ shape, box: shape.getBoundingClientRect() }));
    const paper = ground(picture);
    const boxes = texts.map((text) => text.getBoundingClientRect());
    // The box around slanted text is larger than the text, and its neighbours' boxes reach into it.
    const level = texts.map((text) => Math.abs(text.getScreenCTM().b) < 0.01);
    // A title inside a text is its tooltip and is not drawn.
    const words = (text) => [...text.childNodes].filter((it) => it.localName !== "title").map((it) => it.textContent).join("").trim();
    const name = picture.querySelector("title")?.textContent ?? "a picture without a title";
    texts.forEach((text, index) => {
      const style = getComputedStyle(text);
      const behind = beneath(text, shapes, paper);
      const ratio = contrast(over(colour(style.fill), behind, style.fillOpacity * style.opacity), behind);
      const said = `${name}: ${words(text)}`;
      if (ratio < 4.5) faint.push(`${said} (${ratio.toFixed(2)})`);
      const scale = Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b);
      if (parseFloat(style.fontSize) * scale < 9) tiny.push(`${said} (${(parseFloat(style.fontSize) * scale).toFixed(1)} px)`);
      const box = boxes[index];
      if (box.left < frame.left - 1 || box.right > frame.right + 1) crowded.push(`${said} runs out by ${Math.max(frame.left - box.left, box.right - frame.right).toFixed(1)} px`);
      boxes.slice(index + 1).forEach((other, place) => {
        if (!level[index] || !level[index + 1 + place]) return;
        const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const high = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        // The box of a line of text is higher than its letters.
        if (wide > 1 && high > 0.35 * Math.min(box.height, other.height)) crowded.push(`${said} over ${words(texts[index + 1 + place])}`);
      });
    });
  }
  const scrolls = (box) => box.scrollWidth > box.clientWidth && /auto|scroll/.test(getComputedStyle(box).overflowX);
  return {
    title: document.title,
    language: document.documentElement.lang,
    page_px: document.scrollingElement.scrollWidth,
    window_px: innerWidth,
    headings: all("h1, h2, h3, h4, h5, h6").map((it) => Number(it.localName[1])),
    ids: all("[id]").map((it) => it.id),
    scripts: document.scripts.length,
    mute: all("main *").filter((it) => scrolls(it) && it.getAttribute("tabindex") !== "0").map((it) => it.outerHTML.slice(0, 200)),
    faint,
    crowded,
    tiny,
  };
}
